"""The work of `dexgrasp sysid`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dexgrasp.hands import HandModel
from dexgrasp.hardware import HandLink, load_hardware
from dexgrasp.hardware.config import with_port
from dexgrasp.hardware.emulation.joints import LINK_INERTIA
from dexgrasp.hardware.robots import make_driver
from dexgrasp.hardware.sysid import (
    Servos,
    actuators_yaml,
    excitation,
    fit,
    ramp,
    record,
    simulate,
)
from dexgrasp.hardware.sysid_chart import chart


def run_sysid(name: str, port: str | None, out: Path) -> None:
    """Record, fit, print and write. Raises what `HandLink.open` and `record` raise."""
    hand, config = HandModel.load(name), with_port(load_hardware(name), port)
    link, middle = HandLink(make_driver(hand, config), config.link), hand.postures["precision"]
    try:
        start = link.open().position
        record(link, ramp(start, middle, config.soft_start_speed))
        recording = record(link, excitation(middle))
    finally:
        link.close()
    found = fit(recording)
    limit = np.abs(recording.effort).max(axis=0)
    before = Servos(
        hand.stiffness, hand.damping, hand.joint_friction, hand.armature + LINK_INERTIA,
        np.zeros(hand.joint_count),
    )  # fmt: skip
    moved = {
        "measured": recording.position,
        "config/hands": simulate(before, recording, hand.effort_limit),
        "fitted": simulate(found, recording, np.maximum(limit, hand.effort_limit)),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "actuators.yaml").write_text(actuators_yaml(found, hand, LINK_INERTIA))
    (out / "sysid.svg").write_text(chart(hand.joint_names, recording.time, moved))
    Console().print(_table(hand, found, moved))
    print(f"written to {out}; put actuators.yaml in the place of actuators in config/hands")


def _table(hand: HandModel, found: Servos, moved: dict) -> Table:
    table = Table("joint", "stiffness", "damping", "friction", "inertia", "delay [ms]",
                  "error before, after [rad]", title=hand.name)  # fmt: skip
    errors = [
        np.sqrt(np.mean((moved[name] - moved["measured"]) ** 2, axis=0))
        for name in ("config/hands", "fitted")
    ]
    for j, name in enumerate(hand.joint_names):
        table.add_row(
            name, f"{found.stiffness[j]:.3f}", f"{found.damping[j]:.4f}",
            f"{found.friction[j]:.4f}", f"{found.inertia[j]:.5f}", f"{1e3 * found.delay[j]:.1f}",
            f"{errors[0][j]:.4f}, {errors[1][j]:.4f}",
        )  # fmt: skip
    return table
