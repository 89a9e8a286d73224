"""Judging in the background: a slow judge never delays a trial."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType

from dexgrasp.evaluation.intention.case import IntentionCase, IntentionJudge, IntentionScores
from dexgrasp.evaluation.intention.errors import JudgeError

ScoresFuture = Future[IntentionScores]
LOG = logging.getLogger(__name__)


class BackgroundJudge:
    """Runs a judge in threads of its own and hands out futures.

    The threads are daemons: a judge that waits for a dead server does not hold up the end of
    the program. workers: how many cases are judged at once; the judge must bear it, as both do.
    """

    def __init__(self, judge: IntentionJudge, workers: int = 1) -> None:
        if workers < 1:
            raise ValueError(f"{workers} workers judge nothing; at least 1")
        self._wrapped = judge
        self._queue: queue.SimpleQueue[tuple[IntentionCase, ScoresFuture] | None]
        self._queue = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"intention-{k}", daemon=True)
            for k in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, case: IntentionCase, done: Callable[[ScoresFuture], None] | None = None
    ) -> ScoresFuture:
        """Queue a case and return at once. `done` is called in the judge's thread.

        Raises JudgeError after `close`.
        """
        future: ScoresFuture = Future()
        if done is not None:
            future.add_done_callback(done)
        with self._lock:
            if self._closed:
                raise JudgeError("this background judge is closed; make another one")
            self._queue.put((case, future))
        return future

    @property
    def waiting(self) -> int:
        """How many cases nobody has begun to judge."""
        return self._queue.qsize()

    def close(self, timeout: float | None = 0.0) -> bool:
        """Take no more cases, judge those queued, and wait for that at most `timeout` [s].

        Returns whether all were judged; those that were not go on in the background.
        """
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._queue.put(None)
        for thread in self._threads:
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    def __enter__(self) -> BackgroundJudge:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(timeout=None)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            self._judge(*item)
        self._wrapped.release()

    def _judge(self, case: IntentionCase, future: ScoresFuture) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            scores = self._wrapped.judge(case)
        except Exception as error:  # whatever it is, it belongs to the one who asked
            LOG.warning("an intention was not judged: %s", error)
            future.set_exception(error)
        else:
            future.set_result(scores)
