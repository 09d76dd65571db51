"""Popularity: the same list for everyone, of what was liked most, lately if the log has a clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from cineloop.errors import InputError
from cineloop.lab.histories import Strings
from cineloop.lab.view import TrainingView
from cineloop.play.models import stored
from cineloop.play.models.ranking import Ranker, Scores
from cineloop.play.signals import Signals

_DAY = 86_400 * 1_000_000  # microseconds


@dataclass(frozen=True)
class PopularityModel(Ranker):
    """prior (m,) is each title's score for everyone; nothing is near to anything and no play is a reason."""

    titles: Strings
    prior: Scores

    def block(self, history: sparse.csr_array) -> Scores:
        """The same scores for each history."""
        return np.repeat(self.prior[None], history.shape[0], axis=0)

    def nearness(self, columns: NDArray[np.int64]) -> Scores:
        """Minus infinity everywhere."""
        return np.full((len(columns), len(self.titles)), -np.inf, np.float32)

    def parts(self, history: sparse.csr_array, columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Nothing: (0, len(columns))."""
        return np.empty((0, len(columns)))

    def save(self, folder: Path) -> None:
        """Write into an existing empty folder; the same model gives the same bytes."""
        stored.write(folder, "popularity", self.titles, {"prior": self.prior})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, memory-mapped."""
        titles, arrays, _ = stored.read(folder, "popularity")
        return cls(titles, arrays["prior"])


@dataclass(frozen=True)
class Popularity:
    """Each like counts its confidence, halved for every `half_life_days` that it is old on the view's day.

    None counts all alike, and so does a view in which any play or feedback has no clock (`happened_at` is
    null): an order within each member's log says nothing of age.
    """

    name: ClassVar[str] = "popularity"
    model: ClassVar[type[PopularityModel]] = PopularityModel
    feeds: ClassVar[tuple[str, ...]] = ("cineloop.play.series", "cineloop.play.signals")
    threads: ClassVar[int] = 1

    half_life_days: float | None = 30.0
    signals: Signals = field(default_factory=Signals)

    def __post_init__(self) -> None:
        if self.half_life_days is not None and not self.half_life_days > 0:
            raise InputError(
                "no such half-life",
                field="half_life_days",
                value=self.half_life_days,
                accepted="days above 0, or none",
            )

    def fit(self, view: TrainingView, seed: int) -> PopularityModel:
        """Sum what the view shows; there is no chance in it, so the seed plays no part."""
        rows = self.signals.interactions(view)
        weight = pl.col("confidence")
        if self.half_life_days is not None and _has_a_clock(view):
            now = int(view.as_of.timestamp() * 1_000_000)
            age = (pl.lit(now, pl.Int64) - pl.col("at")).clip(lower_bound=0).cast(pl.Float64) / _DAY
            weight = weight * (-np.log(2.0) / self.half_life_days * age).exp()
        # summed in the order of the rows, so that the same rows give the same bytes
        counted = rows.select("title", weight.alias("weight")).sort("title", maintain_order=True)
        titles = counted["title"].unique().sort()
        column = np.searchsorted(titles.to_numpy().astype(object), counted["title"].to_numpy().astype(object))
        score = np.bincount(column, counted["weight"].to_numpy(), minlength=len(titles))
        return PopularityModel(titles.to_numpy().astype(object), score.astype(np.float32))


def _has_a_clock(view: TrainingView) -> bool:
    """Whether every play and feedback of the view says when it happened."""
    return not any(
        view.table(name).select(pl.col("happened_at").is_null().any()).collect().item()
        for name in ("plays", "feedback")
    )
