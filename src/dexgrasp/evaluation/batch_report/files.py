"""The folder of a report: report.json, trials.parquet, trials.csv, config.yaml, index.html."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from dexgrasp.evaluation.batch_report.page import render_batch_page
from dexgrasp.evaluation.batch_report.run_info import RunInfo
from dexgrasp.evaluation.batch_report.summary import EvaluationSummary, summarise_records
from dexgrasp.evaluation.batch_report.survey import COMPOSITE, TABLE_5, TABLE_6
from dexgrasp.evaluation.records import GraspRecord
from dexgrasp.evaluation.report import describe_machine, package_versions, plain, write_json

FILES = ("report.json", "trials.parquet", "trials.csv", "config.yaml")
COLUMN_TYPES = {
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "bool | None": pa.bool_(),
}


def write_batch_report(folder: Path, records: Sequence[GraspRecord], info: RunInfo) -> Path:
    """Write the report into `folder`, each file in one step; returns the path of its page.

    Figures that were not measured are null in JSON and Parquet and empty in CSV. Pictures are
    linked, not written. Raises ValueError when a trial is given twice.
    """
    summary = summarise_records(records, len(info.rejected))
    folder.mkdir(parents=True, exist_ok=True)
    configuration = yaml.safe_dump(plain(info.configuration), sort_keys=False, allow_unicode=True)
    environment = {**describe_machine(), **package_versions()}
    page = render_batch_page(records, summary, info, configuration, environment, FILES)
    rows = [plain(record.as_dict()) for record in records]
    write_json(folder / "report.json", _report(summary, info))
    _replace(folder / "trials.parquet", lambda path: pq.write_table(_table(rows), path))
    _replace_text(folder / "trials.csv", _csv(rows))
    _replace_text(folder / "config.yaml", configuration)
    _replace_text(folder / "index.html", page)
    return folder / "index.html"


def _report(summary: EvaluationSummary, info: RunInfo) -> dict[str, Any]:
    return {
        "title": info.title,
        "created": info.created,
        "source": info.source,
        "hand": info.hand,
        "protocol": info.protocol,
        "rerun": info.rerun,
        "wall_seconds": info.wall_seconds,
        "criteria": info.criteria,
        "summary": summary.as_dict(),
        "metrics": info.metrics,
        "rejected": [{"row": row, "words": words} for row, words in info.rejected],
        "pictures": info.pictures,
        "survey": {
            "table_5": {name: asdict(reference) for name, reference in TABLE_5.items()},
            "table_6": [asdict(reference) for reference in TABLE_6],
            "composite": COMPOSITE,
        },
        "configuration": info.configuration,
        "machine": describe_machine(),
        "versions": package_versions(),
    }


def _table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    schema = pa.schema([(item.name, COLUMN_TYPES[str(item.type)]) for item in fields(GraspRecord)])
    return pa.Table.from_pylist(list(rows), schema=schema)


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(
        stream, [item.name for item in fields(GraspRecord)], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _replace_text(path: Path, text: str) -> None:
    _replace(path, lambda partial: partial.write_text(text, encoding="utf-8", newline=""))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path` that then takes its place."""
    partial = path.with_name(path.name + ".partial")
    write(partial)
    partial.replace(path)
