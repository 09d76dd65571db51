"""The mean of a forecast: mostly the sum of effects, in part the trees that see how properties go together.

Averages of unlike forecasts beat each of them when their errors differ (Bates & Granger, "The combination of
forecasts", 1969). The sum keeps what drives it readable; the trees' share is told as one driver, "together".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.pitch.models import regression
from cineloop.pitch.models.regression import Part, Regression
from cineloop.pitch.models.terms import Rows, Term, filled
from cineloop.pitch.models.trees import Trees, grow

Floats = NDArray[np.float64]
TOGETHER = "together"


@dataclass(frozen=True)
class Blend:
    """`share` of the trees' forecast and the rest of the regression's; no trees where the share is 0."""

    regression: Regression
    trees: Trees | None
    share: float

    def predict(self, frame: pl.DataFrame | Rows) -> tuple[Floats, Floats]:
        """(n,) mean of the log target and (n,) variance of that mean, as of the regression."""
        rows = Rows.of(frame)
        mean, doubt = self.regression.predict(rows)
        return mean + self._more(rows, mean), doubt

    def parts(self, frame: pl.DataFrame | Rows) -> list[Part]:
        """What each driver adds; with the regression's base they add up to the mean."""
        rows = Rows.of(frame)
        made = self.regression.parts(rows)
        if self.trees is None:
            return made
        # the parts add up to the regression's mean: no second prediction
        mean = self.regression.base + np.sum([part.mean for part in made], axis=0)
        return [*made, Part(TOGETHER, self._more(rows, mean), np.zeros(len(rows)))]

    def _more(self, rows: Rows, mean: Floats) -> Floats:
        """(n,) what the trees add; nothing where a field is unknown, of which they know no average."""
        if self.trees is None:
            return np.zeros(len(rows))
        known = np.ones(len(rows), bool)
        for column in set(self.trees.names):
            known &= ~rows.unknown(column)
        return np.asarray(self.share * (self.trees.predict(rows) - mean) * known, dtype=np.float64)

    def describe(self) -> tuple[dict[str, Any], dict[str, Floats]]:
        """Plain JSON values and arrays, all that `restored` needs."""
        head, arrays = self.regression.describe()
        head["share"] = self.share
        if self.trees is not None:
            head["trees"] = {
                "names": self.trees.names,
                "levels": self.trees.levels,
                "start": self.trees.start,
            }
            arrays |= {
                "edges": self.trees.edges,
                "split_column": self.trees.column.astype(np.float64),
                "split_cut": self.trees.cut.astype(np.float64),
                "leaves": self.trees.value,
            }
        return head, arrays

    @staticmethod
    def arrays(head: dict[str, Any]) -> tuple[str, ...]:
        """The names of the arrays that belong to such a head."""
        own = ("edges", "split_column", "split_cut", "leaves") if "trees" in head else ()
        return ("mean", "covariance", "variances", "means", *own)

    @classmethod
    def restored(cls, head: dict[str, Any], arrays: dict[str, Floats]) -> Self:
        """From what `describe` gave."""
        trees = None
        if "trees" in head:
            told = head["trees"]
            trees = Trees(
                tuple(told["names"]),
                tuple(told["levels"]),
                arrays["edges"],
                arrays["split_column"].astype(np.int64),
                arrays["split_cut"].astype(np.int64),
                arrays["leaves"],
                float(told["start"]),
            )
        return cls(Regression.restored(head, arrays), trees, float(head["share"]))


def fit(
    frame: pl.DataFrame,
    y: Floats,
    terms: Sequence[Term],
    weights: Floats,
    *,
    share: float,
    without: Sequence[str],
    seed: int,
) -> Blend:
    """Fit both on a features frame and y (n,); the trees see all columns but `without`."""
    frame = filled(frame, seed)
    trees = grow(frame, y, weights, seed, without=without) if share > 0 else None
    return Blend(regression.fit(frame, y, terms, weights), trees, share)
