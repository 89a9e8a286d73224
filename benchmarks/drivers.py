"""Drivers against emulated hands: rates, faults, servos, whole picks: `... drivers.py --help`.

Rates are those of the driver alone, with the emulated hand in a process of its own (LEAP) or in
a thread (Allegro): a machine with other work to do shows lower ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from dexgrasp.evaluation.pick import pick, random_placement
from dexgrasp.execution import ExecutionConfig
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.hardware import HandError, HandLink, load_hardware
from dexgrasp.hardware.emulation import EmulatedAllegro, FreeJoints, Servo
from dexgrasp.hardware.emulation.rig import hidden_leap, true_servos
from dexgrasp.hardware.fault_matrix import FAULTS, SITUATIONS, inject
from dexgrasp.hardware.robots import make_driver, make_robot
from dexgrasp.hardware.sysid import excitation, fit, record
from dexgrasp.objects import load_object
from dexgrasp.simulation import SimulationConfig
from dexgrasp.synthesis import make_synthesizer

PARTS = ("rates", "faults", "sysid", "picks")
HIDDEN = 6  # emulated hands whose servos are looked for
SWING, PERIOD = 0.3, 2.0  # [rad], [s] of the motion that rates are measured in
EMULATE = "from dexgrasp.cli import main; main()"


def run(
    parts: Annotated[
        str, typer.Option(help=f"of {', '.join(PARTS)}; with commas")
    ] = "rates,faults,sysid",
    hands: Annotated[str, typer.Option(help="names, with commas")] = ",".join(hand_names()),
    seconds: Annotated[float, typer.Option(help="of the measurement of rates")] = 60.0,
    objects: Annotated[str, typer.Option(help="that are picked")] = "baseball,tomato_soup_can,mug",
    seeds: Annotated[int, typer.Option(help="picks of each object")] = 3,
) -> None:
    """Print one table for each part."""
    print(f"load average {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
    for name in hands.split(","):
        if "rates" in parts:
            _rates(name, seconds)
        if "faults" in parts:
            for kind in FAULTS:
                if kind.startswith(name.split("_")[0]):
                    _faults(kind)
        if "sysid" in parts and name.startswith("leap"):
            _sysid()
        if "picks" in parts:
            _picks(name, objects.split(","), seeds)


def _rates(name: str, seconds: float) -> None:
    hand, config = HandModel.load(name), load_hardware(name)
    if config.kind == "leap":
        command = [sys.executable, "-c", EMULATE, "emulate", "--hand", name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as emulator:
            assert emulator.stdout is not None
            port = emulator.stdout.readline().split()[-1]
            config = config.model_copy(update={"port": port})
            measure(hand, HandLink(make_driver(hand, config), config.link), seconds)
            emulator.terminate()
        return
    config = config.model_copy(update={"interface": "virtual", "channel": "benchmark"})
    emulator = EmulatedAllegro(hand, config, FreeJoints(hand), real_time=True)
    measure(hand, HandLink(make_driver(hand, config), config.link), seconds)
    emulator.close()


def measure(hand: HandModel, link: HandLink, seconds: float) -> None:
    """Swing the fingers at the driver's own rate and print how regular that was."""
    middle = hand.postures["precision"]
    link.open()
    starts, work, cycles, missed = [], [], 0, 0
    deadline = begin = time.perf_counter()
    while deadline < begin + seconds:
        started = time.perf_counter()
        lost = link.lost_reads, link.lost_commands
        link.write(middle + SWING * np.sin(2.0 * np.pi * (started - begin) / PERIOD))
        cycles += 1
        if link.read() is None or (link.lost_reads, link.lost_commands) != lost:
            missed += 1
        else:
            starts.append(started)
            work.append(time.perf_counter() - started)
        deadline = max(deadline + link.driver.period, time.perf_counter() - 0.05)
        time.sleep(max(0.0, deadline - time.perf_counter()))
    periods = np.diff(starts)
    error = np.abs(periods - link.driver.period)
    table = Table("figure", "value", title=f"{hand.name}, {seconds:.0f} s, driver loop")
    for words, value in (
        ("rate [Hz]", f"{1.0 / periods.mean():.1f}"),
        ("p99 of the period [ms]", f"{1e3 * np.percentile(periods, 99):.2f}"),
        ("p99 of the period's error [ms]", f"{1e3 * np.percentile(error, 99):.2f}"),
        ("p50, p99 of write and read [ms]", _pair(1e3 * np.array(work))),
        ("cycles, of which without answer", f"{cycles}, {missed}"),
        ("commands lost", f"{link.lost_commands}"),
        ("times the hand was lost and found", f"{link.recoveries}"),
    ):
        table.add_row(words, value)
    link.close()
    Console(markup=False).print(table)


