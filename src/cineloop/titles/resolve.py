"""One title under many ids: which rows of two sources are the same film or series, each with its why and confidence.

Blocking first: only titles that share a key, a key without blanks, the part before a subtitle or their two rarest words
are compared. Then evidence is added up as logarithms of likelihood ratios (Fellegi & Sunter, "A theory for record
linkage", JASA 1969): each comparison of names, years, kinds, people, running times and languages adds or takes points
that `POINTS` lists, so that a match can be read. Points were set by hand on films of IMDb and TMDB and judged on a
labelled sample (`tests/titles/labelled.csv`). Where each title may have but one partner, the best pairs are taken
first, ties in the order of the ids.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import polars as pl

from cineloop.titles.names import keys, main_part, numbers

POINTS: Mapping[str, float] = {
    "prior": -3.0,
    "same name": 6.0,
    "same name but for blanks": 5.0,
    "name much alike": 3.0,
    "name alike": 0.0,
    "subtitle apart": 0.5,
    "other name": -5.0,
    "other number": -6.0,
    "same year": 2.0,
    "one year apart": 1.0,
    "two years apart": -1.5,
    "years apart": -4.0,
    "many years apart": -6.0,
    "made after it was shown": -6.0,
    "made the year it was shown": 1.5,
    "made long before it was shown": -2.0,
    "two people or more": 6.0,
    "one person": 4.0,
    "people of one franchise": 1.0,
    "name of one word": -1.0,
    "no person of many": -3.0,
    "no person": -1.5,
    "same running time": 1.5,
    "running time alike": 0.0,
    "other running time": -1.5,
    "far other running time": -3.0,
    "kind between": -2.0,
    "other kind": -5.0,
    "same language": 0.5,
    "other language": -4.0,
    "same country": 0.5,
    "language of another country": -4.0,
}
"""Points of each comparison: natural logarithms of likelihood ratios."""

SPOKEN: Mapping[str, tuple[str, ...]] = {
    "ko": ("South Korea", "Korea"),
    "ja": ("Japan",),
    "zh": ("China", "Hong Kong", "Taiwan", "Singapore", "Malaysia"),
    "th": ("Thailand",),
    "hi": ("India",),
    "tr": ("Turkey",),
    "pl": ("Poland",),
    "ru": ("Russia", "Soviet Union", "Ukraine", "Kazakhstan"),
    "he": ("Israel",),
}
"""Countries whose films are in a language; only languages of few countries."""

_LARGEST_BLOCK = 400
"""Titles of one side under one key; a larger block tells nothing."""


@dataclass(frozen=True)
class Entity:
    """What is compared of a title.

    `year` is that of its first release; `until` the last that it can be, where only that is known (a report's half
    year); `shown` the year in which a service first showed it, which made many of its titles itself. `people` are
    normalised names; `runtime` minutes; `number` that of a season.
    """

    id: str
    kind: str
    names: tuple[str, ...]
    year: int | None = None
    until: int | None = None
    shown: int | None = None
    people: frozenset[str] = frozenset()
    runtime: float | None = None
    language: str | None = None
    country: str | None = None
    number: int | None = None


@dataclass(frozen=True)
class Match:
    """Two ids of one title. `points` are the log odds, `confidence` the probability that they say; `why` in words."""

    left: str
    right: str
    points: float
    confidence: float
    why: tuple[str, ...]


@dataclass(frozen=True)
class _Side:
    entities: tuple[Entity, ...]
    keys: tuple[tuple[str, ...], ...]
    known: Counter[str]  # how many titles go by a key
    blocks: Mapping[str, list[int]] = field(repr=False)

    @classmethod
    def of(cls, entities: Iterable[Entity], rarity: Counter[str]) -> _Side:
        ordered = tuple(sorted(entities, key=lambda e: e.id))
        named = tuple(keys(e.names) for e in ordered)
        blocks: dict[str, list[int]] = defaultdict(list)
        for i, (entity, own) in enumerate(zip(ordered, named, strict=True)):
            for block in dict.fromkeys(_blocks(entity, own, rarity)):
                blocks[block].append(i)
        return cls(ordered, named, Counter(k for own in named for k in dict.fromkeys(own)), blocks)


def match(
    left: Iterable[Entity], right: Iterable[Entity], *, least: float = 0.5, one_to_one: bool = True
) -> list[Match]:
    """The pairs that are one title with a confidence of at least `least`, sorted by the left id, then the right.

    `one_to_one`: each title stands in at most one pair, the better pairs first. Otherwise each left title gets its best
    partner, and several may share one: a source's seasons and another's series, or two reports of one title.
    """
    left, right = list(left), list(right)
    rarity = Counter(w for e in (*left, *right) for key in keys(e.names) for w in set(key.split()))
    mine, theirs = _Side.of(left, rarity), _Side.of(right, rarity)
    found: list[tuple[float, int, int, tuple[str, ...]]] = []
    for i in range(len(mine.entities)):
        for j in sorted(_candidates(i, mine, theirs, rarity)):
            points, why = _compared(mine, i, theirs, j, rarity)
            if _chance(points) >= least:
                found.append((points, i, j, why))
    found.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    taken, gone = set[int](), set[int]()
    made = []
    for points, i, j, why in found:
        if i in taken or (one_to_one and j in gone):
            continue
        taken.add(i)
        gone.add(j)
        made.append(Match(mine.entities[i].id, theirs.entities[j].id, points, _chance(points), why))
    return sorted(made, key=lambda m: (m.left, m.right))


def score(one: Entity, other: Entity, *, namesakes: int = 1) -> Match:
    """How likely two titles are one, whatever else there is; `namesakes`: how many titles go by that name.

    >>> shining = Entity("a:1", "film", ("The Shining",), 1980, people=frozenset({"stanley kubrick"}))
    >>> series = Entity("b:1", "series", ("The Shining",), 1997, people=frozenset({"mick garris"}))
    >>> score(shining, series).confidence < 0.01
    True
    """
    points, why = _evidence(one, keys(one.names), other, keys(other.names), Counter(), namesakes)
    return Match(one.id, other.id, points, _chance(points), why)


def frame_of(matches: Sequence[Match]) -> pl.DataFrame:
    """Matches as a table: left, right, points, confidence, why."""
    schema = {
        "left": pl.String,
        "right": pl.String,
        "points": pl.Float64,
        "confidence": pl.Float64,
        "why": pl.String,
    }
    rows = [(m.left, m.right, m.points, m.confidence, "; ".join(m.why)) for m in matches]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _chance(points: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, points))))


def _blocks(entity: Entity, own: Sequence[str], rarity: Counter[str]) -> Iterable[str]:
    for key in own:
        yield f"k {key}"
        yield f"s {key.replace(' ', '')}"
        words = sorted(set(key.split()), key=lambda w: (rarity[w], w))
        if len(words) > 1:
            yield f"w {words[0]} {words[1]}"
            if len(words) > 2:
                yield f"w {words[0]} {words[2]}"
    for name in entity.names:
        if part := main_part(name):
            yield f"k {part}"


def _candidates(i: int, mine: _Side, theirs: _Side, rarity: Counter[str]) -> set[int]:
    found: set[int] = set()
    for block in dict.fromkeys(_blocks(mine.entities[i], mine.keys[i], rarity)):
        there = theirs.blocks.get(block, ())
        if len(there) <= _LARGEST_BLOCK:
            found.update(there)
    return found


def _compared(
    mine: _Side, i: int, theirs: _Side, j: int, rarity: Counter[str]
) -> tuple[float, tuple[str, ...]]:
    shared = [k for k in mine.keys[i] if k in theirs.keys[j]]
    namesakes = min((max(mine.known[k], theirs.known[k]) for k in shared), default=1)
    return _evidence(mine.entities[i], mine.keys[i], theirs.entities[j], theirs.keys[j], rarity, namesakes)


def _evidence(
    a: Entity,
    a_keys: Sequence[str],
    b: Entity,
    b_keys: Sequence[str],
    rarity: Counter[str],
    namesakes: int,
) -> tuple[float, tuple[str, ...]]:
    """The points of all comparisons, and their names in the order of their weight."""
    named, people = _name(a, a_keys, b, b_keys, rarity), _people(a, b)
    if named == "subtitle apart" and people and POINTS[people[0]] > 0:
        people = ["people of one franchise"]
    if named == "same name" and not any(" " in key for key in a_keys if key in b_keys):
        people.append("name of one word")
    said = [named, *_years(a, b), *people, *_runtime(a, b), *_kind(a, b)]
    if a.language is not None and b.language is not None:
        said.append("same language" if a.language == b.language else "other language")
    said += _country(a, b)
    if a.number is not None and b.number is not None and a.number != b.number:
        said.append("other number")
    points = POINTS["prior"] + sum(POINTS[word] for word in said) - math.log(namesakes)
    told = sorted(said, key=lambda word: -abs(POINTS[word]))
    if namesakes > 1:
        told.append(f"{namesakes} namesakes")
    return points, tuple(told)


def _name(a: Entity, a_keys: Sequence[str], b: Entity, b_keys: Sequence[str], rarity: Counter[str]) -> str:
    if any(key in b_keys for key in a_keys):
        return "same name"
    flat = {key.replace(" ", "") for key in a_keys}
    if any(key.replace(" ", "") in flat for key in b_keys):
        return "same name but for blanks"
    if not any(numbers(x) == numbers(y) for x in a_keys for y in b_keys):
        return "other number"
    best = max(
        (_alike(x, y, rarity) for x in a_keys for y in b_keys if numbers(x) == numbers(y)), default=0.0
    )
    if best >= 0.85:
        return "name much alike"
    parts = {p for e in (a, b) for n in e.names if (p := main_part(n))}
    if any(key in parts for key in (*a_keys, *b_keys)) and best > 0.3:
        return "subtitle apart"
    return "name alike" if best >= 0.6 else "other name"


def _alike(one: str, other: str, rarity: Counter[str]) -> float:
    """The larger of two likenesses, 0 to 1: of pairs of letters (Dice), and of words weighted by their rarity."""
    a, b = Counter(pairwise(one)), Counter(pairwise(other))
    letters = 2 * sum((a & b).values()) / max(1, sum(a.values()) + sum(b.values()))
    mine, theirs = set(one.split()), set(other.split())
    weight = {w: 1.0 / (1.0 + math.log1p(rarity[w])) for w in mine | theirs}
    words = sum(weight[w] for w in mine & theirs) / sum(weight.values())
    return max(letters, words)


def _years(a: Entity, b: Entity) -> list[str]:
    if a.year is None or b.year is None:
        for told, other in ((a.year, b), (b.year, a)):
            if told is None:
                continue
            if other.until is not None and told > other.until:
                return ["made after it was shown"]
            if other.shown is not None and told >= other.shown - 1:
                return ["made the year it was shown"]
            if other.shown is not None and told < other.shown - 3:
                return ["made long before it was shown"]
        return []
    apart = abs(a.year - b.year)
    words = ("same year", "one year apart", "two years apart", "years apart", "years apart")
    return [words[apart] if apart < len(words) else "many years apart"]


def _people(a: Entity, b: Entity) -> list[str]:
    if not a.people or not b.people:
        return []
    shared = len(a.people & b.people)
    if shared:
        return ["two people or more" if shared > 1 else "one person"]
    return ["no person of many" if min(len(a.people), len(b.people)) > 2 else "no person"]


def _runtime(a: Entity, b: Entity) -> list[str]:
    # a series' running time may be an episode's or a season's: only films are compared
    if a.runtime is None or b.runtime is None or a.kind != "film" or b.kind != "film":
        return []
    apart = abs(a.runtime - b.runtime)
    if apart <= 2:
        return ["same running time"]
    if apart <= 6:
        return ["running time alike"]
    return ["other running time" if apart <= 20 else "far other running time"] if apart > 12 else []


def _country(a: Entity, b: Entity) -> list[str]:
    if a.country is not None and a.country == b.country:
        return ["same country"]
    for one, other in ((a, b), (b, a)):
        spoken = SPOKEN.get(one.language or "")
        if spoken and other.language is None and other.country is not None:
            return [] if other.country in spoken else ["language of another country"]
    return []


def _kind(a: Entity, b: Entity) -> list[str]:
    kinds = {a.kind, b.kind}
    if len(kinds) == 1:
        return []
    if kinds == {"season", "series"}:
        return []  # a season may stand for its series where the source knows no other
    return ["kind between"] if kinds == {"film", "season"} else ["other kind"]
