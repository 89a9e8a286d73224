"""The services `simulation/*`: what a user may do to the simulated world, and no robot offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dexgrasp_interfaces.srv import ApplyForce, JamJoints, ResetSimulation, SpawnObject
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from std_srvs.srv import SetBool

from dexgrasp.errors import DexgraspError
from dexgrasp_nodes.conversions import pose_from_msg, pose_to_msg, vector_from_msg
from dexgrasp_nodes.node_base import error_code
from dexgrasp_nodes.world import World


class WorldServices:
    """Spawn objects, push them, jam joints, reset, pause.

    world: the running world. Raises NotActiveError while there is none.
    report: is told what could not be done.
    """

    def __init__(
        self, node: Node, world: Callable[[], World], report: Callable[[Exception], None]
    ) -> None:
        self._world, self._report = world, report
        group = MutuallyExclusiveCallbackGroup()
        served: tuple[tuple[Any, str, Callable[[Any, Any], None]], ...] = (
            (SpawnObject, "spawn_object", self._spawn),
            (ResetSimulation, "reset", self._reset),
            (ApplyForce, "apply_force", self._apply_force),
            (JamJoints, "jam_joints", self._jam_joints),
        )
        for kind, name, serve in served:
            node.create_service(
                kind, f"simulation/{name}", self._answering(serve), callback_group=group
            )
        node.create_service(
            SetBool, "simulation/set_paused", self._set_paused, callback_group=group
        )

    def _answering(self, serve: Callable[[Any, Any], None]) -> Callable[[Any, Any], Any]:
        """The callback that answers with what `serve` raises."""

        def answer(request: Any, response: Any) -> Any:
            try:
                serve(request, response)
            except Exception as error:
                self._report(error)
                response.error_code, response.error_msg = error_code(error), str(error)
            return response

        return answer

    def _spawn(self, request: SpawnObject.Request, response: SpawnObject.Response) -> None:
        pose = None if request.random_pose else pose_from_msg(request.pose)
        placement = self._world().spawn(request.name, pose, request.seed, request.replace)
        response.pose = pose_to_msg(placement.T_world_object)

    def _reset(self, request: ResetSimulation.Request, response: Any) -> None:
        self._world().reset(request.remove_objects)

    def _apply_force(self, request: ApplyForce.Request, response: Any) -> None:
        self._world().push(request.name, vector_from_msg(request.force), request.duration)

    def _jam_joints(self, request: JamJoints.Request, response: Any) -> None:
        self._world().jam(list(request.joint_names))

    def _set_paused(self, request: SetBool.Request, response: SetBool.Response) -> Any:
        try:
            self._world().paused = request.data
        except DexgraspError as error:
            response.message = str(error)
            return response
        response.success = True
        return response
