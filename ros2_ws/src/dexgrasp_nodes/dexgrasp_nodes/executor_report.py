"""What the executor says of itself: `ExecutorState`, and the figures on `/diagnostics`."""

from __future__ import annotations

import time

import numpy as np
from dexgrasp_interfaces.msg import ExecutorState
from rclpy.node import Node

from dexgrasp.execution import GraspExecutor, Phase
from dexgrasp.hands import HandModel
from dexgrasp_nodes.conversions import doubles, stamp_from_seconds
from dexgrasp_nodes.hand_link import HandLink
from dexgrasp_nodes.trial import Trial

STATE_PERIOD = 0.05  # [s] between published states within a phase


class ExecutorReport:
    """Publishes `executor/state` at 20 Hz and at each change of the phase."""

    def __init__(self, node: Node, link: HandLink) -> None:
        self._link = link
        self._publisher = node.create_publisher(ExecutorState, "executor/state", 20)
        self._published = (-np.inf, -1, -1)

    def message(self, trial: Trial | None, hand: HandModel, holding: bool) -> ExecutorState:
        """Where the executor is; trial: the newest goal."""
        link, fingers = self._link, len(hand.finger_names)
        message = ExecutorState()
        message.header.stamp = stamp_from_seconds(link.now)
        message.finger_names = list(hand.finger_names)
        message.touching = [False] * fingers
        message.phase_name = Phase.IDLE.name
        message.holding = holding
        force = link.finger_force(hand)
        message.finger_force = doubles(force)
        message.touch_confidence = doubles(np.where(np.isnan(force), np.nan, 1.0))
        message.observation_age = link.age
        if link.safety is not None:
            message.e_stopped = link.safety.e_stopped
            message.refused = link.safety.refused
        if trial is not None:
            self._describe(trial, message)
        return message

    def _describe(self, trial: Trial, message: ExecutorState) -> None:
        message.trial = trial.number
        message.phase = int(trial.phase)
        message.phase_name = trial.phase.name
        message.time_in_phase = float(trial.machine.time_in_phase[0])
        message.error_code, message.error_msg = trial.code, trial.words
        message.touching = trial.machine.touching[0].tolist()
        if isinstance(trial.machine, GraspExecutor):
            felt = trial.machine.felt
            message.finger_force = doubles(felt.force[0])
            message.touch_confidence = doubles(felt.confidence[0])
            message.slipping = bool(trial.machine.slipping[0].any())
        message.grasp_kind, message.grasp_score = trial.grasp.kind, trial.grasp.score
        message.interventions = trial.interventions(self._link.safety)

    def publish(self, trial: Trial | None, hand: HandModel, holding: bool) -> None:
        """Publish the state if it is due."""
        now = time.monotonic()
        when, number, phase = self._published
        current = (0, int(Phase.IDLE)) if trial is None else (trial.number, int(trial.phase))
        if (number, phase) == current and now - when < STATE_PERIOD:
            return
        self._published = (now, *current)
        self._publisher.publish(self.message(trial, hand, holding))

    def figures(self, trial: Trial | None, hand: HandModel, holding: bool) -> dict[str, object]:
        """The same in the words of `/diagnostics`."""
        state = self.message(trial, hand, holding)
        touching = [n for n, on in zip(state.finger_names, state.touching, strict=True) if on]
        force = zip(state.finger_names, state.finger_force, strict=True)
        return {
            "phase": state.phase_name,
            "holding": state.holding,
            "touching": ", ".join(touching) or "none",
            **{f"force_{name}": float(value) for name, value in force},
            "slipping": state.slipping,
            "interventions": sum(state.interventions),
            "refused": ", ".join(state.refused) or "none",
            "observation_age": state.observation_age,
        }
