"""What is typed on standard input, as it comes and without waiting for it."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from types import TracebackType

MOST = 64  # bytes of a look


class Keys:
    """Within its block a terminal gives each key at once, and does not show it.

    A pipe serves as well, for scripts.
    """

    def __init__(self) -> None:
        self.terminal = sys.stdin.isatty()
        self._file = sys.stdin.fileno()

    def __enter__(self) -> Keys:
        if self.terminal:
            self._before = termios.tcgetattr(self._file)
            tty.setcbreak(self._file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.terminal:
            termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)

    def take(self) -> str | None:
        """Keys since the last call; None once the input has ended."""
        if not select.select([self._file], [], [], 0.0)[0]:
            return ""
        data = os.read(self._file, MOST)
        return data.decode(errors="replace") if data else None
