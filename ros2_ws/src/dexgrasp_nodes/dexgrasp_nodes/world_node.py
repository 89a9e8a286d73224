"""What is behind the bridge, as a node: the services `simulation/*`, which no robot offers.

A node beside the bridge, because loading an object takes seconds, in which the bridge answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dexgrasp_interfaces.srv import ApplyForce, JamJoints, ResetSimulation, SpawnObject
from std_srvs.srv import SetBool

from dexgrasp.errors import DexgraspError
from dexgrasp_nodes.conversions import pose_from_msg, pose_to_msg, vector_from_msg
from dexgrasp_nodes.node_base import NotActiveError, error_code, log_fault
from dexgrasp_nodes.spinning import PolledNode
from dexgrasp_nodes.world import World


def _no_world() -> World:
    raise NotActiveError("the bridge is not there yet")


class WorldNode(PolledNode):
    """Spawn objects, push them, jam joints, reset, pause; and the topics of somebody else's hand.

    world: the running world. It raises NotActiveError while there is none; the bridge sets it.
    """

    def __init__(self) -> None:
        super().__init__("world")
        self.world: Callable[[], World] = _no_world
        served: tuple[tuple[Any, str, Callable[[Any, Any], None]], ...] = (
            (SpawnObject, "spawn_object", self._spawn),
            (ResetSimulation, "reset", self._reset),
            (ApplyForce, "apply_force", self._apply_force),
            (JamJoints, "jam_joints", self._jam_joints),
        )
        for kind, name, serve in served:
            self.create_service(kind, f"simulation/{name}", self._answering(serve))
        self.create_service(SetBool, "simulation/set_paused", self._set_paused)

    def _answering(self, serve: Callable[[Any, Any], None]) -> Callable[[Any, Any], Any]:
        """The callback that answers with what `serve` raises."""

        def answer(request: Any, response: Any) -> Any:
            try:
                serve(request, response)
            except Exception as error:
                log_fault(self, error)
                response.error_code, response.error_msg = error_code(error), str(error)
            return response

        return answer

    def _spawn(self, request: SpawnObject.Request, response: SpawnObject.Response) -> None:
        pose = None if request.random_pose else pose_from_msg(request.pose)
        placement = self.world().spawn(request.name, pose, request.seed, request.replace)
        response.pose = pose_to_msg(placement.T_world_object)

    def _reset(self, request: ResetSimulation.Request, response: Any) -> None:
        self.world().reset(request.remove_objects)

    def _apply_force(self, request: ApplyForce.Request, response: Any) -> None:
        self.world().push(request.name, vector_from_msg(request.force), request.duration)

    def _jam_joints(self, request: JamJoints.Request, response: Any) -> None:
        self.world().jam(list(request.joint_names))

    def _set_paused(self, request: SetBool.Request, response: SetBool.Response) -> Any:
        try:
            self.world().paused = request.data
        except DexgraspError as error:
            response.message = str(error)
            return response
        response.success = True
        return response
