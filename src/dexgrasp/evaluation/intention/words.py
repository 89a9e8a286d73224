"""Words of an instruction: tokens, endings and phrases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


def vocabulary(words: str) -> frozenset[str]:
    """The words of a line as a set."""
    return frozenset(words.split())


BREAKS = frozenset(",;.:!?")
DETERMINERS = vocabulary(
    "the a an its this that these those my your his her their our any each every one"
)
PREPOSITIONS = vocabulary(
    "by at on onto in into from with along around via near over under off of for to"
)
JOINERS = vocabulary("and then but or so while")
NEGATORS = (
    "instead of", "rather than", "away from", "do not", "not", "don't", "dont", "never",
    "without", "avoid", "avoiding", "except", "no",
)  # fmt: skip
VOWELS = "aeiou"


@dataclass(frozen=True)
class Phrase:
    """Something known at tokens start to end (exclusive): its kind and its name."""

    start: int
    end: int
    name: str


def tokens(text: str) -> list[str]:
    """Lower-case words and single punctuation marks; "not only" is no negation and left out."""
    text = re.sub(r"\bnot only\b", " ", text.lower().replace("\u2019", "'"))
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?|[,;.:!?]", text)


def inflections(word: str) -> set[str]:
    """An English verb with its regular endings; of a phrase, the first word has them."""
    first, _, rest = word.partition(" ")
    stems = {first, first[:-1] if first.endswith("e") else first}
    short = len(first) >= 3 and first[-1] not in VOWELS + "wxy" and first[-2] in VOWELS
    doubled = {first + first[-1]} if short and first[-3] not in VOWELS else set()
    forms = {first, first + "s", first + "es", first + "d" if first.endswith("e") else first + "ed"}
    forms |= {stem + ending for stem in stems | doubled for ending in ("ing", "ed")}
    return {f"{form} {rest}".strip() for form in forms}


def find(words: list[str], known: Mapping[str, str]) -> Iterator[Phrase]:
    """The longest known phrases in their order, without overlap. known: phrase -> name."""
    longest = max((phrase.count(" ") + 1 for phrase in known), default=0)
    position = 0
    while position < len(words):
        for size in range(min(longest, len(words) - position), 0, -1):
            phrase = " ".join(words[position : position + size])
            if phrase in known:
                yield Phrase(position, position + size, known[phrase])
                position += size
                break
        else:
            position += 1


def is_noun(words: list[str], position: int, stops: Iterable[int]) -> bool:
    """Whether a determiner stands before a word, with at most two plain words in between."""
    stops = set(stops)
    for back in range(position - 1, max(position - 4, -1), -1):
        word = words[back]
        if word in DETERMINERS:
            return True
        if back in stops or word in PREPOSITIONS | JOINERS | BREAKS:
            return False
    return False
