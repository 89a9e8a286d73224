"""The survey's reward components: known values, monotonicity, batches, nothing that is not finite.

Run in IsaacLab's environment by tests/backends/test_isaaclab_rl.py: torch is there alone.
"""

from __future__ import annotations

import pytest
import torch

from dexgrasp.simulation.isaaclab.rl import rewards

THUMB = 3


def rows(*values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def test_approach_is_the_distance_until_it_is_near() -> None:
    palm = rows([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0])
    pregrasp = rows([0.3, 0.4, 0.0], [0.1, 0.0, 0.0], [0.0, 0.0, -1.0])
    torch.testing.assert_close(rewards.approach(palm, pregrasp), torch.tensor([-0.5, 0.0, -1.0]))


def test_imitation_adds_both_distances_and_is_best_at_the_demonstration() -> None:
    palm, joints = rows([0.0, 0.3, 0.4]), rows([0.0, 1.0])
    shown_palm, shown_joints = rows([0.0, 0.0, 0.0]), rows([2.0, 1.0])
    value = rewards.imitation(palm, shown_palm, joints, shown_joints)
    torch.testing.assert_close(value, torch.tensor([-2.5]))
    assert rewards.imitation(palm, palm, joints, joints).item() == 0.0
    closer = rewards.imitation(palm, shown_palm, 0.5 * (joints + shown_joints), shown_joints)
    assert closer.item() > value.item()


def test_the_trajectory_counts_only_what_is_grasped() -> None:
    position, target = rows([0.0, 0.0, 0.1], [0.0, 0.0, 0.1]), rows([0.0, 0.0, 0.3]).expand(2, 3)
    value = rewards.trajectory(position, target, torch.tensor([True, False]))
    torch.testing.assert_close(value, torch.tensor([-0.2, 0.0]))


@pytest.mark.parametrize(
    ("forces", "expected"),
    [
        ([1.0, 1.0, 0.0, 1.0], 1.0),
        ([1.0, 1.0, 1.0, 0.0], 0.0),  # without the thumb
        ([1.0, 0.0, 0.0, 1.0], 0.0),  # thumb and one finger
        ([0.09, 0.09, 0.09, 1.0], 0.0),  # hardly
        ([1.0, 1.0, 1.0, 1.0], 1.0),
    ],
)
def test_contact_asks_for_the_thumb_and_two_fingers(forces: list[float], expected: float) -> None:
    assert rewards.contact(rows(forces), THUMB).item() == expected


def test_force_is_on_the_object_and_saturates() -> None:
    none = torch.zeros(1, 4)
    assert rewards.force(none + 2.0, none).item() == pytest.approx(1.0)
    assert rewards.force(none + 1.0, none).item() == pytest.approx(0.5)
    assert rewards.force(none + 100.0, none).item() == pytest.approx(1.0)
    assert rewards.force(none, none + 100.0).item() == pytest.approx(-1.0)
    assert rewards.force(rows([2.0, 0.0, 0.0, 0.0]), none).item() == pytest.approx(0.25)


def test_lift_grows_up_to_the_goal_and_falls_beyond_it() -> None:
    value = rewards.lift(torch.tensor([0.0, 0.1, 0.25, 0.35]), 0.25)
    torch.testing.assert_close(value, torch.tensor([-0.25, -0.15, 0.0, -0.1]))


def test_lift_takes_a_goal_for_each_environment() -> None:
    value = rewards.lift(torch.tensor([0.1, 0.1]), torch.tensor([0.1, 0.3]))
    torch.testing.assert_close(value, torch.tensor([0.0, -0.2]))


def test_regularisation_is_of_speed_and_of_what_is_asked_beyond_the_limits() -> None:
    lower, upper = torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 1.0])
    velocity = rows([0.0, 0.0], [1.0, 2.0], [0.0, 0.0])
    target = rows([0.5, 0.5], [0.5, 0.5], [1.1, -0.2])
    value = rewards.regularisation(velocity, target, lower, upper)
    torch.testing.assert_close(value, torch.tensor([0.0, -5.0, -3.0]))


def test_success_is_above_a_quarter_of_a_metre() -> None:
    height = torch.tensor([0.2499, 0.25, 0.2501, 1.0])
    value = rewards.success(height, 0.25, 5.0)
    torch.testing.assert_close(value, torch.tensor([0.0, 0.0, 5.0, 5.0]))


def test_the_total_weighs_each_part_and_misses_none() -> None:
    parts = {"lift": torch.tensor([1.0, 2.0]), "force": torch.tensor([10.0, 0.0])}
    weights = {"lift": 2.0, "force": 0.5, "approach": 100.0}
    torch.testing.assert_close(rewards.total(parts, weights), torch.tensor([7.0, 4.0]))
    with pytest.raises(KeyError, match="force"):
        rewards.total(parts, {"lift": 1.0})


def _all(n: int, scale: float) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(n)

    def any_of(*shape: int) -> torch.Tensor:
        return scale * torch.randn(*shape, generator=rng)

    forces, held = any_of(n, 4).abs(), torch.arange(n) % 2 == 0
    return {
        "approach": rewards.approach(any_of(n, 3), any_of(n, 3)),
        "imitation": rewards.imitation(any_of(n, 3), any_of(n, 3), any_of(n, 16), any_of(n, 16)),
        "trajectory": rewards.trajectory(any_of(n, 3), any_of(n, 3), held),
        "contact": rewards.contact(forces, THUMB),
        "force": rewards.force(forces, any_of(n, 4).abs()),
        "lift": rewards.lift(any_of(n), 0.25),
        "regularisation": rewards.regularisation(
            any_of(n, 16), any_of(n, 16), -torch.ones(16), torch.ones(16)
        ),
        "success": rewards.success(any_of(n), 0.25, 5.0),
    }


@pytest.mark.parametrize("n", [0, 1, 7])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_every_part_has_one_finite_value_for_each_environment(n: int, scale: float) -> None:
    for name, part in _all(n, scale).items():
        assert part.shape == (n,), name
        assert part.isfinite().all(), name
        if name not in ("contact", "force", "success"):
            assert (part <= 0.0).all(), name


def test_an_environment_does_not_depend_on_those_beside_it() -> None:
    forces = torch.rand(6, 4, generator=torch.Generator().manual_seed(1))
    together = rewards.force(forces, forces.flip(0))
    alone = torch.cat([rewards.force(forces[i : i + 1], forces[5 - i : 6 - i]) for i in range(6)])
    torch.testing.assert_close(together, alone)
