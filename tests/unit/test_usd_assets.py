"""USD assets say what the MuJoCo model says: masses, joints, kinematics, shapes, friction."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dexgrasp.errors import BackendError
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.simulation import SimulationConfig
from dexgrasp.simulation.scene import HAND_FRICTION, PALM_BODY, build_model, object_body
from dexgrasp.types import ObjectPlacement

pytest.importorskip("pxr", reason="the extra 'usd' is not installed")
from pxr import Usd, UsdGeom, UsdPhysics

from dexgrasp.simulation.usd_assets import hand_usd, object_usd, prim_path

HANDS = ("allegro_right", "leap_right")


def rotation(quaternion) -> np.ndarray:
    return Rotation.from_quat([*quaternion.GetImaginary(), quaternion.GetReal()]).as_matrix()


def frame(position, quaternion) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation(quaternion), position
    return pose


def inertia(prim) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass [kg], com (3,) [m] and the inertia (3, 3) about it in the body's frame [kg m2]."""
    api = UsdPhysics.MassAPI(prim)
    axes = rotation(api.GetPrincipalAxesAttr().Get())
    moments = np.array(api.GetDiagonalInertiaAttr().Get())
    com = np.array(api.GetCenterOfMassAttr().Get())
    return api.GetMassAttr().Get(), com, axes @ np.diag(moments) @ axes.T


def mujoco_inertia(model, name: str) -> tuple[float, np.ndarray, np.ndarray]:
    body = model.body(name)
    axes = Rotation.from_quat(np.roll(body.iquat, -1)).as_matrix()
    return body.mass[0], body.ipos, axes @ np.diag(body.inertia) @ axes.T


def assert_same_inertia(prim, model, name: str) -> None:
    seen, wanted = inertia(prim), mujoco_inertia(model, name)
    assert seen[0] == pytest.approx(wanted[0], rel=1e-5)
    np.testing.assert_allclose(seen[1], wanted[1], atol=1e-6)
    np.testing.assert_allclose(seen[2], wanted[2], atol=1e-4 * np.abs(wanted[2]).max())


@pytest.fixture(scope="module", params=HANDS)
def made(request, tmp_path_factory):
    """The hand, its stage and MuJoCo's model of it beside a mug."""
    hand = HandModel.load(request.param)
    mug = load_object("mug")
    model = build_model(hand, [ObjectPlacement(mug, mug.T_table_object)], SimulationConfig.load())
    folder = tmp_path_factory.mktemp("usd")
    return hand, Usd.Stage.Open(str(hand_usd(hand, folder))), model


def test_links_weigh_what_they_weigh_in_mujoco(made) -> None:
    hand, stage, model = made
    for index, link in enumerate(hand.links):
        name = PALM_BODY if index == 0 else link.name
        assert_same_inertia(stage.GetPrimAtPath(prim_path(hand.name, link.name)), model, name)


def test_joints_have_mujocos_limits_gains_and_friction(made) -> None:
    hand, stage, model = made
    for name in hand.joint_names:
        prim = stage.GetPrimAtPath(prim_path(hand.name, "joints", name))
        joint, drive = UsdPhysics.RevoluteJoint(prim), UsdPhysics.DriveAPI.Get(prim, "angular")
        limits = [joint.GetLowerLimitAttr().Get(), joint.GetUpperLimitAttr().Get()]
        servo, own = model.actuator(f"servo_{name}"), model.joint(name)
        np.testing.assert_allclose(np.radians(limits), own.range, atol=1e-6)
        gains = np.array([drive.GetStiffnessAttr().Get(), drive.GetDampingAttr().Get()])
        np.testing.assert_allclose(np.degrees(gains), -servo.biasprm[1:3], rtol=1e-5)
        assert drive.GetMaxForceAttr().Get() == pytest.approx(servo.forcerange[1])
        dof = own.dofadr[0]
        extra = [prim.GetAttribute(f"physxJoint:{n}").Get() for n in ("armature", "jointFriction")]
        wanted = [model.dof_armature[dof], model.dof_frictionloss[dof]]
        np.testing.assert_allclose(extra, wanted, rtol=1e-5)


