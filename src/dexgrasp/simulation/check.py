"""A shipped check of every promise of `SimBackend`, for our backends and for new ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dexgrasp.errors import BackendError, DexgraspError
from dexgrasp.simulation.backend import SimBackend
from dexgrasp.types import Command, ObjectPlacement

PERIOD = 0.02


def check_backend(
    make: Callable[[int], SimBackend], placement: ObjectPlacement, worlds: int = 2
) -> list[str]:
    """Run every promise against the backend that `make(worlds)` returns.

    placement: an object at rest on the table. Returns the names of the promises that were
    checked. Raises BackendError with the broken promise and what was seen.
    """
    promises = (
        _shapes,
        _reset_is_home,
        _reset_is_selective,
        _joint_order,
        _joints_follow,
        _limits_hold,
        _palm_follows,
        _object_rests,
        _time_advances,
        _step_is_selective,
        _gravity_varies,
        _friction_varies,
        _mass_varies,
        _pushes_move_the_object,
        _stuck_joints_stay,
        _nan_is_refused,
        _odd_duration_is_refused,
        _same_seed_same_motion,
        _depth_is_metric,
        _hand_feels_the_table,
    )
    for promise in promises:
        backend = make(worlds)
        try:
            backend.load([placement])
            promise(backend, make)
        finally:
            backend.close()
    return [promise.__name__.removeprefix("_") for promise in promises]


def _expect(condition: object, promise: str, seen: object) -> None:
    if not condition:
        raise BackendError(f"the backend breaks a promise: {promise}; seen: {seen}")


def _hold(backend: SimBackend) -> Command:
    seen = backend.observe()
    return Command(seen.joint_position, seen.T_world_palm)


def _run(backend: SimBackend, command: Command, duration: float) -> None:
    for _ in range(round(duration / PERIOD)):
        backend.step(command, PERIOD)


def _shapes(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    n, j, f = backend.worlds, backend.hand.joint_count, len(backend.hand.finger_names)
    seen, truth = backend.observe(), backend.truth()
    shapes = {
        "time": (seen.time, (n,)),
        "joint_position": (seen.joint_position, (n, j)),
        "joint_velocity": (seen.joint_velocity, (n, j)),
        "joint_effort": (seen.joint_effort, (n, j)),
        "T_world_palm": (seen.T_world_palm, (n, 4, 4)),
        "finger_force": (seen.finger_force, (n, f)),
        "T_world_object": (truth.T_world_object, (n, 1, 4, 4)),
        "object_velocity": (truth.object_velocity, (n, 1, 3)),
        "finger_object_force": (truth.finger_object_force, (n, f)),
    }
    for name, (value, shape) in shapes.items():
        _expect(value.shape == shape, f"{name} has shape {shape}", value.shape)
        _expect(np.isfinite(value).all(), f"{name} is finite", value)


def _reset_is_home(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    before = backend.observe()
    command = _hold(backend)
    command.T_world_palm[:, 2, 3] -= 0.05
    _run(backend, command, 0.3)
    backend.reset()
    after = backend.observe()
    for name in ("joint_position", "joint_velocity", "T_world_palm"):
        error = np.abs(getattr(after, name) - getattr(before, name)).max()
        _expect(error < 1e-6, f"reset restores {name}", error)


def _reset_is_selective(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    command = _hold(backend)
    command.T_world_palm[:, 2, 3] -= 0.05
    _run(backend, command, 0.3)
    before = backend.observe().T_world_palm.copy()
    backend.reset([0])
    after = backend.observe().T_world_palm
    _expect(np.allclose(after[1:], before[1:]), "reset([0]) leaves other worlds alone", after[1:])
    _expect(abs(after[0, 2, 3] - before[0, 2, 3]) > 0.02, "reset([0]) resets world 0", after[0])


def _joints_follow(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    command = _hold(backend)
    hand = backend.hand
    command.joint_position += 0.25 * (
        0.5 * (hand.joint_lower + hand.joint_upper) - command.joint_position
    )
    _run(backend, command, 1.5)
    error = np.abs(backend.observe().joint_position - command.joint_position).max()
    _expect(error < 0.05, "free joints reach their targets within 0.05 rad", error)


def _joint_order(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    """Each joint alone: a permuted order would move another one."""
    hand = backend.hand
    rest = _hold(backend)
    middle = 0.5 * (hand.joint_lower + hand.joint_upper)
    for j in range(hand.joint_count):
        backend.reset()
        command = Command(rest.joint_position.copy(), rest.T_world_palm.copy())
        step = 0.15 * np.sign(middle[j] - command.joint_position[0, j] + 1e-9)
        command.joint_position[:, j] += step
        _run(backend, command, 0.4)
        moved = backend.observe().joint_position - rest.joint_position
        _expect(
            np.abs(moved[0]).argmax() == j and np.sign(moved[0, j]) == np.sign(step),
            f"command {j} moves joint {hand.joint_names[j]} its way",
            np.round(moved[0], 3),
        )


def _limits_hold(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    command = _hold(backend)
    command.joint_position[:] = backend.hand.joint_upper + 1.0
    _run(backend, command, 0.5)
    over = (backend.observe().joint_position - backend.hand.joint_upper).max()
    _expect(over < 0.06, "joints stay within their limits (0.06 rad give)", over)


def _palm_follows(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    command = _hold(backend)
    command.T_world_palm[:, :3, 3] += [0.05, 0.04, -0.06]
    turn = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
    command.T_world_palm[:, :3, :3] = turn @ command.T_world_palm[:, :3, :3]
    _run(backend, command, 1.5)
    error = np.abs(backend.observe().T_world_palm - command.T_world_palm).max()
    _expect(error < 0.005, "the palm reaches its target within 5 mm and 5 mrad", error)


def _object_rests(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    before = backend.truth().object_com
    _run(backend, _hold(backend), 0.5)
    truth = backend.truth()
    drift = np.linalg.norm(truth.object_com - before, axis=2).max()
    _expect(drift < 0.005, "an object at rest stays within 5 mm", drift)
    _expect(np.abs(truth.finger_object_force).max() == 0.0, "nothing touches it", truth)


def _time_advances(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    start = backend.observe().time
    _run(backend, _hold(backend), 0.2)
    passed = backend.observe().time - start
    _expect(np.allclose(passed, 0.2), "time advances by what was stepped", passed)


def _step_is_selective(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    start = backend.observe().time
    backend.step(_hold(backend), PERIOD, [0])
    passed = backend.observe().time - start
    wanted = np.where(np.arange(backend.worlds) == 0, PERIOD, 0.0)
    _expect(np.allclose(passed, wanted), "step(..., [0]) advances world 0 alone", passed)


def _gravity_varies(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    """World 0 lets go of the table; the others do not, and no hand feels the difference."""
    gravity = np.tile([0.0, 0.0, -9.81], (backend.worlds, 1))
    gravity[0] = [0.0, 0.0, 1.0]
    before, palm = backend.truth().object_com, backend.observe().T_world_palm
    backend.vary(gravity=gravity)
    _run(backend, _hold(backend), 0.4)
    rise = (backend.truth().object_com - before)[:, 0, 2]
    _expect(abs(rise[0] - 0.08) < 0.004, "an object at +1 m/s2 rises 8 cm in 0.4 s", rise)
    _expect(np.abs(rise[1:]).max(initial=0.0) < 0.005, "gravity varies by world", rise)
    drift = np.abs(backend.observe().T_world_palm - palm).max()
    _expect(drift < 0.001, "the hand does not feel gravity", drift)


def _friction_varies(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    """Pulled sideways by half its weight, a slippery object slides and a rough one does not."""
    friction = np.full(backend.worlds, 2.0)
    friction[0] = 0.1
    before = backend.truth().object_com
    backend.vary(gravity=np.tile([4.9, 0.0, -9.81], (backend.worlds, 1)), friction=friction)
    _run(backend, _hold(backend), 0.2)
    slid = np.linalg.norm(backend.truth().object_com - before, axis=2)[:, 0]
    _expect(slid[0] > 0.03, "an object of friction 0.1 slides down a slope of 1 in 2", slid)
    rest = slid[1:].max(initial=0.0)
    _expect(rest < 0.5 * slid[0], "friction varies by world", slid)


def _mass_varies(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    """Pressed on the table by the same fingers, a heavy object pushes back no softer."""
    mass = np.full((backend.worlds, 1), 0.05)
    mass[0] = 50.0
    backend.vary(mass=mass)
    command = _hold(backend)
    com = backend.truth().object_com[:, 0]
    command.T_world_palm[:, :2, 3] = com[:, :2] - [[0.16, 0.0]]
    command.T_world_palm[:, 2, 3] = com[:, 2] + 0.02
    _run(backend, command, 1.5)
    before = backend.truth().object_com
    command.T_world_palm[:, 0, 3] += 0.10
    _run(backend, command, 0.8)
    pushed = np.linalg.norm(backend.truth().object_com - before, axis=2)[:, 0]
    light = pushed[1:].min(initial=np.inf)
    _expect(light > 2.0 * pushed[0], "a light object is pushed away, one of 50 kg is not", pushed)


def _pushes_move_the_object(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    """Upwards with twice the weight of the object, in world 0 alone."""
    push = np.zeros((backend.worlds, 1, 3))
    push[0, 0, 2] = 2.0 * 9.81 * backend.placements[0].model.mass
    backend.vary(push=push)
    before = backend.truth().object_com
    _run(backend, _hold(backend), 0.2)
    risen = (backend.truth().object_com - before)[:, 0, 2]
    _expect(risen[0] > 0.1, "a push moves the object", risen)
    _expect(np.abs(risen[1:]).max(initial=0.0) < 0.01, "it moves no other one", risen)
    backend.reset()
    before = backend.truth().object_com
    _run(backend, _hold(backend), 0.2)
    risen = (backend.truth().object_com - before)[0, 0, 2]
    _expect(abs(risen) < 0.01, "a reset ends a push", risen)


def _stuck_joints_stay(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    """Joint 0 of world 0 sticks; freed, it moves again."""
    stuck = np.zeros((backend.worlds, backend.hand.joint_count), dtype=bool)
    stuck[0, 0] = True
    command = _hold(backend)
    before = command.joint_position.copy()
    command.joint_position += 0.25 * (
        0.5 * (backend.hand.joint_lower + backend.hand.joint_upper) - before
    )
    command.joint_position[:, 0] = before[:, 0] + 0.2
    for which in (stuck, np.zeros_like(stuck)):
        backend.vary(stuck=which)
        _run(backend, command, 0.5)
        followed = np.abs(backend.observe().joint_position - command.joint_position) < 0.05
        _expect((followed == ~which).all(), "stuck joints stay, the others move", followed)


def _nan_is_refused(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    command = _hold(backend)
    command.joint_position[0, 0] = np.nan
    before = backend.observe().joint_position
    try:
        backend.step(command, PERIOD)
    except DexgraspError:
        _expect((backend.observe().joint_position == before).all(), "a refusal changes nothing", 0)
        return
    _expect(False, "a command with NaN raises BackendError", "no error")


def _odd_duration_is_refused(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    try:
        backend.step(_hold(backend), 0.5 * backend.timestep)
    except DexgraspError:
        return
    _expect(False, "a duration below the time step raises BackendError", "no error")


def _same_seed_same_motion(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    other = make(backend.worlds)
    try:
        other.load(backend.placements)
        ends = []
        for one in (backend, other):
            command = _hold(one)
            command.joint_position += 0.1
            _run(one, command, 0.3)
            ends.append(one.observe().joint_position)
        _expect((ends[0] == ends[1]).all(), "equal inputs give equal motion", ends[0] - ends[1])
    finally:
        other.close()


def _depth_is_metric(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    frame = backend.depth()
    pixels = frame.intrinsics
    _expect(
        frame.depth.shape == (pixels.height, pixels.width), "depth has its size", frame.depth.shape
    )
    v, u = np.nonzero(frame.depth > 0.0)
    z = frame.depth[v, u]
    rays = np.stack([(u - pixels.cx) / pixels.fx * z, (v - pixels.cy) / pixels.fy * z, z], axis=1)
    world = rays @ frame.T_world_camera[:3, :3].T + frame.T_world_camera[:3, 3]
    com = backend.truth().object_com[0, 0]
    near = np.linalg.norm(world - com, axis=1).min()
    _expect(near < 0.15, "the camera sees the object where it is", near)


def _hand_feels_the_table(backend: SimBackend, make: Callable[[int], SimBackend]) -> None:
    command = _hold(backend)
    free = backend.observe().finger_force
    _expect(np.nan_to_num(free).max() < 0.05, "free fingers feel nothing", free)
    command.T_world_palm[:, 2, 3] = 0.02
    _run(backend, command, 1.5)
    _expect(len(backend.contacts()) > 0, "contacts() lists what the hand touches", "none")
