"""HTML built from Python values: every text and attribute is escaped unless it is Markup."""

from __future__ import annotations

from html import escape

VOID_ELEMENTS = frozenset({"img", "meta", "br", "link"})


class Markup(str):
    """Text that is HTML already."""


Child = str | int | None


def element(tag: str, /, *children: Child, **attributes: str | bool | None) -> Markup:
    """One element. `class_` is written `class`; None children and attributes are left out."""
    opening = tag + "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in VOID_ELEMENTS:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(*children)}</{tag}>")


def join(*children: Child) -> Markup:
    """Children side by side."""
    return Markup("".join(_text(child) for child in children if child is not None))


def _text(child: Child) -> str:
    return child if isinstance(child, Markup) else escape(str(child))


def _attribute(key: str, value: str | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(value, quote=True)}"'
