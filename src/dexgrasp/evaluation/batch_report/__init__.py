"""The report of a batch evaluation: figures, tables, files and the page."""

from dexgrasp.evaluation.batch_report.files import write_batch_report
from dexgrasp.evaluation.batch_report.run_info import RunInfo
from dexgrasp.evaluation.batch_report.summary import EvaluationSummary, summarise_records
from dexgrasp.evaluation.batch_report.terminal import print_batch_tables

__all__ = [
    "EvaluationSummary",
    "RunInfo",
    "print_batch_tables",
    "summarise_records",
    "write_batch_report",
]
