"""The answers of the pitch wing as JSON: money in US dollars, distributions as quantiles, no number without an end."""

from __future__ import annotations

import math
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cineloop.pitch.brief import Moment
from cineloop.pitch.comparables import Comparables
from cineloop.pitch.forecast import Forecast
from cineloop.pitch.predictive import Predictive
from cineloop.pitch.slate import Slate
from cineloop.pitch.whatif import WhatIf


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Perhaps = Annotated[float | None, BeforeValidator(_finite)]
"""A number that may not be known."""


S = TypeVar("S", bound="_Said")


class _Said(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class Quantile(_Said):
    """The amount that is passed with a chance of 1 less `level`."""

    level: float
    amount: float


class DriverSaid(_Said):
    """A property of the title: it multiplies the typical film's amount by `factor`; 80% lie from low to high."""

    name: str
    factor: float
    low: float
    high: float


class ThresholdSaid(_Said):
    """The chance of passing an amount."""

    name: str
    amount: float
    chance: float


class ForecastSaid(_Said):
    """What the title would bring, in US dollars of its release year: `interval` holds it with the chance `level`."""

    target: str
    moment: Moment
    as_of: date
    median: float
    mean: float
    interval: tuple[float, float]
    level: float
    quantiles: tuple[Quantile, ...]
    thresholds: tuple[ThresholdSaid, ...]
    typical: float = Field(description="What the typical film learnt from brings, in the same money.")
    drivers: tuple[DriverSaid, ...]
    outside: tuple[str, ...] = Field(description="What lies outside the films learnt from.")
    unknown: tuple[str, ...] = Field(description="Fields left out, each of which widens the interval.")
    earlier: str | None = Field(description="The title that it continues.")

    @classmethod
    def of(cls, answer: Forecast) -> ForecastSaid:
        """From the wing's answer."""
        return _from(cls, answer, quantiles=quantiles(answer.predictive))


class ComparableSaid(_Said):
    """A film like the pitch: likeness from 0 to 1, and in words why. `worldwide` in dollars of its own time."""

    title: str
    name: str
    released: date
    worldwide: float | None
    known: date | None
    similarity: float
    shares: dict[str, float]
    why: tuple[str, ...]


class ComparablesSaid(_Said):
    """The films most like the pitch, the best first. `low`, `median` and `high` describe them and promise nothing."""

    pitch: str
    as_of: date
    candidates: int
    films: tuple[ComparableSaid, ...]
    untold: tuple[str, ...]
    low: float | None
    median: float | None
    high: float | None
    assumptions: tuple[str, ...]

    @classmethod
    def of(cls, answer: Comparables) -> ComparablesSaid:
        """From the wing's answer."""
        films = tuple(_from(ComparableSaid, film, shares=dict(film.shares)) for film in answer.films)
        return _from(cls, answer, films=films)


class LeverSaid(_Said):
    """A field that was changed: whether the forecast reads it, and whether it can be told from nothing."""

    field: str
    used: bool
    detectable: bool | None
    said: str


class SideSaid(_Said):
    """One of the titles. `amounts` at 10%, 25%, 50%, 75% and 90%."""

    amounts: tuple[float, ...]
    mean: float
    breaks_even: float | None


class VariantSaid(_Said):
    """The pitch with changes: `factor` is the ratio of the medians, `low` and `high` hold it with 80%; `more` is the
    chance that it is above 1. `silent`: nothing that was changed is used and told from nothing."""

    name: str
    side: SideSaid
    factor: float
    low: float
    high: float
    more: float
    difference: tuple[float, float, float]
    moves: tuple[float, ...]
    levers: tuple[LeverSaid, ...]
    silent: bool


class WhatIfSaid(_Said):
    """The title as pitched, and its variants in the order in which they were asked."""

    base: SideSaid
    variants: tuple[VariantSaid, ...]

    @classmethod
    def of(cls, answer: WhatIf) -> WhatIfSaid:
        """From the wing's answer."""
        return cls.model_validate(answer)


class PartSaid(_Said):
    """A title of the slate: mean profit, mean profit in the slate's worst outcomes, chance of losing money."""

    name: str
    cost: float
    expected: float
    in_tail: float
    loses: float


class PriceSaid(_Said):
    """A rule that binds, and how much more the slate would be worth without it."""

    rule: str
    worth: float


class PointSaid(_Said):
    """A slate that no other beats in both profit and risk."""

    titles: tuple[str, ...]
    expected: float
    cvar: float
    fresh_expected: float
    fresh_cvar: float
    proven: bool
    gap: Perhaps


class StepSaid(_Said):
    """A budget, and what its best slate is worth."""

    budget: float
    value: float
    per_dollar: Perhaps
    titles: tuple[str, ...]
    proven: bool


class SlateSaid(_Said):
    """The slate chosen, its figures on scenarios that it was not chosen on; `bound` is what no slate passes."""

    titles: tuple[str, ...]
    chosen: tuple[PartSaid, ...]
    cost: float
    expected: float
    cvar: float
    cvar_correlated: float
    interval: tuple[float, float]
    loses: float
    overrun: float
    planned_expected: float
    planned_cvar: float
    optimism: float
    bound: float
    gap: Perhaps
    proven: bool
    regret: Perhaps
    regret_high: Perhaps
    binding: tuple[PriceSaid, ...]
    frontier: tuple[PointSaid, ...]
    always: tuple[str, ...]
    budgets: tuple[StepSaid, ...]

    @classmethod
    def of(cls, answer: Slate) -> SlateSaid:
        """From the wing's answer."""
        return cls.model_validate(answer)


def quantiles(of: Predictive) -> tuple[Quantile, ...]:
    """A batch of one as quantiles, at the levels that it is held at."""
    return tuple(
        Quantile(level=float(level), amount=math.exp(log))
        for level, log in zip(of.levels, of.logs[0], strict=True)
    )


def _from(kind: type[S], answer: Any, **more: Any) -> S:
    """A shape out of an answer's attributes, some of them given."""
    names = [name for name in kind.model_fields if name not in more]
    return kind.model_validate({name: getattr(answer, name) for name in names} | more)
