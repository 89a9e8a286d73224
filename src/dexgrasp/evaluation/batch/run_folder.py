"""The folder of an evaluation: what was asked, every finished trial, and how to go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dexgrasp.errors import ConfigError
from dexgrasp.evaluation.batch.shards import ShardResult
from dexgrasp.evaluation.records import GraspRecord
from dexgrasp.evaluation.report import plain, write_json

RUN_FILE = "run.json"
TRIALS_FILE = "trials.jsonl"


class RunFolder:
    """Keeps the results of one run; opened again with the same request it continues.

    records: by row and replicate.  rejected: row to the reason in words.
    """

    def __init__(self, folder: Path, request: Mapping[str, Any]) -> None:
        """Raises ConfigError when the folder holds a run that was asked otherwise."""
        self.folder = folder
        self.records: dict[tuple[int, int], GraspRecord] = {}
        self.rejected: dict[int, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        asked = plain(request)
        file = folder / RUN_FILE
        if file.exists():
            self._check(file, asked)
            self._read(folder / TRIALS_FILE)
        else:
            write_json(file, asked)

    def _check(self, file: Path, asked: Any) -> None:
        try:
            before = json.loads(file.read_text())
        except ValueError as error:
            raise ConfigError(f"{file} is damaged ({error}); give another --out") from error
        other = [key for key in {**before, **asked} if before.get(key) != asked.get(key)]
        if other:
            raise ConfigError(
                f"{self.folder} holds a run that differs in {', '.join(sorted(other))}; "
                "give another --out, or repeat that run's options to continue it"
            )

    def _read(self, file: Path) -> None:
        """Every whole line; one that was cut off by an interruption is run again."""
        lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
        whole = [line for line in lines if line.endswith(b"\n")]
        if len(whole) < len(lines):
            file.write_bytes(b"".join(whole))
        for number, line in enumerate(whole, start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(
                    f"{file}, line {number} is damaged: {error}; delete the line to run it again"
                ) from error

    def _take(self, values: Mapping[str, Any]) -> None:
        if "rejected" in values:
            row, words = values["rejected"]
            self.rejected[int(row)] = words
        else:
            record = GraspRecord.from_dict(values)
            self.records[record.key] = record

    def add(self, result: ShardResult) -> None:
        """Keep the result of a shard, on disk before anything else happens."""
        lines: list[dict[str, Any]] = [record.as_dict() for record in result.records]
        lines += [{"rejected": list(item)} for item in result.rejected]
        text = "".join(json.dumps(plain(line), allow_nan=False) + "\n" for line in lines)
        with (self.folder / TRIALS_FILE).open("a") as stream:
            stream.write(text)
        self.records |= {record.key: record for record in result.records}
        self.rejected |= dict(result.rejected)

    def is_done(self, row: int, replicate: int) -> bool:
        """Whether this trial has been run and judged, or its grasp rejected."""
        record = self.records.get((row, replicate))
        return row in self.rejected or (record is not None and not record.judge_failed)

    def sorted_records(self) -> tuple[GraspRecord, ...]:
        """By row, then replicate: the order does not depend on who was first."""
        return tuple(self.records[key] for key in sorted(self.records))
