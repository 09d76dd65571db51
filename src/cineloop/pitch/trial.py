"""A trial: ours beside its baselines on the same cases, each mean and each gain with its interval."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.lab.statistics import Interval, interval, paired
from cineloop.pitch.likeness import Weights

Floats = NDArray[np.float64]

OURS = "ours"


@dataclass(frozen=True)
class Trial:
    """`means[metric][contender]` and `gains[metric][baseline]`, how much better ours is than it.

    `scores`: a row a case (case, unit, then a column "metric contender"); the units are what was resampled. `weights`:
    what was learned before the cases, where that is what was judged.
    """

    name: str
    cases: int
    means: Mapping[str, Mapping[str, Interval]]
    gains: Mapping[str, Mapping[str, Interval]]
    scores: pl.DataFrame
    weights: Weights | None = None
    facts: Mapping[str, float] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The table in plain text."""
        said = [f"{self.name}: {self.cases} cases"]
        said += [f"  {name}: {value:g}" for name, value in self.facts.items()]
        for metric, row in self.means.items():
            for contender, mean in row.items():
                gain = self.gains.get(metric, {}).get(contender)
                more = "" if gain is None else f"  ours better by {gain}"
                said.append(f"  {metric:24} {contender:20} {mean}{more}")
        return said


def judged_by(
    name: str,
    scores: Mapping[str, Mapping[str, Floats]],
    cases: NDArray[np.generic],
    units: NDArray[np.generic],
    *,
    weights: Weights | None = None,
    less: Collection[str] = (),
    facts: Mapping[str, float] | None = None,
) -> Trial:
    """A trial out of a score a case: metric to contender ("ours" among them) to (n,). Less is better in `less`.

    A score of NaN says that a case can't be judged by a metric, for any contender: it is left out of that mean.
    """
    means: dict[str, dict[str, Interval]] = {}
    gains: dict[str, dict[str, Interval]] = {}
    for metric, row in scores.items():
        kept = np.isfinite(np.stack(list(row.values()))).all(axis=0)
        sign = -1.0 if metric in less else 1.0
        means[metric] = {c: interval(v[kept], units[kept]) for c, v in row.items()}
        gains[metric] = {
            c: paired(sign * row[OURS][kept], sign * v[kept], units[kept])
            for c, v in row.items()
            if c != OURS
        }
    columns = {f"{m} {c}": v for m, row in scores.items() for c, v in row.items()}
    table = pl.DataFrame({"case": cases.astype(str), "unit": units.astype(str), **columns})
    return Trial(name, len(table), means, gains, table, weights, dict(facts or {}))
