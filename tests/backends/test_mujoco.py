"""MuJoCo keeps every promise of `SimBackend`, for both hands."""

from __future__ import annotations

import numpy as np
import pytest

from dexgrasp.errors import BackendError, UnknownNameError
from dexgrasp.evaluation.pick import random_placement
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import load_object
from dexgrasp.simulation import MujocoBackend, SimulationConfig, check_backend, make_backend
from dexgrasp.simulation.rendering import cast_depth
from dexgrasp.types import Command


@pytest.fixture(scope="module")
def placement():
    return random_placement(load_object("tomato_soup_can"), 0.0, seed=1)


@pytest.mark.parametrize("name", hand_names())
def test_every_promise_holds(name: str, placement) -> None:
    hand, config = HandModel.load(name), SimulationConfig.load()
    checked = check_backend(lambda worlds: make_backend("mujoco", hand, config, worlds), placement)
    assert len(checked) == 20


def test_a_broken_promise_is_found(placement) -> None:
    class Swapped(MujocoBackend):
        """Two joints exchanged on the way in: the field's most reported fault."""

        def step(self, command, duration, worlds=None):
            joints = command.joint_position.copy()
            joints[:, [0, 1]] = joints[:, [1, 0]]
            super().step(Command(joints, command.T_world_palm), duration, worlds)

    hand, config = HandModel.load("allegro_right"), SimulationConfig.load()
    with pytest.raises(BackendError, match="command 0 moves joint"):
        check_backend(lambda worlds: Swapped(hand, config, worlds), placement)


@pytest.mark.parametrize(
    ("deaf_to", "seen"),
    [("gravity", "rises 8 cm"), ("friction", "friction 0.1"), ("mass", "50 kg is not")],
)
def test_a_backend_whose_worlds_do_not_vary_is_found(deaf_to: str, seen: str, placement) -> None:
    class Uniform(MujocoBackend):
        """Takes one of the figures and does nothing with it."""

        def vary(self, **figures):
            super().vary(**{k: v for k, v in figures.items() if k != deaf_to})

    hand, config = HandModel.load("allegro_right"), SimulationConfig.load()
    with pytest.raises(BackendError, match=seen):
        check_backend(lambda worlds: Uniform(hand, config, worlds), placement)


def test_ray_casting_agrees_with_the_renderer(placement) -> None:
    hand = HandModel.load("allegro_right")
    config = SimulationConfig.load().model_copy(update={"depth_noise": False})
    backend = MujocoBackend(hand, config)
    backend.load([placement])
    rendered = backend.depth().depth
    cast = cast_depth(*backend._data(0), "depth", config.camera)
    both = (rendered > 0.0) & (cast > 0.0)
    assert both.mean() > 0.9
    assert np.median(np.abs(rendered - cast)[both]) < 5e-4
    backend.close()


def test_unknown_backend_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="mujoco"):
        make_backend("gazebo", HandModel.load("allegro_right"), SimulationConfig.load())
