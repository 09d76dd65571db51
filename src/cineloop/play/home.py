"""The answer's types: a home of rows, a row of cards, and on every card why it is there."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Choice = Literal["unfinished", "unseen", "rewatch"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Contribution(_Frozen):
    """What one title of the member's past added to a score, in the score's own unit."""

    title: str
    name: str
    value: float


class Reason(_Frozen):
    """Why a title is on the page: a sentence, and for linear models the exact sum behind it."""

    kind: Literal["unfinished", "history", "similar", "trending", "new", "genre", "popular", "rewatch"]
    text: str
    contributions: tuple[Contribution, ...] = ()


class Card(_Frozen):
    """A title on the page, and what starts when it is chosen (`play`: the next episode of a series)."""

    title: str
    name: str
    year: int | None
    play: str
    play_name: str
    score: float | None
    reason: Reason


class Row(_Frozen):
    """A row: its heading, and whether it holds unfinished, unseen or already finished titles."""

    kind: str
    heading: str
    chooses: Choice
    cards: tuple[Card, ...]


class Home(_Frozen):
    """A profile's page, top row first; no title stands on it twice."""

    profile: str
    profiling: bool
    rows: tuple[Row, ...]
