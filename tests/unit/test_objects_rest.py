"""Objects rest as their resting pose says, in the simulator."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from dexgrasp.objects import ObjectModel, load_object, object_names
from dexgrasp.objects.poses import resting_pose

SECONDS, TIMESTEP = 1.0, 0.002
ROUND = {"tennis_ball", "baseball", "softball", "racquetball", "golf_ball", "mini_soccer_ball"}
ROUND |= {"orange", "plum", "lemon", "strawberry"}


def compiled(model: ObjectModel) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.5, 0.5, 0.1], pos=[0.0, 0.0, -0.1]
    )
    pose = model.T_table_object
    quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat(scalar_first=True)
    body = spec.worldbody.add_body(pos=pose[:3, 3], quat=quaternion)
    body.add_freejoint()
    inertia = model.inertia
    body.explicitinertial, body.mass, body.ipos = True, model.mass, model.com
    body.fullinertia = [*np.diag(inertia), inertia[0, 1], inertia[0, 2], inertia[1, 2]]
    for index, part in enumerate(model.parts):
        name = f"part_{index}"
        spec.add_mesh(
            name=name,
            uservert=np.asarray(part.vertices, dtype=np.float32).ravel(),
            userface=np.asarray(part.faces, dtype=np.int32).ravel(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX,
        )
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, mass=0.0)
    return spec.compile()


@pytest.mark.parametrize("name", object_names())
def test_catalogue_object_stays_where_it_is_put(name: str) -> None:
    model = compiled(load_object(name))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    start, turn = data.xipos[1].copy(), Rotation.from_matrix(data.xmat[1].reshape(3, 3))
    for _ in range(int(SECONDS / TIMESTEP)):
        mujoco.mj_step(model, data)
    end = Rotation.from_matrix(data.xmat[1].reshape(3, 3))
    assert np.linalg.norm(data.xipos[1] - start) < (0.005 if name in ROUND else 0.002)
    assert np.rad2deg((turn.inv() * end).magnitude()) < (8.0 if name in ROUND else 2.0)


def test_a_given_bottom_is_kept() -> None:
    box = trimesh.creation.box([0.1, 0.1, 0.3])
    pose = resting_pose(box, np.zeros(3))
    np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(pose[:3, 3], [0.0, 0.0, 0.15], atol=1e-9)


def test_an_unstable_body_lies_down() -> None:
    needle = trimesh.creation.box([0.002, 0.002, 0.3])
    needle.apply_transform(trimesh.transformations.rotation_matrix(0.5, [1.0, 0.0, 0.0]))
    pose = resting_pose(needle, np.zeros(3))
    assert needle.apply_transform(pose).extents[2] < 0.003


def test_a_slightly_crooked_mesh_is_set_straight() -> None:
    box = trimesh.creation.box([0.1, 0.1, 0.1])
    box.apply_transform(trimesh.transformations.rotation_matrix(0.1, [1.0, 0.0, 0.0]))
    resting = box.apply_transform(resting_pose(box, np.asarray(box.center_mass)))
    np.testing.assert_allclose(resting.extents, 0.1, atol=1e-6)


def test_rest_pose_places_and_turns() -> None:
    model = load_object("mug")
    pose = model.rest_pose(np.array([0.3, -0.2, 0.7]), yaw=0.5)
    placed = model.mesh.copy().apply_transform(pose)
    assert placed.bounds[0, 2] == pytest.approx(0.7, abs=1e-5)
    np.testing.assert_allclose(pose[:2, 0], [np.cos(0.5), np.sin(0.5)], atol=1e-2)
