"""Keypoints of the MANO human hand (Romero, Tzionas, Black 2017) from its parameters.

The model is licensed and belongs to nobody's repository: users point DEXGRASP_MANO at their own
MANO_RIGHT.pkl, or at an .npz of the same arrays. The arithmetic follows the paper; the vertices
that serve as fingertips are those of manopth and smplx users (hassony2/manopth, manolayer.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csc_matrix
from scipy.spatial.transform import Rotation

from dexgrasp.datasets.files import read_document
from dexgrasp.datasets.retarget import Keypoints, palm_frame
from dexgrasp.datasets.unpickle import Inert
from dexgrasp.errors import GraspError
from dexgrasp.geometry import inverse, transform_points
from dexgrasp.types import Array

VARIABLE = "DEXGRASP_MANO"
TIP_VERTICES = (745, 317, 444, 556, 673)  # thumb, index, middle, ring, little (manopth, right)
VERTICES, JOINTS = 778, 16
# MANO's joints are wrist, index, middle, little, ring, thumb, three each; then come the tips.
# The usual 21 keypoints are wrist, thumb, index, middle, ring, little, tips last (manopth).
TO_KEYPOINTS = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
WRIST, INDEX, MIDDLE, LITTLE = 0, 5, 9, 17  # knuckles among the keypoints
TIPS = (4, 8, 12, 16, 20)


def hand_keypoints(points: Array, T_world_object: Array) -> Keypoints:
    """From 21 keypoints (n, 21, 3) [m] of right hands and objects' poses (n, 4, 4), same frame."""
    frame = palm_frame(*(points[:, i] for i in (WRIST, INDEX, MIDDLE, LITTLE)))
    T_object_world = inverse(T_world_object)
    return Keypoints(
        transform_points(T_object_world, points[:, list(TIPS)]), T_object_world @ frame
    )


@dataclass(frozen=True)
class ManoModel:
    """template (778, 3) [m], shape directions (778, 3, 10), pose directions (778, 3, 135),
    joint regressor (16, 778), weights (778, 16), parent (16,), mean pose (45,) and pose
    components (45, 45) [rad]."""

    template: Array
    shape_directions: Array
    pose_directions: Array
    regressor: Array
    weights: Array
    parent: Array
    mean: Array
    components: Array

    def full_pose(self, coefficients: Array, flat: bool) -> Array:
        """(n, 45) axis-angles [rad] from PCA coefficients (n, c); `flat`: zero is a flat hand."""
        pose = coefficients @ self.components[: coefficients.shape[1]]
        return pose if flat else pose + self.mean

    def keypoints(
        self, pose: Array, betas: Array, translation: Array, template: Array | None = None
    ) -> Array:
        """(n, 21, 3) [m]: wrist, then thumb to little finger, each from the palm to its tip.

        pose: (n, 48) axis-angles, the wrist's first [rad].  betas: (n, 10).  translation:
        (n, 3) [m].  template: (778, 3) of one person instead of the mean shape.
        """
        template = self.template if template is None else template
        shaped = template + np.einsum("vkb,nb->nvk", self.shape_directions, betas)
        rest = self.regressor @ shaped
        turns = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(-1, JOINTS, 3, 3)
        rotation, position = self._chain(turns, rest)
        tips = list(TIP_VERTICES)
        bent = (turns[:, 1:] - np.eye(3)).reshape(len(pose), -1)
        posed = shaped[:, tips] + np.einsum("vkp,np->nvk", self.pose_directions[tips], bent)
        moved = np.einsum("njkl,nvjl->nvjk", rotation, posed[:, :, None] - rest[:, None])
        skin = ((moved + position[:, None]) * self.weights[tips][None, :, :, None]).sum(axis=2)
        points = np.concatenate([position, skin], axis=1)[:, list(TO_KEYPOINTS)]
        return points + translation[:, None]

    def _chain(self, turns: Array, rest: Array) -> tuple[Array, Array]:
        """World rotations (n, 16, 3, 3) and positions (n, 16, 3) of the joints."""
        rotation, position = np.empty_like(turns), np.empty_like(rest)
        rotation[:, 0], position[:, 0] = turns[:, 0], rest[:, 0]
        for joint in range(1, JOINTS):
            parent = self.parent[joint]
            rotation[:, joint] = rotation[:, parent] @ turns[:, joint]
            arm = (rest[:, joint] - rest[:, parent])[..., None]
            position[:, joint] = position[:, parent] + (rotation[:, parent] @ arm)[..., 0]
        return rotation, position


def load_mano(needed_by: Path) -> ManoModel:
    """The user's model. Raises GraspError saying what `needed_by` lacks and how to give it."""
    path = os.environ.get(VARIABLE)
    if not path:
        raise GraspError(
            f"{needed_by} holds MANO parameters and no joint positions: set {VARIABLE} to your "
            "MANO_RIGHT.pkl, or an .npz of its arrays (https://mano.is.tue.mpg.de, licensed)"
        )
    return read_mano(Path(path))


def read_mano(path: Path) -> ManoModel:
    """MANO_RIGHT.pkl or an .npz of the same names. Raises GraspError naming what is wrong."""
    values = read_document(path).value
    wanted = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
    missing = [name for name in wanted if not isinstance(values, Mapping) or name not in values]
    if missing:
        raise GraspError(f"{path} is no MANO model: it lacks {', '.join(missing)}")
    arrays = {name: _dense(values[name], path) for name in wanted}
    shapes = {
        "v_template": (VERTICES, 3),
        "shapedirs": (VERTICES, 3, 10),
        "posedirs": (VERTICES, 3, 9 * (JOINTS - 1)),
        "J_regressor": (JOINTS, VERTICES),
        "weights": (VERTICES, JOINTS),
        "kintree_table": (2, JOINTS),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise GraspError(f"{path}: {name} has shape {arrays[name].shape}; MANO's is {shape}")
    parent = arrays["kintree_table"][0].astype(np.uint32).astype(np.int64)
    parent[0] = -1  # MANO writes 2^32 - 1
    if (parent >= np.arange(JOINTS)).any() or (parent[1:] < 0).any():
        raise GraspError(f"{path}: kintree_table is no tree with parents before children")
    return ManoModel(
        template=arrays["v_template"],
        shape_directions=arrays["shapedirs"],
        pose_directions=arrays["posedirs"],
        regressor=arrays["J_regressor"],
        weights=arrays["weights"],
        parent=parent,
        mean=_dense(values.get("hands_mean", np.zeros(45)), path).reshape(45),
        components=_dense(values.get("hands_components", np.eye(45)), path).reshape(45, 45),
    )


def _dense(value: Any, path: Path) -> Array:
    """A float array of an array, a chumpy object or a scipy sparse matrix."""
    if isinstance(value, Inert):
        state = value.state
        if "indptr" in state:
            shape = state.get("_shape", state.get("shape"))
            parts = tuple(np.asarray(state[key]) for key in ("data", "indices", "indptr"))
            return csc_matrix(parts, shape=shape).toarray().astype(float)
        if "idxs" in state:  # chumpy.Select: entries of another array, reshaped
            entries = _dense(state["a"], path).reshape(-1)[np.asarray(state["idxs"])]
            return entries.reshape(state["preferred_shape"])
        if "x" not in state:
            raise GraspError(f"{path} holds an array object without numbers")
        return _dense(state["x"], path)
    return np.asarray(value, float)
