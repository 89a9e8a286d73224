"""Robot hands from one URDF and one YAML each."""

from dexgrasp.hands.contacts import ContactPoints
from dexgrasp.hands.kinematics import KinematicArrays
from dexgrasp.hands.model import HandModel, hand_names
from dexgrasp.hands.primitives import Primitive
from dexgrasp.hands.urdf import Link

__all__ = ["ContactPoints", "HandModel", "KinematicArrays", "Link", "Primitive", "hand_names"]
