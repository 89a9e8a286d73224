"""Keeps what a policy's observation needs between two instants, and lays it out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dexgrasp.execution.phases import Phase
from dexgrasp.execution.policy.manifest import PolicyManifest
from dexgrasp.execution.policy.terms import TERMS, Situation
from dexgrasp.geometry import inverse, transform_points
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, GraspSet, Observation

POINTS = 256  # of the object, at most: the nearest one is then within millimetres of the truth


class PolicyInputs:
    """Memory of N worlds. Call `begin` at each instant, and `commanded` at its end.

    acting: (N,) bool, the phase is one of the policy's.  fresh: (N,) bool, since this instant.
    """

    def __init__(self, manifest: PolicyManifest, hand: HandModel, worlds: int) -> None:
        """Raises ConfigError where the manifest does not fit the hand."""
        manifest.check_hand(hand)
        self._manifest, self._hand = manifest, hand
        self._order = manifest.joint_index(hand)
        self._acts = np.array([phase.name in manifest.phases for phase in Phase])
        joints = hand.joint_count
        self.acting = np.zeros(worlds, dtype=bool)
        self.fresh = np.zeros(worlds, dtype=bool)
        self._phase = np.full(worlds, Phase.IDLE, dtype=np.int64)
        self._entered = np.zeros(worlds)
        self._took_over = np.zeros(worlds)
        self.joint_target = np.zeros((worlds, joints))
        self._known = np.zeros(worlds, dtype=bool)
        self.last_action = np.zeros((worlds, joints))
        self._T_world_grasp = np.tile(np.eye(4), (worlds, 1, 1))
        self._grasp = np.zeros((3, worlds, joints))
        self._surface = np.full((worlds, POINTS, 3), np.nan)

    def start(self, rows: Array, grasps: GraspSet) -> None:
        """Grasp i begins in world `rows[i]`.

        Its contact points are all that is known of the object's surface until `see`.
        """
        self.acting[rows] = self._known[rows] = False
        self._phase[rows] = Phase.IDLE
        self._T_world_grasp[rows] = grasps.T_frame_palm
        targets = (grasps.pregrasp, grasps.grasp, grasps.squeeze)
        self._grasp[:, rows] = [self._hand.clip(q) for q in targets]
        self.see(rows, list(grasps.contact_points))

    def see(self, rows: Array, clouds: Sequence[Array]) -> None:
        """The object in world `rows[i]` has the points clouds[i] (n, 3), in the world [m]."""
        for row, points in zip(rows, clouds, strict=True):
            T_palm_world = inverse(self._T_world_grasp[row])
            self._surface[row] = _fixed_count(transform_points(T_palm_world, points))

    def begin(self, phase: Array, nominal: Array, observation: Observation) -> None:
        """Note phase (N,) and time. nominal: (N, J) targets of the phase machine [rad]."""
        now = observation.time
        changed = phase != self._phase
        self._phase = phase.copy()
        self._entered[changed] = now[changed]
        acting = self._acts[phase]
        self.fresh = acting & ~self.acting
        self._took_over[self.fresh] = now[self.fresh]
        self.last_action[self.fresh] = 0.0
        self.acting = acting
        self.joint_target[~self._known] = nominal[~self._known]
        self._known[:] = True

    def commanded(self, joints: Array) -> None:
        """joints: (N, J) the targets of this instant [rad]."""
        self.joint_target = joints.copy()

    def assemble(self, rows: Array, observation: Observation) -> Array:
        """(k, D) float32: the normalised observation of worlds `rows`, NaN where unknown."""
        situation = self._situation(rows, observation)
        parts = []
        for layout in self._manifest.observation.terms:
            term = TERMS[layout.name]
            values = term.values(situation)
            values = values[:, self._order] if term.of_joints else values
            values = (values - np.asarray(layout.mean)) / np.asarray(layout.scale)
            if layout.clip is not None:
                values = np.clip(values, -layout.clip, layout.clip)
            parts.append(values)
        return np.hstack(parts).astype(np.float32)

    def _situation(self, rows: Array, observation: Observation) -> Situation:
        own = Observation(**{name: value[rows] for name, value in vars(observation).items()})
        return Situation(
            hand=self._hand,
            observation=own,
            phase=self._phase[rows],
            time_in_phase=own.time - self._entered[rows],
            time_acting=own.time - self._took_over[rows],
            joint_target=self.joint_target[rows],
            last_action=self.last_action[rows],
            T_world_grasp=self._T_world_grasp[rows],
            pregrasp=self._grasp[0, rows],
            grasp=self._grasp[1, rows],
            squeeze=self._grasp[2, rows],
            surface=self._surface[rows],
        )

    def unknown(self, inputs: Array) -> str:
        """Names of the terms that hold NaN in any row of inputs (k, D)."""
        edges = np.cumsum([term.size for term in self._manifest.observation.terms])[:-1]
        parts = np.split(np.isnan(inputs), edges, axis=1)
        terms = self._manifest.observation.terms
        return ", ".join(t.name for t, bad in zip(terms, parts, strict=True) if bad.any())


def _fixed_count(points: Array) -> Array:
    """(POINTS, 3): evenly spaced ones of the finite points (n, 3), filled up with NaN."""
    points = points[np.isfinite(points).all(axis=1)]
    chosen = points[np.linspace(0, len(points) - 1, min(POINTS, len(points))).astype(int)]
    result = np.full((POINTS, 3), np.nan)
    result[: len(chosen)] = chosen
    return result
