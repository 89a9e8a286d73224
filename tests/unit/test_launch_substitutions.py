"""`$(...)` as ros2/launch reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dexgrasp.launching.errors import LaunchError
from dexgrasp.launching.parameters import typed_value
from dexgrasp.launching.substitutions import Scope, substitute

SCOPE = Scope(
    {"hand": "leap_right", "inner": "hand", "yes": "true", "no": "False"},
    {"HOME": "/home/user"},
    Path("/files/demo.launch.xml"),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("$(var hand)", "leap_right"),
        ("a-$(var hand)-$(env HOME)", "a-leap_right-/home/user"),
        ("$(var $(var inner))", "leap_right"),
        ("$(env ABSENT none)", "none"),
        ("$(env ABSENT 'two words')", "two words"),
        ("$(env ABSENT '')", ""),
        ("$(dirname)/other.xml", "/files/other.xml"),
        ("$(equals $(var hand) leap_right)", "true"),
        ("$(not-equals $(var hand) leap_right)", "false"),
        ("$(and $(var yes) $(not $(var no)))", "true"),
        ("$(or $(var no) false)", "false"),
        (r"\$(var hand)", "$(var hand)"),
    ],
)
def test_values(text: str, value: str) -> None:
    assert substitute(text, SCOPE) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$(var hnad)", "unknown variable 'hnad'; known here: hand, inner"),
        ("$(env ABSENT)", "'ABSENT' is not set"),
        ("$(eval 1+1)", r"unknown substitution '\$\(eval\)'; known: var, env"),
        ("$(var)", "takes 1 arguments; given 0"),
        ("$(and true)", "takes 2 arguments; given 1"),
        ("$(var hand", "without its"),
        ("$(env X 'a", "unfinished quote"),
        ("$(not maybe)", "no condition; allowed: true, false, 1, 0"),
        ("$()", "unknown substitution"),
    ],
)
def test_faults(text: str, message: str) -> None:
    with pytest.raises(LaunchError, match=message):
        substitute(text, SCOPE)


@given(st.text().filter(lambda text: "$(" not in text and "\\" not in text))
def test_text_without_substitutions_stays(text: str) -> None:
    assert substitute(text, SCOPE) == text


@pytest.mark.parametrize(
    ("text", "type_name", "value"),
    [
        ("3", None, 3),
        ("3", "str", "3"),
        ("3", "float", 3.0),
        ("0.5", None, 0.5),
        ("true", None, True),
        ("[1, 2]", None, [1, 2]),
        ("mug,bowl", None, "mug,bowl"),
        ("", None, ""),
    ],
)
def test_parameter_types(text: str, type_name: str | None, value: object) -> None:
    result = typed_value(text, type_name)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "type_name", "message"),
    [("x", "int", "'x' is no int"), ("1", "number", "known: str, int")],
)
def test_parameter_type_faults(text: str, type_name: str, message: str) -> None:
    with pytest.raises(LaunchError, match=message):
        typed_value(text, type_name)
