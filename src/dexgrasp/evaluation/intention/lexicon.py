"""From an instruction to what the hand should hold, leave alone, keep free and reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from dexgrasp.errors import UnknownNameError
from dexgrasp.evaluation.intention.config import Approach, LexiconConfig
from dexgrasp.evaluation.intention.words import (
    BREAKS,
    DETERMINERS,
    JOINERS,
    NEGATORS,
    PREPOSITIONS,
    Phrase,
    find,
    inflections,
    is_noun,
    tokens,
    vocabulary,
)

FREE_WORDS = vocabulary("free clear uncovered exposed visible untouched open accessible")
KEEP_WORDS = vocabulary("keep keeps keeping leave leaves leaving")
HOLD_PREPOSITIONS = vocabulary("by at on along around via")


@dataclass(frozen=True)
class Intent:
    """What an instruction asks of a grasp, in parts that the object has.

    verb: its name in the lexicon.  wanted: parts to hold; any if empty.  forbidden: parts not
    to touch.  free: working parts to leave uncovered.  reach: parts for a fingertip to press.
    fingers: how many should touch.  explicit: whether the instruction itself named `wanted`.
    specific: whether some part matters, be it to the words or to the verb.
    """

    verb: str
    wanted: tuple[str, ...]
    forbidden: tuple[str, ...]
    free: tuple[str, ...]
    reach: tuple[str, ...]
    fingers: int
    approach: Approach
    explicit: bool
    specific: bool


@dataclass(frozen=True)
class _Said:
    """Parts that the words themselves name: to hold, to leave, to press; still as spoken."""

    wanted: list[str]
    forbidden: list[str]
    reach: list[str]


class Lexicon:
    """Reads instructions by the words of a configuration."""

    def __init__(self, config: LexiconConfig) -> None:
        self.config = config

    @cached_property
    def _verb_words(self) -> dict[str, str]:
        return {
            form: name
            for name, verb in self.config.verbs.items()
            for word in verb.words
            for form in inflections(word)
        }

    @cached_property
    def _approach_words(self) -> dict[str, str]:
        return {word: name for name, many in self.config.approaches.items() for word in many}

    def read(self, instruction: str, parts: Sequence[str], item: str = "the object") -> Intent:
        """The intent of an instruction for an object `item` with these labelled parts.

        Without labels (`parts` empty) no part can be wanted, and none is unknown. Raises
        UnknownNameError when the instruction wants a part that a labelled object lacks.
        """
        words = tokens(instruction)
        approach = next((p.name for p in find(words, self._approach_words)), None)
        words = self._without(words, self._approach_words)
        spoken = self._spoken(words, parts)
        verbs = self._verbs(words, spoken)
        name = self._main_verb(words, verbs)
        verb = self.config.verbs[name]
        said = self._said(words, spoken, verbs)
        _check_hold(words, spoken, parts, item)
        forbidden = tuple(p for word in said.forbidden for p in self._meant(word, parts)[:1])
        wanted = tuple(self._required(word, parts, item) for word in said.wanted)
        reach = tuple(self._required(word, parts, item) for word in said.reach)
        by_verb = _first_group(verb.wanted, parts, (*forbidden, *reach))
        return Intent(
            verb=name,
            wanted=_unique(p for p in wanted or by_verb if p not in forbidden),
            forbidden=_unique(forbidden),
            free=tuple(p for p in verb.free if p in parts and p not in (*wanted, *reach)),
            reach=_unique(reach or (p for p in verb.reach if p in parts and p not in forbidden)),
            fingers=verb.fingers,
            approach=approach or verb.approach,  # type: ignore[arg-type]
            explicit=bool(said.wanted),
            specific=bool(said.wanted or said.forbidden or verb.wanted),
        )

    def _without(self, words: list[str], known: dict[str, str]) -> list[str]:
        taken = {i for p in find(words, known) for i in range(p.start, p.end)}
        return [word for i, word in enumerate(words) if i not in taken]

    def _part_words(self, parts: Sequence[str]) -> dict[str, str]:
        """Spoken phrase -> word of the lexicon or own part; with plurals."""
        own = {part.replace("_", " "): part for part in parts}
        known = {word: word for word in self.config.parts} | own
        return known | {f"{phrase}s": name for phrase, name in known.items()}

    def _spoken(self, words: list[str], parts: Sequence[str]) -> list[Phrase]:
        """Parts in their order; "grip" and "trigger" are parts only where a noun can stand."""
        return [
            p
            for p in find(words, self._part_words(parts))
            if " ".join(words[p.start : p.end]) not in self._verb_words
            or is_noun(words, p.start, ())
            or (p.start and words[p.start - 1] in HOLD_PREPOSITIONS)
        ]

    def _verbs(self, words: list[str], spoken: Sequence[Phrase]) -> list[Phrase]:
        """Verbs in their order, without words that stand as nouns or as parts."""
        part_at = {i for p in spoken for i in range(p.start, p.end)}
        found = list(find(words, self._verb_words))
        stops = part_at | {p.start for p in found if p.start == 0}
        return [p for p in found if p.start not in part_at and not is_noun(words, p.start, stops)]

    def _main_verb(self, words: list[str], verbs: Sequence[Phrase]) -> str:
        """The first verb that is not negated and not general, else the least general one."""
        asked = [v.name for v in verbs if not _negated(words, v.start, verbs, ())]
        order = list(self.config.verbs)
        general = sorted((n for n in asked if self.config.verbs[n].general), key=order.index)
        special = [n for n in asked if not self.config.verbs[n].general]
        return next(iter([*special, *general]), self.config.default_verb)

    def _said(self, words: list[str], spoken: Sequence[Phrase], verbs: Sequence[Phrase]) -> _Said:
        said = _Said([], [], [])
        for part in spoken:
            if _negated(words, part.start, verbs, spoken) or _kept_free(words, part):
                said.forbidden.append(part.name)
            elif self._pressed(words, part, verbs):
                said.reach.append(part.name)
            else:
                said.wanted.append(part.name)
        return said

    def _pressed(self, words: list[str], part: Phrase, verbs: Sequence[Phrase]) -> bool:
        """Whether a part is what a verb such as "press" acts on, not where to hold."""
        before = [v for v in verbs if v.end <= part.start]
        if not before or not self.config.verbs[before[-1].name].reach:
            return False
        between = words[before[-1].end : part.start]
        presses = not self.config.verbs[before[-1].name].general
        return presses and not any(w in HOLD_PREPOSITIONS | BREAKS for w in between)

    def _meant(self, word: str, parts: Sequence[str]) -> list[str]:
        """Parts of the object that a word may mean, the likeliest first."""
        if word in parts:
            return [word]
        return [p for p in self.config.parts.get(word, ()) if p in parts]

    def _required(self, word: str, parts: Sequence[str], item: str) -> str:
        meant = self._meant(word, parts)
        if parts and not meant:
            raise UnknownNameError(f"part of {item}", word, parts)
        return meant[0] if meant else word


def _negated(
    words: list[str], position: int, verbs: Sequence[Phrase], parts: Sequence[Phrase]
) -> bool:
    """Whether a negation reaches this word.

    It ends at punctuation, at "but", at a verb after "and" or "then", and at a verb once it has
    reached a part: "instead of the blade take the handle".
    """
    starts = {v.start for v in verbs}
    ends = {p.end for p in parts}
    negations = list(find(words[:position], {n: n for n in NEGATORS}))
    if not negations:
        return False
    begin = negations[-1].end
    reached = False
    for i in range(begin, position):
        reached = reached or i in ends
        joined = i > begin and words[i - 1] in JOINERS
        if words[i] in BREAKS or words[i] == "but" or (i in starts and (joined or reached)):
            return False
    joined = position > begin and words[position - 1] in JOINERS
    return not (position in starts and (joined or reached))


def _kept_free(words: list[str], part: Phrase) -> bool:
    """ "Keep the blade free": a word for keeping before, a word for free after."""
    before = words[max(part.start - 3, 0) : part.start]
    return any(w in KEEP_WORDS for w in before) and any(
        w in FREE_WORDS for w in words[part.end : part.end + 2]
    )


def _check_hold(
    words: list[str], spoken: Sequence[Phrase], parts: Sequence[str], item: str
) -> None:
    """Refuse "by the <something>" of which no word is a part: a misspelt part is no wish at all."""
    part_at = {i for p in spoken for i in range(p.start, p.end)}
    for i, word in enumerate(words[:-2]):
        if word != "by" or words[i + 1] not in DETERMINERS:
            continue
        end = i + 2
        while end < len(words) and words[end] not in PREPOSITIONS | JOINERS | BREAKS:
            end += 1
        if parts and not part_at & set(range(i + 2, end)):
            raise UnknownNameError(f"part of {item}", " ".join(words[i + 2 : end]), parts)


def _first_group(
    groups: Sequence[Sequence[str]], parts: Sequence[str], without: Sequence[str]
) -> tuple[str, ...]:
    for group in groups:
        present = tuple(p for p in group if p in parts and p not in without)
        if present:
            return present
    return ()


def _unique(names: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))  # type: ignore[call-overload]
