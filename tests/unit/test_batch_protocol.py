"""Protocols: shipped ones are sound, figures are merged strictly."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from dexgrasp.errors import ConfigError, UnknownNameError
from dexgrasp.evaluation.batch.protocol import Protocol, Randomisation, merged, protocol_names
from dexgrasp.execution import ExecutionConfig


def test_the_three_protocols_are_there() -> None:
    assert protocol_names() == ["robot", "six_directions", "survey"]


@pytest.mark.parametrize("name", protocol_names())
def test_a_shipped_protocol_resolves(name: str) -> None:
    protocol = Protocol.load(name)
    assert protocol.name == name
    steps = protocol.control_period / protocol.simulation_config().timestep
    assert steps == pytest.approx(round(steps))
    assert protocol.execution_config().timeouts == ExecutionConfig.load().timeouts


def test_the_survey_lifts_and_asks_as_it_says() -> None:
    survey, robot = Protocol.load("survey"), Protocol.load("robot")
    assert survey.execution_config().lift_height == 0.20
    assert robot.execution_config().lift_height == 0.30
    assert (survey.gravity, robot.gravity) == ("from_lift", "always")
    assert survey.criteria.height == robot.criteria.height == 0.25


def test_six_directions_push_equally_from_all_sides() -> None:
    pushes = np.array(Protocol.load("six_directions").accelerations)
    assert pushes.shape == (6, 3)
    np.testing.assert_allclose(np.linalg.norm(pushes, axis=1) * 0.1, 1.0)  # 1 N on 0.1 kg
    np.testing.assert_allclose(pushes.sum(axis=0), 0.0)
    assert len(np.unique(pushes, axis=0)) == 6


def test_an_unknown_protocol_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="robot, six_directions, survey"):
        Protocol.load("sourvey")


def test_a_figure_that_is_not_allowed_is_named() -> None:
    with pytest.raises(ConfigError, match="survey: friction"):
        Protocol.load("survey").changed({"friction": -1.0})
    with pytest.raises(ConfigError, match="wrist"):
        Protocol.load("survey").changed({"wrist": "rubber"})


def test_an_unknown_figure_of_the_executor_is_refused() -> None:
    protocol = Protocol.load("survey").model_copy(update={"execution": {"lift_hight": 0.2}})
    with pytest.raises(ValidationError, match="lift_hight"):
        protocol.execution_config()


def test_merging_is_deep_and_leaves_its_arguments_alone() -> None:
    base = {"a": 1, "b": {"c": 2, "d": 3}}
    assert merged(base, {"b": {"c": 5}}) == {"a": 1, "b": {"c": 5, "d": 3}}
    assert base == {"a": 1, "b": {"c": 2, "d": 3}}


def test_gravity_comes_with_the_lift_or_is_always_there() -> None:
    loaded, pull = np.array([False, True]), np.tile([0.0, 0.0, -9.81], (2, 1))
    survey = Protocol.load("survey").gravity_at(loaded, pull)
    np.testing.assert_array_equal(survey, [[0.0, 0.0, 0.0], [0.0, 0.0, -9.81]])
    np.testing.assert_array_equal(Protocol.load("robot").gravity_at(loaded, pull), pull)


def test_a_kinematic_wrist_is_stiffer() -> None:
    survey = Protocol.load("survey")
    loose = survey.simulation_config().wrist
    stiff = survey.changed({"wrist": "kinematic"}).simulation_config().wrist
    assert stiff.stiffness[0] >= 10.0 * loose.stiffness[0]
    assert stiff.limit[0] >= 100.0 * loose.limit[0]


def test_a_range_of_factors_must_be_positive_and_ordered() -> None:
    with pytest.raises(ValidationError, match="not a range"):
        Randomisation(position=0.0, yaw=0.0, joints=0.0, friction=(1.2, 0.8), mass=(1.0, 1.0))
