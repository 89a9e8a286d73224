"""Pickles of plain containers and numeric arrays, and of nothing else.

A pickle is a program: `pickle.load` and `np.load(allow_pickle=True)` run what a file tells them
to. Here only the names in ALLOWED mean anything, each of them is a function of this package
that checks its arguments, and every size that a file claims is held against what it contains.
"""

from __future__ import annotations

import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from io import BytesIO
from typing import Any, ClassVar

import numpy as np

from dexgrasp.errors import GraspError
from dexgrasp.types import Array

# Kinds of numpy that hold numbers or text by value: no objects, no records, no dates.
DTYPE_CODE = re.compile(r"[?bBhHiIlLqQefdgFD]|b1|[iu][1248]|f(2|4|8|16)|c(8|16)|[SU]\d{1,6}")
ORDERS = ("<", ">", "|", "=")
MEMORY_FACTOR, MEMORY_FLOOR = 8, 1 << 20  # what calls in a pickle may make: times its size, [B]
_SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")


class Inert:
    """Takes the place of an object of a library that is not loaded; keeps its state alone.

    The original MANO files hold a scipy matrix and chumpy arrays.
    """

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("the state of an array object is no dict")
        self.state = {str(key): value for key, value in state.items()}


class _Dtype:
    """A numpy dtype while it is read: its code, and the byte order that BUILD brings."""

    def __init__(self, code: object, align: object = False, copy: object = True) -> None:
        code = code.decode("latin1") if isinstance(code, bytes) else code
        if code not in ("O", "O8", "O4") and not (
            isinstance(code, str) and DTYPE_CODE.fullmatch(code)
        ):
            raise pickle.UnpicklingError(f"dtype {code!r} holds neither numbers nor text")
        self.code, self.order = str(code), "="

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or any(s is not None for s in state[2:5]):
            raise pickle.UnpicklingError("a dtype with fields is refused")
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order not in ORDERS:
            raise pickle.UnpicklingError(f"byte order {order!r} is none")
        self.order = order

    @property
    def holds_objects(self) -> bool:
        return self.code.startswith("O")

    def numpy(self) -> np.dtype:
        return (
            np.dtype(object)
            if self.holds_objects
            else np.dtype(self.code).newbyteorder(
                "=" if self.order == "|" else self.order  # type: ignore[arg-type]
            )
        )


class _Array(np.ndarray):
    """An array that fills itself only with as many items as the pickle brings."""

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("the state of an array is malformed")
        _, shape, dtype, fortran, content = state
        if not isinstance(dtype, _Dtype):
            raise pickle.UnpicklingError("an array without a dtype")
        count = _count(shape)
        if dtype.holds_objects:
            if not isinstance(content, list) or len(content) != count:
                raise pickle.UnpicklingError(f"an array of {shape} objects holds another number")
        else:
            content = content.encode("latin1") if isinstance(content, str) else content
            _check_bytes(content, count, dtype.numpy(), shape)
        super().__setstate__((1, shape, dtype.numpy(), bool(fortran), content))  # type: ignore


def _count(shape: object) -> int:
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise pickle.UnpicklingError(f"{shape!r} is no shape")
    return math.prod(shape)


def _check_bytes(content: object, count: int, dtype: np.dtype, shape: object) -> None:
    size = len(content) if isinstance(content, bytes | bytearray) else -1
    if size != count * dtype.itemsize:
        raise pickle.UnpicklingError(
            f"an array of shape {shape} and type {dtype} needs {count * dtype.itemsize} bytes; "
            f"the pickle holds {max(size, 0)}"
        )


def _reconstruct(kind: object, shape: object, code: object) -> Array:
    if kind is not _array_type:
        raise pickle.UnpicklingError("only plain numpy arrays are rebuilt")
    return np.ndarray.__new__(_Array, (0,), dtype=np.int8)


def _array_type(*_: object) -> None:
    raise pickle.UnpicklingError("numpy.ndarray is not called")


def _scalar(dtype: object, content: object = None) -> Any:
    if not isinstance(dtype, _Dtype) or dtype.holds_objects:
        raise pickle.UnpicklingError("a numpy scalar that is no number")
    content = content.encode("latin1") if isinstance(content, str) else content
    _check_bytes(content, 1, dtype.numpy(), ())
    return np.frombuffer(content, dtype.numpy())[0]  # type: ignore[call-overload]


def _frombuffer(content: object, dtype: object, shape: object, order: object) -> Array:
    if not isinstance(dtype, _Dtype) or dtype.holds_objects or order not in ("C", "F"):
        raise pickle.UnpicklingError("an array whose buffer holds no numbers")
    _check_bytes(content, _count(shape), dtype.numpy(), shape)
    values = np.frombuffer(content, dtype.numpy())  # type: ignore[call-overload]
    return values.reshape(shape, order=order)  # type: ignore[call-overload]


