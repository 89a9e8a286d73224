"""One POST to a chat endpoint: bounded in time and size, its faults sorted into two kinds."""

from __future__ import annotations

import email.utils
import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from dexgrasp.evaluation.intention.errors import JudgeError

MAX_REPLY = 1_000_000  # bytes; an answer has a thousand
CHUNK = 65_536
TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class TransientError(JudgeError):
    """A fault that may pass. wait: seconds the server asks for, None if it does not."""

    def __init__(self, words: str, wait: float | None = None) -> None:
        super().__init__(words)
        self.wait = wait


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are faults: following one could carry the key to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server: base URL, key (None: none is sent), timeout [s] of a request."""

    url: str
    key: str | None
    timeout: float

    def post(self, body: dict[str, Any]) -> bytes:
        """Send a chat completion and return the reply, without the key if it repeats that.

        Raises TransientError for what may pass (no connection, timeout, 429, 5xx), JudgeError
        for what will not (refused key, unknown model, redirect).
        """
        request = urllib.request.Request(
            self.url.rstrip("/") + "/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Accept": "application/json"},
        )
        if self.key:
            request.add_unredirected_header("Authorization", f"Bearer {self.key}")
        deadline = time.monotonic() + self.timeout
        try:
            with _OPENER.open(request, timeout=self.timeout) as response:
                reply = self._read(response, deadline)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from None
        except TimeoutError as error:
            raise TransientError(f"{self.url} did not answer in {self.timeout:g} s") from error
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            raise TransientError(
                f"{self.url} cannot be reached: {self.scrubbed(str(error))}; is the server up and "
                "the URL right (DEXGRASP_VLM_URL)?"
            ) from error
        return self.scrubbed(reply.decode(errors="replace")).encode()

    def _read(self, response: Any, deadline: float) -> bytes:
        """The body; the deadline holds against a server that sends a byte now and then."""
        parts, size = [], 0
        while chunk := response.read1(CHUNK):
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_REPLY:
                raise JudgeError(f"{self.url} answers with more than {MAX_REPLY} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError
        return b"".join(parts)

    def _refusal(self, error: urllib.error.HTTPError) -> JudgeError:
        try:
            text = error.read(CHUNK).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            text = ""
        words = f"{self.url} answers {error.code} {error.reason}: "
        words = self.scrubbed(words + repr(" ".join(text.split())[:300]))
        if error.code in TRANSIENT:
            return TransientError(words, _retry_after(error.headers.get("Retry-After")))
        return JudgeError(f"{words}; check URL, key and model (DEXGRASP_VLM_URL, _KEY, _MODEL)")

    def scrubbed(self, text: str) -> str:
        """The text without the key, should a server repeat it."""
        return text.replace(self.key, "[key]") if self.key else text


_OPENER = urllib.request.build_opener(_NoRedirect)


def _retry_after(value: str | None) -> float | None:
    """Seconds in a Retry-After header, which holds a number or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
