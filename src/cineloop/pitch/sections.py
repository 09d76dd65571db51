"""The wing's sections of an HTML report: a forecast against its comparables, what moves it, how intervals held."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from cineloop.guard import Decision
from cineloop.lab.plots import density_plot, interval_plot
from cineloop.lab.report import Section, templates
from cineloop.lab.statistics import Interval
from cineloop.pitch.brief import Pitch
from cineloop.pitch.desk import Desk
from cineloop.pitch.forecast import Forecast, frame_of_pitches
from cineloop.pitch.history import LEVEL, held, wilson
from cineloop.pitch.predictive import Predictive
from cineloop.pitch.report import CLEAR, money, property_name
from cineloop.titles.money import price_level

_SPAN = (0.015, 0.992)  # how much of the distribution is drawn


@dataclass(frozen=True)
class _Film:
    name: str
    gross: str
    now: str
    amount: float | None
    alike: str
    why: str


def forecast_section(decision: Decision[Forecast], pitch: Pitch, at: Desk) -> Section:
    """The distribution against its comparables, the chances, what moves it, and why these films are like it."""
    found = decision.answer
    year = frame_of_pitches([pitch])["released"].dt.year().item()
    films = _films(decision, at, year)
    shown = sorted((d for d in found.drivers if abs(d.log) >= CLEAR), key=lambda d: (-abs(d.log), d.name))
    moves = interval_plot(
        [("times the typical film", [(property_name(d.name), d.factor, d.low, d.high) for d in shown])],
        label=f"What each property multiplies the forecast by: {_told((d.name, f'{d.factor:.2f}') for d in shown)}",
        line=1.0,
        factors=True,
    )
    low, high = found.interval
    hill = density_plot(
        _hill(found.predictive),
        found.interval,
        found.median,
        [(f.name, f.amount) for f in films if f.amount is not None],
        label=f"Distribution of the {found.target} gross of {pitch.name}: {money(found.median)} in the middle, "
        f"{money(low)} to {money(high)} with a chance of {found.level:.0%}; below it the comparables, "
        f"{_told((f.name, f.now) for f in films if f.amount is not None)}",
        x=f"{found.target} gross, US dollars of {year}",
        shown=money,
    )
    body = (
        templates("cineloop.pitch")
        .get_template("forecast.html")
        .render(
            decision=decision,
            found=found,
            pitch=pitch,
            films=films,
            year=year,
            hill=Markup(hill),
            drivers=Markup(moves if shown else ""),
            money=money,
        )
    )
    return Section("forecast", f"A pitch: {pitch.name}", Markup(body))


def calibration_section(at: Desk) -> Section:
    """Whether the intervals of the last years held what they promised, year by year."""
    found = held(at)
    plot = ""
    if found is not None:
        rows = [(year.name, year.held, *wilson(year.held, year.films)) for year in found.years]
        plot = interval_plot(
            [("share of films inside the 80% interval", rows)],
            label=f"Share of films inside the 80% interval: {_told((n, f'{m:.0%}') for n, m, *_ in rows)}",
            line=LEVEL,
        )
    body = (
        templates("cineloop.pitch")
        .get_template("calibration.html")
        .render(found=found, plot=Markup(plot), at=at, learnt=at.learnt, percent=_percent, factor=_factor)
    )
    return Section("calibration", "Do such intervals hold?", Markup(body))


def _films(decision: Decision[Forecast], at: Desk, year: int) -> list[_Film]:
    """The comparables that the decision names, with what they took, also in the money of the pitch's year."""
    target = decision.answer.target
    named = [e for e in decision.evidence if e.kind == "comparable"]
    rows = {r["title"]: r for r in at.films.select("title", "released", target).iter_rows(named=True)}
    levels = price_level([year], at.model.as_of.year - 1)
    made = []
    for each in named:
        row = rows[each.ref]
        amount = row[target]
        now = None
        if amount is not None:
            then = price_level([row["released"].year], at.model.as_of.year - 1)
            now = float(amount * levels[0] / then[0])
        name, _, why = each.about.partition(": ")
        shown = ("–", "–") if now is None else (money(amount), money(now))
        made.append(_Film(name, *shown, now, f"{each.weight:.2f}", why))
    return made


def _hill(of: Predictive) -> list[tuple[float, float]]:
    """Points (amount, height) of one distribution, smoothed: heights of the log's density."""
    middles = of.quantile((np.arange(400) + 0.5) / 400)[0]
    low, high = of.quantile(np.array(_SPAN))[0]
    grid = np.linspace(low, high, 240)
    reach = 0.35 * float(np.std(middles)) * len(middles) ** -0.05
    heights = np.exp(-0.5 * ((grid[:, None] - middles) / reach) ** 2).mean(axis=1)
    return list(zip(np.exp(grid).tolist(), heights.tolist(), strict=True))


def _told(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in pairs)


def _percent(of: Interval) -> str:
    """A share with its interval."""
    span = f" ({of.low:.0%} to {min(of.high, 1.0):.0%})" if math.isfinite(of.low) else ""
    return f"{of.mean:.0%}{span}"


def _factor(log: float) -> str:
    """A log as what one multiplies or divides by."""
    return f"×/÷ {math.exp(log):.1f}"
