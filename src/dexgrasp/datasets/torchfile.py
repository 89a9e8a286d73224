"""Tensors of torch files (`torch.save`) as numpy arrays, without torch.

Layouts: the zip of torch >= 1.6 (`<archive>/data.pkl` beside `<archive>/data/<key>`, stored
uncompressed) and the older sequence of pickles followed by raw storages, after
torch/serialization.py. What the zip and the tensors claim is held against the file's size.
"""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np

from dexgrasp.datasets.unpickle import ALLOWED, RestrictedUnpickler, run_unpickler
from dexgrasp.errors import GraspError
from dexgrasp.types import Array

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch/serialization.py, MAGIC_NUMBER
STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


@dataclass(frozen=True)
class _StorageType:
    """What stands for torch.FloatStorage and its kin."""

    dtype: np.dtype

    def __call__(self, *_: object) -> None:
        raise pickle.UnpicklingError("a storage type is not called")


def _rebuild_tensor(
    storage: object, offset: object, size: object, stride: object, *_: Any
) -> Array:
    """The numpy view that a tensor's storage, offset, size and stride (in items) describe."""
    numbers = [offset, *_tuple(size), *_tuple(stride)]
    if not isinstance(storage, np.ndarray) or not all(
        isinstance(n, int) and n >= 0 for n in numbers
    ):
        raise pickle.UnpicklingError("a tensor's storage, size or stride is malformed")
    shape, steps = _tuple(size), _tuple(stride)
    count = int(np.prod([float(n) for n in shape])) if shape else 1
    last = offset + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))  # type: ignore
    if count and (count > len(storage) or last >= len(storage)):
        raise pickle.UnpicklingError(
            f"a tensor of size {shape} needs more than its storage of {len(storage)} items"
        )
    if not count:
        return np.empty(shape, storage.dtype)
    return np.lib.stride_tricks.as_strided(
        storage[offset:],  # type: ignore[misc]
        shape,
        [s * storage.itemsize for s in steps],
    )


def _tuple(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple):
        raise pickle.UnpicklingError("a tensor's size is no tuple")
    return value


def _size(value: object = ()) -> tuple[int, ...]:
    return _tuple(value)


def _rebuild_parameter(data: object, *_: object) -> object:
    return data


TORCH_ALLOWED = {
    **ALLOWED,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch", "Size"): _size,
    **{("torch", name): _StorageType(np.dtype(code)) for name, code in STORAGES.items()},
}


class _TorchUnpickler(RestrictedUnpickler):
    """Finds the storages that persistent ids name: ('storage', type, key, device, items)."""

    def __init__(self, data: bytes, storages: _Storages) -> None:
        super().__init__(data, TORCH_ALLOWED)
        self.storages = storages

    def persistent_load(self, pid: Any) -> Array:
        if not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage"):
            raise pickle.UnpicklingError("a persistent id that names no storage")
        kind, key, items = pid[1], pid[2], pid[4]
        if not isinstance(kind, _StorageType) or not isinstance(items, int) or items < 0:
            raise pickle.UnpicklingError("a storage of an unknown type")
        return self.storages.get(str(key), kind.dtype, items)


class _Storages:
    """Storages by key, each allocated once and only as large as the file can fill it."""

    def __init__(self, available: int) -> None:
        self.available = available
        self.found: dict[str, Array] = {}

    def get(self, key: str, dtype: np.dtype, items: int) -> Array:
        if key not in self.found:
            self.available -= items * dtype.itemsize
            if self.available < 0:
                raise pickle.UnpicklingError(
                    f"storage {key} claims {items} items of {dtype}, more than the file holds"
                )
            self.found[key] = self.made(key, dtype, items)
        return self.found[key]

    def made(self, key: str, dtype: np.dtype, items: int) -> Array:
        """Filled by the caller later: the old format keeps its storages after the pickle."""
        return np.zeros(items, dtype)


class _ZipStorages(_Storages):
    def __init__(self, archive: zipfile.ZipFile, prefix: str, available: int, order: str) -> None:
        super().__init__(available)
        self.archive, self.prefix, self.order = archive, prefix, order

    def made(self, key: str, dtype: np.dtype, items: int) -> Array:
        content = _member(self.archive, f"{self.prefix}data/{key}")
        if len(content) < items * dtype.itemsize:
            raise pickle.UnpicklingError(f"storage {key} is truncated")
        return np.frombuffer(content, dtype.newbyteorder(self.order), items)  # type: ignore


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise pickle.UnpicklingError(f"{name} is missing in the archive") from error
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise pickle.UnpicklingError(f"{name} is compressed; torch never does that")
    return archive.read(info)


def load_torch(data: bytes, name: str) -> Any:
    """The value of a torch file, its tensors as numpy arrays. Raises GraspError naming it."""
    if zipfile.is_zipfile(BytesIO(data)):
        return _load_zip(data, name)
    return _load_legacy(data, name)


def _load_zip(data: bytes, name: str) -> Any:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            main = [n for n in archive.namelist() if n.endswith("data.pkl") and n.count("/") <= 1]
            if len(main) != 1:
                raise GraspError(f"{name} is a zip without one data.pkl: no torch file")
            prefix = main[0].removesuffix("data.pkl")
            big = f"{prefix}byteorder" in archive.namelist()
            big = big and _member(archive, f"{prefix}byteorder") == b"big"
            storages = _ZipStorages(archive, prefix, len(data), ">" if big else "<")
            return run_unpickler(_TorchUnpickler(_member(archive, main[0]), storages), name)
    except (zipfile.BadZipFile, pickle.UnpicklingError, OSError, NotImplementedError) as error:
        raise GraspError(f"{name} is not a whole torch file: {error}") from error


def _load_legacy(data: bytes, name: str) -> Any:
    """Five pickles (magic, protocol, system, value, keys), then count and raw items of each key."""
    storages, values, at = _Storages(len(data)), [], 0
    for part in range(5):
        unpickler = _TorchUnpickler(data[at:], storages)
        values.append(run_unpickler(unpickler, name))
        if part == 0 and values[0] != LEGACY_MAGIC:
            raise GraspError(f"{name} is neither a torch zip nor the older torch format")
        at += unpickler.consumed
    for key in values[4] if isinstance(values[4], list) else []:
        storage = storages.found.get(str(key))
        items = int.from_bytes(data[at : at + 8], "little")
        at += 8
        if storage is None or items != len(storage) or len(data) < at + storage.nbytes:
            raise GraspError(f"{name} is truncated: storage {key} is not whole")
        storage[:] = np.frombuffer(data, storage.dtype, items, at)
        at += storage.nbytes
    return values[3]
