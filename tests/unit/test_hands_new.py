"""A third hand is one URDF and one YAML; what is wrong in either is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dexgrasp.errors import ConfigError
from dexgrasp.hands import HandModel

INERTIAL = (
    '<inertial><mass value="{mass}"/>'
    '<inertia ixx="1e-5" iyy="1e-5" izz="1e-5" ixy="0" ixz="0" iyz="0"/></inertial>'
)
FINGER = """
  <joint name="{name}_hinge" type="revolute">
    <parent link="base"/><child link="{name}"/>
    <origin xyz="0 {y} 0.05" rpy="0 0 {turn}"/><axis xyz="0 1 0"/>
    <limit lower="-0.5" upper="1.5" effort="2" velocity="3"/>
  </joint>
  <link name="{name}">{inertial}
    <collision><origin xyz="0 0 0.03"/><geometry><box size="0.02 0.02 0.06"/></geometry></collision>
  </link>
  <joint name="{name}_glue" type="fixed">
    <parent link="{name}"/><child link="{name}_tip"/><origin xyz="0 0 0.06"/>
  </joint>
  <link name="{name}_tip">{inertial}
    <collision name="{name}_tip_capsule">
      <geometry><cylinder radius="0.01" length="0.02"/></geometry>
    </collision>
  </link>
"""
YAML = """
urdf: gripper.urdf
palm_link: base
joint_order: [left_hinge, right_hinge]
fingers:
  - {name: left, distal_link: left, tip: [0.0, 0.0, 0.08], pad: [1.0, 0.0, 0.0]}
  - {name: right, distal_link: right, tip: [0.0, 0.0, 0.08], pad: [1.0, 0.0, 0.0]}
grasp_frame: {origin: [0.0, 0.0, 0.05], approach: [0.0, 0.0, 1.0], fingers: [1.0, 0.0, 0.0]}
postures: {open: [-0.2, -0.2], closed: [0.3, 0.3]}
grasp_types: [{name: pinch, posture: closed, fingers: [left, right]}]
actuators: {stiffness: [3.0, 4.0], damping: 0.1, armature: 0.001, friction: 0.01}
collision_exclusions: []
orders:
  mirrored: {joints: [right_hinge, left_hinge], sign: -1.0, offset: [0.1, 0.2]}
"""


def urdf() -> str:
    """Two hinged fingers on a box, each with a tip that a fixed joint holds."""
    fingers = [
        FINGER.format(name="left", y=0.0, turn=0.0, inertial=INERTIAL.format(mass=0.1)),
        FINGER.format(name="right", y=0.0, turn=3.14159265359, inertial=INERTIAL.format(mass=0.1)),
    ]
    base = (
        f'<link name="base">{INERTIAL.format(mass=0.5)}'
        '<collision><geometry><box size="0.06 0.06 0.08"/></geometry></collision></link>'
    )
    return f'<robot name="gripper">{base}{"".join(fingers)}</robot>'


def write(folder: Path, urdf_text: str, yaml: str) -> Path:
    """The two files of a hand."""
    (folder / "gripper.urdf").write_text(urdf_text)
    path = folder / "gripper.yaml"
    path.write_text(yaml)
    return path


def test_a_third_hand_needs_no_code(tmp_path: Path) -> None:
    hand = HandModel.from_file(write(tmp_path, urdf(), YAML))
    assert hand.name == "gripper"
    assert hand.link_names == ("base", "left", "right")
    q = np.array([[0.0, 0.0], [0.5, 0.0]])
    tips = hand.fingertips(q)
    np.testing.assert_allclose(tips[0], [[0.0, 0.0, 0.13], [0.0, 0.0, 0.13]], atol=1e-9)
    bent = [0.08 * np.sin(0.5), 0.0, 0.05 + 0.08 * np.cos(0.5)]
    np.testing.assert_allclose(tips[1, 0], bent, atol=1e-9)
    np.testing.assert_array_equal(hand.stiffness, [3.0, 4.0])
    np.testing.assert_allclose(hand.to_order(np.array([1.0, 2.0]), "mirrored"), [-1.9, -0.8])
    assert [p.kind for p in hand.primitives] == ["box", "box", "capsule", "box", "capsule"]
    assert hand.contacts.tip.sum() > 20
    assert len(hand.sphere_radii) > 10


def test_links_behind_fixed_joints_are_merged(tmp_path: Path) -> None:
    hand = HandModel.from_file(write(tmp_path, urdf(), YAML))
    left = hand.links[1]
    assert left.mass == pytest.approx(0.2)
    np.testing.assert_allclose(left.com, [0.0, 0.0, 0.03])
    # two masses of 0.1 kg, 0.06 m apart, each with 1e-5 kg m2 about its centre
    np.testing.assert_allclose(np.diag(left.inertia), [2e-5 + 1.8e-4, 2e-5 + 1.8e-4, 2e-5])
    link, pose = hand.fixed_frames["left_tip"]
    assert link == 1
    np.testing.assert_allclose(pose[:3, 3], [0.0, 0.0, 0.06])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<box size", '<mesh filename="a.stl"/><box size', "primitives"),
        ('type="revolute"', 'type="prismatic"', "left_hinge' is prismatic"),
        ('name="left_hinge"', 'name="other"', "missing in joint_order"),
        ('velocity="3"', "", "lacks 'velocity'"),
        ('link name="base"', 'link name="root"', "no link 'base'"),
        ("</robot>", "", "cannot be expanded"),
    ],
)
def test_faults_in_the_urdf_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, urdf().replace(old, new), YAML)
    with pytest.raises(ConfigError, match=message):
        HandModel.from_file(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("palm_link: base", "palm_link: base\npalm: base", "unknown key 'palm'"),
        ("open: [-0.2, -0.2]", "open: [-0.2]", "1 values for 2 joints"),
        ("open: [-0.2, -0.2]", "open: [-0.9, -0.2]", "left_hinge to -0.9"),
        ("{open:", "{opened:", "lacks 'open'"),
        ("posture: closed", "posture: shut", "unknown 'shut'"),
        ("[right_hinge, left_hinge]", "[right_hinge, right_hinge]", "every joint once"),
        ("distal_link: left,", "distal_link: thumb,", "thumb"),
        ("fingers: [1.0, 0.0, 0.0]}", "fingers: [0.0, 0.0, 1.0]}", "orthogonal"),
        ("urdf: gripper.urdf", "urdf: none.urdf", "missing"),
    ],
)
def test_faults_in_the_yaml_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, urdf(), YAML.replace(old, new))
    with pytest.raises(Exception, match=message) as caught:
        HandModel.from_file(path)
    assert caught.value.code in (10, 11)  # type: ignore[attr-defined]
