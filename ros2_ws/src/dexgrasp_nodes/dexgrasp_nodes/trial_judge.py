"""One trial under judgement: the executor's phases against the ground truth."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np
from dexgrasp_interfaces.msg import ExecutorState, GroundTruth, TrialReport

from dexgrasp.evaluation.intention import BackgroundJudge, IntentionCase, IntentionScores
from dexgrasp.evaluation.plausibility import Plausibility, plausibility
from dexgrasp.evaluation.simulation import SimulationTrial
from dexgrasp.execution import Phase
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object, object_names
from dexgrasp.types import Array, Observation
from dexgrasp_nodes.conversions import seconds_from_stamp, truth_from_msg

LIFTING = (Phase.LIFT, Phase.HOLD)
SETTING_DOWN = (Phase.PLACE, Phase.RELEASE, Phase.RETREAT)
ENDED = (Phase.DONE, Phase.FAILED)


@dataclass
class Watch:
    """An object that may be the one being picked."""

    name: str
    source: str
    trial: SimulationTrial


def rehearse(hand: HandModel) -> None:
    """Judge something: the first judgement takes seconds, which no trial should wait for."""
    plausibility(hand, hand.postures["open"], np.eye(4), load_object(object_names()[0]))


class TrialJudge:
    """Follows one goal of the executor and says what it came to.

    With several objects the picked one is that nearest to the palm when the hand has closed.
    """

    def __init__(
        self,
        state: ExecutorState,
        hand: HandModel,
        workers: Executor,
        judge: BackgroundJudge,
        instruction: str,
    ) -> None:
        """instruction: with `{object}` for the name of what is picked."""
        self.state = state
        self.last_phase = Phase(state.phase)
        self._hand = hand
        self._workers = workers
        self._judge = judge
        self._instruction = instruction
        self._begin = seconds_from_stamp(state.header.stamp)
        self._watches: list[Watch] = []
        self._picked = 0
        self._truth: GroundTruth | None = None
        self._contact: Future[Plausibility] | None = None
        self._intention: Future[Future[IntentionScores]] | None = None

    @property
    def ended(self) -> bool:
        """Whether the goal has ended and its contacts are judged; no trial waits for more."""
        judged = self._contact is None or self._contact.done()
        return Phase(self.state.phase) in ENDED and judged

    @property
    def intention_pending(self) -> bool:
        """Whether a judge is still thinking about the intention."""
        if self._intention is None or not self._intention.done():
            return self._intention is not None
        scores = self._scores()
        return scores is not None and not scores.done()

    def _scores(self) -> Future[IntentionScores] | None:
        """The judge's future; None when it was not asked, or its object cannot be loaded."""
        asked = self._intention
        if asked is None or not asked.done() or asked.exception() is not None:
            return None
        return asked.result()

    def on_state(self, state: ExecutorState, observation: Observation | None) -> None:
        """The executor's newest state; observation: the hand at about that time.

        Ignored once the goal has ended: what follows under its number is a release or withdrawal.
        """
        phase, before = Phase(state.phase), Phase(self.state.phase)
        if before in ENDED:
            return
        self.state = state
        if phase not in ENDED:
            self.last_phase = phase
        if phase == Phase.LIFT and before != Phase.LIFT and observation is not None:
            self._judge_contact(observation)

    def on_truth(self, message: GroundTruth) -> None:
        """The newest truth; ignored once the object is being set down or the goal has ended."""
        phase = Phase(self.state.phase)
        if phase in SETTING_DOWN or phase in ENDED or not message.objects:
            return
        if len(message.objects) != len(self._watches):
            self._watches = [
                Watch(o.name, o.source, SimulationTrial(message.table_height, index=i))
                for i, o in enumerate(message.objects)
            ]
            self._picked = 0
        self._truth = message
        truth = truth_from_msg(message)
        for watch in self._watches:
            watch.trial.update(truth, lifting=phase in LIFTING)

    def _judge_contact(self, observation: Observation) -> None:
        if self._truth is None:
            return
        truth = truth_from_msg(self._truth)
        palm = observation.T_world_palm[0]
        away = np.linalg.norm(truth.object_com[0] - palm[:3, 3], axis=1)
        self._picked = int(np.argmin(away))
        T_object_palm = inverse(truth.T_world_object[0, self._picked]) @ palm
        watch, q = self._watches[self._picked], observation.joint_position[0]
        self._contact = self._workers.submit(
            lambda: plausibility(self._hand, q, T_object_palm, load_object(watch.source))
        )
        # Loading the object takes time as well: it is not done in the thread that watches.
        self._intention = self._workers.submit(self._ask, watch, q, T_object_palm)

    def _ask(self, watch: Watch, q: Array, T_object_palm: Array) -> Future[IntentionScores]:
        words = self._instruction.format(object=watch.name.replace("_", " "))
        model = load_object(watch.source)
        return self._judge.submit(IntentionCase(self._hand, q, T_object_palm, model, words))

    def report(self) -> TrialReport:
        """What is known so far. Raises what the plausibility check raised."""
        state = self.state
        report = TrialReport(header=state.header, trial=state.trial, hand=self._hand.name)
        report.finished = self.ended
        done = Phase(state.phase) == Phase.DONE
        report.phase = Phase.DONE.name if done else self.last_phase.name
        report.error_code, report.error_msg = state.error_code, state.error_msg
        report.grasp_kind, report.grasp_score = state.grasp_kind, state.grasp_score
        report.execution_seconds = seconds_from_stamp(state.header.stamp) - self._begin
        self._fill_lift(report)
        self._fill_contact(report)
        self._fill_intention(report)
        return report

    def _fill_lift(self, report: TrialReport) -> None:
        if not self._watches:
            report.height = report.max_height = float("nan")
            return
        watch = self._watches[self._picked]
        verdict = watch.trial.verdict()
        report.object = watch.name
        report.height, report.max_height = verdict.final_height, verdict.max_height
        report.slip = verdict.slip
        report.success = report.finished and verdict.success

    def _fill_contact(self, report: TrialReport) -> None:
        if self._contact is None or not self._contact.done():
            report.penetration_volume = report.contact_area = float("nan")
            report.penetration_depth = report.self_penetration = float("nan")
            return
        contact = self._contact.result()
        report.plausibility_judged = True
        report.plausible = contact.passed
        report.penetration_volume = contact.penetration_volume
        report.penetration_depth = contact.penetration_depth
        report.self_penetration = contact.self_penetration
        report.contact_area = contact.contact_area
        report.contacts = contact.contact_count

    def _fill_intention(self, report: TrialReport) -> None:
        report.instruction = self._instruction.format(object=report.object.replace("_", " "))
        report.alignment = report.visual_consistency = report.task_score = float("nan")
        scores = self._scores()
        if scores is None or not scores.done():
            return
        if error := scores.exception():
            report.reasons = f"not judged: {error}"
            return
        judged = scores.result()
        report.intention_judged, report.intended = True, judged.passed
        report.alignment, report.task_score = judged.alignment, judged.task_score
        report.visual_consistency = judged.visual_consistency
        report.reasons, report.judge = judged.reasons, judged.judge
