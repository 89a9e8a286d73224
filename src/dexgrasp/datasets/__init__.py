"""Grasps from files: this project's own, the field's, and unknown ones by a mapping."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dexgrasp.datasets.files import READERS, Document, read_document
from dexgrasp.datasets.formats import FORMATS, Format, describe, detect
from dexgrasp.datasets.mapping import load_mapping, mapped_rows
from dexgrasp.datasets.meshes import find_mesh
from dexgrasp.datasets.native import native_file, native_hand, read_native, write_native
from dexgrasp.datasets.table import (
    GraspTable,
    RawRows,
    RejectedRow,
    checked_table,
    concatenate,
)
from dexgrasp.errors import DexgraspError, GraspError, UnknownNameError
from dexgrasp.hands import HandModel

NATIVE = "dexgrasp"
SUFFIXES = (*READERS, ".parquet")


def format_names() -> tuple[str, ...]:
    """Every name that `read_grasps` takes as format."""
    return (NATIVE, *FORMATS)


def read_grasps(
    path: Path, hand: HandModel, format: str | None = None, mapping: Path | None = None
) -> GraspTable:
    """The grasps in a file, or in all files below a folder, as grasps of `hand`.

    format: a name of `format_names`; without it the content decides, in a folder the first
    file that is in a known layout. mapping: the YAML of an unknown layout instead
    (docs/grasp_files.md). Rows that cannot be used, and in a folder files that cannot be read,
    are in `rejected`; nothing is dropped otherwise.
    Raises GraspError where nothing can be read, naming the file; UnknownNameError for a format,
    ConfigError for a mapping.
    """
    path = Path(path)
    if format is not None and format not in format_names():
        raise UnknownNameError("grasp format", format, format_names())
    if format is not None and mapping is not None:
        raise GraspError("a format and a mapping were given; a mapping is for unknown formats")
    if path.is_dir():
        return _read_folder(path, hand, format, mapping)
    if not path.is_file():
        raise GraspError(f"{path} does not exist")
    return _reader(path, format, mapping)(path, hand)


def stated_hand(path: Path) -> str | None:
    """The hand that a file of grasps names itself, or None where its layout does not say.

    Raises GraspError for a damaged file.
    """
    if native_file(path):
        return native_hand(path)
    value = read_document(path).value if path.suffix.lower() == ".json" else None
    named = value.get("hand") if isinstance(value, dict) else None
    return named if isinstance(named, str) else None


def write_grasps(table: GraspTable, path: Path) -> None:
    """Write `.npz` or, for large sets, `.parquet`, in this project's layout.

    Raises GraspError for another suffix, UnknownNameError where the table's hand is unknown.
    """
    write_native(table, Path(path), HandModel.load(table.hand).joint_names)


Reader = Callable[[Path, HandModel], GraspTable]


def _reader(path: Path, format: str | None, mapping: Path | None) -> Reader:
    """What reads the file `path`. Raises GraspError listing the formats where nothing does."""
    if mapping is not None:
        rules = load_mapping(mapping)

        def mapped(file: Path, hand: HandModel) -> GraspTable:
            document = read_document(file)
            words = f"{file} does not fit {mapping}"
            rows = _understood(lambda: mapped_rows(document, rules, hand), words)
            return checked_table(rows, hand, str(file), f"{file} (by {mapping})")

        return mapped
    if format == NATIVE or (format is None and native_file(path)):
        return read_native
    document = read_document(path)
    form = FORMATS[format] if format else detect(document)
    if form is None:
        raise GraspError(
            f"{path} is in no known layout. Known:\n  {NATIVE}: this project's .npz and .parquet\n"
            f"{describe()}\nGive --format, or --mapping for another layout (docs/grasp_files.md)"
        )
    first = {path: document}  # large files are not read twice
    return lambda file, hand: _read_format(first.pop(file, None) or read_document(file), hand, form)


def _read_format(document: Document, hand: HandModel, form: Format) -> GraspTable:
    path = document.path
    if path.suffix.lower() not in form.suffixes or not form.matches(document):
        raise GraspError(f"{path} is not in the layout {form.name} ({form.describe})")
    rows = _understood(lambda: form.read(document, hand), f"{path} is not quite {form.name}")
    return checked_table(rows, hand, str(path), f"{path} ({form.name})")


def _understood(read: Callable[[], RawRows], words: str) -> RawRows:
    """`read()`; what a value of another kind than expected raises becomes a GraspError."""
    try:
        return read()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise GraspError(f"{words}: {type(error).__name__}: {error}") from error


def _read_folder(
    folder: Path, hand: HandModel, format: str | None, mapping: Path | None
) -> GraspTable:
    files = _grasp_files(folder, format)
    reader, first_error = None, None
    for file in files:
        try:
            reader = _reader(file, format, mapping)
            break
        except GraspError as error:
            first_error = first_error or error
    if reader is None:
        raise first_error or GraspError(
            f"{folder} holds no file of grasps; read: {', '.join(SUFFIXES)}"
        )
    tables, failed, offset = [], [], 0
    for file in files:
        try:
            table = reader(file, hand)
        except DexgraspError as error:
            failed.append(RejectedRow(offset, f"{file}: {error}"))
            offset += 1
            continue
        tables.append((offset, table))
        offset += len(table) + len(table.rejected)
    if not tables:
        raise GraspError(f"{folder}: none of {len(files)} files can be read; {failed[0].words}")
    return concatenate(tables, failed, str(folder))


def _grasp_files(folder: Path, format: str | None) -> list[Path]:
    """Files that may hold grasps, in order of name; of a pair .xml and .pkl the .xml alone."""
    suffixes = FORMATS[format].suffixes if format in FORMATS else SUFFIXES
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
    paired = {p.with_suffix("") for p in files if p.suffix.lower() == ".xml"}
    return [p for p in files if p.suffix.lower() == ".xml" or p.with_suffix("") not in paired]


__all__ = [
    "FORMATS",
    "GraspTable",
    "RejectedRow",
    "find_mesh",
    "format_names",
    "read_grasps",
    "write_grasps",
]
