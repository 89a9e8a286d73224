"""Figures of a batch: hand-computed cases and laws."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dexgrasp.evaluation.batch_report import summarise_records
from dexgrasp.evaluation.batch_report.rates import passes_all, rates_of
from dexgrasp.evaluation.batch_report.summary import Spread
from dexgrasp.evaluation.batch_report.survey import COMPOSITE, COMPOSITE_WEIGHTS, TABLE_5
from dexgrasp.evaluation.records import GraspRecord
from dexgrasp.evaluation.report import plain
from dexgrasp.evaluation.results import Share, wilson_interval

Verdict = bool | None


def record(row: int, *verdicts: Verdict, **values: Any) -> GraspRecord:
    """A nominal trial with its verdicts of simulation, mesh and intention."""
    success, plausible, intended = (*verdicts, None, None, None)[:3]
    figures: dict[str, Any] = {"success": success, "plausible": plausible, "intended": intended}
    base: dict[str, Any] = {"replicate": 0, "hand": "allegro_right", "object": "mug"}
    return GraspRecord(row=row, **(base | figures | values))


# Passes: simulation 3 of 5, mesh 3 of 5, intention 2 of 4.
# Behind the gates: mesh 2 of the 3 survivors, intention 1 of the 2 survivors of both.
FIVE = [
    record(0, True, True, True),
    record(1, True, True, False),
    record(2, True, False, True),
    record(3, False, True, False),
    record(4, False, False, None),
]


def test_rates_by_themselves_and_behind_the_gates() -> None:
    rates = rates_of(FIVE)
    assert rates.simulation == Share(3, 5)
    assert rates.plausibility == Share(3, 5)
    assert rates.intention == Share(2, 4)
    assert rates.gated_plausibility == Share(2, 3)
    assert rates.gated_intention == Share(1, 2)
    assert rates.all_three == Share(1, 5)
    assert rates.undecided == 0


def test_the_composite_weighs_the_marginal_rates() -> None:
    assert rates_of(FIVE).composite == pytest.approx(0.55 * 0.6 + 0.25 * 0.6 + 0.20 * 0.5)


def test_the_weights_give_the_survey_its_own_composite() -> None:
    value = sum(weight * TABLE_5[name].rate for name, weight in COMPOSITE_WEIGHTS.items())
    assert value == pytest.approx(COMPOSITE, abs=5e-4)
    assert sum(COMPOSITE_WEIGHTS.values()) == pytest.approx(1.0)


def test_without_intention_there_is_no_composite_and_no_share_of_all_three() -> None:
    rates = rates_of([record(0, True, True), record(1, False, True)])
    assert rates.composite is None
    assert rates.all_three == Share(0, 0)
    assert rates.undecided == 1


def test_a_grasp_that_failed_a_gate_is_decided_without_the_later_verdicts() -> None:
    rates = rates_of([record(0, True, True, True), record(1, False), record(2, True, None, True)])
    assert rates.all_three == Share(1, 2)
    assert rates.undecided == 1


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((True, True, True), True),
        ((False, None, None), False),
        ((None, True, False), False),
        ((True, True, None), None),
    ],
)
def test_all_three(verdicts: tuple[Verdict, ...], expected: Verdict) -> None:
    assert passes_all(record(0, *verdicts)) is expected


def test_spreads_leave_out_what_was_not_measured() -> None:
    spread = Spread.of([1.0, math.nan, 2.0, 6.0, -math.inf])
    assert (spread.count, spread.mean, spread.median) == (3, 3.0, 2.0)
    assert spread.p95 == pytest.approx(5.6)  # 2 + 0.9 * (6 - 2)
    assert Spread.of([math.nan]).count == 0
    assert math.isnan(Spread.of([]).median)


def test_figures_and_their_units() -> None:
    records = [
        record(0, True, True, max_height=0.3, contact_area=5e-4, contacts=4, drift=0.01),
        record(1, False, max_height=0.1, drift=0.03),
    ]
    figures = summarise_records(records).figures
    assert figures["max_height"].median == pytest.approx(0.2)
    assert figures["max_height_passed"].median == pytest.approx(0.3)
    assert figures["contact_area_cm2"].median == pytest.approx(5.0)
    assert figures["contacts"] == Spread(1, 4.0, 4.0, 4.0)  # the other was not judged
    assert figures["drift"].p95 == pytest.approx(0.029)
    assert figures["q1"].count == 0


def test_seconds_of_each_modality() -> None:
    records = [record(i, True, simulation_seconds=s) for i, s in enumerate((0.1, 0.2, 0.6))]
    seconds = summarise_records(records).seconds
    assert seconds["simulation"].mean == pytest.approx(0.3)
    assert seconds["simulation"].p95 == pytest.approx(0.56)
    assert seconds["intention"].count == 0


def test_failures_by_phase_and_reason() -> None:
    lost = {"error_code": 53, "error_msg": "the fingers lost the object"}
    records = [
        record(0, False, phase="LIFT", **lost),
        record(1, False, phase="COVER", error_code=51, error_msg="blocked; 3 mm before the pose"),
        record(2, False, phase="HOLD", **lost),
        record(3, False, phase="COVER", error_code=51, error_msg="blocked; 9 mm before the pose"),
        record(4, False, phase="DONE", slip=True),
        record(5, True, phase="DONE"),
        record(6, None, phase="IDLE", error_code=31, error_msg="the mesh is open"),
        record(7, None),
    ]
    summary = summarise_records(records, rejected=2)
    assert list(summary.failure_phases.items()) == [
        ("IDLE", 1), ("COVER", 2), ("LIFT", 1), ("HOLD", 1), ("DONE", 1)
    ]  # fmt: skip
    assert summary.failure_reasons == {
        "the fingers lost the object": 2, "blocked": 2, "slipped": 1, "the mesh is open": 1
    }  # fmt: skip
    assert (summary.faults, summary.rejected, summary.grasps) == (5, 2, 8)
    assert summary.rates.simulation == Share(1, 6)
    assert summary.slip == Share(1, 1)


def test_objects_are_summarised_apart() -> None:
    records = [
        record(0, True, object="mug", max_height=0.3),
        record(1, False, object="bowl", slip=True),
        record(2, True, object="mug", max_height=0.4),
    ]
    bowl, mug = summarise_records(records).objects
    assert (bowl.name, bowl.rates.simulation, bowl.slip) == ("bowl", Share(0, 1), Share(1, 1))
    assert (mug.name, mug.rates.simulation) == ("mug", Share(2, 2))
    assert mug.median_height == pytest.approx(0.35)
    assert math.isnan(bowl.median_height)


def test_randomised_trials_are_reported_apart() -> None:
    varied = [
        record(0, True, replicate=1, mass=0.1, friction=0.5),
        record(0, False, replicate=2, mass=0.4, friction=0.9, slip=True),
        record(1, False, replicate=1),
        record(1, None, replicate=2),
    ]
    summary = summarise_records([record(0, True, True, True), *varied])
    assert (summary.grasps, summary.trials) == (1, 5)
    assert summary.rates.simulation == Share(1, 1)
    randomised = summary.randomised
    assert randomised is not None
    assert randomised.trials == 4
    assert randomised.success == Share(1, 3)
    assert randomised.slip == Share(1, 1)
    assert (randomised.mass, randomised.friction) == ((0.1, 0.4), (0.5, 0.9))
    first, second = randomised.grasps
    assert (first.row, first.nominal, first.share) == (0, True, Share(1, 2))
    assert (second.row, second.nominal, second.share) == (1, None, Share(0, 1))


def test_without_randomised_trials_there_is_no_such_summary() -> None:
    assert summarise_records(FIVE).randomised is None


def test_one_trial_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="row 3, replicate 1 has 2 records"):
        summarise_records([record(3, True, replicate=1), record(3, False, replicate=1)])


def test_nothing_has_a_summary() -> None:
    summary = summarise_records([])
    assert summary.rates.simulation == Share(0, 0)
    assert summary.rates.all_three == Share(0, 0)
    assert summary.objects == ()


def test_the_dictionary_is_json_and_every_share_has_its_interval() -> None:
    values = plain(summarise_records([*FIVE, record(0, True, replicate=1)], 1).as_dict())
    json.dumps(values, allow_nan=False)
    assert values["composite"] == pytest.approx(0.58)
    assert values["figures"]["drift"]["median"] is None
    shares = list(find_shares(values))
    assert len(shares) > 10
    for share in shares:
        assert share["interval_95"] == list(wilson_interval(share["passed"], share["total"]))
    assert values["randomised"]["grasps"][0]["share"]["passed"] == 1


def find_shares(value: Any) -> Any:
    """Every mapping with `passed`, however deep."""
    if isinstance(value, dict):
        if "passed" in value:
            yield value
        for item in value.values():
            yield from find_shares(item)
    elif isinstance(value, list):
        for item in value:
            yield from find_shares(item)


verdict = st.sampled_from((True, False, None))
measured = st.one_of(st.just(math.nan), st.floats(-1.0, 1.0))


@st.composite
def runs(draw: st.DrawFn) -> list[GraspRecord]:
    rows = draw(st.integers(0, 12))
    return [
        record(
            row, draw(verdict), draw(verdict), draw(verdict),
            replicate=replicate, object=draw(st.sampled_from("abc")), slip=draw(verdict),
            max_height=draw(measured), drift=draw(measured),
        )
        for row in range(rows)
        for replicate in range(draw(st.integers(1, 3)))
    ]  # fmt: skip


@given(runs())
def test_gates_only_let_fewer_pass(records: list[GraspRecord]) -> None:
    rates = summarise_records(records).rates
    for name in ("plausibility", "intention"):
        assert rates.gated(name).passed <= rates.of(name).passed
        assert rates.gated(name).total <= rates.of(name).total
    assert rates.gated_plausibility.passed <= rates.simulation.passed
    assert rates.gated_intention.total <= rates.gated_plausibility.passed
    assert rates.all_three.passed == rates.gated_intention.passed


@given(runs())
def test_shares_and_counts_of_any_run(records: list[GraspRecord]) -> None:
    summary = summarise_records(records)
    for share in find_shares(plain(summary.as_dict())):
        low, high = share["interval_95"]
        assert 0.0 <= low <= high <= 1.0
        if share["total"]:
            assert low - 1e-12 <= share["rate"] <= high + 1e-12
    nominal = [r for r in records if r.replicate == 0]
    failed = sum(r.success is False for r in nominal)
    assert sum(summary.failure_phases.values()) == failed
    assert sum(summary.failure_reasons.values()) == failed
    assert sum(o.grasps for o in summary.objects) == len(nominal)
    assert (
        sum(o.rates.simulation.passed for o in summary.objects) == summary.rates.simulation.passed
    )
    if summary.randomised:
        assert sum(g.share.passed for g in summary.randomised.grasps) == (
            summary.randomised.success.passed
        )


@given(runs(), st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(records: list[GraspRecord], random: Any) -> None:
    shuffled = list(records)
    random.shuffle(shuffled)
    first, second = (json.dumps(plain(summarise_records(r).as_dict())) for r in (records, shuffled))
    assert first == second
