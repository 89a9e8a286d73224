"""A policy in the seat of a controller: at its own rate, and replaced where it fails."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum

import numpy as np

from dexgrasp.errors import ConfigError
from dexgrasp.execution.policy.inputs import PolicyInputs
from dexgrasp.execution.policy.manifest import PolicyManifest, manifest_path, read_manifest
from dexgrasp.execution.policy.network import Network, OnnxNetwork
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Command, GraspSet, Observation

STALE_AFTER = 0.05  # [s] of an observation's age (DEXTRAH: inputs are stale after 3 ticks)
EARLY = 1e-6  # [s] by which a control step may miss the instant of an inference


class Failure(StrEnum):
    """Why a policy no longer acts in an attempt; the phase machine's own targets do."""

    STALE = "its observation is older than 50 ms"
    UNKNOWN = "an input is not known"
    LATE = "its inference took longer than its period"
    NAN = "it answered with NaN"
    BOUNDS = "its action is beyond the bounds of its manifest"
    BROKEN = "its network failed"


class Rate:
    """When each of N worlds is due, at `rate` on the average whatever the control period is."""

    def __init__(self, period: float, worlds: int) -> None:
        self._period = period  # [s]
        self._next = np.full(worlds, -np.inf)

    def restart(self, rows: Array) -> None:
        """Worlds `rows` are due at once."""
        self._next[rows] = -np.inf

    def due(self, now: Array) -> Array:
        """(N,) bool at times `now` (N,) [s]; those are due next a period later."""
        due = now >= self._next - EARLY
        after = self._next + self._period
        self._next = np.where(due, np.where(after > now, after, now + self._period), self._next)
        return due


class PolicyController:
    """A `Controller` whose joint targets come from a network; the palm stays the phase machine's.

    failed: (N,) bool, the phase machine has taken over for the rest of the attempt.
    failures: how often that has come, by its reason.  words: the reason in each world, or "".
    clock: the time now on the observations' clock [s]; an inference is then timed by the wall's.
    None: a simulator waits for every command, so that observations are as fresh as they come,
    and an inference takes what the processor spends on it, however busy the machine is.
    seconds: of the last inference.
    """

    holds = False

    def __init__(
        self, manifest: PolicyManifest, network: Network, hand: HandModel, worlds: int
    ) -> None:
        """Raises ConfigError where the manifest does not fit the hand."""
        self.feels = manifest.feels
        self.failures: Counter[Failure] = Counter()
        self.words = [""] * worlds
        self.clock: Callable[[], float] | None = None
        self.seconds = 0.0
        self._manifest, self._network = manifest, network
        self._inputs = PolicyInputs(manifest, hand, worlds)
        self._order = manifest.joint_index(hand)
        self._rate = Rate(manifest.period, worlds)
        self._states = network.states(worlds)
        self.failed = np.zeros(worlds, dtype=bool)
        self._value = np.zeros((worlds, hand.joint_count))

    @classmethod
    def load(cls, name: str, hand: HandModel, worlds: int) -> PolicyController:
        """A shipped policy, or the path of a manifest. Raises ConfigError."""
        path = manifest_path(name, hand.name)
        manifest = read_manifest(path)
        try:
            manifest.check_hand(hand)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
        return cls(manifest, OnnxNetwork(path.parent / manifest.model, manifest), hand, worlds)

    def start(self, rows: Array, grasps: GraspSet) -> None:
        """See `Controller`."""
        self._inputs.start(rows, grasps)
        self.failed[rows] = False
        for row in rows:
            self.words[row] = ""

    def see(self, rows: Array, clouds: Sequence[Array]) -> None:
        """See `Sees`."""
        self._inputs.see(rows, clouds)

    def command(self, phase: Array, nominal: Command, observation: Observation) -> Command:
        """See `Controller`."""
        inputs, joints = self._inputs, nominal.joint_position
        inputs.begin(phase, joints, observation)
        self._take_over(np.flatnonzero(inputs.fresh))
        self._check_age(observation)
        acting = inputs.acting & ~self.failed
        rows = np.flatnonzero(acting & self._rate.due(observation.time))
        if len(rows):
            self._infer(rows, observation)
        acting &= ~self.failed
        base = joints if self._manifest.mode == "residual" else 0.0
        targets = np.where(acting[:, None], base + self._value, joints)
        inputs.commanded(targets)
        return Command(targets, nominal.T_world_palm)

    def _take_over(self, rows: Array) -> None:
        if not len(rows):
            return
        self._rate.restart(rows)
        full = self._manifest.mode == "full"
        self._value[rows] = self._inputs.joint_target[rows] if full else 0.0
        for state, fresh in zip(self._states, self._network.states(len(rows)), strict=True):
            state[:, rows] = fresh

    def _check_age(self, observation: Observation) -> None:
        if self.clock is not None:
            old = self.clock() - observation.time > STALE_AFTER
            self._fail(np.flatnonzero(old & self._inputs.acting), Failure.STALE)

    def _infer(self, rows: Array, observation: Observation) -> None:
        """New values for worlds `rows`; those that cannot have one fail."""
        timer = time.thread_time if self.clock is None else time.perf_counter
        began = timer()
        inputs = self._inputs.assemble(rows, observation)
        unknown = ~np.isfinite(inputs).all(axis=1)
        if unknown.any():
            self._fail(rows[unknown], Failure.UNKNOWN, self._inputs.unknown(inputs))
            rows, inputs = rows[~unknown], inputs[~unknown]
        if not len(rows):
            return
        try:
            action, after = self._network.run(inputs, tuple(s[:, rows] for s in self._states))
        except ConfigError as error:
            self._fail(rows, Failure.BROKEN, str(error))
            return
        self.seconds = timer() - began
        if self.seconds > self._manifest.period:
            self._fail(rows, Failure.LATE, f"{1e3 * self.seconds:.0f} ms")
            return
        for state, value in zip(self._states, after, strict=True):
            state[:, rows] = value
        self._accept(rows, action)

    def _accept(self, rows: Array, action: Array) -> None:
        layout = self._manifest.action
        with np.errstate(invalid="ignore"):  # of NaN and infinity, which are refused below
            step = np.asarray(layout.offset) + np.asarray(layout.scale) * action.astype(float)
            beyond = ((step < layout.lower) | (step > layout.upper)).any(axis=1)
        bad = ~np.isfinite(step).all(axis=1)
        self._fail(rows[bad], Failure.NAN)
        self._fail(rows[beyond & ~bad], Failure.BOUNDS)
        good = ~bad & ~beyond
        rows, step = rows[good], step[good]
        value = np.empty_like(step)
        value[:, self._order] = step
        delta = layout.kind == "delta"
        self._value[rows] = (self._value[rows] if delta else 0.0) + value
        self._inputs.last_action[rows] = action[good]

    def _fail(self, rows: Array, failure: Failure, detail: str = "") -> None:
        for row in rows[~self.failed[rows]]:
            self.failures[failure] += 1
            self.words[row] = f"{failure.value}{f' ({detail})' if detail else ''}"
        self.failed[rows] = True
