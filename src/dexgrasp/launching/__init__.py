"""ROS 2 XML launch files without `ros2 launch`: a strict reader and a supervisor."""

from dexgrasp.launching.reader import LaunchArgument, LaunchPlan, ProcessSpec, read_launch_file
from dexgrasp.launching.supervisor import supervise

__all__ = ["LaunchArgument", "LaunchPlan", "ProcessSpec", "read_launch_file", "supervise"]
