"""What if: two forecasts side by side, of a title as pitched and of the same title with something changed.

Both are whole distributions, compared at the same luck: the same quantile of each (common random numbers). How far
the change itself is known is another question than how far the title is: most doubt is common to both titles and
falls out of their ratio. What is left comes from the regression's posterior, of the contrast between the two.

It is a comparison of films like the one with films like the other, other things equal. It does not say what would
happen to one film if someone altered it: those who set budgets and dates know things that no table holds. A lever that
can't be told from nothing on films that came later (`drivers`) is named as such, and one that the forecaster does not
use (people) moves nothing: the answer stays silent about it, and says why.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr

from cineloop.errors import InputError
from cineloop.pitch.brief import Pitch
from cineloop.pitch.drivers import Drivers
from cineloop.pitch.forecast import BREAK_EVEN, Known, known_for, pitch_features
from cineloop.pitch.models.audience import AudienceModel
from cineloop.pitch.models.regression import Regression
from cineloop.pitch.predictive import Predictive

Floats = NDArray[np.float64]

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
_DRAWS = 1000
_REACH = 1.2815515655446004  # standard deviations that hold 80% of a normal distribution
_FIXED = ("decided", "moment")
# the groups of `drivers` that a field of a pitch speaks of; a field that is not here is read by no model
_GROUPS: dict[str, tuple[str, ...]] = {
    "name": ("franchise",),
    "franchise": ("franchise",),
    "genres": ("genre",),
    "budget": ("budget",),
    "certificate": ("certificate",),
    "runtime": ("runtime",),
    "release": ("season", "year"),
    "country": ("country",),
    "companies": ("company",),
    "directors": ("director",),
    "writers": ("writer",),
    "cast": ("lead",),
}
_PEOPLE = ("directors", "writers", "cast")


@dataclass(frozen=True)
class Lever:
    """One field that was changed. `used`: the forecaster reads it; `detectable`: it is told from nothing on films that
    came later (None where no drivers were handed in); `said` is the same in words."""

    field: str
    used: bool
    detectable: bool | None
    said: str


@dataclass(frozen=True)
class Side:
    """One of the titles: its distribution (a batch of one, USD of its release year), amounts at `LEVELS`, and the
    chance of passing break-even (None without a budget, or for other targets than worldwide)."""

    predictive: Predictive
    amounts: tuple[float, ...]
    mean: float
    breaks_even: float | None


@dataclass(frozen=True)
class Variant:
    """The pitch with `changes`, beside the pitch.

    `factor` is the ratio of the medians, held by (`low`, `high`) with 80%, and `more` the chance that it is above 1:
    doubt of the model alone. `difference` is that of the medians in USD, with its 80% interval. `moves` are the
    differences at `LEVELS` at the same luck. `silent`: no lever that was moved is used and told from nothing, so the
    figures say nothing about the change.
    """

    name: str
    changes: dict[str, Any]
    side: Side
    factor: float
    low: float
    high: float
    more: float
    difference: tuple[float, float, float]
    moves: tuple[float, ...]
    levers: tuple[Lever, ...]
    silent: bool


@dataclass(frozen=True)
class WhatIf:
    """The title as pitched, and its variants in the order in which they were asked."""

    base: Side
    variants: tuple[Variant, ...]

    def table(self) -> pl.DataFrame:
        """One row a variant: name, median, low and high (80% of the title), factor, factor_low, factor_high, silent."""
        names = ("name", "median", "low", "high", "factor", "factor_low", "factor_high", "more", "silent")
        made = [
            (
                v.name,
                v.side.amounts[2],
                v.side.amounts[0],
                v.side.amounts[4],
                v.factor,
                v.low,
                v.high,
                v.more,
                v.silent,
            )
            for v in self.variants
        ]
        return pl.DataFrame(made, schema=list(names), orient="row")


def grid(**fields: Sequence[Any]) -> list[dict[str, Any]]:
    """Every combination of values of some fields, for a sweep.

    >>> grid(budget=[1e7, 2e7], genres=[["Drama"]])
    [{'budget': 10000000.0, 'genres': ['Drama']}, {'budget': 20000000.0, 'genres': ['Drama']}]
    """
    return [dict(zip(fields, values, strict=True)) for values in itertools.product(*fields.values())]


def whatif(
    model: AudienceModel,
    pitch: Pitch,
    changes: Sequence[Mapping[str, Any]],
    films: pl.DataFrame | Known,
    found: Drivers | None = None,
    *,
    break_even: float = BREAK_EVEN,
    seed: int = 0,
) -> WhatIf:
    """Beside the pitch, each of its `changes`: fields of a Pitch with their new values (None: not known).

    `found` are the drivers by which a lever is told from nothing. Raises InputError where a change is empty, of no
    field, or of the day or the moment, and where a changed pitch is no pitch.
    """
    plain = pitch.model_dump()
    varied = [pitch, *(_varied(plain, change) for change in changes)]
    known = known_for(model, varied, films)
    frame, _ = pitch_features(model, varied, known)
    predictive = model.of_features(frame)
    amounts = np.exp(predictive.quantile(LEVELS))
    sides = _sides(model, varied, predictive, amounts, break_even)
    spreads, own = _contrasts(model.regression, frame)
    middle = amounts[:, 2]
    # the ratio of the medians: what the calibration adds to the mean depends on the budget, and counts too
    log = np.log(middle) - np.log(middle[0])
    gaps = _gaps(middle, log, spreads, own, np.random.default_rng(seed))
    made = []
    for row, change in enumerate(changes, start=1):
        levers = tuple(_lever(field, model, found) for field in sorted(change))
        spread = float(spreads[row])
        made.append(
            Variant(
                ", ".join(f"{field} {_shown(change[field])}" for field in sorted(change)),
                dict(change),
                sides[row],
                float(np.exp(log[row])),
                float(np.exp(log[row] - _REACH * spread)),
                float(np.exp(log[row] + _REACH * spread)),
                float(ndtr(log[row] / spread)) if spread > 0 else 0.5 + 0.5 * float(np.sign(log[row])),
                (float(middle[row] - middle[0]), float(gaps[row, 0]), float(gaps[row, 1])),
                tuple((amounts[row] - amounts[0]).tolist()),
                levers,
                all(not lever.used or lever.detectable is False for lever in levers),
            )
        )
    return WhatIf(sides[0], tuple(made))


def _varied(plain: dict[str, Any], change: Mapping[str, Any]) -> Pitch:
    if not change:
        raise InputError("changes nothing", field="changes", accepted="one field or more with a new value")
    fixed = sorted(set(change) & set(_FIXED))
    if fixed:
        raise InputError(
            "can't be changed within a comparison", field=fixed[0], accepted="a pitch of its own"
        )
    given = plain | dict(change)
    defaults = {name: field.default for name, field in Pitch.model_fields.items() if not field.is_required()}
    return Pitch.checked({k: defaults[k] if v is None and k in defaults else v for k, v in given.items()})


def _sides(
    model: AudienceModel, pitches: Sequence[Pitch], predictive: Predictive, amounts: Floats, break_even: float
) -> list[Side]:
    budgets = np.array([np.nan if p.budget is None else p.budget for p in pitches])
    chances = predictive.chance(np.nan_to_num(break_even * budgets, nan=1.0))
    told = np.isfinite(budgets) & (model.target == "worldwide")
    means = predictive.mean
    return [
        Side(
            predictive[row : row + 1],
            tuple(amounts[row].tolist()),
            float(means[row]),
            float(chances[row]) if told[row] else None,
        )
        for row in range(len(pitches))
    ]


def _contrasts(regression: Regression, frame: pl.DataFrame) -> tuple[Floats, tuple[float, Floats]]:
    """Of each row against the first: deviation (n,) of the difference of logs, and how the first row's own error goes
    with it, as (deviation of the first row, slope (n,) of the difference on that error)."""
    columns = regression.columns(frame)
    apart = columns - columns[0]
    covariance = regression.posterior.covariance
    variance = np.maximum(((apart @ covariance) * apart).sum(axis=1), 0.0) + _unknown(regression, frame)
    first = max(float(columns[0] @ covariance @ columns[0]), 0.0)
    slope = (apart @ covariance @ columns[0]) / max(first, 1e-12)
    return np.sqrt(variance), (first**0.5, slope)


def _unknown(regression: Regression, frame: pl.DataFrame) -> Floats:
    """(n,) variance that fields without a value, and levels never seen, add to the difference from the first row.

    What both rows lack in the same way, the same new company say, is common to them and adds nothing.
    """
    added = np.zeros(len(frame))
    for column, variance in sorted(regression.typical.items()):
        absent = frame[column].is_null().to_numpy()
        added += variance * (absent != absent[0])
    for term, variance in zip(regression.terms, regression.posterior.variances, strict=True):
        if term.term.kind != "levels":
            continue
        new, times = term.new(frame), term.times(frame)
        names = frame[term.term.of].to_list()
        same = np.array([name == names[0] for name in names])
        both = same & new & new[0]
        apart = new * times**2 + new[0] * times[0] ** 2
        added += variance * np.where(both, (times - times[0]) ** 2, np.where(same, 0.0, apart))
    added[0] = 0.0
    return added


def _gaps(
    middle: Floats, log: Floats, spreads: Floats, own: tuple[float, Floats], rng: np.random.Generator
) -> Floats:
    """(n, 2) 80% of the difference of the medians in money: errors of the pitch and of the contrast together."""
    deviation, slope = own
    first = deviation * rng.standard_normal(_DRAWS)
    other = rng.standard_normal(_DRAWS)
    rest = np.sqrt(np.maximum(spreads**2 - (slope * deviation) ** 2, 0.0))
    apart = log[:, None] + slope[:, None] * first + rest[:, None] * other
    gaps = middle[0] * np.exp(first) * np.expm1(apart)
    # the draws in order: the tenth part from either end
    ordered = np.partition(gaps, [_DRAWS // 10, _DRAWS - 1 - _DRAWS // 10], axis=1)
    return np.asarray(ordered[:, [_DRAWS // 10, _DRAWS - 1 - _DRAWS // 10]], dtype=np.float64)


def _lever(field: str, model: AudienceModel, found: Drivers | None) -> Lever:
    groups = _GROUPS.get(field, ())
    read = {term.term.driver for term in model.regression.terms}
    used = bool(set(groups) & read)
    gains = [g for g in (found.gain(name) for name in groups) if g is not None] if found is not None else []
    if not gains:
        said = "in the forecast" if used else "not an input of the forecast: it moves nothing"
        return Lever(field, used, None, f"{field}: {said}")
    detectable = any(g.detectable for g in gains)
    figures = "; ".join(f"{g.others.mean:+.3f} [{g.others.low:+.3f}, {g.others.high:+.3f}]" for g in gains)
    told = "is told from nothing" if detectable else "can't be told from nothing"
    moved = "" if used else "; it is not an input of the forecast, which stays as it is"
    past = ""
    if field in _PEOPLE and found is not None:
        past = "".join(
            f"; {one.what} went with x{one.factor:.2f} [{one.low:.2f}, {one.high:.2f}] in the films learnt from"
            for one in found.associations
            if one.driver in groups
        )
    return Lever(
        field, used, detectable, f"{field}: what it adds to R2 on later films, {figures}, {told}{moved}{past}"
    )


def _shown(value: Any) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{value:,.0f}"
    if isinstance(value, list | tuple):
        return " / ".join(str(v) for v in value) or "none"
    return "not known" if value is None else str(value)
