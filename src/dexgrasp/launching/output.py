"""What the processes of a launch print: to the screen with their names, and to one log each."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import TextIO

# ANSI colours that are legible on dark and light backgrounds: cyan, magenta, blue, green, yellow.
COLOURS = (36, 35, 34, 32, 33)
REMEMBERED_LINES = 15
LINE_LIMIT = 1 << 20


class ProcessOutput:
    """The output of one process: a log file, the screen, and its last lines."""

    def __init__(self, name: str, index: int, log: Path, screen: TextIO) -> None:
        self.log = log
        self.last_lines: deque[str] = deque(maxlen=REMEMBERED_LINES)
        self._screen = screen
        self._file = log.open("a", buffering=1)
        colour = COLOURS[index % len(COLOURS)]
        self._prefix = f"\033[{colour}m[{name}]\033[0m" if screen.isatty() else f"[{name}]"

    async def follow(self, stream: asyncio.StreamReader, shown: bool) -> None:
        """Pass lines on until the stream ends."""
        while line := await _read_line(stream):
            text = line.decode(errors="replace").rstrip("\r\n")
            self._file.write(f"{text}\n")
            self.last_lines.append(text)
            if shown:
                print(f"{self._prefix} {text}", file=self._screen, flush=True)

    def close(self) -> None:
        """Close the log."""
        self._file.close()


async def _read_line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as end:
        return end.partial
    except asyncio.LimitOverrunError as overrun:
        return await stream.read(overrun.consumed)
