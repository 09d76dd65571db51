"""How a log is cut into what models learn, what they are told of a member, and what they must foresee.

A protocol is a frozen dataclass of the cut's settings. `describe()` is part of an evaluation's name;
`folds()` cuts the positives of a view, rows (member, title, at, confidence) with one row a (member, title)
and `at` in microseconds since 1970 UTC or in the log's own order. Every protocol has a `validation` stage, to
choose on, and a `test` stage, to report on once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import polars as pl

from cineloop.errors import InputError
from cineloop.guard.exclusions import Exclusions
from cineloop.lab.run import moment
from cineloop.lab.view import TrainingView

Stage = Literal["validation", "test"]

HISTORY = ("member", "title", "at", "confidence")
TARGETS = ("member", "title", "at", "warm")


@dataclass(frozen=True)
class Fold:
    """One cut. A recipe learns from `training(view)` and is then asked about the members of `targets`.

    history: rows (member, title, at, confidence), what it is told of each; targets: rows (member, title, at,
    warm), what it must find, where `warm` says that the member has some history.
    """

    name: str
    as_of: datetime
    exclusions: Exclusions
    history: pl.DataFrame
    targets: pl.DataFrame

    def training(self, view: TrainingView) -> TrainingView:
        """What a recipe may learn from for this fold."""
        return TrainingView(view.snapshot, self.as_of, view.exclusions | self.exclusions)


@runtime_checkable
class Splits(Protocol):
    """What every protocol offers."""

    name: ClassVar[str]

    @property
    def stage(self) -> Stage:
        """To choose on, or to report on once."""

    def describe(self) -> dict[str, Any]:
        """The settings as plain JSON values."""

    def folds(self, view: TrainingView, positives: pl.DataFrame) -> list[Fold]:
        """The cuts, none of them without targets; InputError where the log can't be cut so."""


