"""The restricted unpickler: reads every plain pickle, runs nothing, allocates nothing false."""

from __future__ import annotations

import collections
import contextlib
import io
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dexgrasp.datasets.files import read_document
from dexgrasp.datasets.npyfile import parse_npy
from dexgrasp.datasets.unpickle import load_pickle
from dexgrasp.errors import GraspError

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)
protocols = st.integers(0, pickle.HIGHEST_PROTOCOL)


@settings(max_examples=60, deadline=None)
@given(plain, protocols)
def test_plain_values_come_back(value: object, protocol: int) -> None:
    assert load_pickle(pickle.dumps(value, protocol), "a.pkl") == value


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from(["<f4", ">f8", "<i8", ">u2", "?", "<c16", "<U5", "S3"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    protocols,
    st.booleans(),
)
def test_arrays_come_back(array: np.ndarray, protocol: int, fortran: bool) -> None:
    array = np.asfortranarray(array) if fortran else array
    content = pickle.dumps({"a": array, "b": [array]}, protocol)
    read, usual = load_pickle(content, "a.pkl"), pickle.loads(content)
    for found in (read["a"], read["b"][0]):
        assert found.dtype == usual["a"].dtype  # numpy turns some to the machine's byte order
        assert found.shape == array.shape
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("value", [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("mug")])
def test_numpy_scalars_come_back(value: np.generic) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        read = load_pickle(pickle.dumps(value, protocol), "a.pkl")
        assert read == value
        assert read.dtype == value.dtype


def test_ordered_dicts_sets_and_object_arrays_come_back() -> None:
    value = {
        "a": collections.OrderedDict([("x", 1)]),
        "b": {1, 2},
        "c": np.array([{"q": np.arange(3)}, "text"], dtype=object),
    }
    read = load_pickle(pickle.dumps(value), "a.pkl")
    assert read["a"] == value["a"]
    assert read["b"] == value["b"]
    np.testing.assert_array_equal(read["c"][0]["q"], np.arange(3))


def test_pickles_of_python_2_are_read() -> None:
    # what python 2 with numpy 1.16 writes for {'rot': np.array([1., 2.]), 'name': 'mug'}
    content = (
        b"(dp0\nS'name'\np1\nS'mug'\np2\nsS'rot'\np3\ncnumpy.core.multiarray\n_reconstruct\np4\n"
        b"(cnumpy\nndarray\np5\n(I0\ntp6\nS'b'\np7\ntp8\nRp9\n(I1\n(I2\ntp10\ncnumpy\ndtype\np11\n"
        b"(S'f8'\np12\nI0\nI1\ntp13\nRp14\n(I3\nS'<'\np15\nNNNI-1\nI-1\nI0\ntp16\nbI00\n"
        b"S'\\x00\\x00\\x00\\x00\\x00\\x00\\xf0?\\x00\\x00\\x00\\x00\\x00\\x00\\x00@'\np17\ntp18\nbs."
    )
    read = load_pickle(content, "meta.pkl")
    assert read["name"] == "mug"
    np.testing.assert_array_equal(read["rot"], [1.0, 2.0])


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_pickle_is_refused_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "executed"
    content = pickle.dumps({"grasps": [Call(os.system, f"touch {mark}")]}, protocol)
    with pytest.raises(GraspError, match=r"evil\.pkl.*asks for (posix|os)\.system"):
        load_pickle(content, "evil.pkl")
    assert not mark.exists()
    pickle.loads(content)  # the trap works
    assert mark.exists()


def test_a_hostile_object_array_is_refused_and_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    path = tmp_path / "evil.npy"
    hostile = np.array([Call(os.system, f"touch {mark}")], dtype=object)
    np.save(path, hostile, allow_pickle=True)
    with pytest.raises(GraspError, match=r"evil\.npy.*asks for (posix|os)\.system"):
        read_document(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy.core.multiarray", "fromstring"),
        ("numpy", "memmap"),
        ("dexgrasp.datasets.unpickle", "load_pickle"),
        ("numpy.core.multiarray", "_reconstruct.__globals__"),
    ],
)
def test_every_other_global_is_refused_by_name(module: str, name: str) -> None:
    with pytest.raises(GraspError, match=f"asks for {module}.{name}"):
        load_pickle(f"c{module}\n{name}\n.".encode(), "a.pkl")
    stacked = b"\x80\x04\x8c" + bytes([len(module)]) + module.encode()
    stacked += b"\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
    with pytest.raises(GraspError, match=f"asks for {module}.{name}"):
        load_pickle(stacked, "a.pkl")


def array_pickle(dtype: bytes, shape: bytes, content: bytes) -> bytes:
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n" + shape + b"cnumpy\ndtype\n(" + dtype + b"I0\nI1\ntRI00\n" + content + b"tb."
    )


