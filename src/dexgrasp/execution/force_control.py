"""Force control of the fingertips from the full grasp on: `impedance` and `mpc`.

A hybrid of force and position: the fingers press together with wanted forces, and all other
motion of their contacts, which is that of the object, is held. Position servos take a force as a
displacement of their targets, dq = J^T f / kp (Dexonomy, arXiv 2504.18829). The phase machine's
targets make the planned forces so; what is wanted beyond them is added, and what the fingers
feel closes the loop.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dexgrasp.execution.config import ExecutionConfig, ForceConfig
from dexgrasp.execution.fingertips import Fingers
from dexgrasp.execution.force_balance import STEPS, Gains
from dexgrasp.execution.force_kernel import Grip, regulate
from dexgrasp.execution.phases import Phase
from dexgrasp.execution.sensing import contacts_in_hand, squeeze_forces
from dexgrasp.execution.wanted import Wanted
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Command, GraspSet, Observation

IN_CHARGE = (Phase.FULL_GRASP, Phase.LIFT, Phase.HOLD, Phase.PLACE)
LIFTED = (Phase.LIFT, Phase.HOLD)


class ForceControl:
    """Corrects the joint targets of N worlds; `Controller` of `dexgrasp.execution.control`.

    foresee: plan forces over a short horizon (`mpc`) instead of balancing this instant
    (`impedance`). Fingers that touch without a planned contact, or are planned and do not touch,
    follow the phase machine, and so does a hand that touches with fewer than two fingers.
    """

    feels = True
    holds = True

    def __init__(
        self, hand: HandModel, config: ExecutionConfig, worlds: int, foresee: bool
    ) -> None:
        self._hand, self._foresee = hand, foresee
        self._squeeze_time = config.squeeze_time
        self._gains = _gains(config.force)
        self._fingers = Fingers.of(hand)
        fingers, joints = len(hand.finger_names), hand.joint_count
        self._last = np.full(worlds, np.nan)
        self._grip = Grip(
            begun=np.zeros(worlds, dtype=bool),
            since=np.zeros(worlds),
            normal=np.full((worlds, fingers, 3), np.nan),
            planned=np.zeros((worlds, fingers, 3)),
            sent=np.zeros((worlds, joints)),
            lock=np.zeros((worlds, joints)),
            hold=np.zeros((worlds, joints)),
            force=np.zeros((worlds, fingers, 3)),
            plan=np.zeros((worlds, STEPS, fingers, 3)),
            extra=np.zeros(worlds),
            load=np.zeros((worlds, 6)),
            trend=np.zeros((worlds, 6)),
            locked=np.zeros(worlds, dtype=bool),
        )

    def start(self, rows: Array, grasps: GraspSet) -> None:
        """See `Controller`."""
        grip = self._grip
        for value in (grip.begun, grip.locked, grip.hold, grip.force, grip.plan, grip.extra,
                      grip.load, grip.trend):  # fmt: skip
            value[rows] = 0
        _, grip.normal[rows] = contacts_in_hand(self._hand, grasps)
        grip.planned[rows] = squeeze_forces(self._hand, self._fingers, grasps)
        self._last[rows] = np.nan

    def command(self, phase: Array, nominal: Wanted, observation: Observation) -> Command:
        """See `Controller`."""
        joints, now = nominal.joint_position.copy(), observation.time
        dt = np.where(np.isnan(self._last), 0.0, np.clip(now - self._last, 0.0, 0.05))
        self._last = now.copy()
        felt = nominal.felt
        _regulate(
            self._grip, self._gains, self._fingers, np.isin(phase, IN_CHARGE),
            phase == Phase.FULL_GRASP, np.isin(phase, LIFTED), now, dt, self._squeeze_time,
            (felt.touching, felt.force, felt.vector, felt.points, felt.jacobian),
            nominal.tightening, np.asarray(observation.joint_position, float), joints,
            self._foresee,
        )  # fmt: skip
        return Command(joints, nominal.T_world_palm)


def _gains(config: ForceConfig) -> Gains:
    return Gains(**config.model_dump())


@njit(cache=True)
def _regulate(
    grip, gains, fingers, charge, closing, lifted, now, dt, squeeze_time, felt, tightening, q,
    joints, foresee,
):  # fmt: skip
    for i in range(len(now)):
        if not (charge[i] and np.isfinite(q[i]).all()):
            continue
        if closing[i] and not grip.begun[i]:
            grip.begun[i], grip.since[i] = True, now[i]
            grip.sent[i] = joints[i]
        if not grip.begun[i]:
            continue
        if lifted[i] and not grip.locked[i]:
            grip.locked[i] = True
            grip.lock[i] = q[i]
        s = min(max((now[i] - grip.since[i]) / squeeze_time, 0.0), 1.0)
        ramp = s**3 * (10.0 - 15.0 * s + 6.0 * s**2)
        wanted = ramp * tightening[i].reshape(-1, 1) * grip.planned[i]
        touching, force, vector, points, jacobian = felt
        own = (touching[i], force[i], vector[i], points[i], jacobian[i])
        regulate(i, grip, gains, fingers, own, wanted, dt[i], lifted[i], foresee, q[i], joints[i])
        grip.sent[i] = joints[i]
