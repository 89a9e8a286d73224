"""Reading a URDF: moving links with their joints, inertia and primitive shapes."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import xacro
from scipy.spatial.transform import Rotation

from dexgrasp.errors import ConfigError
from dexgrasp.hands.primitives import Primitive
from dexgrasp.types import Array

CAPSULE, CAP = "_capsule", "_cap"


@dataclass(frozen=True)
class Link:
    """A link of the hand, rigid with everything that fixed joints attach to it.

    parent: index of the parent link, -1 for the palm.  joint: index of the joint that moves
    it in the canonical order, -1 for the palm.  T_parent_link: (4, 4) at joint angle 0.
    axis: (3,) joint axis in the link's frame.  mass [kg], com (3,) [m] and inertia (3, 3)
    [kg m^2] about the com, in the link's frame.
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
class UrdfTree:
    """Links with parents before children, shapes, and what fixed joints attach to which link.

    limits: lower, upper [rad], effort [Nm] and velocity [rad/s] by joint name.
    """

    links: list[Link] = field(default_factory=list)
    primitives: list[Primitive] = field(default_factory=list)
    limits: dict[str, tuple[float, ...]] = field(default_factory=dict)
    fixed_frames: dict[str, tuple[int, Array]] = field(default_factory=dict)


def expand(path: Path) -> str:
    """The URDF text of a .urdf or .xacro file. Raises ConfigError when it does not expand."""
    try:
        return xacro.process_file(str(path)).toprettyxml(indent="  ")  # type: ignore[union-attr]
    except Exception as error:  # xacro raises many types, some of its own
        raise ConfigError(f"{path} cannot be expanded: {error}") from error


def read_tree(text: str, root: str, joint_order: tuple[str, ...]) -> UrdfTree:
    """Links from `root` on, joints numbered by `joint_order`.

    Links behind fixed joints are merged into their moving ancestor. Raises ConfigError for
    joints other than revolute and fixed, collision meshes, and joints missing on either side.
    """
    robot = ElementTree.fromstring(text)
    elements = {link.attrib["name"]: link for link in robot.findall("link")}
    if root not in elements:
        raise ConfigError(f"the URDF has no link '{root}'; it has {', '.join(elements)}")
    children: dict[str, list[ElementTree.Element]] = {name: [] for name in elements}
    for joint in robot.findall("joint"):
        ends = [_attribute(joint, end, "link") for end in ("parent", "child")]
        for end in ends:
            if end not in elements:
                raise ConfigError(f"joint '{joint.get('name')}' joins an unknown link '{end}'")
        children[ends[0]].append(joint)
    tree = UrdfTree()
    tree.links.append(_link(elements[root], -1, -1, np.eye(4), np.zeros(3)))
    tree.primitives.extend(_primitives(elements[root], 0, np.eye(4)))
    _descend(tree, elements, children, root, 0, np.eye(4), joint_order)
    missing = set(joint_order) - set(tree.limits)
    if missing:
        raise ConfigError(f"joints {sorted(missing)} of joint_order are not in the URDF")
    return tree


def _descend(
    tree: UrdfTree,
    elements: dict[str, ElementTree.Element],
    children: dict[str, list[ElementTree.Element]],
    name: str,
    index: int,
    T_link_frame: Array,
    joint_order: tuple[str, ...],
) -> None:
    for joint in children[name]:
        child = _attribute(joint, "child", "link")
        pose = T_link_frame @ _origin(joint)
        if joint.attrib["type"] == "fixed":
            tree.fixed_frames[child] = (index, pose)
            tree.primitives.extend(_primitives(elements[child], index, pose))
            extra = _link(elements[child], -1, -1, pose, np.zeros(3))
            tree.links[index] = _merge(tree.links[index], extra)
            _descend(tree, elements, children, child, index, pose, joint_order)
            continue
        number = _number(tree, joint, joint_order)
        axis = _vector(joint.find("axis"), "xyz", (1.0, 0.0, 0.0))
        axis = axis / np.linalg.norm(axis)
        tree.links.append(_link(elements[child], index, number, pose, axis))
        own = len(tree.links) - 1
        tree.primitives.extend(_primitives(elements[child], own, np.eye(4)))
        _descend(tree, elements, children, child, own, np.eye(4), joint_order)


