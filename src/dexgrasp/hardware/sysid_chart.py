"""A picture of measured and simulated motions, one small chart per joint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dexgrasp.types import Array

WIDTH, HEIGHT, MARGIN, COLUMNS = 320, 130, 26, 4  # [pixels] of a chart, charts in a row
COLORS = ("#222222", "#c0392b", "#2471a3")


def chart(joints: Sequence[str], time: Array, moved: Mapping[str, Array]) -> str:
    """SVG of positions (n, J) [rad] at `time` (n,) [s], a line for each name in `moved`."""
    rows = -(-len(joints) // COLUMNS)
    parts = [_panel(j, name, time, moved) for j, name in enumerate(joints)]
    legend = "".join(
        f'<text x="{MARGIN + 120 * i}" y="16" fill="{color}">{name}</text>'
        for i, (name, color) in enumerate(zip(moved, COLORS, strict=True))
    )
    size = f'width="{COLUMNS * WIDTH}" height="{rows * HEIGHT + MARGIN}"'
    style = "<style>text{font:12px sans-serif}polyline{fill:none;stroke-width:1}</style>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{legend}{"".join(parts)}</svg>\n'


def _panel(j: int, name: str, time: Array, moved: Mapping[str, Array]) -> str:
    left, top = WIDTH * (j % COLUMNS), MARGIN + HEIGHT * (j // COLUMNS)
    values = np.array([positions[:, j] for positions in moved.values()])
    low, high = values.min(), values.max() + 1e-9
    x = left + MARGIN + (WIDTH - 2 * MARGIN) * (time - time[0]) / (time[-1] - time[0])
    y = top + MARGIN + (HEIGHT - 2 * MARGIN) * (high - values) / (high - low)
    lines = "".join(
        f'<polyline stroke="{color}" points="'
        + " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, line, strict=True))
        + '"/>'
        for line, color in zip(y, COLORS, strict=True)
    )
    label = f"{name}: {low:.3f} to {high:.3f} rad, {time[-1] - time[0]:.0f} s"
    return f'<text x="{left + MARGIN}" y="{top + MARGIN - 6}">{label}</text>{lines}'