@pytest.mark.parametrize(
    ("dtype", "shape", "content", "words"),
    [
        (b"S'f8'\n", b"(I1000000000\nt", b"S'abcdefgh'\n", "needs 8000000000 bytes"),
        (b"S'f8'\n", b"(I-1\nt", b"S'abcdefgh'\n", "no shape"),
        (b"S'O8'\n", b"(I1000000000\nt", b"(l", "holds another number"),
        (b"S'O8'\n", b"(I1\nt", b"S'abcdefgh'\n", "holds another number"),
        (b"S'V8'\n", b"(I1\nt", b"S'abcdefgh'\n", "neither numbers nor text"),
        (b"S'M8[s]'\n", b"(I1\nt", b"S'abcdefgh'\n", "neither numbers nor text"),
        (b"cos\nsystem\n", b"(I1\nt", b"S'abcdefgh'\n", r"os\.system"),
    ],
)
def test_a_crafted_array_is_refused(dtype: bytes, shape: bytes, content: bytes, words: str) -> None:
    with pytest.raises(GraspError, match=words):
        load_pickle(array_pickle(dtype, shape, content), "a.pkl")


def test_the_crafted_arrays_are_well_formed() -> None:
    read = load_pickle(array_pickle(b"S'f8'\n", b"(I1\nt", b"S'abcdefgh'\n"), "a.pkl")
    assert read.tobytes() == b"abcdefgh"


def test_a_dtype_with_fields_is_refused() -> None:
    with pytest.raises(GraspError, match=r"neither numbers nor text|with fields"):
        load_pickle(pickle.dumps(np.zeros(2, dtype=[("a", "f8")])), "a.pkl")


@pytest.mark.parametrize(
    "victim", [b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\nscalar\n", b"cchumpy.ch\nCh\n"]
)
def test_functions_and_classes_cannot_be_altered(victim: bytes) -> None:
    with pytest.raises(GraspError, match="state of something that has none"):
        load_pickle(victim + b"(N(S'holds_objects'\nI00\ndtb.", "a.pkl")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 10 << 30) + b"abc.",  # BINBYTES8
        b"\x80\x04\x8d" + struct.pack("<Q", 10 << 30) + b"abc.",  # BINUNICODE8
        b"\x80\x04\x95" + struct.pack("<Q", 10 << 30) + b"abc.",  # FRAME
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"abc.",  # LONG4
    ],
)
def test_a_claim_of_ten_gigabytes_is_an_error(content: bytes) -> None:
    with pytest.raises(GraspError, match=r"a\.pkl"):
        load_pickle(content, "a.pkl")


def test_the_size_of_a_bytearray_is_checked_before_it_is_allocated() -> None:
    content = b"\x80\x05\x96" + struct.pack("<Q", 10 << 30) + b"abc."
    with pytest.raises(GraspError, match="a bytearray claims 10737418240 bytes"):
        load_pickle(content, "a.pkl")
    value = {"a": bytearray(b"abc" * 50)}
    assert load_pickle(pickle.dumps(value, 5), "a.pkl") == value


def test_a_huge_memo_index_costs_nothing() -> None:
    assert load_pickle(b"\x80\x02K\x07r\xff\xff\xff\x7f.", "a.pkl") == 7


def test_a_pickle_that_copies_itself_many_times_is_refused() -> None:
    content = io.BytesIO()
    content.write(b"\x80\x02X" + struct.pack("<I", 1 << 16) + b"a" * (1 << 16) + b"q\x000(l")
    for _ in range(2000):  # 130 MB from 110 kB
        content.write(b"c_codecs\nencode\nh\x00\x85Ra")
    content.write(b".")
    with pytest.raises(GraspError, match="many times its own size"):
        load_pickle(content.getvalue(), "a.pkl")


@pytest.mark.parametrize("content", [b"\x82\x01.", b"\x83\x01\x01.", b"\x84\x01\x00\x00\x00."])
def test_the_extension_registry_is_refused(content: bytes) -> None:
    with pytest.raises(GraspError, match="extension registry"):
        load_pickle(content, "a.pkl")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_noise_fails_in_the_one_way_if_at_all(content: bytes) -> None:
    with contextlib.suppress(GraspError):  # any other exception fails the test
        load_pickle(content, "noise.pkl")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_truncated_pickle_is_an_error(data: st.DataObject) -> None:
    content = pickle.dumps({"q": np.arange(5.0), "names": ["a", "b"]}, data.draw(protocols))
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(GraspError, match=r"a\.pkl"):
        load_pickle(content[:cut], "a.pkl")


def test_an_npy_longer_or_shorter_than_its_header_is_refused() -> None:
    stream = io.BytesIO()
    np.save(stream, np.arange(6.0))
    content = stream.getvalue()
    np.testing.assert_array_equal(parse_npy(content, "a.npy", False), np.arange(6.0))
    for damaged in (content[:-1], content + b"x", content[:20]):
        with pytest.raises(GraspError, match=r"a\.npy"):
            parse_npy(damaged, "a.npy", False)
