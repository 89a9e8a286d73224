"""The robot as the stack sees it, simulated or real: the same ROS topics whichever it is.

One thread steps the robot and publishes its state, another renders the cameras, so that
a slow picture never delays a joint state. Every command passes the safety node, which lives in
this process: commands that stop coming leave the last targets in force, for a while.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from builtin_interfaces.msg import Time
from dexgrasp_interfaces.msg import FingerForces, GroundTruth, HandContactArray
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped, TransformStamped
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from tf2_msgs.msg import TFMessage

from dexgrasp.errors import ExecutionError
from dexgrasp.hands import HandModel
from dexgrasp.hardware import HandLink
from dexgrasp.hardware.robots import TOPIC_BASED, Robot, make_robot
from dexgrasp.simulation import SimulationConfig
from dexgrasp.types import Array, Command, Observation
from dexgrasp_nodes.cameras import Cameras
from dexgrasp_nodes.conversions import (
    WORLD_FRAME,
    contacts_to_msg,
    forces_to_msg,
    header,
    joint_state_to_msg,
    pose_from_msg,
    pose_to_msg,
    seconds_from_stamp,
    stamp_from_seconds,
    transform_to_msg,
    truth_to_msg,
)
from dexgrasp_nodes.hand_controller import HandController
from dexgrasp_nodes.loop import Loop
from dexgrasp_nodes.node_base import NotActiveError, StackNode, present, run_beside
from dexgrasp_nodes.safety_node import SafetyNode
from dexgrasp_nodes.streams import Stream
from dexgrasp_nodes.topic_driver import topic_robot
from dexgrasp_nodes.world import World
from dexgrasp_nodes.world_node import WorldNode

SLOW_EVERY = 5  # transforms, controller state and ground truth at 50 Hz
CLOCK_EVERY = 12  # 21 Hz: each tick costs every node that uses simulated time about 1 ms
CONTACTS_EVERY = 10  # contacts at 25 Hz
TICK = 1e-6  # [s]; stamps are rounded


class BridgeNode(StackNode):
    """Bridge to a robot; parameter `ros2_control_hardware_type` chooses it (`make_robot`).

    `topics`: a file of `config/topics`, for the hardware type `topic_based`.
    """

    def __init__(self, safety: SafetyNode, world: WorldNode) -> None:
        super().__init__("bridge")
        self.declare_parameter("hand", "allegro_right")
        self.declare_parameter("ros2_control_hardware_type", "mujoco")
        self.declare_parameter("topics", "ros2_control")
        self.declare_parameter("simulation", "default")
        self.declare_parameter("seed", 0)
        self.declare_parameter("camera_rate", 12.0)
        self._world: World | None = None
        self._robot: Robot | None = None
        self._recoveries, self._fault = 0, None
        self._controller: HandController | None = None
        self._physics: Loop | None = None
        self._safety, self._world_node = safety, world
        world.world = self._running
        self._palm_target, self._target_stamp = np.eye(4), Time()
        self._commanded = False
        self._ticks = 0
        self._last_health = (time.monotonic(), 0.0)
        self._create_endpoints()

    def _create_endpoints(self) -> None:
        publish = self.create_publisher
        self._clock_publisher = publish(Clock, "/clock", 10)
        self._tf = publish(TFMessage, "/tf", 100)
        self._joints = publish(JointState, "joint_states", 10)
        self._palm = publish(PoseStamped, "wrist_controller/current_pose", 10)
        self._forces = publish(FingerForces, "finger_forces", 10)
        self._contacts = publish(HandContactArray, "contacts", 10)
        self._truth = publish(GroundTruth, "ground_truth/objects", 10)
        self._cameras = Cameras(self)
        self._palm_commands = Stream(self, PoseStamped, "wrist_controller/target_pose", 1)

    @property
    def world(self) -> World:
        """The simulated world. Raises NotActiveError before `setup`."""
        return present(self._world, "simulated world")

    @property
    def robot(self) -> Robot:
        """What the bridge leads to. Raises NotActiveError before `setup`."""
        return present(self._robot, "robot")

    @property
    def controller(self) -> HandController:
        """The hand's controller. Raises NotActiveError before `setup`."""
        return present(self._controller, "controller")

    def setup(self) -> None:
        """Build the world. Raises UnknownNameError, ConfigError, BackendError."""
        value = self.get_parameter
        hand = HandModel.load(value("hand").value)
        self._hand = hand
        self._config = SimulationConfig.load(value("simulation").value)
        kind = value("ros2_control_hardware_type").value
        if kind == TOPIC_BASED:
            robot = topic_robot(self._world_node, hand, self._config, value("topics").value)
        else:
            robot = make_robot(kind, hand, self._config, value("seed").value)
        self._robot = robot
        observation = robot.backend.observe()
        self._controller = HandController(self, hand, observation.joint_position[0])
        self._palm_target = observation.T_world_palm[0]
        self._world = World(robot.backend, self._config.table_height, self._on_world_reset)

    def start(self) -> None:
        """Start physics and cameras.

        Raises NotActiveError while the safety node is not active, ConfigError when its limits
        are those of another table.
        """
        if not self._safety.active:
            raise NotActiveError("the safety node is not active: no command may pass")
        self._safety.check_table(self._config.table_height)
        self._safety.restart()
        self._commanded = False
        self._physics = Loop("physics", self.robot.period, self._step, self.report_fault, True)
        self._physics.start()
        if self.robot.sees:
            rate = self.get_parameter("camera_rate").value
            self._cameras.start(self.world, self._config, rate, self.report_fault)

    def stop(self) -> None:
        """Freeze the world."""
        self._cameras.stop()
        if self._physics is not None:
            self._physics.stop()

    def teardown(self) -> None:
        """Release the backend."""
        if self._controller is not None:
            self._controller.close()
        if self._world is not None:
            self._world.close()
        self._controller = self._world = self._robot = None

    def _on_world_reset(self, observation: Observation) -> None:
        """Forget every command: the hand is elsewhere now."""
        self._safety.restart()
        self._commanded = False
        self.controller.position = observation.joint_position[0]
        self._hold(observation.joint_position[0], observation.T_world_palm[0], "the hand was reset")

    def _hold(self, joints: Array, palm: Array, words: str) -> None:
        """Keep these targets (J,) and (4, 4), whatever was commanded until now."""
        self.controller.hold(joints, words)
        self._palm_target = palm
        self._palm_commands.take_all()

    def _step(self) -> None:
        observation = self.world.step(self._command, self.robot.period)
        now = float(observation.time[0])
        if self.robot.link is not None:
            self._watch(self.robot.link, observation)
        self._safety.publish(now)
        self._joints.publish(joint_state_to_msg(observation, self._hand, now))
        pose = pose_to_msg(observation.T_world_palm[0])
        self._palm.publish(PoseStamped(header=header(now), pose=pose))
        self._forces.publish(forces_to_msg(observation, self._hand, now))
        if self._ticks % SLOW_EVERY == 0:
            self._publish_slow(now, observation)
        if self._ticks % CLOCK_EVERY == 0:
            self._clock_publisher.publish(Clock(clock=stamp_from_seconds(now)))
        if self._ticks % CONTACTS_EVERY == 0:
            contacts = self.world.contacts()
            self._contacts.publish(contacts_to_msg(contacts, header(now)))
        self._ticks += 1

    def _watch(self, link: HandLink, observation: Observation) -> None:
        """Tell the safety node what the hand's driver knows, and obey its reset."""
        if link.fault is not self._fault:
            self._fault = link.fault
            if link.fault is not None:
                self._safety.was_reset()  # an earlier reset is not meant for this fault
                self._safety.e_stop(f"the hand: {link.words}")
        elif link.fault is not None and self._safety.was_reset():
            link.clear()
        if link.state is not None:
            self._safety.report_motors(link.state.temperature, link.state.current)
        if link.recoveries != self._recoveries and link.connected:
            self._recoveries = link.recoveries
            self._on_world_reset(observation)

    def _command(self, observation: Observation) -> Command:
        """What goes to the hand now: what was commanded last, as far as it is safe."""
        now, position = float(observation.time[0]), observation.joint_position[0]
        fresh = self._take_palm_target()
        age = self._age_of_target(now) if fresh else 0.0
        joints, moved = self.controller.update(now, position)
        self._commanded |= fresh or moved
        # Until somebody commands, the targets are this node's own and never grow old.
        fresh = fresh or moved or not self._commanded
        wanted = Command(joints[None], self._palm_target[None])
        allowed = self._safety.allow(wanted, observation, fresh, age)
        self.controller.output = allowed.joint_position[0]
        rejection = self._safety.rejection
        if rejection and (fresh or self._safety.e_stopped):
            # What was turned down must not come true later, when the hand is nearer or released.
            self._hold(allowed.joint_position[0], allowed.T_world_palm[0], rejection)
        return allowed

    def _take_palm_target(self) -> bool:
        """Take the newest palm target, and tell whether there was a usable one."""
        message = self._palm_commands.poll()
        if message is None:
            return False
        try:
            if message.header.frame_id != WORLD_FRAME:
                raise ExecutionError(
                    f"a palm target in frame {message.header.frame_id!r} was refused; only "
                    f"{WORLD_FRAME!r} is known"
                )
            self._palm_target = pose_from_msg(message.pose)
            self._target_stamp = message.header.stamp
        except ExecutionError as error:
            self.controller.refused += 1
            self.report_fault(error)
            return False
        return True

    def _age_of_target(self, now: float) -> float:
        """How old the state was that a new palm target was made of [s]; 0: its stamp is empty.

        The stamp is all that a command tells; joint targets have none.
        """
        stamp = seconds_from_stamp(self._target_stamp)
        age = now - stamp if stamp > 0.0 else 0.0
        return age if abs(age) > TICK else 0.0

    def _publish_slow(self, now: float, observation: Observation) -> None:
        transform = TransformStamped(
            header=header(now),
            child_frame_id=self._hand.link_names[0],
            transform=transform_to_msg(observation.T_world_palm[0]),
        )
        self._tf.publish(TFMessage(transforms=[transform]))
        self.controller.publish_state(now, observation.joint_velocity[0])
        truth, names, sources = self.world.truth()
        self._truth.publish(
            truth_to_msg(truth, names, sources, self._hand, header(now), self._config.table_height)
        )

    def _running(self) -> World:
        if self._world is None or not self.active:
            raise NotActiveError("the simulation is not active")
        return self._world

    def health(self) -> tuple[bytes, str, Mapping[str, object]]:
        """See `StackNode.health`."""
        if not self.active or self._physics is None:
            return super().health()
        wall, simulated = time.monotonic(), self.world.now
        last_wall, last_simulated = self._last_health
        self._last_health = (wall, simulated)
        factor = (simulated - last_simulated) / max(wall - last_wall, 1e-6)
        in_time = factor > 0.95 or self.world.paused
        level = DiagnosticStatus.OK if in_time else DiagnosticStatus.WARN
        figures = {
            "real_time_factor": factor,
            "paused": self.world.paused,
            "refused_commands": self.controller.refused,
            "camera_rate": self._cameras.rate,
            **self._physics.statistics(),
        }
        link = self.robot.link
        if link is not None:
            figures |= link.figures()
            if link.fault is not None or not link.connected:
                return DiagnosticStatus.ERROR, f"the hand: {link.words}", figures
        return level, "in time" if in_time else "slower than real time", figures


def main() -> None:
    """Run the node, and beside it the safety node and the world."""

    def make_nodes() -> list[Node]:
        safety, world = SafetyNode(), WorldNode()
        return [BridgeNode(safety, world), safety, world]

    run_beside(make_nodes)
