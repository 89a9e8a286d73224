"""Depth image to cloud, table and objects; and the unseen half of an object completed."""

from dexgrasp.perception.body import body_spheres
from dexgrasp.perception.completion import CompletedObject, complete
from dexgrasp.perception.config import PerceptionConfig
from dexgrasp.perception.scene import PerceivedScene, perceive, perceive_cloud

__all__ = [
    "CompletedObject",
    "PerceivedScene",
    "PerceptionConfig",
    "body_spheres",
    "complete",
    "perceive",
    "perceive_cloud",
]
