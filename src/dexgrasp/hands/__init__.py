"""Robot hands from one URDF and one YAML each."""

from dexgrasp.hands.model import HandModel, hand_names
from dexgrasp.hands.urdf import Link, Primitive

__all__ = ["HandModel", "Link", "Primitive", "hand_names"]
