"""Which grasp comes next, and what tells whether the object stayed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dexgrasp.errors import NoGraspError, SceneError
from dexgrasp.execution import Fault
from dexgrasp.execution.attempts import (
    FAR,
    MOVED,
    TURNED,
    GraspChoice,
    Tried,
    attempt_seed,
    differing,
    mendable,
    next_grasp,
    seen_again,
    standing,
    stayed,
)
from dexgrasp.types import DetectedObject, GraspSet

CENTER = np.array([0.02, -0.01, 0.05])
DOWN = np.array([0.0, 0.0, -1.0])


def grasps(
    offsets: np.ndarray, approach: np.ndarray = DOWN, kinds: tuple[str, ...] = ()
) -> GraspSet:
    """Palms at CENTER + offsets (n, 3), scores falling from 0.9 by tenths."""
    n = len(offsets)
    poses = np.tile(np.eye(4), (n, 1, 1))
    poses[:, :3, 3] = CENTER + offsets
    joints, nan = np.zeros((n, 16)), np.full((n, 4, 3), np.nan)
    return GraspSet(
        "allegro_right", "world", poses, np.tile(approach, (n, 1)), joints, joints, joints, nan,
        nan, 0.9 - 0.1 * np.arange(n), kinds or ("power",) * n, "test",
    )  # fmt: skip


def tilted(angle: float) -> np.ndarray:
    return np.array([np.sin(angle), 0.0, -np.cos(angle)])


HERE = grasps(np.zeros((1, 3)))
TRIED = [Tried(HERE, CENTER)]


def test_what_was_tried_does_not_differ_from_itself() -> None:
    assert not differing(HERE, CENTER, TRIED).any()
    assert differing(HERE, CENTER, []).all()


@pytest.mark.parametrize(("share", "differs"), [(0.9, False), (1.1, True)])
def test_each_of_three_differences_is_enough(share: float, differs: bool) -> None:
    shifted = grasps(np.array([[0.0, share * FAR, 0.0]]))
    assert differing(shifted, CENTER, TRIED)[0] == differs
    turned = grasps(np.zeros((1, 3)), tilted(share * TURNED))
    assert differing(turned, CENTER, TRIED)[0] == differs
    assert differing(grasps(np.zeros((1, 3)), kinds=("rim",)), CENTER, TRIED)[0]


@given(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
def test_palms_are_compared_about_the_object(x: float, y: float) -> None:
    moved = np.array([x, y, 0.0])
    assert not differing(grasps(moved[None]), CENTER + moved, TRIED).any()


def test_the_best_that_differs_from_all_comes_next() -> None:
    offsets = np.array([[0, 0, 0], [0.02, 0, 0], [0.05, 0, 0], [0.10, 0, 0]], float)
    candidates = grasps(offsets)
    first = next_grasp(candidates, CENTER, TRIED)
    assert np.allclose(first.T_frame_palm[0, :3, 3], CENTER + offsets[2])
    second = next_grasp(candidates, CENTER, [*TRIED, Tried(first, CENTER)])
    assert np.allclose(second.T_frame_palm[0, :3, 3], CENTER + offsets[3])
    with pytest.raises(NoGraspError, match="none of 4 grasps"):
        next_grasp(candidates, CENTER, [*TRIED, Tried(first, CENTER), Tried(second, CENTER)])


def test_a_grasp_of_a_low_score_is_not_taken() -> None:
    candidates = grasps(np.array([[0, 0, 0], [0.10, 0, 0]], float))
    assert next_grasp(candidates, CENTER, TRIED, least_score=0.8).score[0] == pytest.approx(0.8)
    with pytest.raises(NoGraspError, match=r"score of 0\.85"):
        next_grasp(candidates, CENTER, TRIED, least_score=0.85)


def test_only_what_another_grasp_can_mend_is_tried_again() -> None:
    assert all(map(mendable, (Fault.NOTHING_GRASPED, Fault.COVER_BLOCKED, Fault.OBJECT_LOST)))
    assert mendable(NoGraspError.code)
    assert not any(map(mendable, (Fault.NONE, Fault.BAD_OBSERVATION, Fault.CANCELLED)))
    assert not any(map(mendable, (20, 50, 62, 64)))  # scene, backend, busy, state lost


def box(shift: float = 0.0, turn: float = 0.0, height: float = 0.06) -> DetectedObject:
    """The visible top and front of a box of 12 x 4 cm, with 1 mm of noise."""
    rng = np.random.default_rng(int(1e4 * abs(shift) + 10 * turn))
    top = np.c_[
        rng.uniform(-0.06, 0.06, 1500), rng.uniform(-0.02, 0.02, 1500), np.full(1500, height)
    ]
    front = np.c_[rng.uniform(-0.06, 0.06, 900), np.full(900, -0.02), rng.uniform(0, height, 900)]
    cloud = np.concatenate([top, front]) + rng.normal(0.0, 1e-3, (2400, 3))
    cos, sin = np.cos(turn), np.sin(turn)
    cloud = cloud @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]]) + [shift, 0, 0]
    size = np.array([0.12, 0.04, height])
    return DetectedObject(0, cloud, np.eye(4), size, 0.0, np.array([0.0, -0.5, 0.5]))


def test_noise_is_no_motion_but_a_shift_and_a_turn_are() -> None:
    assert stayed(box(), box(shift=1e-4))
    assert not stayed(box(), box(shift=0.03))
    assert not stayed(box(), box(turn=np.deg2rad(25.0)))
    assert not stayed(box(), box(height=0.06 + 3 * MOVED))  # it has toppled


def test_a_lifted_object_does_not_stand_on_the_table() -> None:
    low = box()
    lifted = replace(low, cloud=low.cloud + np.array([0.0, 0.0, 0.3]))
    assert standing([low, lifted, box(shift=0.2)]) == 2


def seen(*xs: float) -> list[DetectedObject]:
    poses = np.tile(np.eye(4), (len(xs), 1, 1))
    poses[:, 0, 3] = xs
    return [replace(box(), identifier=i, T_world_object=pose) for i, pose in enumerate(poses)]


def test_the_object_is_found_again_where_it_was() -> None:
    center = np.zeros(3)
    assert seen_again(center, 2, seen(0.2, 0.03), tries=1).identifier == 1
    with pytest.raises(SceneError, match="1 of 2 objects"):
        seen_again(center, 2, seen(0.2), tries=1)


def test_a_set_offers_only_what_was_not_tried() -> None:
    choice, detected = GraspChoice(), box()
    both = grasps(np.array([[0.0, 0.0, 0.0], [0.0, 2.0 * FAR, 0.0]]))
    assert choice.offers(detected, both, 0.85)
    choice.of_new(detected, both)
    assert not choice.offers(detected, both, 0.85)
    assert choice.offers(detected, both, 0.75)


@given(st.integers(0, 2**32 - 1), st.integers(0, 255))
def test_seeds_differ_between_attempts_and_fit_a_message(seed: int, tries: int) -> None:
    assert 0 <= attempt_seed(seed, tries) < 2**32
    assert (attempt_seed(seed, tries) == seed) == (tries == 0)
