"""Grasps for a whole or completed object: optimise, filter, squeeze, try in physics, rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dexgrasp.errors import NoGraspError
from dexgrasp.geometry import inverse, rotation_between
from dexgrasp.hands import HandModel
from dexgrasp.objects import SignedDistance
from dexgrasp.synthesis.check import try_in_physics
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.kernels import optimise
from dexgrasp.synthesis.sampling import Starts, sample_starts
from dexgrasp.synthesis.squeeze import squeeze_and_pregrasp
from dexgrasp.types import Array, GraspSet

SWEEP = np.array([0.0, 0.015, 0.03, 0.05, 0.075, 0.10])


class GraspSynthesizer(Protocol):
    """Anything that proposes grasps for a hand and a shape."""

    def synthesize(
        self, hand: HandModel, geometry: GraspGeometry, count: int, seed: int = 0
    ) -> GraspSet:
        """At most `count` grasps in the frame `world`, best first. Raises NoGraspError."""
        ...


@dataclass
class Candidates:
    """n optimised samples in the object's frame (contacts (n, F, 3))."""

    palms: Array
    joints: Array
    used: Array
    tips: Array
    facings: Array
    surfaces: Array
    reports: Array
    kinds: Array
    squeeze: Array
    pregrasp: Array
    residual: Array

    def take(self, rows: Array) -> Candidates:
        """The candidates at `rows`, in that order."""
        return Candidates(**{name: value[rows] for name, value in vars(self).items()})


class OptimizingSynthesizer:
    """Contact optimisation over palm pose and joints, tried in physics before it answers."""

    def __init__(self, config: SynthesisConfig) -> None:
        self.config = config

    def synthesize(
        self, hand: HandModel, geometry: GraspGeometry, count: int, seed: int = 0
    ) -> GraspSet:
        """See `GraspSynthesizer`. The score is the share of physics trials that held."""
        self._refuse(geometry)
        rng = np.random.default_rng(seed)
        candidates = self._optimise(hand, geometry, rng)
        candidates = self._filter(hand, geometry, candidates)
        candidates = diverse(candidates, max(count, self.config.check_candidates))
        grasps = self._grasp_set(hand, geometry, candidates)
        if self.config.check_candidates:
            grasps = try_in_physics(hand, geometry, grasps, self.config)
        return grasps[:count]

    def _refuse(self, geometry: GraspGeometry) -> None:
        low, high = geometry.bounds
        size = float((high - low).max())
        if size > self.config.max_object_extent:
            raise NoGraspError(
                f"the object is {size:.2f} m long; this hand is asked to grasp at most "
                f"{self.config.max_object_extent} m"
            )
        reach = float(np.linalg.norm(geometry.T_world_object[:2, 3]))
        if reach > self.config.workspace_radius:
            raise NoGraspError(
                f"the object is {reach:.2f} m from the origin, out of reach; the wrist reaches "
                f"{self.config.workspace_radius} m"
            )

    def _optimise(
        self, hand: HandModel, geometry: GraspGeometry, rng: np.random.Generator
    ) -> Candidates:
        config, sdf = self.config, geometry.model.sdf
        low, high = geometry.bounds
        table = geometry.table_height - geometry.T_world_object[2, 3]
        starts = sample_starts(hand, 0.5 * (low + high), high - low, table, config.samples, rng)
        return run_kernel(hand, geometry, starts, table, config, sdf)

    def _filter(
        self, hand: HandModel, geometry: GraspGeometry, candidates: Candidates
    ) -> Candidates:
        config = self.config
        gap = np.where(
            candidates.used,
            np.abs(geometry.model.sdf.query(candidates.tips)[0]),
            0.0,
        ).max(axis=1)
        facing = (candidates.facings * candidates.surfaces).sum(axis=2)
        turned = np.where(candidates.used, facing, -1.0).max(axis=1)
        depth = np.sqrt(candidates.reports[:, 3])
        table = np.sqrt(candidates.reports[:, 4])
        folded = np.sqrt(candidates.reports[:, 5])
        keep = {
            "touch the object": gap < config.max_gap,
            "face its surface": turned < -0.4,
            "stay out of it": depth < 2.0 * config.max_penetration,
            "stay above the table": table < config.max_penetration,
            "keep the fingers apart": folded < config.max_penetration,
        }
        kept = np.logical_and.reduce(list(keep.values()))
        candidates = candidates.take(np.flatnonzero(kept))
        if len(candidates.joints):
            self._squeeze(hand, geometry, candidates)
            clear = clear_approach(hand, geometry, candidates, config)
            clear &= hand.self_gap(candidates.pregrasp) > -0.001
            balanced = candidates.residual < config.max_residual
            keep |= {"be reached": clear, "balance the object": balanced}
            candidates = candidates.take(np.flatnonzero(clear & balanced))
        if not len(candidates.joints):
            shares = ", ".join(f"{name}: {int(np.sum(ok))}" for name, ok in keep.items())
            raise NoGraspError(f"none of {config.samples} candidates passes; how many {shares}")
        return candidates.take(np.argsort(candidates.residual + 20.0 * candidates.reports[:, 0]))

    def _squeeze(self, hand: HandModel, geometry: GraspGeometry, candidates: Candidates) -> None:
        """Squeeze and pregrasp joints of every candidate, and how well its forces balance."""
        jacobians = hand.contact_jacobians(candidates.joints, palm_points(candidates))
        for n in range(len(candidates.joints)):
            used = candidates.used[n]
            contacts = (candidates.tips[n, used], -candidates.surfaces[n, used], jacobians[n, used])
            candidates.squeeze[n], candidates.pregrasp[n], candidates.residual[n] = (
                squeeze_and_pregrasp(
                    hand,
                    geometry.model,
                    self.config,
                    candidates.joints[n],
                    candidates.palms[n],
                    contacts,
                )
            )

    def _grasp_set(
        self, hand: HandModel, geometry: GraspGeometry, candidates: Candidates
    ) -> GraspSet:
        T = geometry.T_world_object
        turn = T[:3, :3].T
        unused = ~candidates.used[..., None]
        approach = candidates.palms[:, :3, :3] @ hand.T_palm_grasp[:3, 2]
        return GraspSet(
            hand=hand.name,
            frame="world",
            T_frame_palm=T @ candidates.palms,
            approach=approach @ turn,
            pregrasp=candidates.pregrasp,
            grasp=candidates.joints,
            squeeze=candidates.squeeze,
            contact_points=np.where(unused, np.nan, candidates.tips @ turn + T[:3, 3]),
            contact_normals=np.where(unused, np.nan, -candidates.surfaces @ turn),
            score=1.0 / (1.0 + candidates.residual / 0.1),
            kind=tuple(candidates.kinds),
            source="optimize",
        )


