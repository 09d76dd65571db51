"""The answer's types: a home of rows, a row of cards, and on every card why it is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Choice = Literal["unfinished", "unseen", "rewatch"]
Why = Literal[
    "unfinished", "history", "similar", "trending", "new", "genre", "popular", "rewatch", "editor", "explore"
]


class Contribution(NamedTuple):
    """What one title of the member's past added to a score, in the score's own unit."""

    title: str
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a title is on the page: a sentence, and for linear models the exact parts of the sum behind it.

    `contributions` holds the largest parts by size, as many as were asked for.
    """

    kind: Why
    text: str
    contributions: tuple[Contribution, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """A title on the page, and what starts when it is chosen (`play`: the next episode of a series).

    `propensity` is the probability that this title got this place: 1 unless the place is drawn at random.
    """

    title: str
    name: str
    year: int | None
    play: str
    play_name: str
    score: float | None
    reason: Reason
    propensity: float = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its heading, and whether it holds unfinished, unseen or already finished titles."""

    kind: str
    heading: str
    chooses: Choice
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Home:
    """A profile's page, top row first; no title stands on it twice."""

    profile: str
    profiling: bool
    rows: tuple[Row, ...]
