"""Steps that run once per content: each leaves a stamp with the key it was made from."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from environment.layout import SetupError

TAIL_LINES = 25


def content_key(*parts: object) -> str:
    """A digest that changes when any part does."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()


def folder_key(folder: Path, wanted: Callable[[Path], bool] = lambda _: True) -> str:
    """A digest of the names of all files below `folder` and the contents of the wanted ones."""
    lines = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if "__pycache__" in path.parts or path.name.endswith(".pyc"):
            continue
        content = hashlib.sha256(path.read_bytes()).hexdigest() if wanted(path) else ""
        lines.append(f"{path.relative_to(folder)} {content}")
    return content_key(*lines)


class Steps:
    """Runs the steps of one environment and skips those whose stamp has their key."""

    def __init__(self, stamps: Path, logs: Path) -> None:
        self._stamps = stamps
        self._logs = logs

    def once(self, name: str, label: str, key: str, action: Callable[[Path], None]) -> bool:
        """Run `action(log_file)` unless it was done with this key; returns whether it ran."""
        stamp = self._stamps / name
        if stamp.exists() and stamp.read_text() == key:
            return False
        started = time.monotonic()
        log = self._logs / f"{name}.log"
        print(f"  {label} ... (output in {log})", flush=True)
        stamp.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        action(log)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(key)
        print(f"  {label}: {time.monotonic() - started:.0f} s", flush=True)
        return True


def run(command: Iterable[object], log: Path, environment: dict[str, str] | None = None) -> None:
    """Run a command with its output in `log`. Raises SetupError with the log's end."""
    words = [str(word) for word in command]
    with log.open("a") as stream:
        stream.write(f"$ {' '.join(words)}\n")
        stream.flush()
        done = subprocess.run(
            words, stdout=stream, stderr=subprocess.STDOUT, env=environment, check=False
        )
    if done.returncode:
        tail = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        print("\n".join(tail), file=sys.stderr)
        raise SetupError(f"{words[0]} failed with exit code {done.returncode}; see {log}")
