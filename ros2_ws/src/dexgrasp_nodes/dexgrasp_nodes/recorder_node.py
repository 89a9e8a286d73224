"""Records topics as they are, undecoded, into an MCAP bag that rosbag2's tools read."""

from __future__ import annotations

import importlib
import time
from collections import Counter
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from rclpy.context import Context
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore
from std_msgs.msg import String

from dexgrasp_nodes.loop import Loop
from dexgrasp_nodes.node_base import BACKGROUND, LATCHED, present, run
from dexgrasp_nodes.spinning import PolledNode
from dexgrasp_nodes.streams import Stream

POLL_PERIOD = 0.1  # [s]
DISCOVERY_PERIOD = 1.0  # [s] between looks for new topics
QUEUE = 200  # messages of one topic between two polls
# The raw image is the same picture again, rendered only for those who ask for it.
EXCLUDED = ["/rosout", "/camera/depth/image_raw"]
BAG_VERSION = 9
BAG_FOLDER = "recording"


class RecorderNode(PolledNode):
    """Records every topic but `exclude`, images at most once in `image_period` [s].

    Parameter `folder`: where the bag goes; empty: the folder that `results_folder` names,
    which is where the demo puts its report. `written`: messages so far, by topic.
    """

    def __init__(self, context: Context | None = None) -> None:
        super().__init__("recorder", context=context)
        self.written: Counter[str] = Counter()
        self._folder = self.declare_parameter("folder", "").value
        self._exclude = set(self.declare_parameter("exclude", EXCLUDED).value)
        self._image_period = self.declare_parameter("image_period", 2.0).value
        self._typestore = get_typestore(Stores.ROS2_KILTED)
        self._streams: dict[str, tuple[Stream, Connection, float]] = {}
        self._polled: dict[str, float] = {}
        self._looked = -float("inf")
        self._writer: Writer | None = None
        self.create_subscription(String, "results_folder", self._on_folder, LATCHED)
        if self._folder:
            self._open(Path(self._folder))
        self._loop = Loop("recorder", POLL_PERIOD, self._record, self._on_error)
        self._loop.start()

    def _on_error(self, error: Exception) -> None:
        self.get_logger().error(str(error), throttle_duration_sec=5.0)

    def _on_folder(self, message: String) -> None:
        if self._writer is None:
            self._open(Path(message.data))

    def _open(self, folder: Path) -> None:
        writer = Writer(folder / BAG_FOLDER, version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP)
        writer.open()
        self._writer = writer
        self.get_logger().info(f"recording into {folder / BAG_FOLDER}")

    def _record(self) -> None:
        if self._writer is None:
            return
        now = time.monotonic()
        if now - self._looked > DISCOVERY_PERIOD:
            self._looked = now
            self._discover()
        for topic, (stream, connection, period) in self._streams.items():
            if now - self._polled.get(topic, -float("inf")) < period:
                continue
            self._polled[topic] = now
            for data, received in stream.take_stamped():
                self._writer.write(connection, received, data)
                self.written[topic] += 1

    def _discover(self) -> None:
        for topic, types in self.get_topic_names_and_types():
            hidden = "/_" in topic  # what actions are made of; rosbag2 leaves it out too
            known = topic in self._streams or topic in self._exclude
            if not hidden and not known and len(types) == 1:
                publishers = self.get_publishers_info_by_topic(topic)
                if publishers:
                    self._add(topic, types[0], [p.qos_profile for p in publishers])

    def _add(self, topic: str, kind: str, offered: list[QoSProfile]) -> None:
        is_image = kind == "sensor_msgs/msg/Image"
        reliable = all(q.reliability == ReliabilityPolicy.RELIABLE for q in offered)
        latched = all(q.durability == DurabilityPolicy.TRANSIENT_LOCAL for q in offered)
        qos = QoSProfile(
            depth=1 if is_image else QUEUE,
            reliability=ReliabilityPolicy.RELIABLE if reliable and not is_image
            else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched
            else DurabilityPolicy.VOLATILE,
        )  # fmt: skip
        package, _, name = kind.split("/")
        message_type = getattr(importlib.import_module(f"{package}.msg"), name)
        learn_package(self._typestore, package)
        connection = present(self._writer, "bag").add_connection(
            topic, kind, typestore=self._typestore
        )
        stream = Stream(self, message_type, topic, qos, raw=True)
        self._streams[topic] = (stream, connection, self._image_period if is_image else 0.0)

    def close(self) -> None:
        """Finish the bag."""
        self._loop.stop()
        if self._writer is not None:
            self._writer.close()


def learn_package(typestore: Typestore, package: str) -> None:
    """Add the messages of an installed package that the store does not hold."""
    if any(name.startswith(f"{package}/") for name in typestore.fielddefs):
        return
    for path in (Path(get_package_share_directory(package)) / "msg").glob("*.msg"):
        typestore.register(get_types_from_msg(path.read_text(), f"{package}/msg/{path.stem}"))


def main() -> None:
    """Run the node."""
    run(RecorderNode, niceness=BACKGROUND)
