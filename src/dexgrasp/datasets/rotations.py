"""Rotations and poses in the forms that grasp files use."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from dexgrasp.datasets.table import ROTATION_TOLERANCE
from dexgrasp.errors import ConfigError
from dexgrasp.types import Array

AXES = re.compile(r"[xyz]{3}|[XYZ]{3}")


def _quaternion(values: Array, scalar_first: bool) -> Array:
    """Matrices of quaternions; NaN where one is not unit."""
    unit = np.abs(np.linalg.norm(values, axis=1) - 1.0) <= ROTATION_TOLERANCE
    matrices = np.full((len(values), 3, 3), np.nan)
    matrices[unit] = Rotation.from_quat(values[unit], scalar_first=scalar_first).as_matrix()
    return matrices


def _rot6d(values: Array) -> Array:
    """Two columns, made orthogonal evenly.

    GenDexGrasp, utils/rot6d.py, robust_compute_rotation_matrix_from_ortho6d; equal to the
    columns themselves where they are orthonormal. NaN where they are parallel.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        x = values[:, :3] / np.linalg.norm(values[:, :3], axis=1, keepdims=True)
        y = values[:, 3:] / np.linalg.norm(values[:, 3:], axis=1, keepdims=True)
        middle = (x + y) / np.linalg.norm(x + y, axis=1, keepdims=True)
        across = (x - y) / np.linalg.norm(x - y, axis=1, keepdims=True)
    x, y = (middle + across) / np.sqrt(2.0), (middle - across) / np.sqrt(2.0)
    return np.stack([x, y, np.cross(x, y)], axis=2)


FORMS: dict[str, tuple[int, Callable[[Array], Array]]] = {
    "quat_wxyz": (4, lambda v: _quaternion(v, True)),
    "quat_xyzw": (4, lambda v: _quaternion(v, False)),
    "matrix": (9, lambda v: v.reshape(-1, 3, 3)),
    "axis_angle": (3, lambda v: Rotation.from_rotvec(v).as_matrix()),
    "rot6d": (6, _rot6d),
}


def rotation_width(form: str) -> int:
    """How many numbers one rotation takes. Raises ConfigError."""
    if form.startswith("euler_") and AXES.fullmatch(form.removeprefix("euler_")):
        return 3
    if form not in FORMS:
        known = ", ".join([*FORMS, "euler_xyz (fixed axes)", "euler_XYZ (turning axes)"])
        raise ConfigError(f"unknown rotation form {form!r}; known: {known}")
    return FORMS[form][0]


def matrices(form: str, values: Array) -> Array:
    """(n, 3, 3) rotations of `values` (n, width), NaN where a value is none. Raises ConfigError.

    form: quat_wxyz, quat_xyzw, matrix (rows), axis_angle [rad], rot6d (the first two columns),
    or euler_ and three axes: small about fixed axes (transforms3d's `sxyz` is euler_xyz), large
    about turning ones. Quaternions must be unit within ROTATION_TOLERANCE.
    """
    width = rotation_width(form)
    values = np.asarray(values, float).reshape(-1, width)
    result = np.full((len(values), 3, 3), np.nan)
    good = np.isfinite(values).all(axis=1)
    if form in FORMS:
        result[good] = FORMS[form][1](values[good])
    elif good.any():
        axes = form.removeprefix("euler_")
        result[good] = Rotation.from_euler(axes, values[good]).as_matrix()
    return result


def poses(form: str, position: Array, values: Array) -> Array:
    """(n, 4, 4) poses from positions (n, 3) [m] and rotations in `form`; NaN where none."""
    rotation = matrices(form, values)
    result = np.zeros((len(rotation), 4, 4))
    result[:, :3, :3] = rotation
    result[:, :3, 3] = np.asarray(position, float).reshape(-1, 3)
    result[:, 3, 3] = 1.0
    return result


def pose7(values: Array) -> Array:
    """(..., 4, 4) poses from (..., 7): position [m] and quaternion, scalar first."""
    values = np.asarray(values, float)
    flat = values.reshape(-1, 7)
    return poses("quat_wxyz", flat[:, :3], flat[:, 3:]).reshape(*values.shape[:-1], 4, 4)
