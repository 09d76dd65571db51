"""What one profile has done as of a moment: what it liked, finished, left unfinished, and turned down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from cineloop.lab.histories import Histories
from cineloop.play.series import Catalogue
from cineloop.play.signals import Signals
from cineloop.store.events import Event

FINISHED = 0.9  # share watched from which a playable counts as finished: what is left is credits
BEGUN = 0.02
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VERDICTS = frozenset({"rating", "like", "dislike"})
WATCHES = frozenset({"watch", "live"})


class Touch(NamedTuple):
    """One row of plays or feedback about a film or series (the root of what ran).

    `number` is the share watched of a play, or the stars of a rating; `confidence` what the source's mapping says.
    `at` is microseconds since 1970 UTC, or the log's own order.
    """

    kind: str
    title: str
    playable: str
    number: float | None
    confidence: float | None
    at: int


@dataclass(frozen=True)
class Past:
    """One profile's past; titles are roots (films and series).

    `watched` maps title -> playable -> greatest share watched; `last` maps title -> when it was last touched, as in
    `Touch.at`; `unfinished` has the last touched first.
    """

    profile: str
    liked: Histories
    watched: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    last: Mapping[str, int] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    turned_down: frozenset[str] = frozenset()
    unfinished: tuple[str, ...] = ()

    @cached_property
    def touched(self) -> frozenset[str]:
        """Whatever the member has begun, finished, judged or liked: nothing new to them."""
        return frozenset([*self.seen, *self.turned_down, *self.watched, *map(str, self.liked.catalogue)])

    @property
    def history(self) -> list[str]:
        """Liked titles, the newest first."""
        return [str(self.liked.catalogue[i]) for i in self.liked.items[::-1]]


def past(profile: str, touches: Iterable[Touch], catalogue: Catalogue, signals: Signals) -> Past:
    """A profile's past out of its rows in any order; without rows, that of someone never heard of.

    It reads one member's rows as `Signals.interactions` reads everyone's.
    """
    watched: dict[str, dict[str, float]] = {}
    last: dict[str, int] = {}
    verdicts: dict[str, tuple[int, bool]] = {}
    liked: dict[str, tuple[float, int]] = {}
    rated: set[str] = set()
    for kind, title, playable, number, mapped, at in touches:
        if kind in VERDICTS:
            worth = signals.judged(kind, number)
            low = kind == "dislike" or (kind == "rating" and (number or 0.0) < signals.rating_at_least)
            verdicts[title] = max(verdicts.get(title, (at, low)), (at, low))
            if kind == "rating":
                rated.add(title)
        elif kind in WATCHES:
            worth = signals.watched(number) if mapped is None else mapped
            parts = watched.setdefault(title, {})
            parts[playable] = max(parts.get(playable, 0.0), 1.0 if number is None else number)
        else:
            worth = signals.judged(kind, number)
        if kind not in ("trailer", "preview"):
            last[title] = max(last.get(title, at), at)
        if worth > 0:
            before = liked.get(title, (0.0, at))
            liked[title] = (max(before[0], worth), max(before[1], at))
    turned_down = frozenset(title for title, (_, low) in verdicts.items() if low)
    unfinished = [
        t for t, parts in watched.items() if t not in turned_down and _unfinished(t, parts, catalogue)
    ]
    return Past(
        profile=profile,
        liked=_history(profile, {t: v for t, v in liked.items() if t not in turned_down}),
        watched=watched,
        last=last,
        seen=frozenset([*rated, *(t for t, parts in watched.items() if max(parts.values()) >= FINISHED)]),
        turned_down=turned_down,
        unfinished=tuple(sorted(unfinished, key=lambda t: (-last[t], t))),
    )


def touch_of(event: Event, catalogue: Catalogue) -> Touch | None:
    """An event of plays or feedback as the row it will be; None for an impression."""
    if event.table == "impressions":
        return None
    row = event.row()
    plays = event.table == "plays"
    number, mapped = row.get("completion" if plays else "value"), row.get("confidence") if plays else None
    return Touch(
        kind=row["kind"],
        title=catalogue.root(row["title"]),
        playable=(row.get("playable") if plays else None) or row["title"],
        number=None if number is None else float(number),
        confidence=None if mapped is None else float(mapped),
        at=(row["happened_at"] - _EPOCH) // timedelta(microseconds=1),
    )


def touch_rows(rows: pl.LazyFrame, table: str, catalogue: Catalogue) -> pl.LazyFrame:
    """Rows of plays or feedback in the columns account, profile and those of `Touch`."""
    known = pl.lit(None, pl.Float64)
    plays = table == "plays"
    return rows.select(
        "account",
        "profile",
        "kind",
        catalogue.rolled_up("title").alias("title"),
        (pl.coalesce("playable", "title") if plays else pl.col("title")).alias("playable"),
        (pl.col("completion") if plays else pl.col("value")).alias("number"),
        (pl.col("confidence") if plays else known).alias("confidence"),
        pl.coalesce(pl.col("happened_at").dt.epoch("us"), "seq", pl.lit(0, pl.Int64)).alias("at"),
    )


def _history(profile: str, liked: Mapping[str, tuple[float, int]]) -> Histories:
    catalogue = sorted(liked)
    column = {title: i for i, title in enumerate(catalogue)}
    ordered = sorted(liked, key=lambda t: (liked[t][1], t))
    return Histories(
        members=np.array([profile], dtype=object),
        catalogue=np.array(catalogue, dtype=object),
        indptr=np.array([0, len(ordered)], np.int64),
        items=np.array([column[t] for t in ordered], np.int32),
        confidence=np.array([liked[t][0] for t in ordered], np.float32),
        at=np.array([liked[t][1] for t in ordered], np.int64),
    )


def _unfinished(title: str, parts: Mapping[str, float], catalogue: Catalogue) -> bool:
    """A film begun and left; a series with something begun whose last episode isn't finished."""
    if max(parts.values()) < BEGUN:
        return False
    episodes = catalogue.episodes(title)
    final = episodes[-1] if episodes else max(parts, key=lambda p: parts[p])
    return parts.get(final, 0.0) < FINISHED
