"""How freely joints move a point."""

from __future__ import annotations

import numpy as np

from dexgrasp.types import Array


def manipulability(jacobian: Array) -> Array:
    """Yoshikawa's measure sqrt(det(J Jᵀ)) of Jacobians (..., d, J): (...,).

    The volume, up to a factor of d alone, of the ellipsoid of velocities that joint rates of
    norm 1 give a point; 0 in a singular posture. [m^d] for a point's d coordinates and joints
    in radians (Yoshikawa 1985, Int. J. Robotics Research 4(2), eq. 9). Raises ValueError for an
    array that is not of matrices.
    """
    jacobian = np.asarray(jacobian, dtype=float)
    if jacobian.ndim < 2:
        raise ValueError(f"a Jacobian of shape {jacobian.shape} is no matrix; expected (..., d, J)")
    square = jacobian @ np.swapaxes(jacobian, -1, -2)
    return np.sqrt(np.maximum(np.linalg.eigvalsh(square), 0.0).prod(axis=-1))
