"""MuJoCo's world, whose hand can be reached only through its driver and an emulated bus."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from mujoco.batch import Batch

from dexgrasp.hands import HandModel
from dexgrasp.hardware.allegro import AllegroDriver
from dexgrasp.hardware.allegro_protocol import version_of
from dexgrasp.hardware.config import LeapConfig, load_hardware
from dexgrasp.hardware.emulation import EmulatedAllegro, EmulatedLeap
from dexgrasp.hardware.emulation.xc330 import Servo
from dexgrasp.hardware.leap import LeapDriver
from dexgrasp.hardware.link import HandLink
from dexgrasp.simulation import MujocoBackend, SimulationConfig
from dexgrasp.simulation.checks import steps_in
from dexgrasp.simulation.warp_batch import WarpBatch
from dexgrasp.types import Array, Command, Observation

# A bus in this process shares two cores with physics and pictures: what would be lost on a real
# one is only late here. The motors' own time is the simulation's.
PATIENT = 1.0  # [s] of wall clock until an answer counts as lost
LOST = 0.009  # [s] of simulated time without a reading until the hand does: two cycles
CURRENT = 0.4  # [A] at full effort: below what the safety limits spare motors from
TIMESTEPS = {"leap": 0.002, "allegro": 0.001}  # [s]; whole numbers of them make a bus cycle


class EmulatedBackend(MujocoBackend):
    """`SimBackend` of one world: commands go to a `HandLink`, its states come from there.

    Motors of the emulated hand give torques; contact and friction are MuJoCo's. They may be as
    strong as the simulated hand's, whose effort limits grasps are planned for, where
    `config/hardware` spares a real one. Joints are NaN while the hand is lost.
    link, emulator: to look at and to break.
    """

    def __init__(self, hand: HandModel, config: SimulationConfig, seed: int = 0) -> None:
        settings = load_hardware(hand.name).model_copy(update={"calibration": None})
        self._elapsed = 0.0
        effort = float(hand.effort_limit.max())
        if isinstance(settings, LeapConfig):
            stronger = {"goal_current": CURRENT, "torque_constant": effort / CURRENT}
            settings = settings.model_copy(update=stronger)
            servo = Servo(torque_constant=settings.torque_constant)
            self.emulator = EmulatedLeap(hand, settings, servo=servo)
            settings = settings.model_copy(
                update={"port": self.emulator.port, "answer_timeout": PATIENT}
            )
            driver = LeapDriver(hand, settings, self._clock)
        else:
            settings = settings.model_copy(
                update={
                    "interface": "virtual",
                    "channel": f"hand_{id(self)}",
                    "grace": PATIENT,
                    "torque_limit": effort,
                }
            )
            # A V4 may be told 0.23 to 0.56 Nm of a joint, by the vendor's limits.
            version = version_of(settings.version, effort)
            self.emulator = EmulatedAllegro(hand, settings, version=version)
            driver = AllegroDriver(hand, settings, self._clock, version)
        patience = settings.link.model_copy(update={"patience": LOST})
        self.link = HandLink(driver, patience, self._clock)
        timestep = TIMESTEPS[settings.kind]
        self._cycle = round(driver.period / timestep)
        self._phase = 0
        super().__init__(hand, config.model_copy(update={"timestep": timestep}), seed=seed)

    def _clock(self) -> float:
        return self._elapsed

    def _engine(self, model: mujoco.MjModel) -> Batch | WarpBatch:
        """The hand's servos become motors: what they do is the emulated hand's business."""
        servos = [model.actuator(f"servo_{name}").id for name in self.hand.joint_names]
        model.actuator_gainprm[servos, 0] = 1.0
        model.actuator_biasprm[servos] = 0.0
        model.actuator_biastype[servos] = mujoco.mjtBias.mjBIAS_NONE
        return super()._engine(model)

    def reset(
        self,
        worlds: Sequence[int] | None = None,
        T_world_palm: Array | None = None,
        joint_position: Array | None = None,
        T_world_object: Array | None = None,
    ) -> None:
        """See `SimBackend.reset`. The hand is put elsewhere, so its driver starts anew."""
        with self._lock:
            super().reset(worlds, T_world_palm, joint_position, T_world_object)
            self._state["ctrl"][:, self._ctrl] = 0.0
            self.link.close()
            self.emulator.place(self._state["qpos"][0, self._qpos])
            self._phase = 0
            self._hand_state = self.link.open()

    def step(self, command: Command, duration: float, worlds: Sequence[int] | None = None) -> None:
        """See `SimBackend.step`: bus cycles and physics in turn."""
        count = steps_in(duration, self.timestep, command)
        with self._lock:
            self._send_palm(command)
            for _ in range(count):
                if self._phase == 0:
                    self.link.write(command.joint_position[0])
                    self._deliver()
                self._move()
                self._phase = (self._phase + 1) % self._cycle
                if self._phase == 0:
                    self._hand_state = self.link.read()

    def _deliver(self) -> None:
        """Let what was sent arrive: how long a thread waits for a core is no matter of physics."""
        driver, emulator = self.link.driver, self.emulator
        if isinstance(driver, LeapDriver) and isinstance(emulator, EmulatedLeap):
            emulator.line.wait_for(driver.bus.written)

    def _move(self) -> None:
        """One step of physics under the torques of the emulated motors."""
        state = self._state
        position, velocity = state["qpos"][0, self._qpos], state["qvel"][0, self._dof]
        torque = self.emulator.drive(position, velocity, self.timestep)
        state["ctrl"][0, self._ctrl] = torque
        self._batch.step(None, nstep=1)
        self._elapsed += self.timestep

    def observe(self) -> Observation:
        """See `SimBackend.observe`: joints as the driver read them."""
        with self._lock:
            observation = super().observe()
            state = self._hand_state
            nothing = np.full(self.hand.joint_count, np.nan)
            seen = (state.position, state.velocity, state.effort) if state else (nothing,) * 3
            position, velocity, effort = (figure[None].copy() for figure in seen)
            observation.joint_position, observation.joint_velocity = position, velocity
            observation.joint_effort = effort
            return observation

    def close(self) -> None:
        """See `SimBackend.close`."""
        self.link.close()
        self.emulator.close()
        super().close()
