"""The last word on every command, whoever sends it: `dexgrasp.execution.SafetyFilter` as a node.

It lives in the process of the bridge, which hands it every command on its way to the hand: no
topic leads around it, and it adds no hop. Its services and topics are its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from dexgrasp_interfaces.msg import SafetyState
from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Bool, Empty
from std_srvs.srv import Trigger

from dexgrasp.errors import ConfigError
from dexgrasp.execution.safety import Intervention, SafetyFilter, SafetyLimits
from dexgrasp.execution.safety_config import REFUSALS, REJECTIONS, intervention_words
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Command, Observation
from dexgrasp_nodes.conversions import header
from dexgrasp_nodes.node_base import LATCHED, StackNode, present
from dexgrasp_nodes.streams import Stream

STATE_PERIOD = 0.1  # [s] of wall clock between two states; a pause must not hide an e-stop
SOONEST = 0.02  # [s] between two of them, however often what is refused changes
# What the limits allow is proportional to the time between two calls: with the rhythm of the
# commands, and not of the faster physics, a motion within the limits passes as it is.
WITHOUT_COMMAND = 0.012  # [s] between two calls while no command comes
FLAGS = tuple(flag for flag in Intervention if flag)
BITS = np.array([int(flag).bit_length() - 1 for flag in FLAGS])
# Plain numbers: the arithmetic of flags is slow.
REFUSED, REJECTED = int(REFUSALS), int(REJECTIONS)
E_STOP, RELAXED = int(Intervention.E_STOP), int(Intervention.RELAXED)


class SafetyNode(StackNode):
    """Services `safety/e_stop`, `safety/reset`; topics `safety/e_stop`, `safety/heartbeat`.

    `safety/e_stop` (Bool) latches on true; only the service `safety/reset` releases.
    `safety/heartbeat` (Empty): who commanded last is alive and wants its last targets held.
    `safety/state`: see SafetyState.msg. Parameters: `safety`, a file of `config/execution`;
    `start_stopped`, to come up with the emergency stop latched: a process that was killed
    cannot remember that it was.
    """

    def __init__(self) -> None:
        super().__init__("safety")
        self.declare_parameter("hand", "allegro_right")
        self.declare_parameter("safety", "safety")
        self.e_stopped: bool = self.declare_parameter("start_stopped", False).value
        self._states = self.create_publisher(SafetyState, "safety/state", LATCHED)
        self._heartbeats = Stream(self, Empty, "safety/heartbeat")
        self.create_subscription(Bool, "safety/e_stop", self._on_e_stop_message, 10)
        self.create_service(Trigger, "safety/e_stop", self._on_e_stop)
        self.create_service(Trigger, "safety/reset", self._on_reset)
        self._lock = threading.Lock()
        self._filter: SafetyFilter | None = None
        self._came = self._seen = self._filtered = -np.inf
        self._age = 0.0
        self._flags = 0
        self._counts = np.zeros(len(FLAGS), dtype=int)
        self._published = (-np.inf, False, 0)
        self._reset = False

    def setup(self) -> None:
        """Read the limits and compile. Raises UnknownNameError, ConfigError."""
        hand = HandModel.load(self.get_parameter("hand").value)
        limits = SafetyLimits.load(self.get_parameter("safety").value)
        _warm_up(SafetyFilter(hand, limits), hand)
        with self._lock:
            self._filter = SafetyFilter(hand, limits)
            self._latch(self.e_stopped)

    def check_table(self, height: float) -> None:
        """Raise ConfigError when the table, at `height` [m], is not where the limits have it."""
        limits = present(self._filter, "safety filter").limits
        if limits.table_height != height:
            name = self.get_parameter("safety").value
            raise ConfigError(
                f"the table is at {height} m, in config/execution/{name}.yaml at "
                f"{limits.table_height} m; make them equal"
            )

    def restart(self) -> None:
        """The hand was put elsewhere: forget which targets are in force; an e-stop stays."""
        with self._lock:
            present(self._filter, "safety filter").forget()
            self._filtered = -np.inf
            self._age = 0.0

    def allow(
        self, command: Command, observation: Observation, fresh: bool, age: float = 0.0
    ) -> Command:
        """What may go to the hand instead of `command`. Raises NotActiveError before `setup`.

        fresh: it has come since the last call, rather than being the one still in force.
        age: of the state that a fresh one was made of, when it came [s].
        """
        with self._lock:
            safety = present(self._filter, "safety filter")
            now = self._seen = float(observation.time[0])
            if self._is_kept_alive() or fresh:
                self._age = age if fresh else 0.0
                self._came = now if self.active else -np.inf  # an inactive node is deaf
            elif not self.e_stopped and now - self._filtered < WITHOUT_COMMAND:
                return safety.last
            self._filtered = now
            seen = replace(observation, time=observation.time - self._age)
            allowed, flags = safety.filter(command, seen, now, self._came)
            self._note(int(flags[0]), fresh)
            return allowed

    def _note(self, flags: int, fresh: bool) -> None:
        """Count the interventions. What the newest command met stays true until the next one."""
        self._counts += flags >> BITS & 1
        newest = 0 if fresh else self._flags & REJECTED & ~E_STOP
        self._flags = flags | newest

    @property
    def _refused(self) -> int:
        """Flags of why the hand, or a part of it, holds."""
        stop = E_STOP if self.e_stopped else 0
        return self._flags & REFUSED | stop

    @property
    def rejection(self) -> str:
        """Why the newest command as a whole was turned down, in words; empty when it was not."""
        return intervention_words(self._refused & REJECTED)

    def _is_kept_alive(self) -> bool:
        """Whether a heartbeat came; after the fingers have let go only a command counts."""
        return self._heartbeats.poll() is not None and not self._flags & RELAXED

    def publish(self, now: float) -> None:
        """Publish the state at the hand's time `now` [s], if it has changed or is due."""
        when, e_stopped, refused = self._published
        wall, refused_now = time.monotonic(), self._refused
        changed = refused_now != refused and wall - when > SOONEST
        if self.e_stopped == e_stopped and not changed and wall - when < STATE_PERIOD:
            return
        self._published = (wall, self.e_stopped, refused_now)
        self._states.publish(self._message(now))

    def _message(self, now: float) -> SafetyState:
        refused = self._refused
        return SafetyState(
            header=header(now, ""),
            e_stopped=self.e_stopped,
            refused=[flag.name for flag in FLAGS if refused & flag],
            words=intervention_words(refused),
            interventions=[flag.name for flag in FLAGS],
            counts=self._counts.tolist(),
            command_age=now - self._came,
            observation_age=self._age,
        )

    def report_motors(self, temperature: Array, current: Array) -> None:
        """Take the state of the motors: (J,) [C] and [A], NaN where it is unknown."""
        with self._lock:
            present(self._filter, "safety filter").report_motors(temperature[None], current[None])

    def was_reset(self) -> bool:
        """Whether somebody called `safety/reset` since this was asked last."""
        reset, self._reset = self._reset, False
        return reset

    def _latch(self, on: bool) -> None:
        self.e_stopped = on
        if self._filter is not None:
            (self._filter.e_stop if on else self._filter.reset)()

    def e_stop(self, who: str) -> None:
        """Latch the emergency stop; `who` says who wants it."""
        with self._lock:
            self._latch(True)
        self.get_logger().error(f"emergency stop by {who}: call safety/reset to go on")

    def _on_e_stop_message(self, message: Bool) -> None:
        if message.data:
            self.e_stop("a message")

    def _on_e_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.e_stop("a call")
        response.success, response.message = True, "stopped; call safety/reset to go on"
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            response.message = "released" if self.e_stopped else "it was not stopped"
            self._latch(False)
            self._reset = True
        self.get_logger().warning(f"reset of the emergency stop: {response.message}")
        response.success = True
        return response

    def health(self) -> tuple[bytes, str, Mapping[str, object]]:
        """See `StackNode.health`."""
        if not self.active:
            return DiagnosticStatus.WARN, "inactive: the hand holds", {}
        counts = zip(FLAGS, self._counts.tolist(), strict=True)
        figures = {str(flag.name).lower(): count for flag, count in counts if count}
        figures["command_age"] = self._seen - self._came
        figures["observation_age"] = self._age
        words = intervention_words(self._refused)
        if self.e_stopped:
            return DiagnosticStatus.ERROR, words, figures
        if words:
            return DiagnosticStatus.WARN, words, figures
        return DiagnosticStatus.OK, "commands pass", figures


def _warm_up(safety: SafetyFilter, hand: HandModel) -> None:
    """Compile now what would else hold up the hand at the first command."""
    joints, none = hand.postures["open"][None], np.zeros((1, hand.joint_count))
    palm, time = np.eye(4)[None], np.zeros(1)
    force = np.full((1, len(hand.finger_names)), np.nan)
    safety.filter(Command(joints, palm), Observation(time, joints, none, none, palm, force), time)
