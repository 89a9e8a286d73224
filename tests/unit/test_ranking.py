"""The success probability: what it is fitted on, what it refuses, and where it ends."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
import yaml
from scipy.special import expit

from dexgrasp.config import load_config, resource_path
from dexgrasp.errors import ConfigError, GraspError
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel
from dexgrasp.perception import perceive
from dexgrasp.perception.synthetic import depth_frame
from dexgrasp.simulation import SimulationConfig
from dexgrasp.synthesis import GraspGeometry
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.filters import Prepared
from dexgrasp.synthesis.quality import features
from dexgrasp.synthesis.ranking import (
    BEYOND,
    FILE,
    Logistic,
    RankingModel,
    Term,
    fit_logistic,
)

EDGE = 0.06
HAND = HandModel.load("allegro_right")
UP, DOWN, SIDE = np.eye(3)[2], -np.eye(3)[2], np.eye(3)[0]


@pytest.fixture(scope="module")
def cube() -> GraspGeometry:
    model = ObjectModel.from_mesh("cube", trimesh.creation.box((EDGE, EDGE, EDGE)))
    return GraspGeometry(model, model.T_table_object, 0.0)


def touching(normals: list[np.ndarray], shift: np.ndarray | None = None) -> Prepared:
    """One hand whose first fingers touch the cube's faces of these normals in their middle.

    shift: (3,) of all contacts [m].
    """
    used = np.zeros((1, 4), dtype=bool)
    used[0, : len(normals)] = True
    surfaces = np.tile(UP, (1, 4, 1))
    surfaces[0, : len(normals)] = normals
    tips = 0.5 * EDGE * surfaces + (0.0 if shift is None else shift)
    tips[~used] = 9.0  # what unused fingers do must not matter
    joints = HAND.clip(np.full((1, HAND.joint_count), 0.4))
    candidates = Candidates(
        np.eye(4)[None], joints, used, tips, -surfaces, surfaces, np.array(["tripod"]), np.zeros(1)
    )
    figures = np.array([0.1]), np.zeros(1), np.array([used.sum()])
    return Prepared(candidates, joints, joints, joints, *figures)


def test_figures_of_contacts_with_known_answers(cube: GraspGeometry) -> None:
    opposite = features(cube, touching([UP, DOWN]))
    assert opposite["closure"][0] == pytest.approx(0.0, abs=1e-9)
    assert opposite["offset"][0] == pytest.approx(0.0, abs=1e-12)
    assert opposite["facing"][0] == pytest.approx(-1.0)
    # Two normals at a right angle leave their mean, and their torques about its point cancel.
    corner = features(cube, touching([UP, SIDE]))
    assert corner["closure"][0] == pytest.approx(0.5**0.5)
    assert corner["offset"][0] == pytest.approx(0.5 * 0.5**0.5)  # in edges
    aside = features(cube, touching([UP, DOWN], shift=0.03 * SIDE))
    assert aside["offset"][0] == pytest.approx(0.5)
    assert aside["closure"][0] == pytest.approx(0.0, abs=1e-9)


def test_contacts_on_what_nobody_saw_are_told_apart(cube: GraspGeometry) -> None:
    above = np.array([[0.0, 0.0, 0.5 * EDGE]])
    seen = GraspGeometry(cube.model, cube.T_world_object, 0.0, above)
    assert features(seen, touching([UP, UP]))["unseen"][0] == pytest.approx(0.0)
    assert features(seen, touching([UP, DOWN]))["unseen"][0] == pytest.approx(0.5 * EDGE)
    assert "unseen" not in features(cube, touching([UP, DOWN]))


def test_a_detection_hands_its_cloud_on_in_the_objects_frame(cube: GraspGeometry) -> None:
    mesh = cube.model.mesh.copy()
    mesh.apply_transform(cube.model.rest_pose(np.array([0.02, 0.01, 0.0]), 0.5))
    camera = SimulationConfig.load().camera
    detected = perceive(depth_frame([mesh], camera.intrinsics, camera.T_world_camera)).objects[0]
    geometry = GraspGeometry.from_detection(detected)
    assert geometry.seen is not None
    assert geometry.seen.shape == detected.cloud.shape
    assert np.abs(geometry.model.sdf.query(geometry.seen)[0]).max() < 0.005


def test_the_shipped_models_take_every_set_of_figures(cube: GraspGeometry) -> None:
    ranking = RankingModel.load()
    seen = GraspGeometry(cube.model, cube.T_world_object, 0.0, np.array([[0.0, 0.0, 0.03]]))
    prepared = touching([UP, DOWN, SIDE])
    probability = [
        ranking.probability(features(geometry, prepared, moved))
        for geometry in (cube, seen)
        for moved in (None, np.array([0.3]))
    ]
    assert np.shape(probability) == (4, 1)
    assert np.min(probability) > 0.0
    assert np.max(probability) < 1.0


def test_grasps_that_nothing_holds_are_still_a_number(cube: GraspGeometry) -> None:
    figures = features(cube, touching([UP, DOWN]), np.array([np.inf]))
    assert figures["moved"][0] == 1.0
    assert np.isfinite(RankingModel.load().probability(figures)).all()


def test_no_grasps_are_no_probabilities() -> None:
    for model in RankingModel.load().models.values():
        assert model.probability({name: np.zeros(0) for name in model.terms}).shape == (0,)


def test_a_fit_recovers_the_weights_that_made_the_outcomes() -> None:
    rng = np.random.default_rng(0)
    truth = {"worst": -1.5, "bad": -0.7, "idle": 0.0}
    values = {name: rng.normal(3.0, 2.0, 20_000) for name in truth}
    z = 0.4 + sum(w * (values[name] - 3.0) / 2.0 for name, w in truth.items())
    model = fit_logistic(values, rng.random(20_000) < expit(z), ridge=1.0)
    for name, weight in truth.items():
        assert model.terms[name].weight == pytest.approx(weight, abs=0.08)
        assert model.terms[name].mean == pytest.approx(3.0, abs=0.06)
    assert model.intercept == pytest.approx(0.4, abs=0.08)


def test_probabilities_mean_what_they_say_where_they_were_fitted() -> None:
    rng = np.random.default_rng(1)
    values = {"a": rng.normal(size=500), "constant": np.full(500, 2.0)}
    success = rng.random(500) < expit(-values["a"])
    model = fit_logistic(values, success, ridge=1e-6)
    # The maximum of the likelihood with a free intercept: predicted and observed sums agree.
    assert model.probability(values).sum() == pytest.approx(success.sum(), abs=1e-2)
    assert model.terms["constant"].weight == 0.0


def test_outcomes_cannot_teach_that_more_of_a_fault_is_better() -> None:
    values = {"fault": np.arange(40.0), "other": np.arange(40.0) % 7}
    model = fit_logistic(values, np.arange(40) % 40 > 15, ridge=1.0)
    assert model.terms["fault"].weight == 0.0
    assert model.terms["other"].weight <= 0.0


def test_a_strong_ridge_leaves_the_share_alone() -> None:
    values = {"a": np.arange(10.0)}
    success = np.arange(10) < 7
    probability = fit_logistic(values, success, ridge=1e9).probability(values)
    np.testing.assert_allclose(probability, 0.7, atol=1e-4)


def test_more_of_a_figure_is_worse_and_nothing_beyond_the_fit() -> None:
    model = Logistic(intercept=0.0, terms={"a": Term(mean=1.0, scale=0.5, weight=-2.0)})
    values = 1.0 + 0.5 * np.array([-1e9, -BEYOND, -1.0, 0.0, 1.0, BEYOND, 1e9])
    probability = model.probability({"a": values})
    assert (np.diff(probability[1:-1]) < 0.0).all()
    assert probability[0] == probability[1] == pytest.approx(expit(2.0 * BEYOND))
    assert probability[-1] == probability[-2]
    assert probability[3] == 0.5


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_figures_that_are_no_numbers_are_refused_by_name(bad: float) -> None:
    ranking = RankingModel.load()
    model = ranking.models["whole"]
    figures = {term: np.full(3, t.mean) for term, t in model.terms.items()}
    ranking.probability(figures)
    figures["closure"] = np.array([0.0, bad, 0.0])
    with pytest.raises(GraspError, match="closure of grasp 1"):
        ranking.probability(figures)
    with pytest.raises(GraspError, match="closure of grasp 1"):
        fit_logistic(figures, np.array([True, False, True]), ridge=1.0)


def test_missing_unknown_and_uneven_figures_are_refused() -> None:
    ranking = RankingModel.load()
    figures = {term: np.zeros(2) for term in ranking.models["whole"].terms}
    with pytest.raises(GraspError, match="exactly luck"):
        ranking.probability({"luck": np.zeros(2)})
    with pytest.raises(GraspError, match="make fit-ranking"):
        ranking.probability({**figures, "luck": np.zeros(2)})
    with pytest.raises(GraspError, match="make fit-ranking"):
        ranking.probability({name: figures[name] for name in list(figures)[1:]})
    with pytest.raises(GraspError, match=r"expected \(n,\)"):
        ranking.probability({**figures, "facing": np.zeros(3)})


@pytest.mark.parametrize("success", [np.ones(3, bool), np.zeros(3, bool), np.array([True, False])])
def test_outcomes_that_teach_nothing_are_refused(success: np.ndarray) -> None:
    with pytest.raises(GraspError, match="both successes and failures"):
        fit_logistic({"a": np.arange(3.0)}, success, ridge=1.0)


def test_a_damaged_file_is_refused_with_the_place(tmp_path) -> None:
    values = yaml.safe_load(resource_path(*FILE).read_text())
    path = tmp_path / "ranking.yaml"
    term = next(iter(values["models"]["whole"]["terms"].values()))
    for key, bad in (("scale", 0.0), ("weight", float("nan")), ("weight", 0.1), ("colour", 1.0)):
        damaged = dict(term)
        term[key] = bad
        path.write_text(yaml.safe_dump(values))
        with pytest.raises(ConfigError, match=r"models\.whole\.terms"):
            load_config(path, RankingModel)
        term.clear()
        term.update(damaged)
    path.write_text(yaml.safe_dump(values))
    load_config(path, RankingModel)
