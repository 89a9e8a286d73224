"""Hands on shapes that are partly guessed keep off them."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel
from dexgrasp.synthesis import Condition, GraspGeometry, SynthesisConfig
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.generators import GENERATORS
from dexgrasp.synthesis.guess import GUESSED, SURFACE_POINTS, UNSURE, certainty, stand_off

HAND = HandModel.load("allegro_right")
MARGIN, WIDE = 0.003, 0.0055
BOX = ObjectModel.from_mesh("box", trimesh.creation.box((0.05, 0.06, 0.12)))
TOP = np.array([[0.0, 0.0, 0.06]])


def geometry(seen: np.ndarray) -> GraspGeometry:
    return GraspGeometry(BOX, BOX.T_table_object, -0.06, seen)


@pytest.fixture(scope="module")
def candidates() -> Candidates:
    rng = np.random.default_rng(0)
    found = GENERATORS["search"](HAND, geometry(TOP), SynthesisConfig.load(), Condition(), rng, 0.5)
    assert len(found)
    return found


def gaps(joints: np.ndarray, candidates: Candidates) -> np.ndarray:
    """(n, F) least distance of each fingertip's surface from the box [m]."""
    points, _, links = HAND.surface_points(SURFACE_POINTS)
    T = candidates.palms[:, None] @ HAND.forward(joints)
    placed = np.einsum("nkij,kj->nki", T[:, links][..., :3, :3], points)
    distance = BOX.sdf.query(placed + T[:, links][..., :3, 3])[0]
    return np.stack([distance[:, links == link].min(axis=1) for link in HAND.distal_links], axis=1)


def test_touching_fingertips_end_the_margin_off_the_surface(candidates: Candidates) -> None:
    joints, _ = stand_off(HAND, geometry(TOP), candidates, MARGIN, MARGIN)
    assert (HAND.clip(joints) == joints).all()
    off = gaps(joints, candidates)[candidates.used]
    assert np.median(np.abs(off - MARGIN)) < 2e-4
    assert np.quantile(off, 0.1) > MARGIN - 1e-3


def test_a_finger_to_spare_keeps_wide_of_what_is_least_certain(candidates: Candidates) -> None:
    joints, _ = stand_off(HAND, geometry(TOP), candidates, MARGIN, WIDE)
    off = np.where(candidates.used, gaps(joints, candidates), 0.0)
    spare = candidates.used.sum(axis=1) == 4
    assert spare.any()
    assert not spare.all()
    farthest = np.linalg.norm(candidates.tips - TOP, axis=2)[spare].argmax(axis=1)
    widest = off[spare].max(axis=1)
    assert np.median(np.abs(widest - WIDE)) < 2e-4
    assert (off[spare].argmax(axis=1) == farthest).mean() > 0.9
    assert np.quantile(off[~spare].max(axis=1), 0.9) < MARGIN + 1e-3


def test_spare_and_seen_fingers_make_a_grasp_certain(candidates: Candidates) -> None:
    four = candidates.used.sum(axis=1) == 4
    everything = trimesh.sample.sample_surface(BOX.mesh, 4000, seed=0)[0]
    assert (certainty(geometry(everything), candidates) == np.where(four, 1.0, UNSURE)).all()
    assert (certainty(geometry(TOP), candidates) == UNSURE).all()


def test_a_hand_near_what_nobody_saw_is_told_from_one_near_what_is_known(
    candidates: Candidates,
) -> None:
    everything = trimesh.sample.sample_surface(BOX.mesh, 4000, seed=0)[0]
    _, guessed = stand_off(HAND, geometry(TOP), candidates, 0.5 * GUESSED, 0.5 * GUESSED)
    _, known = stand_off(HAND, geometry(everything), candidates, 0.5 * GUESSED, 0.5 * GUESSED)
    assert not guessed.any()  # every fingertip is nearer than a guess may be wrong
    assert known.any()
