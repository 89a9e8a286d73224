"""The mesh that a grasp file's object name means, in folders that the user gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dexgrasp.errors import MeshError
from dexgrasp.objects.meshfile import SUFFIXES

# Where sets keep the one mesh to use among an object's files, best first: YCB and DexYCB,
# YCB's 16k scans, MeshProcess (BODex, Dexonomy), DexGraspNet.
PREFERRED = (
    "textured_simple.obj",
    "google_16k/nontextured.ply",
    "google_16k/textured.obj",
    "textured.obj",
    "mesh/simplified.obj",
    "coacd/decomposed.obj",
)


def find_mesh(name: str, folders: Sequence[Path]) -> Path:
    """The mesh file of an object.

    name: as a grasp file writes it: a path, a file name, a bare name or `dataset+object`.
    folders: where to look, first hit wins. Within a folder: the name itself, the name and a
    suffix of SUFFIXES, then a folder of that name with a file of PREFERRED or with one mesh.
    Raises MeshError saying where it looked, or which of several it cannot choose from.
    """
    if Path(name).suffix.lower() in SUFFIXES and Path(name).is_file():
        return Path(name)
    for folder in folders:
        for spelling in _spellings(name):
            found = _in_folder(Path(folder), spelling)
            if found is not None:
                return found
    where = ", ".join(str(folder) for folder in folders) or "no folder"
    raise MeshError(
        f"no mesh of {name!r} in {where}; looked for {', '.join(_spellings(name))} with "
        f"{', '.join(SUFFIXES)}, or a folder of that name"
    )


def _spellings(name: str) -> Iterator[str]:
    """The name, its path without what is above, and the object in `dataset+object`."""
    seen = set()
    tail = Path(name).name
    for spelling in (name.lstrip("/"), name.replace("+", "/"), tail, tail.rpartition("+")[2]):
        if spelling and ".." not in Path(spelling).parts and spelling not in seen:
            seen.add(spelling)
            yield spelling


def _in_folder(folder: Path, name: str) -> Path | None:
    place = folder / name
    if place.suffix.lower() in SUFFIXES and place.is_file():
        return place
    for suffix in SUFFIXES:
        file = place.with_name(place.name + suffix)
        if file.is_file():
            return file
    return _of_object(place) if place.is_dir() else None


def _of_object(folder: Path) -> Path:
    for inner in PREFERRED:
        if (folder / inner).is_file():
            return folder / inner
    meshes = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    own = [p for p in meshes if p.stem == folder.name]
    if len(own or meshes) == 1:
        return (own or meshes)[0]
    listed = ", ".join(str(p.relative_to(folder)) for p in meshes[:5]) or "none"
    raise MeshError(f"{folder} holds {len(meshes)} meshes ({listed}); name the file itself")
