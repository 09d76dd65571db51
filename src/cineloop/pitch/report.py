"""The wing's answers as text, tables and plain values. `sections` has them as HTML."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from cineloop.guard import Decision
from cineloop.lab.statistics import Interval
from cineloop.pitch.comparables import Comparables
from cineloop.pitch.evaluate import OURS, Evaluation
from cineloop.pitch.forecast import Forecast
from cineloop.pitch.predictive import Predictive
from cineloop.pitch.slate import Slate
from cineloop.pitch.whatif import WhatIf

Table = tuple[str, tuple[str, ...], Sequence[tuple[str, ...]]]
LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
CLEAR = 0.02  # a driver that moves the forecast by less is not shown
_METRICS = {
    "r2": "R2 of the log",
    "mae": "MAE of the log",
    "within_2x": "within x/÷ 2",
    "coverage": "80% covers",
    "width": "width of the log",
    "interval_score": "interval score",
}


def money(amount: float) -> str:
    """Dollars in a few letters.

    >>> money(152_000_000.0), money(-1_500_000.0), money(70_000.0), money(1.9e9)
    ('$152M', '-$1.5M', '$70k', '$1.9B')
    >>> money(2e6), money(0.0), money(9.96e6)
    ('$2M', '$0', '$10M')
    """
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    for least, unit, letter in ((999.5e6, 1e9, "B"), (999.5e3, 1e6, "M"), (999.5, 1e3, "k")):
        if size >= least:
            scaled = size / unit
            return (
                f"{sign}${scaled:.1f}{letter}".replace(".0", "")
                if scaled < 9.95
                else f"{sign}${scaled:,.0f}{letter}"
            )
    return f"{sign}${size:,.0f}"


def forecast_text(decision: Decision[Forecast], name: str) -> str:
    """The forecast in words: the middle, the interval, the chances, and what is outside or left out."""
    found = decision.answer
    low, high = found.interval
    lines = [
        f"{name}, {found.target} gross as of {found.as_of} ({found.moment})",
        by_line(decision),
        "",
        f"  {money(found.median)} in the middle; {money(low)} to {money(high)} with a chance of {found.level:.0%}",
        f"  {money(found.mean)} on average, which the few best outcomes carry",
        f"  {money(found.typical)} the typical film that was learnt from, in the money of the release year",
    ]
    for threshold in found.thresholds:
        lines.append(f"  {threshold.chance:.0%} chance of the {threshold.name}, {money(threshold.amount)}")
    if found.earlier is not None:
        lines.append(f"  continues {found.earlier}")
    lines += [f"  outside what was learnt: {said}" for said in found.outside]
    if found.unknown:
        lines.append(f"  left out, which widens the interval: {', '.join(found.unknown)}")
    return "\n".join(lines)


def by_line(decision: Decision[Any]) -> str:
    """Which decision it is, what made it, and which rule allows it."""
    made = ", ".join(p.ref[:12] for p in decision.made_by if p.kind in ("run", "solver"))
    return f"decision {decision.id}{f' by {made}' if made else ''}, allowed by {', '.join(decision.verdict.rules)}"


def drivers_table(found: Forecast) -> Table:
    """What each property does to the forecast; those that move it by less than 2% are left out."""
    rows = [
        (
            property_name(d.name),
            f"x{d.factor:.2f}",
            f"x{d.low:.2f} to x{d.high:.2f}" if d.high > d.low else "not told",
        )
        for d in sorted(found.drivers, key=lambda d: (-abs(d.log), d.name))
        if abs(d.log) >= CLEAR
    ]
    return "What moves it", ("property", "times the typical film", "with 80%"), rows


def property_name(driver: str) -> str:
    """A driver as people read it."""
    return {"together": "how these go together"}.get(driver, driver)


def comparables_table(found: Comparables) -> Table:
    """The films most like the pitch."""
    rows = [
        (
            str(rank),
            f"{c.name} ({c.released.year})",
            "–" if c.worldwide is None else money(c.worldwide),
            f"{c.similarity:.2f}",
            "; ".join(c.why),
        )
        for rank, c in enumerate(found.films, 1)
    ]
    headers = ("", "film", "worldwide", "alike", "why")
    return f"Most like {found.pitch}, of {found.candidates:,} films known on {found.as_of}", headers, rows


def evidence_table(decision: Decision[Any]) -> Table:
    """The comparables that a forecast names as its evidence."""
    rows = [(f"{e.weight:.2f}", *e.about.split(": ", 1)) for e in decision.evidence if e.kind == "comparable"]
    return "Films most like it", ("alike", "film", "why"), rows


def whatif_table(found: WhatIf) -> Table:
    """The pitch and each variant side by side."""
    chance = any(v.side.breaks_even is not None for v in found.variants) or found.base.breaks_even is not None
    headers = ("title", "middle", "80% of the title", "factor", "80% of the factor", "break-even")
    middle, span, breaks = _side(found.base.amounts, found.base.breaks_even)
    rows: list[tuple[str, ...]] = [("as pitched", middle, span, "", "", breaks)]
    for v in found.variants:
        middle, span, breaks = _side(v.side.amounts, v.side.breaks_even)
        told = ("silent", "") if v.silent else (f"x{v.factor:.2f}", f"x{v.low:.2f} to x{v.high:.2f}")
        rows.append((v.name, middle, span, *told, breaks))
    cut = len(headers) if chance else len(headers) - 1
    return "Side by side", headers[:cut], [r[:cut] for r in rows]


def levers_text(found: WhatIf) -> str:
    """What is known of each lever that was moved."""
    return "\n".join(
        f"  {said}" for said in dict.fromkeys(lever.said for v in found.variants for lever in v.levers)
    )


def slate_text(decision: Decision[Slate]) -> str:
    """What the slate is worth, how sure that is, and the proof."""
    s = decision.answer
    low, high = s.interval
    proof = "proven: no slate is worth more" if s.proven else f"at most {money(s.gap)} from the best"
    lines = [
        f"{len(s.chosen)} titles for {money(s.cost)}",
        by_line(decision),
        "",
        f"  {money(s.expected)} expected profit; {money(low)} to {money(high)} with a chance of 80%; "
        f"{s.loses:.0%} chance of a loss",
        f"  {money(s.cvar)} mean loss in the worst outcomes (CVaR); {money(s.cvar_correlated)} if titles move "
        "together as much as the estimate allows",
        f"  {proof}, on the scenarios of the choice; {money(s.optimism)} of their value was luck",
    ]
    if np.isfinite(s.regret_high):
        lines.append(
            f"  another slate might be worth {money(s.regret_high)} more at most, with 95% confidence"
        )
    lines += [f"  {p.rule}: without it {money(p.worth)} more" for p in s.binding]
    if s.always:
        lines.append(f"  in every slate of the frontier: {', '.join(s.always)}")
    return "\n".join(lines)


def slate_tables(s: Slate) -> list[Table]:
    """The titles chosen, and the frontier."""
    titles = [
        (p.name, money(p.cost), money(p.expected), f"{p.loses:.0%}", money(p.in_tail))
        for p in sorted(s.chosen, key=lambda p: (-p.expected, p.name))
    ]
    made: list[Table] = [
        ("Chosen", ("title", "cost", "expected profit", "loses", "in the slate's tail"), titles)
    ]
    if s.frontier:
        points = [
            (money(p.fresh_expected), money(p.fresh_cvar), str(len(p.titles)), ", ".join(p.titles) or "none")
            for p in s.frontier
        ]
        made.append(("The frontier: more profit, more risk", ("expected", "CVaR", "titles", "which"), points))
    return made


def evaluation_tables(found: Evaluation) -> list[Table]:
    """A table a moment: under each figure and its interval the paired gain of the forecaster over that contender, with
    its own; then the coverage by thirds of the budget."""
    made: list[Table] = []
    for moment in dict.fromkeys(one.moment for one in found.judged):
        rows, thirds = [], []
        for one in (o for o in found.judged if o.moment == moment):
            cells = []
            for name in _METRICS:
                lines = [f"{one.metrics[name].mean:.3f}", _span(one.metrics[name])]
                if (gain := one.gains.get(name)) is not None:
                    lines += [f"{gain.mean:+.3f}{'*' if gain.above_zero else ''}", _span(gain, "+.3f")]
                cells.append("\n".join(lines))
            rows.append((one.contender, *cells))
            thirds.append((one.contender, *(f"{t.mean:.3f} {_span(t)}" for t in one.thirds)))
        made.append((f"Seen at {moment}", ("contender", *_METRICS.values()), rows))
        made.append(
            (
                f"What the 80% interval covers, by budget ({moment})",
                ("contender", "low", "middle", "high"),
                thirds,
            )
        )
    return made


def evaluation_text(found: Evaluation) -> str:
    """What was judged, and how to read the tables."""
    learnt = "the day's known totals only" if found.settled else "all films released before"
    refit = "all anew each year" if found.refit == "yearly" else "once; the calibration moves on each year"
    years = f"{found.years[0]} to {found.years[-1]}" if len(found.years) > 1 else f"{found.years[0]}"
    said = (
        f"{found.films:,} films of {years}, {found.target} gross; learnt from {found.learnt:,} films before "
        f"{found.train_before} ({learnt}; {refit}). 95% intervals that take years whole; below: how much better "
        f"{OURS} is, film by film, * above zero. Widths and errors are of the natural log."
    )
    return "\n".join(textwrap.wrap(said, 118))


def plain(value: Any) -> Any:
    """An answer as plain JSON values: dataclasses as objects, distributions as amounts at `LEVELS`."""
    if isinstance(value, Predictive):
        amounts = np.exp(value.quantile(LEVELS))
        return {"levels": LEVELS.tolist(), "amounts": amounts.tolist()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, date | Path):
        return str(value)
    return value


def decision_json(decision: Decision[Any]) -> dict[str, Any]:
    """The whole decision as plain JSON values, the answer among them."""
    bare = decision.model_copy(update={"answer": None}).model_dump(mode="json")
    return bare | {"answer": plain(decision.answer)}


def _side(amounts: tuple[float, ...], breaks_even: float | None) -> tuple[str, str, str]:
    chance = "–" if breaks_even is None else f"{breaks_even:.0%}"
    return money(amounts[2]), f"{money(amounts[0])} to {money(amounts[4])}", chance


def _span(of: Interval, form: str = ".3f") -> str:
    return f"[{of.low:{form}}, {of.high:{form}}]" if np.isfinite([of.low, of.high]).all() else "(one year)"
