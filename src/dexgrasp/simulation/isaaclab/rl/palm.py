"""Where the palm is sent, in four degrees of freedom: x, y, z, and a turn about the vertical."""

from __future__ import annotations

import torch
from torch import Tensor

LIMIT = (0.15, 0.15, 0.45, 0.8)  # [m, m, m, rad] from where an episode begins


def scripted(time: Tensor, begin: float, speed: float, height: float) -> Tensor:
    """(n, 4) offsets: at rest until `begin` [s], then upwards at `speed` [m/s] to `height` [m].

    time: (n,) [s].
    """
    offset = torch.zeros(len(time), 4, device=time.device)
    offset[:, 2] = torch.clamp(speed * (time - begin), 0.0, height)
    return offset


def steered(offset: Tensor, action: Tensor, speed: Tensor, period: float) -> Tensor:
    """(n, 4) offsets after an action (n, 4) within +-1 of `speed` (4,) for `period` [s]."""
    limit = torch.tensor(LIMIT, device=offset.device)
    moved = offset + period * speed * torch.clamp(action, -1.0, 1.0)
    return torch.minimum(torch.maximum(moved, -limit), limit)


def turned(angle: Tensor, quaternion: Tensor) -> Tensor:
    """(n, 4) quaternions, scalar last, turned by `angle` (n,) [rad] about the world's z."""
    sine, cosine = torch.sin(angle / 2.0), torch.cos(angle / 2.0)
    x, y, z, w = quaternion.unbind(-1)
    return torch.stack(
        [cosine * x - sine * y, cosine * y + sine * x, cosine * z + sine * w,
         cosine * w - sine * z], dim=-1,
    )  # fmt: skip


def placed(start: Tensor, offset: Tensor) -> Tensor:
    """(n, 7) palm poses at `offset` (n, 4) from `start` (n, 7), quaternions scalar last."""
    position = start[:, :3] + offset[:, :3]
    return torch.cat([position, turned(offset[:, 3], start[:, 3:])], dim=-1)
