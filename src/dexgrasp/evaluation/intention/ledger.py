"""What a run with a vision model has answered, spent and said: cache, budget, transcript."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dexgrasp.evaluation.intention.config import VlmConfig
from dexgrasp.evaluation.intention.errors import BudgetError
from dexgrasp.evaluation.intention.rubric import Answer

CHARACTERS_PER_TOKEN = 4  # of English text, OpenAI's rule of thumb


def content_key(body: dict[str, Any]) -> str:
    """SHA-256 of a request: model, rubric, words and pictures."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


class AnswerCache:
    """Answers on disk by the key of their request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> Answer | None:
        """The answer to a request; None if there is none or its file is damaged."""
        try:
            return Answer.model_validate_json((self.folder / f"{key}.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer; a reader never sees half of one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
        with os.fdopen(handle, "w") as file:
            file.write(answer.model_dump_json())
        os.replace(name, self.folder / f"{key}.json")


class Transcript:
    """Every request and reply as a line of JSON. The key of the endpoint is never written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def add(self, **entry: Any) -> None:
        """Append a line with the time [s since 1970] and what is given."""
        line = json.dumps({"time": time.time(), **entry})
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(line + "\n")


@dataclass
class Budget:
    """Requests, tokens and cost of one run; safe to share between threads."""

    config: VlmConfig
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def estimate(self, text_length: int) -> tuple[int, int]:
        """Tokens that a request of so many characters reads, and may write."""
        pictures = self.config.views * self.config.tokens_per_view
        return text_length // CHARACTERS_PER_TOKEN + pictures, self.config.max_answer_tokens

    def reserve(self, tokens: tuple[int, int]) -> None:
        """Count a request at its estimate. Raises BudgetError if it might exceed a limit."""
        with self._lock:
            read, written = self.input_tokens + tokens[0], self.output_tokens + tokens[1]
            for what, value, limit in (
                ("requests", self.requests + 1, self.config.max_requests),
                ("tokens", read + written, self.config.max_tokens),
                ("cost", self._cost(read, written), self.config.max_cost),
            ):
                if value > limit:
                    raise BudgetError(
                        f"the next request would make {value:.6g} {what} of the {limit:.6g} "
                        f"allowed in a run (max_{what}); so far {self}. Answers are kept in the "
                        "cache: raise the limit and run again to go on from here"
                    )
            self.requests, self.input_tokens, self.output_tokens = self.requests + 1, read, written

    def settle(self, reserved: tuple[int, int], used: tuple[int, int] | None) -> None:
        """Replace a reservation by what the endpoint counted, if it did."""
        if used is not None:
            with self._lock:
                self.input_tokens += used[0] - reserved[0]
                self.output_tokens += used[1] - reserved[1]

    @property
    def cost(self) -> float:
        """Spent so far, in the currency of the prices."""
        return self._cost(self.input_tokens, self.output_tokens)

    def _cost(self, read: int, written: int) -> float:
        price = self.config.price_per_million
        return 1e-6 * (read * price.input + written * price.output)

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, {self.input_tokens} + {self.output_tokens} tokens, "
            f"cost {self.cost:.4g}"
        )
