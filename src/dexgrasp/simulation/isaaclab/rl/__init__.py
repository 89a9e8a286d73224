"""Grasp and lift as a task for reinforcement learning in IsaacLab: docs/isaaclab.md."""
