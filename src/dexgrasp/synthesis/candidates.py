"""What generators propose: hands that touch, before squeeze and way in are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dexgrasp.geometry import inverse
from dexgrasp.types import Array


@dataclass
class Candidates:
    """n grasps in the object's frame.

    palms: T_object_palm (n, 4, 4).  joints: (n, J) [rad].  used: (n, F) bool, fingers that
    touch.  tips: (n, F, 3) their contact points [m]; facings, surfaces: (n, F, 3) unit normals
    there, out of the finger and out of the object.  kinds: (n,) names of grasp types.
    energy: (n,) lower is better; comparable within one generator.
    """

    palms: Array
    joints: Array
    used: Array
    tips: Array
    facings: Array
    surfaces: Array
    kinds: Array
    energy: Array

    def __len__(self) -> int:
        return len(self.joints)

    def take(self, rows: Array) -> Candidates:
        """The candidates at `rows` (indices or a mask), in that order."""
        return Candidates(**{name: value[rows] for name, value in vars(self).items()})

    @property
    def palm_points(self) -> Array:
        """(n, F, 3) contact points in the palm's frame [m]."""
        T_palm_object = inverse(self.palms)
        turned = np.einsum("nij,nfj->nfi", T_palm_object[:, :3, :3], self.tips)
        return turned + T_palm_object[:, None, :3, 3]


def joined(parts: Sequence[Candidates]) -> Candidates:
    """All candidates of several batches of one hand, in their order."""
    names = vars(parts[0])
    return Candidates(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})
