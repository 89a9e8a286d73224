"""The field whose negative side is an object: what free space and symmetry leave of a grid."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from dexgrasp.perception.cloud import connected, surface_normals
from dexgrasp.perception.grids import signed_steps
from dexgrasp.perception.symmetry import Symmetry
from dexgrasp.perception.view import ViewModel
from dexgrasp.types import Array

# A seen surface is at least this thick, and this many of the grid's cells, else it has holes.
THINNEST, THINNEST_CELLS = 0.003, 1.4  # [m], cells
SMOOTHING = 0.7  # cells
# A seen point carved by more than this belongs to a part without the symmetry: a handle [m].
CARVED = 0.0045
FEWEST_PART_POINTS = 20
PART_GAP = 0.008  # [m]
# Length of the mean direction from the axis to a part's points: 0.9 at an angle of 90 degrees.
ONE_SIDED = 0.9
OUTSIDE = 1.1  # of the body's radius
TURNED = 0.12  # least level part of a normal that looks away from the camera
# Such a part reaches no further than this from its seen points [m].
PART_REACH = 0.009
# Images carve only where they are this deep in free space [m]: the largest of several noisy
# margins is too large.
IMAGE_SLACK = 0.001
# The skin of a body of revolution is that of its outermost points all around [m]: noise.
OUTERMOST = 0.0005
STEEP = 0.5  # least level part of the normal on the sides of a wall
PROFILE_TURNS = 48
PROFILE_STEP = 0.0015  # [m]


def carve(
    grid: Array, cloud: Array, view: ViewModel, symmetry: Symmetry, table: float, spacing: float
) -> Array:
    """(nx, ny, nz) field at the grid's points (nx, ny, nz, 3), negative inside [m].

    cloud: (m, 3) visible points; table: height [m]; spacing: of the grid [m].
    """
    points = grid.reshape(-1, 3)
    thickness = max(THINNEST, THINNEST_CELLS * spacing)
    if symmetry.kind == "revolution":
        solid = _revolved(points, cloud, view, symmetry, thickness)
    else:
        solid = _mirrored(points, cloud, view, symmetry, table, spacing)
    for part in _parts(cloud, view, symmetry):
        solid = np.minimum(solid, _part(points, part, view, spacing))
    limit = 3.0 * spacing
    solid = np.clip(solid, -limit, limit).reshape(grid.shape[:3])
    solid = ndimage.gaussian_filter(solid, SMOOTHING)
    centers = _inward(cloud, view, thickness)
    missing = centers[_sampled(solid, grid, centers) > 0.0]
    for group in connected(missing, PART_GAP, 1):
        if len(group) >= FEWEST_PART_POINTS:
            solid = np.minimum(solid, _skin(points, group, thickness).reshape(solid.shape))
    return np.maximum(solid, table - grid[..., 2])


def _revolved(
    points: Array, cloud: Array, view: ViewModel, symmetry: Symmetry, thickness: float
) -> Array:
    """Body of revolution: the field is found in the half plane (radius, z) and looked up."""
    radius = np.hypot(*(points[:, :2] - symmetry.center).T)
    low, high = points[:, 2].min(), points[:, 2].max()
    r = np.arange(0.0, radius.max() + PROFILE_STEP, PROFILE_STEP)
    z = np.arange(low, high + PROFILE_STEP, PROFILE_STEP)
    turn = np.arange(PROFILE_TURNS) * 2.0 * np.pi / PROFILE_TURNS
    ring = np.stack(
        np.broadcast_arrays(
            symmetry.center[0] + r[:, None, None] * np.cos(turn),
            symmetry.center[1] + r[:, None, None] * np.sin(turn),
            z[:, None],
        ),
        axis=-1,
    )
    profile = view.free(ring).max(axis=-1)
    kept = cloud[~_carved_points(cloud, view, symmetry)]
    wall = _wall(kept, surface_normals(kept, view.origin), symmetry.center, thickness)
    half_plane = np.stack(np.meshgrid(r, z, indexing="ij"), axis=-1).reshape(-1, 2)
    skin = KDTree(wall).query(half_plane)[0].reshape(profile.shape) - 0.5 * thickness
    profile = np.minimum(profile, skin)
    place = np.stack([radius, points[:, 2] - low]) / PROFILE_STEP
    return ndimage.map_coordinates(profile, place, order=1, mode="nearest")


def _wall(cloud: Array, normals: Array, axis: Array, thickness: float) -> Array:
    """(n, 2) radius and height of the middle of the wall below the seen points (n, 3).

    normals: (n, 3).  axis: (2,).  Half a thickness below a point along its normal (a ray would
    stay just below a slope), or half way to the other side where that is seen and nearer.
    """
    arm = cloud[:, :2] - axis
    radius = np.maximum(np.linalg.norm(arm, axis=1), 1e-6)
    outward = (arm * normals[:, :2]).sum(axis=1) / radius
    seen = np.stack([radius, cloud[:, 2]], axis=1)
    middle = seen - (0.5 * thickness + OUTERMOST) * np.stack([outward, normals[:, 2]], axis=1)
    outside, inside = (np.flatnonzero(sign * outward > STEEP) for sign in (1.0, -1.0))
    if len(outside) and len(inside):
        for own, other in ((outside, inside), (inside, outside)):
            gap, near = KDTree(seen[other]).query(seen[own])
            thin = gap < thickness
            middle[own[thin]] = 0.5 * (seen[own] + seen[other[near]])[thin]
    return middle


def _mirrored(
    points: Array,
    cloud: Array,
    view: ViewModel,
    symmetry: Symmetry,
    table: float,
    spacing: float,
) -> Array:
    """What no image of a place under mirror planes sees free, below seen points or images."""
    margin = view.free(symmetry.images(points))
    margin[1:] -= IMAGE_SLACK
    field = margin.max(axis=0)
    kept = cloud[~_carved_points(cloud, view, symmetry)]
    if symmetry.kind != "two_planes":  # boxes, whose backs the images show
        kept = np.concatenate([kept, _round_backs(kept, view, table)])
    support = symmetry.images(kept).reshape(-1, 3)
    return np.maximum(field, _beside(points, support, spacing))


def _round_backs(cloud: Array, view: ViewModel, table: float) -> Array:
    """(k, 3) how far back a body reaches that turns away from the camera where it is seen last.

    As if its section were round and rested on the table: through a point at height h with a
    normal n, of radius h / (1 + n_z). Edge-on surfaces are not seen, so little turning tells.
    """
    away = view.rotation[:2, 2] / max(float(np.linalg.norm(view.rotation[:2, 2])), 1e-6)
    normals = surface_normals(cloud, view.origin)
    turned = normals[:, :2] @ away
    rows = np.flatnonzero(turned > TURNED)
    radius = (cloud[rows, 2] - table) / (1.0 + np.maximum(normals[rows, 2], 0.0))
    backs = np.array(cloud[rows])
    backs[:, :2] += (radius * (1.0 - turned[rows]))[:, None] * away
    return backs


def _part(points: Array, lost: Array, view: ViewModel, spacing: float) -> Array:
    """A part outside of the body's symmetry, as thick as handles are."""
    field = np.full(len(points), np.inf)
    near = KDTree(lost).query(points, distance_upper_bound=PART_REACH + spacing)[0]
    at = np.isfinite(near)
    field[at] = np.maximum(view.free(points[at]), near[at] - PART_REACH)
    return field


