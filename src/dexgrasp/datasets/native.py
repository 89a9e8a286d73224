"""This project's own grasp files: `.npz` without pickles, and Parquet for large sets.

Both hold the same columns. hand: name. object: mesh names, (n,) or one. joint_names: (J,), in
any order. palm_position: (n, 3) [m], palm_quaternion: (n, 4) scalar first: the palm frame of
docs/conventions.md in the object's mesh frame, after scaling. pregrasp, grasp, squeeze: (n, J)
[rad]. score: (n,). scale: (n,) factor on the mesh, 1 where it is left out.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dexgrasp.datasets.npyfile import LARGEST_NPZ, read_npz
from dexgrasp.datasets.rotations import poses
from dexgrasp.datasets.table import GraspTable, RawRows, checked_table
from dexgrasp.errors import GraspError
from dexgrasp.geometry import quaternion_from_pose
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

REQUIRED = ("hand", "object", "joint_names", "palm_position", "palm_quaternion", "grasp")
JOINTS = ("pregrasp", "grasp", "squeeze")
WIDTHS = {"palm_position": 3, "palm_quaternion": 4}
PACKING_LIMIT = 10_000  # unpacked per stored byte: run lengths under a general compressor
METADATA = b"dexgrasp"  # hand and joint names in the Parquet schema


def write_native(table: GraspTable, path: Path, joint_names: tuple[str, ...]) -> None:
    """Write `.npz` or `.parquet`, by the suffix. Raises GraspError for another one."""
    columns = {
        "palm_position": table.T_object_palm[:, :3, 3],
        "palm_quaternion": quaternion_from_pose(table.T_object_palm),
        **{name: getattr(table, name) for name in (*JOINTS, "score", "scale")},
    }
    if path.suffix == ".npz":
        np.savez_compressed(
            path,
            hand=np.array(table.hand),
            object=np.array(table.objects, dtype=np.str_),
            joint_names=np.array(joint_names, dtype=np.str_),
            **columns,
        )
    elif path.suffix == ".parquet":
        _write_parquet(table, path, joint_names, columns)
    else:
        raise GraspError(f"{path}: grasps are written as .npz or .parquet")


def _write_parquet(
    table: GraspTable, path: Path, joint_names: tuple[str, ...], columns: dict[str, Array]
) -> None:
    fields = {"object": pa.array(table.objects, pa.string())}
    for name, values in columns.items():
        flat = pa.array(np.ascontiguousarray(values, float).reshape(-1))
        width = values.shape[1] if values.ndim == 2 else 0
        fields[name] = pa.FixedSizeListArray.from_arrays(flat, width) if width else flat
    head = json.dumps({"hand": table.hand, "joint_names": list(joint_names)})
    pq.write_table(pa.table(fields).replace_schema_metadata({METADATA: head.encode()}), path)


def read_native(path: Path, hand: HandModel) -> GraspTable:
    """Read what `write_native` writes, or anything in that layout.

    Raises GraspError naming the file where it is damaged, claims more than it holds, lacks a
    column, names joints that the hand has not, or holds another hand's grasps.
    """
    rows = native_rows(_columns(path), hand, path)
    return checked_table(rows, hand, str(path), f"{path} (dexgrasp)")


def native_hand(path: Path) -> str | None:
    """The hand whose grasps a file in this layout holds. Raises GraspError for a damaged one."""
    hand = _columns(path).get("hand")
    return None if hand is None else str(np.asarray(hand).reshape(-1)[0])


def _columns(path: Path) -> Mapping[str, Any]:
    return _parquet_columns(path) if path.suffix == ".parquet" else read_npz(path)


def native_file(path: Path) -> bool:
    """Whether a file is Parquet, or an `.npz` with members of these names."""
    if path.suffix.lower() != ".npz":
        return path.suffix.lower() == ".parquet"
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError):
        return False
    return {"joint_names", "palm_position"} <= names


def native_rows(columns: Mapping[str, Any], hand: HandModel, path: Path) -> RawRows:
    """Rows of the columns. Raises GraspError."""
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise GraspError(f"{path} lacks {', '.join(missing)}; found: {', '.join(sorted(columns))}")
    name = str(np.asarray(columns["hand"]).reshape(-1)[0])
    if name != hand.name:
        raise GraspError(f"{path} holds grasps of {name}, not of {hand.name}; give --hand {name}")
    order = _permutation(columns["joint_names"], hand, path)
    count = len(np.asarray(columns["grasp"]))
    _check_shapes(columns, count, len(order), path)
    objects = np.asarray(columns["object"]).reshape(-1)
    objects = np.repeat(objects, count) if len(objects) == 1 else objects
    if len(objects) != count:
        raise GraspError(f"{path}: {len(objects)} objects for {count} grasps")
    return RawRows(
        objects=[str(item) for item in objects],
        T_object_palm=poses(
            "quat_wxyz",
            np.asarray(columns["palm_position"], float),
            np.asarray(columns["palm_quaternion"], float),
        ),
        scale=_optional(columns, "scale"),
        score=_optional(columns, "score"),
        **{  # type: ignore[arg-type]
            key: np.asarray(columns[key], float)[:, order] if key in columns else None
            for key in JOINTS
        },
    )


def _permutation(names: Any, hand: HandModel, path: Path) -> list[int]:
    given = [str(name) for name in np.asarray(names).reshape(-1)]
    unknown = [name for name in given if name not in hand.joint_names]
    if unknown or len(set(given)) != hand.joint_count:
        words = f"unknown {', '.join(unknown)}" if unknown else f"{len(set(given))} names"
        raise GraspError(
            f"{path}: joint_names of {hand.name}: {words}; it has {', '.join(hand.joint_names)}"
        )
    return [given.index(name) for name in hand.joint_names]


def _check_shapes(columns: Mapping[str, Any], count: int, joints: int, path: Path) -> None:
    wanted = {
        **{key: (count, width) for key, width in WIDTHS.items()},
        **dict.fromkeys(JOINTS, (count, joints)),
        "score": (count,),
    }
    for key, shape in wanted.items():
        if key in columns and np.shape(columns[key]) != shape:
            given = np.shape(columns[key])
            raise GraspError(f"{path}: {key} has shape {given}; expected {shape}")


def _optional(columns: Mapping[str, Any], name: str) -> Array | None:
    if name not in columns:
        return None
    return np.broadcast_to(np.asarray(columns[name], float), (len(columns["grasp"]),)).copy()


def _parquet_columns(path: Path) -> dict[str, Any]:
    try:
        _check_parquet_size(path, pq.read_metadata(path))
        table = pq.read_table(path)
        head = json.loads((table.schema.metadata or {}).get(METADATA, b"{}"))
        columns: dict[str, Any] = {
            name: _column(table.column(name).combine_chunks()) for name in table.column_names
        }
    except (pa.ArrowException, OSError, ValueError) as error:
        raise GraspError(f"{path} is not a whole Parquet file: {error}") from error
    return {**columns, **head}


def _check_parquet_size(path: Path, footer: pq.FileMetaData) -> None:
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    total = sum(group.total_byte_size for group in groups)
    values = footer.num_rows * footer.num_columns
    if max(total, values) > min(LARGEST_NPZ, PACKING_LIMIT * path.stat().st_size):
        raise GraspError(
            f"{path} claims {footer.num_rows} rows in {total} bytes, more than its "
            f"{path.stat().st_size} bytes can hold"
        )


def _column(values: Any) -> Any:
    if pa.types.is_fixed_size_list(values.type):
        flat = values.flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(values), values.type.list_size)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return np.array(values.to_pylist(), dtype=np.str_)
    return values.to_numpy(zero_copy_only=False)
