"""Features frame to log target: the hierarchical regression that forecasts films, hours and plays alike.

What is not known of a title leaves a term without a value. The forecast then takes the term's mean over the training
rows and adds the variance that it has there; a level never seen (a new company) adds the variance of its group. So a
missing field widens the interval by itself.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.pitch.models import evidence
from cineloop.pitch.models.evidence import Posterior
from cineloop.pitch.models.terms import FittedTerm, Rows, Term, filled, learn_all

Floats = NDArray[np.float64]
FORMAT = 1


@dataclass(frozen=True)
class Part:
    """What one driver adds to the log of each of n rows, over the training mean: mean (n,), deviation (n,)."""

    driver: str
    mean: Floats
    deviation: Floats


@dataclass(frozen=True)
class Regression:
    """A fitted regression: `centre` is the mean log target of its rows.

    `typical` maps a column to (variance over the training rows of all terms that read it); `means` (p,) are the means
    of the columns there.
    """

    terms: tuple[FittedTerm, ...]
    posterior: Posterior
    centre: float
    means: Floats
    typical: dict[str, float]

    @property
    def groups(self) -> list[slice]:
        """Where each term's columns lie."""
        return evidence.bounds([t.width for t in self.terms])

    def columns(self, frame: pl.DataFrame | Rows) -> Floats:
        """(n, p) the regression's columns; those of a term without a value stand at their training means."""
        rows = Rows.of(frame)
        made = np.hstack([t.columns(rows) for t in self.terms])
        for term, group in zip(self.terms, self.groups, strict=True):
            absent = np.flatnonzero(_absent(term.term, rows))
            made[absent, group] = self.means[group]
        return made

    def unknown(self, frame: pl.DataFrame | Rows) -> Floats:
        """(n,) variance of the log that comes from fields without a value and from levels never seen."""
        rows = Rows.of(frame)
        added = np.zeros(len(rows))
        for column, variance in sorted(self.typical.items()):
            added += variance * rows.unknown(column)
        for term, variance in zip(self.terms, self.posterior.variances, strict=True):
            added += variance * term.times(rows) ** 2 * term.new(rows)
        return added

    def predict(self, frame: pl.DataFrame | Rows) -> tuple[Floats, Floats]:
        """(n,) mean of the log target and (n,) variance of that mean; the noise of a title is not in it."""
        rows = Rows.of(frame)
        columns = self.columns(rows)
        doubt = self.posterior.variance(columns) + self.unknown(rows)
        return self.centre + columns @ self.posterior.mean, doubt

    def parts(self, frame: pl.DataFrame | Rows) -> list[Part]:
        """What each driver adds, in the order of the terms; with `centre` and `base` they add up to `predict`."""
        rows = Rows.of(frame)
        columns = self.columns(rows) - self.means
        found: dict[str, list[slice]] = {}
        for term, group in zip(self.terms, self.groups, strict=True):
            found.setdefault(term.term.driver, []).append(group)
        made = []
        for driver, groups in found.items():
            own = np.concatenate([np.arange(g.start, g.stop) for g in groups])
            of = columns[:, own]
            block = self.posterior.covariance[np.ix_(own, own)]
            variance = np.maximum(((of @ block) * of).sum(axis=1), 0.0)
            for term, group, v in zip(self.terms, self.groups, self.posterior.variances, strict=True):
                if group in groups:
                    variance = variance + v * term.times(rows) ** 2 * term.new(rows)
            made.append(Part(driver, of @ self.posterior.mean[own], np.sqrt(variance)))
        return made

    @property
    def base(self) -> float:
        """What all parts are counted from: the log of a title that is the training mean in everything."""
        return self.centre + float(self.means @ self.posterior.mean)

    def describe(self) -> tuple[dict[str, Any], dict[str, Floats]]:
        """Plain JSON values and arrays, all that `restored` needs."""
        head = {
            "format": FORMAT,
            "terms": [dataclasses.asdict(t) for t in self.terms],
            "centre": self.centre,
            "noise": self.posterior.noise,
            "typical": self.typical,
        }
        arrays = {
            "mean": self.posterior.mean,
            "covariance": self.posterior.covariance,
            "variances": self.posterior.variances,
            "means": self.means,
        }
        return head, arrays

    @classmethod
    def restored(cls, head: dict[str, Any], arrays: dict[str, Floats]) -> Self:
        """From what `describe` gave."""
        terms = tuple(
            FittedTerm(
                Term(**t["term"]),
                cast(tuple[float, float], tuple(t["number"])),
                cast(tuple[float, float], tuple(t["by"])),
                tuple(t["knots"]),
                tuple(t["levels"]),
            )
            for t in head["terms"]
        )
        posterior = Posterior(arrays["mean"], arrays["covariance"], arrays["variances"], float(head["noise"]))
        return cls(terms, posterior, float(head["centre"]), arrays["means"], dict(head["typical"]))


