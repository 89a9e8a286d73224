"""`.npy` and `.npz` whose headers are believed only as far as the file is long."""

from __future__ import annotations

import math
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from dexgrasp.datasets.unpickle import load_pickle
from dexgrasp.errors import GraspError
from dexgrasp.types import Array

# Deflate cannot shrink by more (zlib's manual, "maximum compression factor").
DEFLATE_LIMIT = 1032
LARGEST_NPZ = 4 << 30  # [B] of unpacked members; larger sets belong in Parquet
LONGEST_HEADER = 10_000  # [B], numpy's own default for files that are not trusted


def parse_npy(data: bytes, name: str, objects: bool) -> Any:
    """The array in the bytes of a `.npy`; where it holds one object, that object.

    objects: read object arrays too, through the restricted unpickler. Raises GraspError
    naming the file for a damaged header, a size that the file does not have, or objects.
    """
    stream = BytesIO(data)
    shape, fortran, dtype = _header(stream, name)
    content = data[stream.tell() :]
    if dtype.hasobject:
        if not objects:
            raise GraspError(f"{name} holds Python objects; this format allows arrays alone")
        if dtype != np.dtype(object):
            raise GraspError(f"{name} holds records with Python objects; these are not read")
        value = load_pickle(content, name)
        return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
    needed = math.prod(shape) * dtype.itemsize
    if needed != len(content):
        raise GraspError(
            f"{name} is damaged: its header claims {shape} of {dtype}, {needed} bytes, and the "
            f"file holds {len(content)}"
        )
    values = np.frombuffer(content, dtype) if needed else np.empty(math.prod(shape), dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def _header(stream: BytesIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in read:
            raise ValueError(f"version {version} of the format is not read")
        return read[version](stream, max_header_size=LONGEST_HEADER)
    except (ValueError, EOFError, SyntaxError, TypeError) as error:
        raise GraspError(f"{name} is not a whole .npy file: {error}") from error


def read_npz(path: Path, objects: bool = False) -> dict[str, Any]:
    """The members of a `.npz` by name. Raises GraspError naming file and member.

    Declared sizes are checked before anything is unpacked: each against what deflate could
    have packed into the member's bytes, their sum against LARGEST_NPZ, and each array header
    against the member.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _check_sizes(infos, path)
            return {
                info.filename.removesuffix(".npy"): parse_npy(
                    archive.read(info), f"{path} [{info.filename}]", objects
                )
                for info in infos
            }
    except (zipfile.BadZipFile, OSError, NotImplementedError, EOFError) as error:
        raise GraspError(f"{path} is not a whole .npz file: {error}") from error
    except Exception as error:
        if isinstance(error, GraspError):
            raise
        raise GraspError(f"{path} cannot be unpacked: {error}") from error


def _check_sizes(infos: list[zipfile.ZipInfo], path: Path) -> None:
    length = path.stat().st_size
    for info in infos:
        if info.file_size > DEFLATE_LIMIT * min(info.compress_size, length):
            raise GraspError(
                f"{path}: member {info.filename} claims {info.file_size} bytes, more than its "
                f"{info.compress_size} packed ones can hold"
            )
    total = sum(info.file_size for info in infos)
    if total > LARGEST_NPZ:
        raise GraspError(
            f"{path} unpacks to {total} bytes; at most {LARGEST_NPZ} are read. Use Parquet"
        )


def text(value: Array | str) -> str:
    """A string out of a 0-dimensional text array."""
    return str(np.asarray(value).reshape(-1)[0])
