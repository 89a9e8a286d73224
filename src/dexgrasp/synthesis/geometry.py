"""What a synthesizer is given: a shape in the world and the table below it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dexgrasp.geometry import inverse, transform_points
from dexgrasp.objects import ObjectModel
from dexgrasp.perception import complete
from dexgrasp.types import Array, DetectedObject


@dataclass(frozen=True)
class GraspGeometry:
    """A whole or completed object at `T_world_object` (4, 4) on a table of given height [m].

    seen: (m, 3) points of a completed object's surface that a camera saw, in its frame [m].
    """

    model: ObjectModel
    T_world_object: Array
    table_height: float
    seen: Array | None = None

    @classmethod
    def from_detection(cls, detected: DetectedObject) -> GraspGeometry:
        """The shape completed from a single view. Raises SceneError for an unusable cloud."""
        model = complete(detected)
        seen = transform_points(inverse(detected.T_world_object), detected.cloud)
        return cls(model, detected.T_world_object, detected.table_height, seen)

    @property
    def guessed(self) -> bool:
        """Whether a part of the shape was not seen but completed."""
        return self.seen is not None

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Lowest and highest corner (3,) of the mesh in the object's frame [m]."""
        low, high = self.model.mesh.bounds
        return np.asarray(low), np.asarray(high)

    @property
    def table(self) -> float:
        """Height of the table in the object's frame, whose z axis points up [m]."""
        return self.table_height - float(self.T_world_object[2, 3])