def fit(
    frame: pl.DataFrame,
    y: Floats,
    terms: Sequence[Term],
    weights: Floats | None = None,
    seed: int = 0,
) -> Regression:
    """Fit log targets y (n,) on a features frame; `weights` (n,) say how much each row counts, `seed` draws what fills
    unknown fields.

    InputError where there are fewer rows than it takes to tell anything (20) or a target is not finite.
    """
    if len(frame) < 20 or len(frame) != len(y) or not np.isfinite(y).all():
        raise InputError(
            "too little to learn from",
            field="films",
            value=len(frame),
            accepted="20 or more with a known target",
        )
    w = np.ones(len(y)) if weights is None else weights / weights.mean()
    frame = filled(frame, seed)
    fitted = learn_all(terms, frame)
    columns = np.hstack([t.columns(frame) for t in fitted])
    groups = evidence.bounds([t.width for t in fitted])
    means = np.average(columns, axis=0, weights=w)
    centre = float(np.average(y, weights=w))
    # an own column of ones, so that the other columns need not be centred
    ones = np.ones((len(y), 1))
    posterior = evidence.fit(
        np.hstack([ones, columns]),
        [1, *(t.width for t in fitted)],
        [True, *(t.term.flat for t in fitted)],
        y - centre,
        w,
    )
    centre += float(posterior.mean[0])
    # the intercept's own doubt is a few hundredths; it goes with the first column
    kept = Posterior(
        posterior.mean[1:], posterior.covariance[1:, 1:], posterior.variances[1:], posterior.noise
    )
    names = sorted({c for t in fitted for c in t.term.uses})
    typical = {c: _typical(c, fitted, groups, columns - means, kept, w) for c in names}
    return Regression(fitted, kept, centre, means, typical)


def _typical(
    column: str,
    fitted: Sequence[FittedTerm],
    groups: Sequence[slice],
    centred: Floats,
    posterior: Posterior,
    weights: Floats,
) -> float:
    """The mean square, over the training rows, of what all the terms that read a column add, doubt of it included."""
    own = np.concatenate(
        [np.arange(g.start, g.stop) for t, g in zip(fitted, groups, strict=True) if column in t.term.uses]
    )
    of = centred[:, own]
    doubt = ((of @ posterior.covariance[np.ix_(own, own)]) * of).sum(axis=1)
    return float(np.average((of @ posterior.mean[own]) ** 2 + doubt, weights=weights))


def _absent(term: Term, rows: Rows) -> NDArray[np.bool_]:
    gone = np.zeros(len(rows), bool)
    for column in term.uses:
        gone |= rows.unknown(column)
    return gone


def write_arrays(folder: Path, arrays: dict[str, Floats]) -> None:
    """One `.npy` an array, into an existing folder."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)


def read_arrays(folder: Path, names: Sequence[str]) -> dict[str, Floats]:
    """What `write_arrays` wrote; InputError where one is missing or broken."""
    try:
        return {
            n: np.asarray(np.load(folder / f"{n}.npy", allow_pickle=False), dtype=np.float64) for n in names
        }
    except (OSError, ValueError, EOFError) as bad:
        raise InputError(f"not a saved model: {bad}", file=folder) from None


def read_head(folder: Path, kind: str) -> dict[str, Any]:
    """`model.json` of a folder; InputError where it is not of this kind and format."""
    path = folder / "model.json"
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
        found = (head["kind"], head["format"])
    except (OSError, KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as bad:
        raise InputError(f"not a saved model: {bad}", file=path) from None
    if found != (kind, FORMAT):
        raise InputError(
            "not a model of this kind", file=path, field="kind", value=found, accepted=f"{kind}, {FORMAT}"
        )
    return cast(dict[str, Any], head)
