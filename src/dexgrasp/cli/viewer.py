"""Grasps of a table in a browser, by viser: a slider over grasps, three postures, contacts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import trimesh
import viser

from dexgrasp.datasets import GraspTable
from dexgrasp.evaluation.batch.completion import find_contacts
from dexgrasp.evaluation.batch.pictures import pictured_object
from dexgrasp.geometry import quaternion_from_pose
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel
from dexgrasp.types import Array

POSTURES = ("pregrasp", "grasp", "squeeze")
OBJECT_COLOR, HAND_COLOR, TIP_COLOR = (242, 122, 33), (80, 84, 92), (225, 225, 215)
CONTACT_COLOR, CONTACT_RADIUS, CONTACT_LENGTH = (20, 90, 230), 0.003, 0.03  # [m]
CAMERA = np.array([0.3, -0.3, 0.22])  # from the object's middle [m]


class Viewer:
    """A server that shows one grasp at a time; objects stand on the grid as they rest."""

    def __init__(self, table: GraspTable, meshes: Sequence[Path], host: str, port: int) -> None:
        """Raises MeshError for a first object without a mesh."""
        self.table, self.meshes = table, meshes
        self.hand = HandModel.load(table.hand)
        self._lock = threading.Lock()  # one change of the scene at a time
        self._shown: ObjectModel | None = None
        model = self._model(0)
        self.server = viser.ViserServer(host, port, label="dexgrasp", verbose=False)
        self.port = self.server.get_port()
        self.server.scene.set_up_direction("+z")
        self.server.scene.add_grid("/table", 1.0, 1.0, cell_size=0.05, section_size=0.25)
        middle = np.array([0.0, 0.0, 0.5 * float(model.mesh.extents[2])])
        self.server.initial_camera.position = tuple(middle + CAMERA)
        self.server.initial_camera.look_at = tuple(middle)
        self._object = self.server.scene.add_frame("/object", show_axes=False)
        self._palm = self.server.scene.add_frame("/object/palm", show_axes=False)
        self._links = [self._link(index) for index in range(len(self.hand.links))]
        self._contacts: list[viser.SceneNodeHandle] = []
        self._add_controls()
        self.show(0, "grasp")

    def _add_controls(self) -> None:
        gui, last = self.server.gui, max(len(self.table) - 1, 1)
        self.slider = gui.add_slider("grasp", 0, last, 1, 0, disabled=len(self.table) == 1)
        self.posture = gui.add_dropdown("posture", POSTURES, initial_value="grasp")
        self.contacts = gui.add_checkbox("contacts", True)
        self.words = gui.add_markdown("")
        for control in (self.slider, self.posture, self.contacts):
            control.on_update(lambda _: self.show(int(self.slider.value), self.posture.value))

    def _link(self, index: int) -> viser.MeshHandle | None:
        shapes = [primitive.mesh() for primitive in self.hand.link_primitives(index)]
        if not shapes:
            return None
        mesh: trimesh.Trimesh = trimesh.util.concatenate(shapes)  # type: ignore[assignment]
        color = TIP_COLOR if index in self.hand.distal_links else HAND_COLOR
        return self._mesh(f"/object/palm/link_{index}", mesh, color)

    def _mesh(self, name: str, mesh: trimesh.Trimesh, color: tuple) -> viser.MeshHandle:
        vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
        return self.server.scene.add_mesh_simple(name, vertices, faces, color=color, side="double")

    def _model(self, row: int) -> ObjectModel:
        name, scale = self.table.objects[row], float(self.table.scale[row])
        return pictured_object(name, scale, tuple(self.meshes))

    def show(self, row: int, posture: str) -> None:
        """Show a grasp in one of POSTURES; a posture that the file lacks is said to be absent."""
        with self._lock, self.server.atomic():
            model = self._model(row)
            if model is not self._shown:
                self._shown = model
                self._mesh("/object/mesh", model.mesh, OBJECT_COLOR)
                _move(self._object, model.T_table_object)
            joints = getattr(self.table, posture)[row]
            missing = not np.isfinite(joints).all()
            joints = self.table.grasp[row] if missing else joints
            _move(self._palm, self.table.T_object_palm[row])
            for handle, pose in zip(self._links, self.hand.forward(joints[None])[0], strict=True):
                if handle is not None:
                    _move(handle, pose)
            self._draw_contacts(model, row)
            self.words.content = self._describe(row, posture, missing)

    def _draw_contacts(self, model: ObjectModel, row: int) -> None:
        """Of the grasp: points where a finger or the palm touches, with normals out of it."""
        for handle in self._contacts:
            handle.remove()
        self._contacts = []
        if not self.contacts.value:
            return
        pose = self.table.T_object_palm[row]
        _, _, points, into = find_contacts(self.hand, model, self.table.grasp[row], pose)
        scene = self.server.scene
        for i, point in enumerate(points):
            handle = scene.add_icosphere(
                f"/object/contact_{i}", CONTACT_RADIUS, CONTACT_COLOR, position=tuple(point)
            )
            self._contacts.append(handle)
        ends = np.stack([points, points - CONTACT_LENGTH * into], axis=1)
        lines = scene.add_line_segments("/object/normals", ends, CONTACT_COLOR, thickness=0.001)
        self._contacts.append(lines)

    def _describe(self, row: int, posture: str, missing: bool) -> str:
        score = self.table.score[row]
        lines = [
            f"**{Path(self.table.objects[row]).stem}**, {self.table.hand}",
            f"row {self.table.row[row]}, score {score:.2f}" if np.isfinite(score) else "no score",
        ]
        if missing:
            lines.append(f"the file has no {posture}; the grasp is shown")
        return "  \n".join(lines)

    def wait(self) -> None:
        """Serve until Ctrl-C."""
        try:
            self.server.sleep_forever()
        except KeyboardInterrupt:
            return

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()


def _move(handle: viser.SceneNodeHandle, pose: Array) -> None:
    """Put a node at a pose (4, 4) in its parent."""
    handle.position, handle.wxyz = pose[:3, 3], quaternion_from_pose(pose)
