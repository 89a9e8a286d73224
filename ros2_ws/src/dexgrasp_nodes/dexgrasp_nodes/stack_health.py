"""What the nodes say of themselves on `/diagnostics`, gathered over a run."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray


class StackHealth:
    """Keeps every numeric figure of every node; `summary` tells its range."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, message: DiagnosticArray) -> None:
        """Take the figures of one message; what is not a finite number is left out."""
        for status in message.status:
            node = status.name.rpartition("/")[2]
            for pair in status.values:
                try:
                    value = float(pair.value)
                except ValueError:
                    continue
                if math.isfinite(value):
                    self._values[node][pair.key].append(value)

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Node to figure to its `min`, `median` and `max`, in the figure's own unit."""
        return {
            node: {
                key: {
                    "min": min(values),
                    "median": float(np.median(values)),
                    "max": max(values),
                }
                for key, values in sorted(figures.items())
            }
            for node, figures in sorted(self._values.items())
        }
