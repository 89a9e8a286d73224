"""The robot in its own picture: what perception must not take for an object."""

from __future__ import annotations

from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Observation

BODY_MARGIN = 0.012  # [m] added to the hand's spheres: depth noise and servo lag


def body_spheres(hand: HandModel, observation: Observation, world: int = 0) -> tuple[Array, Array]:
    """Centres (S, 3) in the world and radii (S,) [m] of spheres around the hand in one world."""
    centers = hand.sphere_positions(observation.joint_position[world : world + 1])[0]
    centers = transform_points(observation.T_world_palm[world], centers)
    return centers, hand.sphere_radii + BODY_MARGIN
