#!/bin/bash
# Runs a command with ROS 2 and the nodes of dexgrasp sourced.
set -e
source /opt/ros/jazzy/setup.bash
source /opt/dexgrasp_ws/local_setup.bash
exec "$@"