def _number(tree: UrdfTree, joint: ElementTree.Element, joint_order: tuple[str, ...]) -> int:
    """Place of a moving joint in the canonical order; notes its limits."""
    name, kind = joint.attrib["name"], joint.attrib["type"]
    if kind != "revolute" or joint.find("mimic") is not None:
        raise ConfigError(
            f"joint '{name}' is {kind}; hands have fixed and revolute joints without mimic"
        )
    if name not in joint_order:
        raise ConfigError(f"joint '{name}' of the URDF is missing in joint_order")
    limit = joint.find("limit")
    if limit is None:
        raise ConfigError(f"joint '{name}' has no limit")
    try:
        tree.limits[name] = tuple(
            float(limit.attrib[key]) for key in ("lower", "upper", "effort", "velocity")
        )
    except KeyError as error:
        raise ConfigError(f"the limit of joint '{name}' lacks {error}") from error
    return joint_order.index(name)


def _link(element: ElementTree.Element, parent: int, joint: int, pose: Array, axis: Array) -> Link:
    name, inertial = element.attrib["name"], element.find("inertial")
    if inertial is None:
        return Link(name, parent, joint, pose, axis, 0.0, np.zeros(3), np.zeros((3, 3)))
    origin = _origin(inertial)
    names = (("ixx", "ixy", "ixz"), ("ixy", "iyy", "iyz"), ("ixz", "iyz", "izz"))
    tensor = np.array([[float(_attribute(inertial, "inertia", n)) for n in row] for row in names])
    turned = origin[:3, :3] @ tensor @ origin[:3, :3].T
    mass = float(_attribute(inertial, "mass", "value"))
    return Link(name, parent, joint, pose, axis, mass, origin[:3, 3], turned)


def _merge(link: Link, fixed: Link) -> Link:
    """`link` with the mass of `fixed`, whose T_parent_link is its pose in `link`."""
    mass = link.mass + fixed.mass
    if fixed.mass == 0.0:
        return link
    rotation = fixed.T_parent_link[:3, :3]
    other_com = rotation @ fixed.com + fixed.T_parent_link[:3, 3]
    com = (link.mass * link.com + fixed.mass * other_com) / mass
    inertia = _shifted(link.inertia, link.mass, link.com - com) + _shifted(
        rotation @ fixed.inertia @ rotation.T, fixed.mass, other_com - com
    )
    return replace(link, mass=mass, com=com, inertia=inertia)


def _shifted(inertia: Array, mass: float, offset: Array) -> Array:
    return inertia + mass * (offset @ offset * np.eye(3) - np.outer(offset, offset))


def _primitives(element: ElementTree.Element, link: int, pose: Array) -> Iterator[Primitive]:
    for collision in element.findall("collision"):
        name = collision.attrib.get("name", "")
        shape = collision.find("geometry/*")
        if name.endswith(CAP):  # an end of a capsule, drawn for RViz
            continue
        if shape is None or shape.tag not in ("box", "cylinder", "sphere"):
            raise ConfigError(
                f"collision '{name}' of link '{element.attrib['name']}' is not a box, cylinder "
                "or sphere; hands collide by primitives"
            )
        if shape.tag == "box":
            kind, size = "box", _vector(shape, "size", (0.0, 0.0, 0.0))
        elif shape.tag == "sphere":
            kind, size = "sphere", np.array([float(shape.attrib["radius"])])
        else:
            kind = "capsule" if name.endswith(CAPSULE) else "cylinder"
            size = np.array([float(shape.attrib["radius"]), float(shape.attrib["length"])])
        yield Primitive(name, link, kind, size, pose @ _origin(collision))


def _origin(element: ElementTree.Element) -> Array:
    """(4, 4) pose of an element's <origin>, identity without one."""
    pose, origin = np.eye(4), element.find("origin")
    pose[:3, 3] = _vector(origin, "xyz", (0.0, 0.0, 0.0))
    # URDF's roll, pitch, yaw turn about fixed axes
    pose[:3, :3] = Rotation.from_euler("xyz", _vector(origin, "rpy", (0.0, 0.0, 0.0))).as_matrix()
    return pose


def _vector(
    element: ElementTree.Element | None, name: str, default: tuple[float, float, float]
) -> Array:
    if element is None or name not in element.attrib:
        return np.array(default)
    return np.array([float(v) for v in element.attrib[name].split()])


def _attribute(element: ElementTree.Element, child: str, name: str) -> str:
    found = element.find(child)
    if found is None or name not in found.attrib:
        raise ConfigError(f"<{element.tag} {element.attrib}> lacks <{child} {name}=…>")
    return found.attrib[name]
