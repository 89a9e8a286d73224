"""Depth image to cloud, table and objects; and the unseen half of an object completed."""

from dexgrasp.perception.config import PerceptionConfig
from dexgrasp.perception.scene import PerceivedScene, perceive, perceive_cloud

__all__ = ["PerceivedScene", "PerceptionConfig", "perceive", "perceive_cloud"]
