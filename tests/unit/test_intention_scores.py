"""The formulas of the geometric judge, and what cases and scores may hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dexgrasp.config import load_config, resource_path
from dexgrasp.errors import ConfigError, GraspError
from dexgrasp.evaluation.intention import IntentionCase, IntentionConfig, IntentionScores
from dexgrasp.evaluation.intention.geometric import TaskFigures
from dexgrasp.evaluation.intention.lexicon import Lexicon
from dexgrasp.evaluation.intention.surface import contact_map, ramp
from dexgrasp.evaluation.intention.visual import VisualFigures
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object

CONFIG = IntentionConfig.load()
HAND = HandModel.load("allegro_right")
CASE = IntentionCase(HAND, HAND.postures["open"], np.eye(4), load_object("mug"), "pick it up")


@given(st.floats(-0.01, 0.05), st.floats(-0.01, 0.05))
def test_contact_falls_with_distance(first: float, second: float) -> None:
    near, far = sorted((first, second))
    value = contact_map(np.array([near, far]), CONFIG.geometric.contact)
    assert 1.0 >= value[0] >= value[1] >= 0.0
    assert (value[0] == 1.0) == (near <= CONFIG.geometric.contact.full) or near < 0.0021


@given(st.floats(-2, 2), st.floats(-1, 1), st.floats(0.01, 1))
def test_ramps_run_both_ways(value: float, start: float, width: float) -> None:
    up, down = ramp(value, (start, start + width)), ramp(value, (start + width, start))
    assert up + down == pytest.approx(1.0, abs=1e-9)
    assert 0.0 <= up <= 1.0


LIFT = Lexicon(CONFIG.lexicon).read("lift it", ("body",))
FIRM = TaskFigures(covered=0.0, reach=None, fingers=3, q1=0.1, turned=None)


@pytest.mark.parametrize(
    ("changes", "score"),
    [({}, 1.0), ({"fingers": 4}, 1.0), ({"q1": 0.025}, 0.75), ({"fingers": 0, "q1": 0.0}, 0.0),
     ({"covered": 0.35}, 0.5), ({"covered": 0.9}, 0.0), ({"reach": 0.025}, 0.5),
     ({"reach": np.inf}, 0.0), ({"turned": 0.0}, 0.5), ({"turned": 1.5}, 1.0)],
)  # fmt: skip
def test_the_task_score_is_the_documented_product(changes: dict, score: float) -> None:
    figures = replace(FIRM, **changes)
    assert figures.score(LIFT, CONFIG.geometric.task) == pytest.approx(score)


@pytest.mark.parametrize(
    ("hidden", "inside", "agreeing", "score"),
    [(0.0, 0.0, None, 1.0), (0.75, 0.0, None, 0.5), (1.0, 0.0, None, 0.0), (0.0, 0.0425, None, 0.5),
     (0.0, 0.2, 1.0, 0.0), (0.0, 0.0, 0.7, 0.5), (0.75, 0.0425, 0.7, 0.125)],
)  # fmt: skip
def test_the_visual_score_is_the_documented_product(
    hidden: float, inside: float, agreeing: float | None, score: float
) -> None:
    figures = VisualFigures(hidden, inside, agreeing)
    assert figures.score(CONFIG.geometric.visual) == pytest.approx(score)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"q": np.zeros(3)}, "q has shape"), ({"q": np.full(16, np.nan)}, "finite"),
     ({"T_object_palm": np.eye(3)}, "expected"), ({"T_object_palm": 2 * np.eye(4)}, "not a rigid"),
     ({"instruction": " "}, "instruction is empty"), ({"cloud": np.zeros((3, 2))}, "cloud")],
)  # fmt: skip
def test_wrong_cases_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(GraspError, match=words):
        replace(CASE, **changes)


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_scores_are_within_bounds(value: float) -> None:
    with pytest.raises(ValueError, match="within"):
        IntentionScores(0.5, value, 0.5, "", "test", 0.0)


def test_every_score_must_exceed_seventy_percent() -> None:
    assert IntentionScores(0.71, 0.9, 1.0, "", "test", 0.0).passed
    assert not IntentionScores(0.70, 0.9, 1.0, "", "test", 0.0).passed


@pytest.mark.parametrize(
    ("line", "change", "words"),
    [("    full: 0.002 ", "    full: 0.009 ", "must be less than none"),
     ("default_verb: lift", "default_verb: levitate", "levitate"),
     ("words: [cut, slice,", "words: [cut, pour,", "'pour' is a word of"),
     ("  timeout: 30.0 ", "  patience: 30.0 ", "vlm.timeout: Field required"),
     ("  attempts: 4", "  attempts: 0", "vlm.attempts")],
)  # fmt: skip
def test_a_wrong_configuration_names_the_key(
    tmp_path: Path, line: str, change: str, words: str
) -> None:
    text = resource_path("config", "evaluation", "intention.yaml").read_text()
    assert text.count(line) == 1
    path = tmp_path / "intention.yaml"
    path.write_text(text.replace(line, change))
    with pytest.raises(ConfigError) as caught:
        load_config(path, IntentionConfig)
    assert words in str(caught.value)
