"""The work of `dexgrasp calibrate`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dexgrasp.cli.keys import Keys
from dexgrasp.hands import HandModel
from dexgrasp.hands.calibration import Calibration, JointCalibration
from dexgrasp.hardware import HandLink, load_hardware
from dexgrasp.hardware.calibrate import Zero, free_motion, guide, sweep
from dexgrasp.hardware.config import load_zeros, with_port
from dexgrasp.hardware.robots import make_driver
from dexgrasp.hardware.sysid import ramp, record
from dexgrasp.types import Array

LARGE = 0.1  # [rad] of a zero: a horn or a joint is mounted wrongly


def run_calibrate(name: str, port: str | None, zero: bool, out: Path) -> None:
    """Guide, measure, print and write. Raises what `guide`, `record` and `free_motion` raise."""
    hand, config = HandModel.load(name), with_port(load_hardware(name), port)
    before = load_zeros(config.calibration, hand)
    link = HandLink(make_driver(hand, config), config.link)
    try:
        found = _guided(link) if zero else np.zeros(hand.joint_count)
        start, middle = link.open().position, hand.postures["precision"]
        record(link, ramp(start, middle, config.soft_start_speed))
        figures = free_motion(record(link, sweep(middle)))
    finally:
        link.close()
    calibration = make_calibration(hand, before + found, figures)
    calibration.write(out)
    Console().print(_table(calibration))
    print(f"written to {out}; name it as calibration in config/hardware/{name}.yaml")


def _guided(link: HandLink) -> Array:
    """(J,) [rad] zeros that were found beyond those known, by the operator's hands."""
    link.open()
    zeros = []
    with Keys() as keys:
        for found in guide(link, keys.take, lambda words: print(words, flush=True)):
            print(f"  {found.words}{_remark(found)}", flush=True)
            zeros.append(found.zero)
    link.close()
    return np.array(zeros)


def _remark(found: Zero) -> str:
    return "; that much: is its horn mounted a tooth off?" if abs(found.zero) > LARGE else ""


def make_calibration(hand: HandModel, zero: Array, figures: dict[str, Array]) -> Calibration:
    """Of these figures (J,)."""
    columns = {"zero": zero, **figures}
    rounded = {name: [float(f"{v:.4g}") for v in values] for name, values in columns.items()}
    joints = {
        name: JointCalibration(**{figure: rounded[figure][j] for figure in rounded})
        for j, name in enumerate(hand.joint_names)
    }
    made = datetime.now().isoformat(timespec="seconds")
    return Calibration(hand=hand.name, made=made, joints=joints)


def _table(calibration: Calibration) -> Table:
    table = Table("joint", "zero [rad]", "offset [Nm]", "friction [Nm]", "drag [Nm s/rad]",
                  "spread [Nm]", title=calibration.hand)  # fmt: skip
    for name, joint in calibration.joints.items():
        figures = (joint.offset, joint.friction, joint.drag, joint.spread)
        table.add_row(name, f"{joint.zero:+.3f}", *(f"{figure:+.4f}" for figure in figures))
    return table