def _skin(points: Array, centers: Array, thickness: float) -> Array:
    """Balls around the middle of walls that were seen but carved, or too thin for the grid."""
    near = KDTree(centers).query(points, distance_upper_bound=1.5 * thickness)[0]
    return near - 0.5 * thickness


def _sampled(field: Array, grid: Array, points: Array) -> Array:
    """(n,) the field at points (n, 3) by linear interpolation."""
    corner = grid[0, 0, 0]
    steps = np.stack([grid[1, 0, 0], grid[0, 1, 0], grid[0, 0, 1]]) - corner
    place = np.linalg.solve(steps.T, (points - corner).T)
    return ndimage.map_coordinates(field, place, order=1, mode="nearest")


def _inward(cloud: Array, view: ViewModel, thickness: float) -> Array:
    """Points moved along their rays to the middle of the thinnest wall."""
    ray = cloud - view.origin
    return cloud + ray * (0.5 * thickness / np.linalg.norm(ray, axis=1, keepdims=True))


def _carved_points(cloud: Array, view: ViewModel, symmetry: Symmetry) -> Array:
    """(m,) mask of the seen points whose images the view sees free."""
    return view.free(symmetry.images(cloud)).max(axis=0) > CARVED


def _parts(cloud: Array, view: ViewModel, symmetry: Symmetry) -> list[Array]:
    """Groups of points off the body that make a handle or the like, not a ring of noise."""
    carved = _carved_points(cloud, view, symmetry)
    radius = np.hypot(*(cloud[:, :2] - symmetry.center).T)
    # A lid's pattern inside the rim is no handle.
    outside = radius > OUTSIDE * np.quantile(radius[~carved], 0.95) if not carved.all() else carved
    lost = cloud[carved & outside] if symmetry.kind == "revolution" else cloud[carved]
    parts = []
    for group in connected(lost, PART_GAP, 1):
        arm = group[:, :2] - symmetry.center
        heading = np.exp(1j * np.arctan2(arm[:, 1], arm[:, 0])).mean()
        if len(group) >= FEWEST_PART_POINTS and abs(heading) > ONE_SIDED:
            parts.append(group)
    return parts


def _beside(points: Array, support: Array, spacing: float) -> Array:
    """(n,) level distance [m] of points from the footprint of `support` (m, 3)."""
    low = points[:, :2].min(axis=0) - 2.0 * spacing
    size = np.ceil((points[:, :2].max(axis=0) - low) / spacing).astype(int) + 3
    cell = np.rint((support[:, :2] - low) / spacing).astype(int)
    cell = cell[((cell >= 0) & (cell < size)).all(axis=1)]
    mark = np.zeros(size, bool)
    mark[tuple(cell.T)] = True
    mark = np.asarray(ndimage.binary_closing(mark, iterations=max(1, round(0.004 / spacing))), bool)
    distance = signed_steps(mark)
    place = ((points[:, :2] - low) / spacing).T
    return spacing * ndimage.map_coordinates(distance, place, order=1, mode="nearest")
