"""Instructions in plain English, and what they ask of a grasp."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexgrasp.errors import UnknownNameError
from dexgrasp.evaluation.intention.config import IntentionConfig
from dexgrasp.evaluation.intention.lexicon import Intent, Lexicon
from dexgrasp.evaluation.intention.words import inflections

LEXICON = Lexicon(IntentionConfig.load().lexicon)
MUG = ("body", "handle", "rim")
KNIFE = ("handle", "blade")
BOTTLE = ("body", "cap", "neck")
SPRAY = ("body", "collar", "trigger_head", "nozzle", "trigger", "neck")
DRILL = ("body", "chuck", "handle", "trigger", "battery")
TIMER = ("body", "knob")

HOLDS = [  # instruction, parts, verb, wanted, forbidden
    ("pick up the mug", MUG, "lift", (), ()),
    ("pick up the mug by the handle", MUG, "lift", ("handle",), ()),
    ("Grab the mug's handle!", MUG, "lift", ("handle",), ()),
    ("grip it by its lip", MUG, "lift", ("rim",), ()),
    ("hold it by the grip", KNIFE, "lift", ("handle",), ()),
    ("pick up the hammer", ("handle", "head"), "lift", (), ()),
    ("pick up the power drill", DRILL, "lift", (), ()),
    ("use the drill", DRILL, "use", ("handle", "trigger"), ()),
    ("using the drill", DRILL, "use", ("handle", "trigger"), ()),
    ("use the drill by the battery", DRILL, "use", ("battery",), ()),
    ("cut the bread with the knife", KNIFE, "cut", ("handle",), ()),
    ("pick up the knife to cut bread", KNIFE, "cut", ("handle",), ()),
    ("hand me the knife", KNIFE, "hand_over", ("blade",), ()),
    ("hand over the knife so that I can cut", KNIFE, "hand_over", ("blade",), ()),
    ("hand me the knife by the handle", KNIFE, "hand_over", ("handle",), ()),
    ("take the mug with your hand", MUG, "lift", (), ()),
    ("pour from the mug", MUG, "pour", ("handle", "body"), ()),
    ("pick up the bottle and pour", BOTTLE, "pour", ("body",), ()),
    ("open the bottle", BOTTLE, "open", ("cap",), ()),
    ("twist off the lid", BOTTLE, "open", ("cap",), ()),
    ("hold the trigger head", SPRAY, "lift", ("trigger_head",), ()),
    ("lift it by the handle or the rim", MUG, "lift", ("handle", "rim"), ()),
    ("not by the blade", KNIFE, "lift", (), ("blade",)),
    ("don't hold it by the blade", KNIFE, "lift", (), ("blade",)),
    ("don\u2019t hold it by the blades", KNIFE, "lift", (), ("blade",)),
    ("by the handle, not by the rim", MUG, "lift", ("handle",), ("rim",)),
    ("not by the rim but by the handle", MUG, "lift", ("handle",), ("rim",)),
    ("not by the rim, by the handle", MUG, "lift", ("handle",), ("rim",)),
    ("instead of the blade take the handle", KNIFE, "lift", ("handle",), ("blade",)),
    ("avoid the blade and hold the handle", KNIFE, "lift", ("handle",), ("blade",)),
    ("lift it without touching the rim or the handle", MUG, "lift", (), ("rim", "handle")),
    ("avoid the blade and cut", KNIFE, "cut", ("handle",), ("blade",)),
    ("do not cut, hand it over", KNIFE, "hand_over", ("blade",), ()),
    ("keep the blade free", KNIFE, "lift", (), ("blade",)),
    ("cut, and not by the handle", KNIFE, "cut", (), ("handle",)),
    ("not only by the rim", MUG, "lift", ("rim",), ()),
    ("do not touch the blade", ("body",), "lift", (), ()),
    ("do something with it", MUG, "lift", (), ()),
]  # fmt: skip


@pytest.mark.parametrize(("words", "parts", "verb", "wanted", "forbidden"), HOLDS)
def test_what_to_hold(words: str, parts: tuple, verb: str, wanted: tuple, forbidden: tuple) -> None:
    intent = LEXICON.read(words, parts)
    assert (intent.verb, intent.wanted, intent.forbidden) == (verb, wanted, forbidden)


WORKING = [  # instruction, parts, free, reach
    ("use the drill", DRILL, ("chuck",), ("trigger",)),
    ("do not press the trigger", DRILL, (), ()),
    ("press the trigger of the bottle", SPRAY, ("nozzle",), ("trigger",)),
    ("spray, holding it by the neck", SPRAY, ("nozzle",), ("trigger",)),
    ("press the button", TIMER, (), ("knob",)),
    ("pour", MUG, ("rim",), ()),
    ("pour while holding the rim", MUG, (), ()),
    ("hand me the knife", KNIFE, ("handle",), ()),
    ("pick it up", MUG, (), ()),
]  # fmt: skip


@pytest.mark.parametrize(("words", "parts", "free", "reach"), WORKING)
def test_what_to_keep_free_and_in_reach(
    words: str, parts: tuple, free: tuple, reach: tuple
) -> None:
    intent = LEXICON.read(words, parts)
    assert (intent.free, intent.reach) == (free, reach)


@pytest.mark.parametrize(
    ("words", "approach"),
    [("pour", "side"), ("pour, taking it from above", "above"), ("hammer", "across"),
     ("pick it up from the side", "side"), ("pick it up", "any")],
)  # fmt: skip
def test_where_from(words: str, approach: str) -> None:
    assert LEXICON.read(words, MUG).approach == approach


@pytest.mark.parametrize(
    ("words", "parts", "given_part"),
    [("lift the ball by the handle", ("body",), "handle"), ("by the hanlde", MUG, "hanlde"),
     ("press the button", MUG, "button")],
)  # fmt: skip
def test_a_part_that_the_object_lacks_is_an_error(
    words: str, parts: tuple, given_part: str
) -> None:
    with pytest.raises(UnknownNameError) as caught:
        LEXICON.read(words, parts, "the_thing")
    assert str(caught.value).startswith(f"unknown part of the_thing '{given_part}'; known: ")


def test_without_labels_no_part_is_unknown() -> None:
    intent = LEXICON.read("lift it by the hanlde, not by the blade", ())
    assert intent.specific
    assert LEXICON.read("by the handle", ()).wanted == ("handle",)
    assert not LEXICON.read("lift it", ()).specific


VOCABULARY = sorted(
    {word for verb in LEXICON.config.verbs.values() for word in verb.words}
    | set(LEXICON.config.parts)
    | {"the", "a", "by", "not", "but", "and", ",", "instead of", "keep", "free", "mug", "without"}
)


def check(intent: Intent, parts: tuple[str, ...]) -> None:
    assert intent.verb in LEXICON.config.verbs
    for named in (intent.wanted, intent.forbidden, intent.free, intent.reach):
        assert set(named) <= set(parts)
        assert len(set(named)) == len(named)
    assert not set(intent.wanted) & set(intent.forbidden)
    assert not set(intent.free) & (set(intent.reach) & set(intent.wanted))


@given(
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=12),
    st.sampled_from([MUG, KNIFE, BOTTLE, SPRAY, DRILL]),
)
@settings(max_examples=300)
def test_any_words_make_a_consistent_intent_or_name_a_missing_part(
    words: list[str], parts: tuple[str, ...]
) -> None:
    try:
        intent = LEXICON.read(" ".join(words), parts)
    except UnknownNameError:
        return
    check(intent, parts)


@given(st.text(max_size=200))
@settings(max_examples=300)
def test_any_text_is_read(text: str) -> None:
    try:
        intent = LEXICON.read(text, MUG)
    except UnknownNameError:
        return
    check(intent, MUG)


@pytest.mark.parametrize(
    ("word", "form"),
    [("pour", "pouring"), ("use", "using"), ("grip", "gripping"), ("cut", "cuts"),
     ("push", "pushes"), ("hand over", "handing over"), ("open", "opened"), ("slice", "sliced"),
     ("draw", "drawing")],
)  # fmt: skip
def test_endings(word: str, form: str) -> None:
    assert form in inflections(word)
