"""The physics engine pulls a hand's contacts onto an object that does not move."""

from __future__ import annotations

from dataclasses import dataclass, replace

import mujoco
import numpy as np

from dexgrasp.geometry import pose_from_quaternion, quaternion_from_pose, transform_points
from dexgrasp.hands import HandModel
from dexgrasp.simulation import SimulationConfig
from dexgrasp.simulation.config import WristConfig
from dexgrasp.simulation.scene import build_model
from dexgrasp.synthesis.generators.template_settings import PullConfig
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.types import Array, ObjectPlacement

UNMOVED_MASS = 1e4  # [kg] of the object, and its inertia [kg m2]: newtons do not move it


@dataclass
class PulledContacts:
    """One contact per finger: F links, points (n, F, 3) in them, targets (n, F, 3) [m].

    links: (n, F).  targets: on the object's surface, in its frame.  used: (n, F) bool.
    """

    links: Array
    points: Array
    targets: Array
    used: Array


class PulledHand:
    """n worlds of a floating hand, without gravity, beside an object that stays on its table.

    The object's frame is the world; a table far below it plays no part.
    """

    def __init__(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        palms: Array,
        joints: Array,
        config: PullConfig,
    ) -> None:
        self.hand, self.config = hand, config
        from mujoco.batch import Batch  # new in 4.0; IsaacLab's environment has an older one

        model = self._model(geometry)
        self.batch = Batch(model, len(palms), 1)
        self.palm = int(model.joint("palm_free").qposadr[0]) + np.arange(7)
        named = [model.joint(name) for name in hand.joint_names]
        self.angles = np.array([joint.qposadr[0] for joint in named])
        self.servos = np.array([model.actuator(f"servo_{n}").id for n in hand.joint_names])
        bodies = [model.body("palm_body").id] + [model.body(k.name).id for k in hand.links[1:]]
        self.bodies = np.array(bodies)
        fields = ("qpos", "ctrl", "xfrc_applied", "mocap_pos", "mocap_quat")
        self.state = {name: self.batch.bind(name) for name in fields}
        self._place(palms, joints)

    def _model(self, geometry: GraspGeometry) -> mujoco.MjModel:
        loose = WristConfig(stiffness=(0.0, 0.0), damping=self.config.damping, limit=(1e3, 1e3))
        simulation = SimulationConfig.load().model_copy(
            update={
                "timestep": self.config.timestep,
                "table_height": geometry.table,
                "wrist": loose,
                "noslip_iterations": 0,
            }
        )
        still = replace(
            geometry.model,
            mass=UNMOVED_MASS,
            inertia=UNMOVED_MASS * np.eye(3),
            solids=geometry.model.parts,
        )
        model = build_model(self.hand, [ObjectPlacement(still)], simulation)
        model.opt.gravity[:] = 0.0
        return model

    def _place(self, palms: Array, joints: Array) -> None:
        state, quaternion = self.state, quaternion_from_pose(palms)
        position = palms[:, :3, 3]
        state["qpos"][:, self.palm] = np.concatenate([position, quaternion], axis=1)
        state["qpos"][:, self.angles] = joints
        state["ctrl"][:, self.servos] = joints
        state["mocap_pos"][:, 0], state["mocap_quat"][:, 0] = position, quaternion

    def pull(self, contacts: PulledContacts) -> tuple[Array, Array]:
        """T_object_palm (n, 4, 4) and joints (n, J) [rad] after the pull.

        Each contact feels a force towards its target as of a spring, at most `force`; the
        servos' targets follow the joints, which thereby give way.
        """
        for _ in range(self.config.rounds):
            palms, joints = self.poses()
            self.state["ctrl"][:, self.servos] = self.hand.clip(joints)
            self._push(palms, joints, contacts)
            self.batch.step(nstep=self.config.steps)
        return self.poses()

    def poses(self) -> tuple[Array, Array]:
        """T_object_palm (n, 4, 4) and joints (n, J) [rad] as they are."""
        palm = self.state["qpos"][:, self.palm]
        palms = pose_from_quaternion(palm[:, :3], palm[:, 3:])
        return palms, self.hand.clip(self.state["qpos"][:, self.angles])

    def _push(self, palms: Array, joints: Array, contacts: PulledContacts) -> None:
        rows = np.arange(len(palms))[:, None]
        poses = (palms[:, None] @ self.hand.forward(joints))[rows, contacts.links]
        points = transform_points(poses, contacts.points[:, :, None])[:, :, 0]
        masses = np.array([link.com for link in self.hand.links])[contacts.links]
        arms = points - transform_points(poses, masses[:, :, None])[:, :, 0]
        force = self.config.stiffness * (contacts.targets - points) * contacts.used[..., None]
        size = np.linalg.norm(force, axis=2, keepdims=True)
        force *= np.minimum(1.0, self.config.force / np.maximum(size, 1e-9))
        self.state["xfrc_applied"][:] = 0.0
        wrench = np.concatenate([force, np.cross(arms, force)], axis=2)
        self.state["xfrc_applied"][rows, self.bodies[contacts.links]] = wrench
