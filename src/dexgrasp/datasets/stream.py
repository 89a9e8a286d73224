"""Grasps written to Parquet as they come, with columns beside those of the native layout."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dexgrasp.datasets.native import write_native
from dexgrasp.datasets.table import GraspTable
from dexgrasp.errors import GraspError
from dexgrasp.hands import HandModel
from dexgrasp.types import GraspSet

Columns = Mapping[str, Sequence[Any] | np.ndarray]
Writer = Callable[[GraspTable, Columns], None]


def grasp_table(grasps: GraspSet, name: str, scale: float = 1.0) -> GraspTable:
    """Grasps in the frame of the mesh `name`, scaled by `scale`, as rows of a file."""
    n = len(grasps)
    return GraspTable(
        hand=grasps.hand,
        objects=(name,) * n,
        scale=np.full(n, scale),
        T_object_palm=grasps.T_frame_palm,
        pregrasp=grasps.pregrasp,
        grasp=grasps.grasp,
        squeeze=grasps.squeeze,
        score=grasps.score,
        row=np.arange(n),
        source=grasps.source,
        rejected=(),
        clipped=np.zeros(n, dtype=bool),
    )


@contextmanager
def grasp_stream(path: Path) -> Iterator[Writer]:
    """Give a function that appends a table and further columns (n,) to a Parquet file.

    The file appears under its name when the block ends, also by an exception such as an
    interruption; a process that is killed leaves `<name>.partial`. Raises GraspError for
    another suffix or tables whose columns differ.
    """
    if path.suffix != ".parquet":
        raise GraspError(f"{path}: many grasps are written as .parquet")
    partial = path.with_name(path.name + ".partial")
    writer: pq.ParquetWriter | None = None

    def write(table: GraspTable, columns: Columns) -> None:
        nonlocal writer
        rows = arrow_table(table, columns)
        writer = writer or pq.ParquetWriter(partial, rows.schema)
        if rows.schema != writer.schema:
            raise GraspError(f"{path} has columns {writer.schema.names}, not {rows.schema.names}")
        writer.write_table(rows)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()
            partial.replace(path)


def arrow_table(table: GraspTable, columns: Columns) -> pa.Table:
    """The native columns, which one module alone knows how to write, and further ones."""
    names = HandModel.load(table.hand).joint_names
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        write_native(table, file, names)
        rows = pq.read_table(file)
    for name, values in columns.items():
        rows = rows.append_column(name, pa.array(values))
    return rows