def run_kernel(
    hand: HandModel,
    geometry: GraspGeometry,
    starts: Starts,
    table: float,
    config: SynthesisConfig,
    sdf: SignedDistance,
) -> Candidates:
    """Optimise every start with the compiled kernel."""
    n, fingers = starts.used.shape
    low, high = geometry.bounds
    palms, joints = starts.palms.copy(), starts.joints.copy()
    tips, facings, surfaces = (np.zeros((n, fingers, 3)) for _ in range(3))
    reports = np.zeros((n, 7))
    optimise(
        hand.kernel_kinematics,
        hand.kernel_spheres,
        hand.self_collision_pairs,
        hand.kernel_contacts,
        (sdf.grid, sdf.origin, sdf.spacing),
        table,
        np.asarray(geometry.model.com, float),
        float(0.5 * np.linalg.norm(high - low)),
        np.array(list(config.weights.model_dump().values())),
        config.steps,
        np.array(config.rates),
        hand.joint_lower,
        hand.joint_upper,
        palms,
        joints,
        starts.references,
        starts.used,
        tips,
        facings,
        surfaces,
        reports,
    )
    return Candidates(
        palms,
        joints,
        starts.used,
        tips,
        facings,
        surfaces,
        reports,
        np.array(starts.kinds, dtype=object),
        joints.copy(),
        joints.copy(),
        np.zeros(n),
    )


def palm_points(candidates: Candidates) -> Array:
    """(n, F, 3) contact points in the palm's frame."""
    T_palm_object = inverse(candidates.palms)
    return (
        np.einsum("nij,nfj->nfi", T_palm_object[:, :3, :3], candidates.tips)
        + (T_palm_object[:, None, :3, 3])
    )


def clear_approach(
    hand: HandModel, geometry: GraspGeometry, candidates: Candidates, config: SynthesisConfig
) -> Array:
    """(n,) bool: the opened hand reaches the grasp along its approach without touching."""
    centers = hand.sphere_positions(candidates.pregrasp)
    centers = np.einsum("nij,nsj->nsi", candidates.palms[:, :3, :3], centers)
    centers += candidates.palms[:, None, :3, 3]
    approach = candidates.palms[:, :3, :3] @ hand.T_palm_grasp[:3, 2]
    clear = np.ones(len(candidates.joints), dtype=bool)
    table = geometry.table_height - geometry.T_world_object[2, 3]
    for back in SWEEP:
        moved = centers - back * approach[:, None]
        distance, _ = geometry.model.sdf.query(moved)
        clear &= (hand.sphere_radii - distance).max(axis=1) < config.max_penetration
        clear &= (hand.sphere_radii - (moved[..., 2] - table)).max(axis=1) < 0.002
    return clear


def diverse(candidates: Candidates, count: int) -> Candidates:
    """The first `count` candidates that differ from better ones, then the rest as needed."""
    chosen: list[int] = []
    rest: list[int] = []
    for n in range(len(candidates.joints)):
        pose = candidates.palms[n : n + 1]
        others = candidates.palms[chosen]
        near = np.linalg.norm(others[:, :3, 3] - pose[:, :3, 3], axis=1) < 0.02
        if len(chosen) and near.any():
            close = others[near]
            turn = rotation_between(np.repeat(pose, len(close), axis=0), close)
            if (np.linalg.norm(turn, axis=1) < 0.35).any():
                rest.append(n)
                continue
        chosen.append(n)
        if len(chosen) == count:
            break
    return candidates.take(np.array((chosen + rest)[:count]))