def _encode(text: object, encoding: object = "latin1") -> bytes:
    """How protocols below 3 write bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("_codecs.encode of something other than bytes")
    return text.encode("latin1")


def _bytes(content: object = b"", encoding: object = "latin1") -> bytes:
    """Empty bytes, and bytearrays, in protocols below 5."""
    if isinstance(content, bytes):
        return content
    return _encode(content, encoding)


ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    **{
        (module, name): value
        for module in ("builtins", "__builtin__")
        for name, value in (
            ("set", set),
            ("frozenset", frozenset),
            ("complex", complex),
            ("bytes", _bytes),
            ("bytearray", _bytes),
        )
    },
    **{
        (module, name): value
        for module in NUMPY
        for name, value in (
            ("_reconstruct", _reconstruct),
            ("scalar", _scalar),
            ("ndarray", _array_type),
            ("dtype", _Dtype),
        )
    },
    **{(module, "_frombuffer"): _frombuffer for module in NUMERIC},
    **{
        (module, "csc_matrix"): Inert
        for module in ("scipy.sparse.csc", "scipy.sparse._csc", "scipy.sparse")
    },
    ("chumpy.ch", "Ch"): Inert,
    ("chumpy.reordering", "Select"): Inert,
    ("copy_reg", "_reconstructor"): lambda kind, *_: _rebuilt(kind),
    ("copyreg", "_reconstructor"): lambda kind, *_: _rebuilt(kind),
    ("__builtin__", "object"): object,
    ("builtins", "object"): object,
}


def _rebuilt(kind: object) -> Inert:
    if kind is not Inert:
        raise pickle.UnpicklingError("an object of an unknown class")
    return Inert()


class RestrictedUnpickler(pickle._Unpickler):  # type: ignore[name-defined]
    """Python's own unpickler without anything to call but `allowed`.

    The Python implementation, not the C one: its memo is a dict, so that an index of two
    thousand million costs nothing, and every opcode that calls or allocates can be held to the
    file. What calls make may be MEMORY_FACTOR times the file's size: a short pickle could
    otherwise copy one long text a million times.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # type: ignore

    def __init__(self, data: bytes, allowed: dict[tuple[str, str], Callable[..., Any]]) -> None:
        self.size = len(data)
        self.budget = MEMORY_FACTOR * len(data) + MEMORY_FLOOR
        self.allowed = allowed
        self.stream = BytesIO(data)
        super().__init__(self.stream, encoding="latin1")

    @property
    def consumed(self) -> int:
        """Bytes read so far; after `load`, where the next pickle begins."""
        return self.stream.tell()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}; only plain containers and numeric arrays are read"
            )
        return self.allowed[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside itself")

    def _spend(self, values: object) -> None:
        for value in values if isinstance(values, tuple) else ():
            self.budget -= len(value) if isinstance(value, _SIZED) else 8
        if self.budget < 0:
            raise pickle.UnpicklingError("it unpacks to many times its own size")

    def load_reduce(self) -> None:
        self._spend(self.stack[-1])
        super().load_reduce()

    def load_build(self) -> None:
        """State for arrays and inert objects; a function or class must not be altered."""
        if not isinstance(self.stack[-2], _Array | _Dtype | Inert):
            raise pickle.UnpicklingError("it sets the state of something that has none")
        self._spend(self.stack[-1])
        super().load_build()

    def load_bytearray8(self) -> None:
        """Python allocates what is claimed before it reads: the claim is checked first."""
        claimed = int.from_bytes(self.read(8), "little")  # type: ignore[attr-defined]
        if claimed > self.size:
            raise pickle.UnpicklingError(f"a bytearray claims {claimed} bytes")
        self.append(bytearray(self.read(claimed)))  # type: ignore[attr-defined]

    def load_extension(self) -> None:
        raise pickle.UnpicklingError("it uses the extension registry")

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.EXT1[0]] = load_extension
    dispatch[pickle.EXT2[0]] = load_extension
    dispatch[pickle.EXT4[0]] = load_extension


def load_pickle(data: bytes, name: str) -> Any:
    """The value in `data`, out of plain containers, text, numbers and numeric arrays.

    Raises GraspError naming the file `name` and the refused global, or what is damaged.
    """
    return run_unpickler(RestrictedUnpickler(data, ALLOWED), name)


def run_unpickler(unpickler: RestrictedUnpickler, name: str) -> Any:
    """`unpickler.load()`. Raises GraspError naming the file."""
    try:
        return unpickler.load()
    except pickle.UnpicklingError as error:
        raise GraspError(f"{name} is not read as a pickle: {error}") from error
    except Exception as error:  # a damaged pickle fails in as many ways as there are opcodes
        words = f"{type(error).__name__}: {error}"
        raise GraspError(f"{name} is not a whole pickle ({words})") from error