def _pair(values: np.ndarray) -> str:
    return "{:.2f}, {:.2f}".format(*np.percentile(values, [50, 99]))


def _faults(kind: str) -> None:
    title = f"{kind}: safe in 0.1 s / within limits / told / then"
    table = Table("fault", *SITUATIONS, title=title)
    for fault in FAULTS[kind]:
        outcomes = [inject(kind, fault, situation) for situation in SITUATIONS]
        cells = (
            f"{_yes(o.safe)} / {_yes(o.inside)} / {_yes(o.told)} / {o.ended}" for o in outcomes
        )
        table.add_row(fault, *cells)
    Console(width=120).print(table)


def _sysid() -> None:
    """Servos found of hands that hide theirs: the largest error over the joints."""
    figures = ("stiffness", "damping", "friction", "inertia")
    table = Table("seed", *(f"{name} [%]" for name in figures), "delay [ms]",
                  title="leap: servos found, largest error of 16 joints")  # fmt: skip
    for seed in range(HIDDEN):
        rng = np.random.default_rng(seed)
        servo = Servo(
            stiffness=rng.uniform(1.5, 4.0) / 800.0,
            damping=rng.uniform(0.08, 0.2) / 200.0,
            delay=rng.uniform(0.0, 0.03),
        )
        rig = hidden_leap(servo, rng)
        try:
            middle = rig.hand.postures["precision"]
            found = fit(record(rig.link, excitation(middle), rig.clock, rig.wait))
            true = true_servos(rig)
        finally:
            rig.close()
        shares = (np.abs(getattr(found, n) / getattr(true, n) - 1.0).max() for n in figures)
        delay = 1e3 * np.abs(found.delay - true.delay).max()
        table.add_row(str(seed), *(f"{100.0 * share:.1f}" for share in shares), f"{delay:.2f}")
    Console(width=120).print(table)


def _yes(value: bool) -> str:
    return "yes" if value else "NO"


def _picks(name: str, objects: list[str], seeds: int) -> None:
    trials = [(item, seed) for item in objects for seed in range(seeds)]
    table = Table("object, seed", "direct", "emulated", title=f"{name}: picks")
    verdicts: dict[str, Callable] = {
        kind: lambda item, seed, kind=kind: _pick(kind, name, item, seed)
        for kind in ("mujoco", "emulated")
    }
    held = dict.fromkeys(verdicts, 0)
    for trial in trials:
        words = []
        for kind, verdict in verdicts.items():
            success, reason = verdict(*trial)
            held[kind] += success
            words.append("held" if success else reason)
        table.add_row(f"{trial[0]}, {trial[1]}", *words)
    table.add_row("held", *(f"{count} of {len(trials)}" for count in held.values()))
    Console(width=140).print(table)


def _pick(kind: str, name: str, item: str, seed: int) -> tuple[bool, str]:
    hand, config = HandModel.load(name), SimulationConfig.load()
    robot = make_robot(kind, hand, config, seed)
    placement = random_placement(load_object(item), config.table_height, seed)
    try:
        record = pick(
            robot.backend, make_synthesizer("search"), ExecutionConfig.load(), placement, seed,
            config.table_height,
        )  # fmt: skip
    except HandError as error:
        return False, str(error)
    finally:
        robot.backend.close()
    return record.success, record.last.error_msg or record.last.phase


if __name__ == "__main__":
    typer.run(run)
