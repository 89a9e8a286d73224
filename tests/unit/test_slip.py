"""Slip from forces, from contacts that give way, and from a tracked object."""

from __future__ import annotations

import numpy as np
import pytest

from dexgrasp.execution import ExecutionConfig
from dexgrasp.execution.sensing import Felt
from dexgrasp.execution.slip import LOOK, SlipWatch

SETTINGS = ExecutionConfig.load().slip
DT, PALM = np.array([0.01]), np.eye(4)[None]
NORMALS = np.array([[[1.0, 0, 0], [1.0, 0, 0], [1.0, 0, 0], [-1.0, 0, 0]]])
YES = np.ones(1, bool)


def felt(press: float = 4.0, weight: float = 1.0, way: float = 0.0) -> Felt:
    """Three fingers against the thumb; weight: carried by all together; way: of the contacts."""
    vector = press * NORMALS * np.array([1 / 3, 1 / 3, 1 / 3, 1.0])[None, :, None]
    vector = vector + np.array([0.0, 0.0, weight / 4.0])
    points = NORMALS * 0.03 + np.array([0.0, 0.0, way])
    force = np.linalg.norm(vector, axis=2)
    return Felt(force > 0.15, force, vector, np.ones((1, 4)), points, np.zeros((1, 4, 3, 4)))


def watched() -> SlipWatch:
    """A firm grip that is being lifted."""
    watch = SlipWatch(SETTINGS, 1, 4)
    watch.start(np.array([0]), NORMALS, np.full((1, 4), 5.0))
    for _ in range(20):
        watch.update(YES, DT, felt(), PALM)
    return watch


def test_a_firm_grip_does_not_slip() -> None:
    watch = watched()
    assert not watch.slipping.any()
    assert not watch.yielding.any()
    assert not watch.drifting.any()
    assert (watch.tightening == 1.0).all()


@pytest.mark.parametrize("slip", [{"press": 1.0, "weight": 0.2}, {"way": 0.008}])
def test_a_slip_is_answered_within_40_ms(slip: dict[str, float]) -> None:
    watch = watched()
    for _ in range(4):
        watch.update(YES, DT, felt(**slip), PALM)
    assert watch.slipping.any()
    assert (watch.tightening > 1.0).all()


def test_too_heavy_a_load_tightens_up_to_the_room_there_is() -> None:
    watch = watched()
    watch.start(np.array([0]), NORMALS, np.array([[1.2, 9.0, 0.5, 9.0]]))
    watch.update(YES, DT, felt(), PALM)
    watch.update(YES, DT, felt(weight=7.0), PALM)
    assert watch.yielding.all()
    assert not watch.slipping.any()
    for _ in range(200):
        watch.update(YES, DT, felt(weight=7.0), PALM)
    assert not watch.yielding.any()
    np.testing.assert_allclose(
        watch.tightening[0], [1.2, SETTINGS.tightest, 1.0, SETTINGS.tightest]
    )


@pytest.mark.parametrize(("shift", "slips"), [(0.005, False), (0.011, True)])
def test_a_tracked_object_that_moves_in_the_hand_slips(shift: float, slips: bool) -> None:
    watch, pose, palm = watched(), np.eye(4)[None].copy(), PALM.copy()
    for step in range(10):
        palm[0, 2, 3] = pose[0, 2, 3] = 0.01 * step  # both rise
        watch.track(pose)
        watch.update(YES, DT, felt(), palm)
    assert not watch.slipping.any()
    pose[0, 0, 3] += shift
    watch.track(pose)
    watch.update(YES, DT, felt(), palm)
    assert watch.slipping.any() == slips
    watch.track(np.full((1, 4, 4), np.nan))
    watch.update(YES, DT, felt(), palm)
    assert watch.slipping.any() == slips  # until the next view
    watch.track(pose)
    watch.update(YES, DT, felt(), palm)
    assert not watch.slipping.any()


def test_an_old_view_of_a_moved_object_says_nothing_any_more() -> None:
    watch, pose = watched(), np.eye(4)[None].copy()
    for shift in (0.0, 0.011):
        pose[0, 0, 3] = shift
        watch.track(pose)
        watch.update(YES, DT, felt(), PALM)
    for _ in range(int(LOOK / DT[0]) - 1):
        watch.update(YES, DT, felt(), PALM)
        assert watch.slipping.any()
    for _ in range(2):
        watch.update(YES, DT, felt(), PALM)
    assert not watch.slipping.any()


def test_nothing_slips_that_is_not_lifted() -> None:
    watch = watched()
    watch.update(np.zeros(1, bool), DT, felt(press=0.0, weight=0.0), PALM)
    assert not watch.slipping.any()
    assert not watch.yielding.any()
