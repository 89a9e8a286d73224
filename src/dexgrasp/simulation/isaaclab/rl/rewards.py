"""The survey's reward components (section 5.6.1, table 4) over n environments.

Each function returns (n,) of its own unit; `total` weighs and adds them. They read no
simulator: torch alone. Penalties are negative, so that more is better everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

FAR = 0.2  # [m], the table's: nearer than that the approach is no longer rewarded
TOUCH = 0.1  # [N] on a fingertip from which it touches
FIRM = 2.0  # [N] on one fingertip from which more force is not better
SUPPORTS = 2  # fingers beside the thumb


def approach(palm: Tensor, pregrasp: Tensor, far: float = FAR) -> Tensor:
    """-|p_pre - p_hand| [m] while that distance is above `far`, else 0: "Approach Reward".

    palm, pregrasp: (n, 3) positions [m].
    """
    distance = torch.linalg.vector_norm(pregrasp - palm, dim=-1)
    return torch.where(distance > far, -distance, torch.zeros_like(distance))


def imitation(palm: Tensor, shown_palm: Tensor, joints: Tensor, shown_joints: Tensor) -> Tensor:
    """-(|p - p_shown| + |q - q_shown|) [m + rad]: "Pre-grasp Imitation".

    palm, shown_palm: (n, 3) [m].  joints, shown_joints: (n, J) [rad].
    """
    palm_gap = torch.linalg.vector_norm(palm - shown_palm, dim=-1)
    return -(palm_gap + torch.linalg.vector_norm(joints - shown_joints, dim=-1))


def trajectory(position: Tensor, target: Tensor, grasped: Tensor) -> Tensor:
    """-|T_obj - T_target| [m] where the object is grasped, else 0: "Trajectory Following".

    position, target: (n, 3) of the object and of where it should be [m].  grasped: (n,) bool.
    """
    distance = torch.linalg.vector_norm(position - target, dim=-1)
    return torch.where(grasped, -distance, torch.zeros_like(distance))


def grasped(forces: Tensor, thumb: int) -> Tensor:
    """(n,) bool: the thumb and two fingers touch the object.

    forces: (n, F) between fingertips and object [N].  thumb: its index among the F.
    """
    touching = forces > TOUCH
    others = touching.sum(dim=-1) - touching[:, thumb].long()
    return touching[:, thumb] & (others >= SUPPORTS)


def contact(forces: Tensor, thumb: int) -> Tensor:
    """1 where thumb and two fingers touch, else 0: "Contact Reward". As `grasped`."""
    return grasped(forces, thumb).to(forces.dtype)


def force(on_object: Tensor, elsewhere: Tensor, firm: float = FIRM) -> Tensor:
    """Mean over the fingers of what each gives, in [-1, 1]: "Force Reward".

    The table weighs forces on graspable against those on other surfaces. Graspable is the
    object; other is whatever else a fingertip meets, the table and the hand itself. Each
    saturates at `firm` [N], so that squeezing harder pays nothing.
    on_object, elsewhere: (n, F) [N].
    """
    good, bad = (torch.clamp(f / firm, 0.0, 1.0) for f in (on_object, elsewhere))
    return (good - bad).mean(dim=-1)


def lift(height: Tensor, goal: float) -> Tensor:
    """-|z_obj - z_goal| [m]: "Lift Reward".

    height: (n,) of the object over the table [m].  goal: [m].
    """
    return -torch.abs(height - goal)


def regularisation(velocity: Tensor, target: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """-(sum of squared velocities + 10 x sum of excesses) : "Anatomical & Regularization".

    velocity: (n, J) of the joints [rad/s].  target: (n, J) asked of them before they were
    clipped [rad], whose excess is how far it is past `lower`, `upper` (J,).
    """
    excess = torch.relu(target - upper) + torch.relu(lower - target)
    return -((velocity**2).sum(dim=-1) + 10.0 * excess.sum(dim=-1))


def succeeded(height: Tensor, goal: float) -> Tensor:
    """(n,) bool: the object is above the goal. Arguments as `lift`."""
    return height > goal


def success(height: Tensor, goal: float, bonus: float) -> Tensor:
    """`bonus` where the goal is reached, else 0: "Success Reward". Arguments as `lift`."""
    return bonus * succeeded(height, goal).to(height.dtype)


def total(parts: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """(n,) weighted sum of the parts, each (n,). Raises KeyError for a part without a weight."""
    return torch.stack([weights[name] * part for name, part in parts.items()]).sum(dim=0)