def test_the_joints_frames_give_the_hands_kinematics(made) -> None:
    """At angles that all differ: an order or a sign that is wrong shows."""
    hand, stage, _ = made
    share = np.linspace(0.15, 0.85, hand.joint_count)
    q = hand.joint_lower + share * (hand.joint_upper - hand.joint_lower)
    wanted = hand.forward(q[None])[0]
    poses = {prim_path(hand.name, hand.links[0].name): np.eye(4)}
    for link in hand.links[1:]:
        prim = stage.GetPrimAtPath(prim_path(hand.name, "joints", hand.joint_names[link.joint]))
        joint = UsdPhysics.RevoluteJoint(prim)
        parent, child = (str(r.GetTargets()[0]) for r in (joint.GetBody0Rel(), joint.GetBody1Rel()))
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_rotvec([q[link.joint], 0.0, 0.0]).as_matrix()
        before = frame(joint.GetLocalPos0Attr().Get(), joint.GetLocalRot0Attr().Get())
        after = frame(joint.GetLocalPos1Attr().Get(), joint.GetLocalRot1Attr().Get())
        poses[child] = poses[parent] @ before @ turn @ np.linalg.inv(after)
    for index, link in enumerate(hand.links):
        np.testing.assert_allclose(poses[prim_path(hand.name, link.name)], wanted[index], atol=1e-5)


def test_collision_solids_fill_what_they_fill_in_mujoco(made) -> None:
    """The box of each solid about its link, and the friction of its surface."""
    hand, stage, model = made
    cache = UsdGeom.BBoxCache(Usd.TimeCode.Default(), [UsdGeom.Tokens.default_])
    geoms = [
        g for g in range(model.ngeom)
        if model.geom_contype[g] and model.body(model.geom_bodyid[g]).name
        in {PALM_BODY, *(link.name for link in hand.links)}
    ]  # fmt: skip
    assert len(geoms) == len(hand.primitives)
    for index, primitive in enumerate(hand.primitives):
        link = hand.links[primitive.link].name
        prim = stage.GetPrimAtPath(prim_path(hand.name, link, f"collision_{index}"))
        local = cache.ComputeUntransformedBound(prim).ComputeAlignedRange().GetSize()
        scale = prim.GetAttribute("xformOp:scale").Get() or (1.0, 1.0, 1.0)
        size = np.array(local) * scale
        radius = 0.0 if primitive.kind == "box" else primitive.size[0]
        wanted = {
            "box": primitive.size,
            "sphere": [2 * radius] * 3,
            "capsule": [2 * radius, 2 * radius, 2 * radius + primitive.size[-1]],
            "cylinder": [2 * radius, 2 * radius, primitive.size[-1]],
        }[primitive.kind]
        np.testing.assert_allclose(size, wanted, atol=1e-6)
    material = UsdPhysics.MaterialAPI(stage.GetPrimAtPath(prim_path(hand.name, "surface")))
    assert material.GetDynamicFrictionAttr().Get() == pytest.approx(HAND_FRICTION)
    assert model.geom_friction[geoms[0], 0] == pytest.approx(HAND_FRICTION)


def test_an_object_is_mujocos(made, tmp_path) -> None:
    model, mug = made[2], load_object("mug")
    stage = Usd.Stage.Open(str(object_usd(mug, tmp_path)))
    root = stage.GetDefaultPrim()
    assert_same_inertia(root, model, object_body(0))
    parts = [p for p in root.GetChildren() if p.HasAPI(UsdPhysics.CollisionAPI)]
    assert len(parts) == len(mug.parts)
    surface = UsdPhysics.MaterialAPI(stage.GetPrimAtPath(f"{root.GetPath()}/surface"))
    assert surface.GetDynamicFrictionAttr().Get() == pytest.approx(mug.friction)


def test_equal_content_is_written_once(tmp_path) -> None:
    hand = HandModel.load("leap_right")
    first = hand_usd(hand, tmp_path)
    stamp = first.stat().st_mtime_ns
    assert hand_usd(hand, tmp_path) == first
    assert first.stat().st_mtime_ns == stamp
    assert len(list(tmp_path.iterdir())) == 1


def test_without_usd_the_error_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pxr", None)
    monkeypatch.delitem(sys.modules, "dexgrasp.simulation.usd_assets")
    with pytest.raises(BackendError, match=r"dexgrasp\[usd\]"):
        importlib.import_module("dexgrasp.simulation.usd_assets")
