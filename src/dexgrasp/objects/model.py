"""An object as the stack knows it: shape, distance field, mass and how it rests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import trimesh

from dexgrasp.errors import MeshError
from dexgrasp.objects.decomposition import convex_parts, single_hull
from dexgrasp.objects.labels import UNLABELLED, SurfaceLabels
from dexgrasp.objects.pieces import convex_pieces
from dexgrasp.objects.poses import resting_pose
from dexgrasp.objects.sdf import SignedDistance
from dexgrasp.objects.voxels import Voxels
from dexgrasp.types import Array

DEFAULT_DENSITY = 300.0  # [kg/m3], the middle of the YCB household objects' scans
PIECE_SAMPLES = 1500  # of the surface, to choose pieces by
DEFAULT_FRICTION = 0.6  # DexGraspBench, sliding


@dataclass(frozen=True, eq=False)
class ObjectModel:
    """A rigid object. Lengths in its mesh frame [m].

    mesh: watertight.  mass [kg].  friction: sliding coefficient.
    com: (3,) centre of mass.  inertia: (3, 3) about it [kg m2].
    solids: convex pieces if the maker of the object knows them; else `parts` finds them.
    labels: which place of the surface is handle, rim, blade ..., if anybody knows.
    """

    name: str
    mesh: trimesh.Trimesh
    mass: float
    friction: float
    com: Array
    inertia: Array
    solids: tuple[trimesh.Trimesh, ...] = ()
    labels: SurfaceLabels | None = None

    @classmethod
    def from_mesh(
        cls,
        name: str,
        mesh: trimesh.Trimesh,
        mass: float | None = None,
        density: float = DEFAULT_DENSITY,
        friction: float = DEFAULT_FRICTION,
    ) -> ObjectModel:
        """Uniform density over a watertight mesh [m]; `mass` [kg] comes before `density`.

        Raises MeshError for a mesh without volume, ValueError for a figure that is not positive.
        """
        if not mesh.is_volume:
            raise MeshError(f"the mesh of {name} is not watertight and outward")
        mass = _positive("density [kg/m3]", density) * mesh.volume if mass is None else mass
        return cls.from_bodies(name, mesh, [mesh], [1.0], mass, friction)

    @classmethod
    def from_bodies(
        cls,
        name: str,
        mesh: trimesh.Trimesh,
        bodies: Sequence[trimesh.Trimesh],
        densities: Sequence[float],
        mass: float,
        friction: float,
        solids: Sequence[trimesh.Trimesh] = (),
    ) -> ObjectModel:
        """Mass [kg] spread over watertight bodies of relative densities, e.g. a hammer's head.

        `mesh` is their union; where bodies overlap, both count. Raises ValueError.
        """
        mass, friction = _positive("mass [kg]", mass), _positive("friction", friction)
        shares = np.array([b.volume for b in bodies]) * np.asarray(densities, dtype=float)
        shares *= mass / shares.sum()
        centres = np.array([b.center_mass for b in bodies])
        com = shares @ centres / mass
        inertia = np.zeros((3, 3))
        for body, share, arm in zip(bodies, shares, centres - com, strict=True):
            inertia += np.asarray(body.moment_inertia) * (share / body.volume)
            inertia += share * (arm @ arm * np.eye(3) - np.outer(arm, arm))
        return cls(name, mesh, mass, friction, com, inertia, tuple(solids))

    @cached_property
    def parts(self) -> tuple[trimesh.Trimesh, ...]:
        """Convex meshes that fill the object, for physics."""
        return self.solids or convex_parts(self.mesh)

    @cached_property
    def pieces(self) -> tuple[trimesh.Trimesh, ...]:
        """Convex meshes that roughly fill the object, in a tenth of the time of `parts`.

        The same whatever the cache of `parts` holds. Cups are cut through the z axis of `com`.
        """
        if self.solids:
            return self.solids
        whole = single_hull(self.mesh)
        if whole is not None:
            return (whole,)
        samples = trimesh.sample.sample_surface(self.mesh, PIECE_SAMPLES, seed=0)[0]
        return convex_pieces(self.mesh, np.asarray(samples), self.com[:2])

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the labelled parts of the surface; none if nobody labelled it."""
        return self.labels.names if self.labels is not None else ()

    def label_points(self, points: Array) -> Array:
        """Index into `part_names` (n,) of points (n, 3) near the surface [m]; -1 for no part."""
        if self.labels is None:
            return np.full(len(points), UNLABELLED)
        return self.labels.label_points(points)

    @cached_property
    def sdf(self) -> SignedDistance:
        """Signed distance on a grid."""
        return SignedDistance.from_mesh(self.mesh)

    @cached_property
    def voxels(self) -> Voxels:
        """Which cells of 1 mm are inside, for volumes of penetration."""
        return Voxels.from_mesh(self.mesh)

    @cached_property
    def T_table_object(self) -> Array:
        """(4, 4) resting pose on the table z = 0, its box centred on the z axis."""
        return resting_pose(self.mesh, self.com)

    def rest_pose(self, position: Array, yaw: float = 0.0) -> Array:
        """T_world_object (4, 4): resting at a point (3,) of a table, turned by `yaw` [rad]."""
        T_world_table = np.eye(4)
        cos, sin = np.cos(yaw), np.sin(yaw)
        T_world_table[:2, :2] = [[cos, -sin], [sin, cos]]
        T_world_table[:3, 3] = position
        return T_world_table @ self.T_table_object


def _positive(what: str, value: float) -> float:
    if not (np.isfinite(value) and value > 0.0):
        raise ValueError(f"{what} is {value}; it must be positive")
    return float(value)
