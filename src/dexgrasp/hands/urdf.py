"""Reads the part of URDF that hands use; anything else is an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import xacro
from scipy.spatial.transform import Rotation

from dexgrasp.errors import ConfigError
from dexgrasp.types import Array


@dataclass(frozen=True)
class Primitive:
    """A collision shape of link index `link` at `T_link_primitive` (4, 4).

    size [m]: box (x, y, z) edges; capsule and cylinder (radius, length of the straight part),
    axis z; sphere (radius,).
    """

    link: int
    kind: str
    size: tuple[float, ...]
    T_link_primitive: Array


@dataclass(frozen=True)
class Link:
    """A body: parent index (-1: palm), joint index in the canonical order (-1: fixed).

    T_parent_link: (4, 4) at joint angle zero; axis: (3,) in the link; mass [kg];
    com (3,) [m] and inertia (3, 3) [kg m2] about it, in the link.
    """

    name: str
    parent: int
    joint: int
    T_parent_link: Array
    axis: Array
    mass: float
    com: Array
    inertia: Array


@dataclass
class Urdf:
    """Links with parents before children, shapes, and joint figures by joint name."""

    text: str
    links: list[Link] = field(default_factory=list)
    primitives: list[Primitive] = field(default_factory=list)
    limits: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)


def vector(text: str | None) -> Array:
    """Three numbers, zero when absent."""
    return np.array([float(v) for v in (text or "0 0 0").split()])


def origin(element: ElementTree.Element) -> Array:
    """(4, 4) pose of an element's <origin>, identity when absent."""
    pose = np.eye(4)
    found = element.find("origin")
    if found is not None:
        pose[:3, :3] = Rotation.from_euler("xyz", vector(found.get("rpy"))).as_matrix()
        pose[:3, 3] = vector(found.get("xyz"))
    return pose


def read_urdf(path: Path, palm_link: str, joint_order: tuple[str, ...]) -> Urdf:
    """Expand a xacro (or plain URDF) file and read its tree. Raises ConfigError."""
    try:
        text = xacro.process_file(str(path)).toprettyxml(indent="  ")
        root = ElementTree.fromstring(text)
    except Exception as error:  # xacro raises many types, some of its own
        raise ConfigError(f"{path} cannot be read: {error}") from error
    result = Urdf(text)
    links = {element.get("name", ""): element for element in root.findall("link")}
    joints = root.findall("joint")
    moving = {j.get("name", "") for j in joints if j.get("type") == "revolute"}
    if moving != set(joint_order):
        raise ConfigError(
            f"{path}: joint_order differs from the URDF's revolute joints by "
            f"{sorted(moving.symmetric_difference(joint_order))}"
        )
    if palm_link not in links:
        raise ConfigError(f"{path}: no link {palm_link!r}; links: {', '.join(links)}")
    indices = {palm_link: 0}
    result.links.append(_link(links[palm_link], -1, -1, np.eye(4), np.zeros(3)))
    while True:
        fresh = [
            j for j in joints
            if _end(j, "parent") in indices and _end(j, "child") not in indices
        ]
        if not fresh:
            break
        for joint in fresh:
            _add_joint(result, joint, links, indices, joint_order, path)
    if len(indices) != len(links):
        raise ConfigError(f"{path}: links not connected to the palm: {set(links) - set(indices)}")
    for name, index in indices.items():
        result.primitives += [
            _primitive(shape, index, path) for shape in links[name].findall("collision")
        ]
    return result


def _end(joint: ElementTree.Element, which: str) -> str:
    found = joint.find(which)
    return "" if found is None else found.get("link", "")


def _add_joint(
    result: Urdf,
    joint: ElementTree.Element,
    links: dict[str, ElementTree.Element],
    indices: dict[str, int],
    joint_order: tuple[str, ...],
    path: Path,
) -> None:
    name, kind = joint.get("name", ""), joint.get("type")
    if kind not in ("revolute", "fixed"):
        raise ConfigError(f"{path}: joint {name!r} is {kind!r}; allowed: revolute, fixed")
    child = _end(joint, "child")
    number, axis = -1, np.zeros(3)
    if kind == "revolute":
        number = joint_order.index(name)
        found, limit = joint.find("axis"), joint.find("limit")
        if found is None or limit is None:
            raise ConfigError(f"{path}: joint {name!r} needs <axis> and <limit>")
        axis = vector(found.get("xyz"))
        axis = axis / np.linalg.norm(axis)
        lower, upper, effort, speed = (
            float(limit.get(key, "nan")) for key in ("lower", "upper", "effort", "velocity")
        )
        result.limits[name] = (lower, upper, effort, speed)
    indices[child] = len(result.links)
    parent = indices[_end(joint, "parent")]
    result.links.append(_link(links[child], parent, number, origin(joint), axis))


def _link(
    element: ElementTree.Element, parent: int, joint: int, T_parent_link: Array, axis: Array
) -> Link:
    name = element.get("name", "")
    inertial = element.find("inertial")
    mass, tensor = (None, None) if inertial is None else (
        inertial.find("mass"), inertial.find("inertia"))
    if inertial is None or mass is None or tensor is None:
        raise ConfigError(f"link {name!r} has no complete <inertial>")
    i = {key: float(tensor.get(key, "0")) for key in ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")}
    inertia = np.array(
        [
            [i["ixx"], i["ixy"], i["ixz"]],
            [i["ixy"], i["iyy"], i["iyz"]],
            [i["ixz"], i["iyz"], i["izz"]],
        ]
    )
    pose = origin(inertial)
    inertia = pose[:3, :3] @ inertia @ pose[:3, :3].T
    return Link(
        name, parent, joint, T_parent_link, axis, float(mass.get("value", "nan")), pose[:3, 3],
        inertia,
    )


def _primitive(shape: ElementTree.Element, link: int, path: Path) -> Primitive:
    geometry = shape.find("geometry")
    inner = None if geometry is None or not len(geometry) else geometry[0]
    tag = "" if inner is None else inner.tag
    if inner is None or tag not in ("box", "cylinder", "sphere"):
        raise ConfigError(f"{path}: collision shape {tag!r}; allowed: box, cylinder, sphere")
    if tag == "box":
        size = tuple(vector(inner.get("size")))
    elif tag == "sphere":
        size = (float(inner.get("radius", "nan")),)
    else:
        size = (float(inner.get("radius", "nan")), float(inner.get("length", "nan")))
        if shape.get("name", "").endswith("_capsule"):
            tag = "capsule"
    return Primitive(link, tag, tuple(float(v) for v in size), origin(shape))
