"""What one profile has done as of a moment: what it liked, finished, left unfinished, and turned down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import polars as pl

from cineloop.lab.histories import Histories
from cineloop.lab.view import TrainingView
from cineloop.play.series import Catalogue
from cineloop.play.signals import Signals

FINISHED = 0.9  # share watched from which a playable counts as finished: what is left is credits
BEGUN = 0.02


@dataclass(frozen=True)
class Past:
    """One profile's past; titles are roots (films and series).

    `watched` maps title -> playable -> greatest share watched; `last` maps title -> when it was last touched.
    """

    profile: str
    liked: Histories
    watched: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    last: Mapping[str, datetime] = field(default_factory=dict)
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


def nobody(profile: str) -> Past:
    """A past without anything in it: the cold member, and the home without profiling."""
    empty = pl.DataFrame(
        schema={"member": pl.String, "title": pl.String, "at": pl.Int64, "confidence": pl.Float64}
    )
    return Past(profile, Histories.of(empty, [profile]))


def past(view: TrainingView, profile: str, catalogue: Catalogue, signals: Signals) -> Past:
    """Read one profile's past out of a view; a profile without rows gets an empty one."""
    mine = view.of(profile)
    root = catalogue.rolled_up("title")
    plays = (
        mine.table("plays")
        .filter(pl.col("kind").is_in(["watch", "live"]))
        .with_columns(pl.coalesce("playable", "title").alias("playable"), root.alias("root"))
        .collect()
    )
    feedback = mine.table("feedback").with_columns(root.alias("root")).collect()
    watched: dict[str, dict[str, float]] = {}
    for title, playable, share in plays.select("root", "playable", "completion").rows():
        of_title = watched.setdefault(title, {})
        of_title[playable] = max(of_title.get(playable, 0.0), 1.0 if share is None else share)
    last: dict[str, datetime] = {}
    for title, at in (
        *plays.select("root", "happened_at").rows(),
        *feedback.select("root", "happened_at").rows(),
    ):
        if at is not None and (title not in last or at > last[title]):
            last[title] = at
    rated = feedback.filter(pl.col("kind") == "rating")["root"].to_list()
    turned_down = _turned_down(feedback, signals)
    unfinished = [
        t for t, parts in watched.items() if _is_unfinished(t, parts, catalogue) and t not in turned_down
    ]
    epoch = datetime.min
    return Past(
        profile=profile,
        liked=Histories.of(signals.interactions(mine), [profile]),
        watched=watched,
        last=last,
        seen=frozenset([*rated, *(t for t, parts in watched.items() if max(parts.values()) >= FINISHED)]),
        turned_down=turned_down,
        unfinished=tuple(
            sorted(
                unfinished,
                key=lambda t: (last[t].replace(tzinfo=None) if t in last else epoch, t),
                reverse=True,
            )
        ),
    )


def _is_unfinished(title: str, parts: Mapping[str, float], catalogue: Catalogue) -> bool:
    """A film begun and left; a series with something begun whose last episode isn't finished."""
    if max(parts.values()) < BEGUN:
        return False
    episodes = catalogue.episodes(title)
    final = episodes[-1] if episodes else max(parts, key=lambda p: parts[p])
    return parts.get(final, 0.0) < FINISHED


def _turned_down(feedback: pl.DataFrame, signals: Signals) -> frozenset[str]:
    """Titles whose last word is a dislike or a rating below what counts as liked."""
    verdicts = feedback.filter(pl.col("kind").is_in(["rating", "like", "dislike"])).sort(
        pl.coalesce("happened_at", "known_at"), "seq", maintain_order=True
    )
    down = (pl.col("kind") == "dislike") | (
        (pl.col("kind") == "rating") & (pl.col("value") < signals.rating_at_least)
    )
    lasting = verdicts.group_by("root", maintain_order=True).agg(down.last().alias("down"))
    return frozenset(lasting.filter("down")["root"])
