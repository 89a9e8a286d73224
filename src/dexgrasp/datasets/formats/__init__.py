"""Readers of the field's grasp files: one small module a layout, all in one table."""

from __future__ import annotations

from collections.abc import Sequence

from dexgrasp.datasets.files import Document
from dexgrasp.datasets.formats.base import Format
from dexgrasp.datasets.formats.bodex import BODEX
from dexgrasp.datasets.formats.dexfuncgrasp import DEXFUNCGRASP
from dexgrasp.datasets.formats.dexgrasp_anything import DEXGRASP_ANYTHING
from dexgrasp.datasets.formats.dexgraspbench import DEXGRASPBENCH, DEXONOMY
from dexgrasp.datasets.formats.dexgraspnet import DEXGRASPNET, UNIDEXGRASP
from dexgrasp.datasets.formats.frogger import FROGGER
from dexgrasp.datasets.formats.graspxl import GRASPXL
from dexgrasp.datasets.formats.human import DEXYCB, GRAB, HO3D
from dexgrasp.datasets.formats.multidex import DRO, MULTIDEX
from dexgrasp.datasets.formats.realdex import REALDEX

# In the order in which they are tried: what needs more keys comes first.
FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        FROGGER,
        DEXGRASPNET,
        UNIDEXGRASP,
        MULTIDEX,
        DRO,
        DEXGRASP_ANYTHING,
        REALDEX,
        GRASPXL,
        DEXFUNCGRASP,
        BODEX,
        DEXGRASPBENCH,
        DEXONOMY,
        GRAB,
        HO3D,
        DEXYCB,
    )
}


def detect(document: Document) -> Format | None:
    """The first layout that the document is in."""
    suffix = document.path.suffix.lower()
    for form in FORMATS.values():
        if suffix in form.suffixes and form.matches(document):
            return form
    return None


def describe(names: Sequence[str] = tuple(FORMATS)) -> str:
    """One line a layout, for help and errors."""
    return "\n".join(f"  {name}: {FORMATS[name].describe}" for name in names)


__all__ = ["FORMATS", "Format", "describe", "detect"]
