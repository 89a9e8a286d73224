"""The phase machine that turns grasps into commands, over N worlds at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from dexgrasp.errors import ExecutionError
from dexgrasp.execution.config import ExecutionConfig
from dexgrasp.execution.control import Sees, make_controller
from dexgrasp.execution.phases import CARRYING, FINISHED, LONGEST_GAP, NEXT_PHASE, Fault, Phase
from dexgrasp.execution.sensing import ContactEstimator, Felt, contacts_in_hand
from dexgrasp.execution.slip import SlipWatch
from dexgrasp.execution.stuck import StuckJoints
from dexgrasp.execution.targets import PhaseTargets, Targets
from dexgrasp.execution.wanted import Wanted
from dexgrasp.hands import HandModel
from dexgrasp.hands.calibration import Calibration
from dexgrasp.types import Array, Command, GraspSet, Observation


class GraspExecutor(PhaseTargets):
    """Runs one grasp in each of N worlds: approach, cover, closure, squeeze, lift, hold.

    `phase` (N,) and `fault` (N,) tell where each world is; `felt` what the fingers feel, and
    `slipping` (N, F) which of them lose their grip of a lifted object. N = 1 on a robot, N = many
    in evaluation: the code is the same.
    """

    def __init__(
        self,
        hand: HandModel,
        config: ExecutionConfig,
        worlds: int = 1,
        controller: str = "reactive",
        calibration: Calibration | None = None,
    ) -> None:
        """controller: see `dexgrasp.execution.control.make_controller`.

        calibration: of a real hand, whose motors tell of touch. Raises ConfigError.
        """
        self.hand = hand
        self.config = config
        self.controller = make_controller(controller, hand, config, worlds)
        self.phase = np.full(worlds, Phase.IDLE, dtype=np.int64)
        self.fault = np.full(worlds, Fault.NONE, dtype=np.int64)
        self._estimator = ContactEstimator(hand, config, worlds)
        if calibration is not None:
            self._estimator.preset(calibration)
        self._slip = SlipWatch(config.slip, worlds, len(hand.finger_names))
        self.felt: Felt = self._estimator.nothing()
        self.time_in_phase = np.zeros(worlds)
        self._entered = np.zeros(worlds)
        self._last_time = np.full(worlds, np.nan)
        self._dt = np.zeros(worlds)
        self._waited = np.zeros(worlds)
        self._palm = np.zeros((worlds, 4, 4))
        self._joints = np.zeros((worlds, hand.joint_count))
        self._sent = np.zeros((worlds, hand.joint_count))
        self._has_target = np.zeros(worlds, dtype=bool)
        self._start_palm = np.zeros((worlds, 4, 4))
        self._start_joints = np.zeros((worlds, hand.joint_count))
        self._grasp_palm = np.tile(np.eye(4), (worlds, 1, 1))
        self._approach = np.zeros((worlds, 3))
        self._pregrasp = np.zeros((worlds, hand.joint_count))
        self._grasp = np.zeros((worlds, hand.joint_count))
        self._squeeze = np.zeros((worlds, hand.joint_count))
        self._held_joints = np.zeros((worlds, hand.joint_count))
        self._latched = np.zeros((worlds, len(hand.finger_names)), dtype=bool)
        self._stroke = np.zeros((worlds, len(hand.finger_names)))
        self._lost_since = np.full(worlds, np.nan)
        self._place_back = np.zeros(worlds, dtype=bool)
        self._cancelled = np.zeros(worlds, dtype=bool)
        self._stuck = StuckJoints(hand, worlds)
        self._joint_of_finger = hand.finger_joint_mask  # (F, J) bool
        self._run: dict[Phase, Callable[[Array, Observation], Targets]] = {
            Phase.APPROACH: self._approach_phase,
            Phase.COVER: self._cover_phase,
            Phase.PREGRASP_CLOSURE: self._closure_phase,
            Phase.FULL_GRASP: self._full_grasp_phase,
            Phase.LIFT: self._lift_phase,
            Phase.HOLD: self._hold_phase,
            Phase.PLACE: self._place_phase,
            Phase.RELEASE: self._release_phase,
            Phase.RETREAT: self._retreat_phase,
        }

    @property
    def finished(self) -> Array:
        """(N,) bool: the world is idle, done or failed."""
        return np.isin(self.phase, FINISHED)

    @property
    def touching(self) -> Array:
        """(N, F) bool: fingers that feel something."""
        return self.felt.touching

    @property
    def slipping(self) -> Array:
        """(N, F) bool: fingers that lose their grip, in LIFT and HOLD."""
        return self._slip.slipping

    def track(self, T_world_object: Array) -> None:
        """Optionally, before a step: where the objects are seen, (N, 4, 4), NaN where unseen.

        A lifted object that moves in the hand slips. Any frame fixed to the object serves, such
        as one that follows its cloud.
        """
        self._slip.track(T_world_object)

    def start(
        self,
        grasps: GraspSet,
        worlds: Array | None = None,
        place_back: bool = False,
        clouds: Sequence[Array] | None = None,
    ) -> None:
        """Begin grasp i of `grasps` (frame `world`) in `worlds[i]` (None: world i).

        place_back: put the object down again after the hold.  clouds: for each grasp the seen
        points (m, 3) of its object in the world [m], for controllers that look. Raises
        GraspError for a bad grasp and ExecutionError while one of these worlds is still busy.
        """
        grasps.validate(self.hand.joint_count)
        rows = np.arange(len(grasps)) if worlds is None else np.asarray(worlds)
        if grasps.hand != self.hand.name:
            raise ExecutionError(
                f"the grasp is for hand {grasps.hand!r}; this executor drives {self.hand.name!r}"
            )
        if len(rows) != len(grasps):
            raise ExecutionError(f"{len(grasps)} grasps given for {len(rows)} worlds")
        if not self.finished[rows].all():
            raise ExecutionError("a goal is still running; cancel it or wait until it ends")
        self._grasp_palm[rows] = grasps.T_frame_palm
        self._approach[rows] = grasps.approach
        self._pregrasp[rows] = self.hand.clip(grasps.pregrasp)
        self._grasp[rows] = self.hand.clip(grasps.grasp)
        self._squeeze[rows] = self.hand.clip(grasps.squeeze)
        self._place_back[rows] = place_back
        self._cancelled[rows] = False
        self._waited[rows] = 0.0
        self._last_time[rows] = np.nan  # a simulator may have gone back to zero since
        self.fault[rows] = Fault.NONE
        local, normals = contacts_in_hand(self.hand, grasps)
        self._estimator.start(rows, local)
        self._slip.start(rows, normals, self._room(grasps))
        self.controller.start(rows, grasps)
        if clouds is not None and isinstance(self.controller, Sees):
            self.controller.see(rows, clouds)
        self._enter(rows, Phase.APPROACH)

    def cancel(self, worlds: Array | None = None) -> None:
        """End the goals safely: a held object is put down first, else the hand stops."""
        rows = self._rows(worlds)
        rows = rows[~self.finished[rows]]
        self._cancelled[rows] = True
        carrying = np.isin(self.phase[rows], CARRYING)
        self._enter(rows[carrying], Phase.PLACE)
        stopped = np.isin(self.phase[rows], (Phase.APPROACH, Phase.COVER, Phase.PREGRASP_CLOSURE))
        self._fail(rows[stopped], Fault.CANCELLED)

    def release(self, worlds: Array | None = None) -> None:
        """Put down what is still held after a goal that ended in DONE."""
        rows = self._rows(worlds)
        rows = rows[self.phase[rows] == Phase.DONE]
        self._last_time[rows] = np.nan  # nobody need have stepped since
        self._enter(rows, Phase.PLACE)

    def step(self, observation: Observation) -> Command:
        """Advance every world to `observation.time` and return the targets to send.

        Raises ExecutionError when the first observation of a world is unusable: without one
        there is nothing safe to command. A later one fails its world, which keeps its targets.
        """
        usable = self._check(observation)
        dt = np.where(np.isnan(self._last_time), 0.0, observation.time - self._last_time)
        self._last_time = observation.time.copy()
        self._dt = np.maximum(dt, 0.0)
        fresh = ~self._has_target
        if (fresh & ~usable).any():
            raise ExecutionError("the first observation holds NaN: there is nothing to hold yet")
        self._palm[fresh] = observation.T_world_palm[fresh]
        self._joints[fresh] = self._sent[fresh] = observation.joint_position[fresh]
        self._has_target[:] = True
        air = self.phase == Phase.APPROACH
        self.felt = self._estimator.update(self._sent, air, observation)
        carrying = np.isin(self.phase, (Phase.LIFT, Phase.HOLD)) & usable
        self._slip.update(carrying, self._dt, self.felt, observation.T_world_palm)
        stuck = self._stuck.update(air, self._sent, observation, dt)
        self._fail(np.flatnonzero(stuck), Fault.JOINT_STUCK)
        for phase, run in self._run.items():
            rows = np.flatnonzero((self.phase == phase) & (self.fault != Fault.BAD_OBSERVATION))
            if len(rows):
                self._advance(rows, phase, run, observation)
        limit = np.minimum(self.config.joint_speed_limit, self.hand.velocity_limit)
        reach = limit * self._dt[:, None]
        felt = replace(observation, finger_force=self.felt.force)
        command = self.controller.command(self.phase, self._wanted(), felt)
        within = np.clip(command.joint_position, self._sent - reach, self._sent + reach)
        # Where nothing runs any more, what was sent last stays in force.
        self._sent = np.where(self.finished[:, None], self._sent, self.hand.clip(within))
        return Command(self._sent.copy(), command.T_world_palm)

    def _rows(self, worlds: Array | None) -> Array:
        return np.arange(len(self.phase)) if worlds is None else np.asarray(worlds)

    def _check(self, observation: Observation) -> Array:
        """(N,) bool, usable. A world whose observation is not fails and keeps its targets."""
        finite = np.isfinite(observation.joint_position).all(axis=1)
        finite &= np.isfinite(observation.T_world_palm).all(axis=(1, 2))
        finite &= np.isfinite(observation.time) & ~(observation.time < self._last_time)
        finite &= ~(observation.time > self._last_time + LONGEST_GAP)
        bad = np.flatnonzero(~finite & ~self.finished)
        self._fail(bad, Fault.BAD_OBSERVATION)
        return finite

    def _advance(
        self,
        rows: Array,
        phase: Phase,
        run: Callable[[Array, Observation], Targets],
        observation: Observation,
    ) -> None:
        now = observation.time[rows]
        new = np.isnan(self._entered[rows])
        self._entered[rows[new]] = now[new]
        self._start_palm[rows[new]] = self._palm[rows[new]]
        self._start_joints[rows[new]] = self._sent[rows[new]]
        self.time_in_phase[rows] = now - self._entered[rows]
        palm, joints, done, fault = run(rows, observation)
        self._palm[rows], self._joints[rows] = palm, joints
        limit = getattr(self.config.timeouts, phase.name.lower())
        late = (self.time_in_phase[rows] > limit) & ~done & (fault == Fault.NONE)
        fault = np.where(late, Fault[f"{phase.name}_TIMEOUT"], fault)
        for value in np.unique(fault[fault != Fault.NONE]):
            self._fail(rows[fault == value], Fault(value))
        self._leave(rows[done & (fault == Fault.NONE)], phase)

    def _leave(self, rows: Array, phase: Phase) -> None:
        back = rows[self._place_back[rows]] if phase == Phase.HOLD else rows[:0]
        self._enter(np.setdiff1d(rows, back), NEXT_PHASE[phase])
        self._enter(back, Phase.PLACE)
        if phase == Phase.RETREAT:
            self._fail(rows[self._cancelled[rows]], Fault.CANCELLED)

    def _enter(self, rows: Array, phase: Phase) -> None:
        self.phase[rows] = phase
        self._entered[rows] = np.nan
        self._lost_since[rows] = np.nan
        if phase == Phase.PREGRASP_CLOSURE:
            self._latched[rows] = False
            self._stroke[rows] = 0.0

    def _fail(self, rows: Array, fault: Fault) -> None:
        self.phase[rows] = Phase.FAILED
        self.fault[rows] = fault

    def _room(self, grasps: GraspSet) -> Array:
        """(k, F) how many times the planned squeeze the joints can do, the same for all fingers.

        Fingers that tighten each as far as it can no longer balance, and turn the object.
        """
        torque = np.abs(grasps.squeeze - grasps.grasp) * self.hand.stiffness
        room = self.config.force.effort_share * self.hand.effort_limit / np.maximum(torque, 1e-6)
        return np.repeat(room.min(axis=1, keepdims=True), len(self.hand.finger_names), axis=1)

    def _wanted(self) -> Wanted:
        """The phases' targets; while an object is held, tighter by what slips have asked for."""
        tightening = (
            self._slip.tightening if self.controller.feels else np.ones(self.felt.force.shape)
        )
        held = np.isin(self.phase, (Phase.LIFT, Phase.HOLD, Phase.PLACE))[:, None]
        extra = held * ((tightening - 1.0) @ self._joint_of_finger.astype(float))
        joints = self._joints + extra * (self._squeeze - self._grasp)
        return Wanted(joints, self._palm.copy(), self.felt, tightening)
