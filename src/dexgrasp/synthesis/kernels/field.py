"""Signed distance on a grid."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, fastmath=True, inline="always")
def lookup(grid, origin, spacing, x, y, z, gradient):
    """Trilinear signed distance and its gradient; beyond the grid, its border plus the gap."""
    nx, ny, nz = grid.shape
    u = (x - origin[0]) / spacing
    v = (y - origin[1]) / spacing
    w = (z - origin[2]) / spacing
    cu = min(max(u, 0.0), nx - 1.001)
    cv = min(max(v, 0.0), ny - 1.001)
    cw = min(max(w, 0.0), nz - 1.001)
    i, j, k = int(cu), int(cv), int(cw)
    a, b, c = cu - i, cv - j, cw - k
    g000, g100 = grid[i, j, k], grid[i + 1, j, k]
    g010, g110 = grid[i, j + 1, k], grid[i + 1, j + 1, k]
    g001, g101 = grid[i, j, k + 1], grid[i + 1, j, k + 1]
    g011, g111 = grid[i, j + 1, k + 1], grid[i + 1, j + 1, k + 1]
    x00, x10 = g000 + a * (g100 - g000), g010 + a * (g110 - g010)
    x01, x11 = g001 + a * (g101 - g001), g011 + a * (g111 - g011)
    y0, y1 = x00 + b * (x10 - x00), x01 + b * (x11 - x01)
    distance = y0 + c * (y1 - y0)
    dx0 = (g100 - g000) + b * ((g110 - g010) - (g100 - g000))
    dx1 = (g101 - g001) + b * ((g111 - g011) - (g101 - g001))
    gx = dx0 + c * (dx1 - dx0)
    gy = (x10 - x00) + c * ((x11 - x01) - (x10 - x00))
    gz = y1 - y0
    ou, ov, ow = (u - cu) * spacing, (v - cv) * spacing, (w - cw) * spacing
    gap = np.sqrt(ou * ou + ov * ov + ow * ow)
    if gap > 1e-9:
        gx, gy, gz = ou / gap, ov / gap, ow / gap
        distance += gap
    norm = np.sqrt(gx * gx + gy * gy + gz * gz) + 1e-12
    gradient[0], gradient[1], gradient[2] = gx / norm, gy / norm, gz / norm
    return distance
