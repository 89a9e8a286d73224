"""The judge that shows pictures of the grasp to a vision model."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from dexgrasp.evaluation.intention.case import IntentionCase, IntentionScores
from dexgrasp.evaluation.intention.config import IntentionConfig, VlmConfig
from dexgrasp.evaluation.intention.endpoint import Endpoint, TransientError
from dexgrasp.evaluation.intention.errors import AnswerError, JudgeError
from dexgrasp.evaluation.intention.ledger import AnswerCache, Budget, Transcript, content_key
from dexgrasp.evaluation.intention.render import release_renderer, render_grasp
from dexgrasp.evaluation.intention.rubric import Answer, read_reply, read_usage, request_body
from dexgrasp.objects.decomposition import cache_folder

URL_VARIABLE, MODEL_VARIABLE = "DEXGRASP_VLM_URL", "DEXGRASP_VLM_MODEL"


class VlmJudge:
    """Asks an OpenAI-compatible endpoint with a fixed rubric and schema.

    folder: holds `answers/`, the cache that runs share, and `transcript.jsonl`.
    budget: what this judge has spent; its limits are those of one run.
    """

    name = "vlm"

    def __init__(self, config: IntentionConfig | None = None, folder: Path | None = None) -> None:
        self.config = _with_environment((config or IntentionConfig.load()).vlm)
        folder = folder or cache_folder() / "intention"
        key = os.environ.get(self.config.key_variable) or None
        self.endpoint = Endpoint(self.config.url, key, self.config.timeout)
        self.cache = AnswerCache(folder / "answers")
        self.transcript = Transcript(folder / "transcript.jsonl")
        self.budget = Budget(self.config)

    def judge(self, case: IntentionCase) -> IntentionScores:
        """Score one case by its pictures.

        Raises JudgeError without OpenGL or an answer, AnswerError when every answer was useless,
        BudgetError when a limit of the run is reached.
        """
        start = time.perf_counter()
        pictures = render_grasp(
            case.hand, case.q, case.T_object_palm, case.model, self.config.views, self.config.size
        )
        body = request_body(case, pictures, self.config)
        key = content_key(body)
        answer = self.cache.get(key)
        if answer is None:
            answer = self._ask(key, body)
            self.cache.put(key, answer)
        return IntentionScores(
            alignment=answer.alignment,
            visual_consistency=answer.visual_consistency,
            task_score=answer.task_score,
            reasons=answer.reasons,
            judge=f"{self.name}:{self.config.model}",
            seconds=time.perf_counter() - start,
        )

    def release(self) -> None:
        """Free the calling thread's OpenGL context."""
        release_renderer()

    def _ask(self, key: str, body: dict[str, Any]) -> Answer:
        """The first useful answer in `attempts`, with growing pauses."""
        pause, last = self.config.backoff, None
        for attempt in range(self.config.attempts):
            if attempt:
                asked = last.wait if isinstance(last, TransientError) else None
                time.sleep(min(pause if asked is None else asked, self.config.max_backoff))
                pause *= 2.0
            try:
                return self._attempt(key, body, attempt)
            except (TransientError, AnswerError) as error:
                last = error
        assert last is not None  # at least one attempt, by the configuration
        kind = AnswerError if isinstance(last, AnswerError) else JudgeError
        raise kind(f"no useful answer in {self.config.attempts} attempts; the last: {last}")

    def _attempt(self, key: str, body: dict[str, Any], attempt: int) -> Answer:
        reserved = self.budget.estimate(_text_length(body))
        self.budget.reserve(reserved)
        start, reply, fault = time.perf_counter(), b"", None
        try:
            reply = self.endpoint.post(body)
            self.budget.settle(reserved, read_usage(reply))
            return read_reply(reply)
        except JudgeError as error:
            fault = str(error)
            raise
        finally:
            self.transcript.add(
                request=key, model=self.config.model, attempt=attempt,
                latency=time.perf_counter() - start, fault=fault,
                response=reply.decode(errors="replace"),
            )  # fmt: skip


def _with_environment(config: VlmConfig) -> VlmConfig:
    """The configuration with what the environment replaces, checked again."""
    given = {"url": os.environ.get(URL_VARIABLE), "model": os.environ.get(MODEL_VARIABLE)}
    return VlmConfig.model_validate(
        config.model_dump() | {name: value for name, value in given.items() if value}
    )


def _text_length(body: dict[str, Any]) -> int:
    """Characters of the request's words, without the pictures."""
    system, user = body["messages"]
    return len(system["content"]) + len(user["content"][0]["text"])