@dataclass(frozen=True)
class GlobalTime:
    """Several days; a model as of each; what every member plays after it, foreseen with fold-in.

    For each day T the model learns what was known by T. Of a member's positives in (T, T + horizon] the first
    `fold_in` share (rounded down) joins the history, with everything up to T, and the rest, at least one, are
    the targets. Of positives at the very same time as the first target none is history, so that all history
    is strictly before all targets. A member with no history stays, as a cold one (`warm` is false).

    The test windows end at `end` (None: the last positive) and stand every `every_days` before; the last
    validation window ends where the first test window begins. A title watched before T and again after counts
    once, at its last time, as the positives have it. Untimed rows, and rows known before they happened, are
    refused.
    """

    name: ClassVar[str] = "global-time"

    days: int = 4
    every_days: int = 14
    horizon_days: int = 14
    fold_in: float = 0.8
    stage: Stage = "test"
    end: datetime | None = None

    def __post_init__(self) -> None:
        _staged(self.stage)
        _share("fold_in", self.fold_in)
        for field in ("days", "every_days", "horizon_days"):
            _at_least(field, getattr(self, field), 1)
        if self.end is not None and self.end.tzinfo is None:
            raise InputError(
                "needs a time zone", field="end", value=str(self.end), accepted="a moment in UTC"
            )

    def describe(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return {"name": self.name, **asdict(self), "end": None if self.end is None else moment(self.end)}

    def cuts(self, end: datetime) -> list[datetime]:
        """The days of this stage, earliest first."""
        every, horizon = timedelta(days=self.every_days), timedelta(days=self.horizon_days)
        last = end - horizon
        if self.stage == "validation":
            last -= (self.days - 1) * every + horizon
        return [last - i * every for i in reversed(range(self.days))]

    def folds(self, view: TrainingView, positives: pl.DataFrame) -> list[Fold]:
        """One fold a day that has targets."""
        _refuse_untimed(view)
        if positives.is_empty():
            raise InputError("no positives to cut", field="log", accepted="a log with plays that count")
        if self.end is not None and self.end > view.as_of:
            raise InputError(
                "later than the view's day", field="end", value=moment(self.end), accepted=moment(view.as_of)
            )
        first, last = (_instant(positives["at"].min()), _instant(positives["at"].max()))
        cuts = self.cuts(self.end or last)
        if cuts[0] < first:
            raise InputError(
                f"the first {self.stage} day, {cuts[0]:%Y-%m-%d}, is before the log begins",
                field="days",
                value=self.days,
                accepted=f"fewer or closer days within {first:%Y-%m-%d} to {last:%Y-%m-%d}",
            )
        folds = [fold for cut in cuts if not (fold := self._fold(cut, positives)).targets.is_empty()]
        if not folds:
            raise InputError(
                "no positives after any of the days", field="end", value=moment(self.end or last)
            )
        return folds

    def _fold(self, cut: datetime, positives: pl.DataFrame) -> Fold:
        start = _micros(cut)
        stop = _micros(cut + timedelta(days=self.horizon_days))
        at = pl.col("at")
        window = (
            positives.filter(at > start, at <= stop)
            .sort("member", "at", "title")
            .with_columns(
                pl.int_range(pl.len()).over("member").alias("_place"),
                _floor(self.fold_in * pl.len().over("member")).alias("_kept"),
            )
            .with_columns(at.filter(pl.col("_place") >= pl.col("_kept")).min().over("member").alias("_first"))
        )
        told = pl.concat(
            [
                positives.filter(at <= start).join(window.select("member").unique(), on="member", how="semi"),
                window.filter(at < pl.col("_first")).select(positives.columns),
            ]
        )
        return _made(f"{cut:%Y-%m-%d}", cut, Exclusions(), told, window.filter(at >= pl.col("_first")))


@dataclass(frozen=True)
class HeldOutMembers:
    """Strong generalisation (Liang et al., "Variational autoencoders for collaborative filtering", WWW 2018).

    Two disjoint sets of members, validation and test, are drawn by `seed` among those with at least `least`
    positives; no recipe learns from either at either stage. Of a held-out member's positives the share
    1 - `fold_in`, drawn by `seed` (rounded down, at least one), are the targets. `members` is the size of
    each set; None: the share `share` of those there are. Needs no clock, and says nothing about time.
    """

    name: ClassVar[str] = "held-out-members"

    members: int | None = None
    share: float = 0.1
    least: int = 5
    fold_in: float = 0.8
    stage: Stage = "test"
    seed: int = 0

    def __post_init__(self) -> None:
        _staged(self.stage)
        _share("fold_in", self.fold_in)
        _share("share", self.share)
        _at_least("least", self.least, 2)
        if self.members is not None:
            _at_least("members", self.members, 1)

    def describe(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return {"name": self.name, **asdict(self)}

    def folds(self, view: TrainingView, positives: pl.DataFrame) -> list[Fold]:
        """The one fold of this stage."""
        held = self._held(positives)
        out = Exclusions(members=frozenset(held["validation"]) | frozenset(held["test"]))
        rows = positives.filter(pl.col("member").is_in(pl.Series(held[self.stage]).implode())).sort(
            "member", "title"
        )
        dice = np.random.default_rng([self.seed, 1 if self.stage == "test" else 2]).random(len(rows))
        aimed = _floor((1 - self.fold_in) * pl.len().over("member")).clip(lower_bound=1)
        rows = rows.with_columns(pl.Series("_dice", dice)).with_columns(
            (pl.col("_dice").rank("ordinal").over("member") <= aimed).alias("_aim")
        )
        told = rows.filter(~pl.col("_aim")).select(positives.columns)
        return [_made(self.stage, view.as_of, out, told, rows.filter("_aim"))]

    def _held(self, positives: pl.DataFrame) -> dict[Stage, list[str]]:
        many = (
            positives.group_by("member").len().filter(pl.col("len") >= self.least)["member"].sort().to_list()
        )
        size = self.members if self.members is not None else round(self.share * len(many))
        if size < 1 or 2 * size >= len(many):
            raise InputError(
                f"two such sets of {len(many)} members with {self.least} or more positives leave none",
                field="members",
                value=size,
                accepted=f"1 to {max(1, (len(many) - 1) // 2)}",
            )
        drawn = np.random.default_rng([self.seed, 0]).permutation(len(many))[: 2 * size]
        names = [many[i] for i in drawn]
        return {"validation": names[:size], "test": names[size:]}


@dataclass(frozen=True)
class LeaveLastOut:
    """Each member's last positive is the test target, the one before the validation target.

    Neither is learned from at either stage, so one model serves both; the validation target is told as
    history at test. Positives at the same time stand in the order of their titles. Members with fewer than
    `least` positives are learned from and not asked about. The recipe learns other members' later plays: for
    a figure without such hindsight use `GlobalTime`.
    """

    name: ClassVar[str] = "leave-last-out"

    least: int = 3
    stage: Stage = "test"

    def __post_init__(self) -> None:
        _staged(self.stage)
        _at_least("least", self.least, 3)

    def describe(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return {"name": self.name, **asdict(self)}

    def folds(self, view: TrainingView, positives: pl.DataFrame) -> list[Fold]:
        """The one fold of this stage."""
        _refuse_unordered(view)
        rows = positives.sort("member", "at", "title").with_columns(
            pl.int_range(pl.len(), 0, -1).over("member").alias("_from_end"),
            pl.len().over("member").alias("_n"),
        )
        rows = rows.filter(pl.col("_n") >= self.least)
        if rows.is_empty():
            raise InputError("no member has as many positives", field="least", value=self.least)
        last = rows.filter(pl.col("_from_end") <= 2).select("member", "title")
        aim = 1 if self.stage == "test" else 2
        told = rows.filter(pl.col("_from_end") > aim).select(positives.columns)
        out = Exclusions(pairs=frozenset(last.iter_rows()))
        return [_made(self.stage, view.as_of, out, told, rows.filter(pl.col("_from_end") == aim))]


def _made(name: str, as_of: datetime, out: Exclusions, told: pl.DataFrame, targets: pl.DataFrame) -> Fold:
    known = told["member"].unique().implode()
    return Fold(
        name=name,
        as_of=as_of,
        exclusions=out,
        history=told.select(HISTORY).sort("member", "at", "title"),
        targets=targets.with_columns(pl.col("member").is_in(known).alias("warm"))
        .select(TARGETS)
        .sort("member", "at", "title"),
    )


def _refuse_untimed(view: TrainingView) -> None:
    for table in ("plays", "feedback"):
        happened, known = pl.col("happened_at"), pl.col("known_at")
        rows = view.table(table).select(
            happened.is_null().sum().alias("untimed"), (known < happened).sum().alias("foreseen")
        )
        untimed, foreseen = rows.collect().row(0)
        if untimed:
            raise InputError(
                f"{untimed} rows of {table} have no time, so no day can cut them",
                field="happened_at",
                accepted="a log with a clock; or held-out members, or leave last out",
            )
        if foreseen:
            raise InputError(
                f"{foreseen} rows of {table} were known before they happened, so no day can hide them",
                field="known_at",
                accepted="happened_at or later",
            )


def _refuse_unordered(view: TrainingView) -> None:
    clocks = set()
    for table in ("plays", "feedback"):
        timed, ordered = pl.col("happened_at").is_not_null(), pl.col("seq").is_not_null()
        rows = view.table(table).select(timed.sum().alias("a"), (~timed & ordered).sum().alias("b"), pl.len())
        by_clock, by_order, every = rows.collect().row(0)
        if by_clock + by_order < every:
            raise InputError(
                f"{every - by_clock - by_order} rows of {table} have neither time nor order, so none is last",
                field="seq",
                accepted="happened_at or seq",
            )
        clocks |= {name for name, n in (("time", by_clock), ("order", by_order)) if n}
    if len(clocks) > 1:
        raise InputError(
            "some rows have a time and others only an order", field="happened_at", accepted="one for all"
        )


def _floor(share: pl.Expr) -> pl.Expr:
    """Rounded down, where 0.2 of 5 is 1 although it is a little less in floating point."""
    return (share + 1e-9).floor().cast(pl.Int64)


def _micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _instant(micros: Any) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))


def _staged(stage: str) -> None:
    if stage not in ("validation", "test"):
        raise InputError("no such stage", field="stage", value=stage, accepted="validation or test")


def _share(field: str, value: float) -> None:
    if not 0 < value < 1:
        raise InputError("no share", field=field, value=value, accepted="between 0 and 1")


def _at_least(field: str, value: int, least: int) -> None:
    if value < least:
        raise InputError("too few", field=field, value=value, accepted=f"{least} or more")
