"""Joint orders of the programs that drive a hand over topics, and the shipped configurations."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from dexgrasp.config import resource_path
from dexgrasp.errors import ConfigError, UnknownNameError
from dexgrasp.hands import HandModel
from dexgrasp.hardware import BusError, topics
from dexgrasp.hardware.topics import TopicConfig, TopicOrder

HANDS = {
    "ros2_control": "leap_right", "leap_node": "leap_right", "allegro_node": "allegro_right",
}  # fmt: skip
Q = np.linspace(-0.3, 0.9, 16)


@pytest.mark.parametrize("name", HANDS)
def test_what_is_written_reads_the_same(name: str) -> None:
    hand = HandModel.load(HANDS[name])
    order = TopicOrder(hand, TopicConfig.load(name).order)
    assert order.read(order.names, order.written(Q)) == pytest.approx(Q)
    assert order.read_rates(order.names, (0.5 * np.ones(16)).tolist()) == pytest.approx(0.5)
    assert np.isnan(order.read_rates(order.names, ())).all()


def test_every_shipped_configuration_is_tested() -> None:
    assert {path.stem for path in resource_path("config", "topics").glob("*.yaml")} == set(HANDS)


def test_the_leap_node_has_its_zero_at_pi() -> None:
    order = TopicOrder(HandModel.load("leap_right"), TopicConfig.load("leap_node").order)
    assert np.array(order.written(np.zeros(16))) == pytest.approx(np.pi)
    assert order.names == []


def test_states_are_found_by_their_names() -> None:
    hand = HandModel.load("leap_right")
    order = TopicOrder(hand, None)
    names = [*hand.joint_names[::-1], "wrist"]
    assert order.read(names, [*Q[::-1], 7.0]) == pytest.approx(Q)
    with pytest.raises(BusError, match="no joint_3, only joint_0"):
        order.read([name for name in hand.joint_names if name != "joint_3"], Q[:15])


def test_states_of_another_count_are_refused() -> None:
    with pytest.raises(BusError, match="15 joints, not 16"):
        TopicOrder(HandModel.load("leap_right"), "dynamixel").read((), Q[:15])


def test_an_order_that_a_hand_has_not_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown joint order 'dynamixel'"):
        TopicOrder(HandModel.load("allegro_right"), "dynamixel")


def test_names_and_sources_are_checked(tmp_path, monkeypatch) -> None:
    with pytest.raises(UnknownNameError, match="known: allegro_node, leap_node, ros2_control"):
        TopicConfig.load("shadow_node")
    values = yaml.safe_load((resource_path("config", "topics") / "leap_node.yaml").read_text())
    (tmp_path / "both.yaml").write_text(yaml.safe_dump({**values, "states": "joint_states"}))
    monkeypatch.setattr(topics, "resource_path", lambda *_: tmp_path)
    with pytest.raises(ConfigError, match="set one of states and service"):
        TopicConfig.load("both")
