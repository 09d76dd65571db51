"""The pitch page: a form, and what the title in it would bring, with what that rests on.

Everything that is asked stands in the address, so that an answer can be sent to a colleague and asked again. The
first answer of a day and moment waits for its forecaster, which is made in the background; the page says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

import polars as pl
from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from cineloop.errors import InputError
from cineloop.pitch.brief import Pitch
from cineloop.pitch.comparables import Comparables
from cineloop.pitch.decide import comparables, forecast, whatif
from cineloop.pitch.desk import Desk
from cineloop.pitch.forecast import Forecast
from cineloop.pitch.whatif import WhatIf
from cineloop.titles.money import price_level
from cineloop.web.console.pages import page, studio_of, templates
from cineloop.web.console.pitch_form import CHANGED, Form, read
from cineloop.web.console.pitch_plots import Beside, bar, by_year, distribution, money, over
from cineloop.web.desks import Desks, desks_of

SHOWN = 8  # comparables
BROAD, SLIM = 960, 344  # pixels: two drawings of one plot, of which the page shows the one that fits
MARKETS = {
    "worldwide": "at cinemas worldwide",
    "domestic": "at cinemas in the US and Canada",
    "international": "at cinemas outside the US and Canada",
    "opening": "on the opening weekend",
}
MEASURED = ("franchise", "together")  # drivers that a pitch need not say anything of
AGAIN = 3  # seconds after which a page that waits asks again
PATIENCE = 0.35  # seconds that a page waits before it says that something is being made


@dataclass(frozen=True)
class Promise:
    """How often the interval held, in words and drawn by year."""

    said: str
    broad: Markup
    slim: Markup


def add(router: APIRouter) -> None:
    """Add this family's pages."""
    kept = templates()
    kept.filters |= {"money": money, "chance": chance}
    kept.globals |= {"changed": CHANGED}
    router.add_api_route("/console/pitch", pitch, methods=["GET"])


def pitch(request: Request) -> Response:
    """The form, and the answer to what is in it."""
    desks = desks_of(request)
    try:
        shelf = desks.shelf(wait=10)
    except InputError:
        return _shown(read(request.query_params, _today()), nothing=True)
    today = _today() if shelf is None else shelf.day
    form = read(request.query_params, today)
    asked = form.pitch
    day, moment = (asked.decided, asked.moment) if asked else (today, "greenlight")
    known = {} if shelf is None else shelf.values
    try:
        desk = desks.look(day, moment, wait=PATIENCE)
    except InputError as bad:
        return _shown(form, known, refused=_one_line(bad) if asked else "")
    if desk is None:
        return _shown(form, known, waiting=True)
    if asked is None:
        return _shown(form, known)
    return _answered(request, desks, desk, form, asked, known)


def _answered(
    request: Request, desks: Desks, desk: Desk, form: Form, asked: Pitch, known: dict[str, tuple[str, ...]]
) -> Response:
    studio = studio_of(request)
    made = forecast(studio, asked, desk)
    try:
        like: Comparables | None = comparables(studio, asked, SHOWN, desk).answer
    except InputError:  # it tells nothing that could be compared
        like = None
    drivers, varied, wrong = desks.drivers(desk), None, ""
    if form.changes:
        try:
            varied = whatif(studio, asked, form.changes, desk, tell=drivers is not None).answer
        except InputError as bad:
            wrong = _one_line(bad)
    said, judged = made.answer, desks.judged(desk)
    earlier = _named(desk, said)
    found = None if drivers is None else drivers[0]
    even = next((t for t in said.thresholds if t.name == "break-even"), None)
    line = None if even is None else ("break-even", even.amount)
    beside = _beside(like, said, asked, desk)
    bars = over([b for d in said.drivers for b in (d.low, d.high)] + [1.0])
    return _shown(
        form, known, refused=wrong, f=said, c=like, w=varied, drivers=found, decision=made, beside=beside, even=even,
        silent=() if found is None else found.undetectable, market=MARKETS[said.target], earlier=earlier,
        told=_properties(said, asked, earlier),
        broad=distribution(said.predictive, beside, line=line, width=BROAD),
        slim=distribution(said.predictive, beside, line=line, width=SLIM),
        bars=[bar(bars, d.low, d.factor, d.high, 1.0) for d in said.drivers],
        sides=_sides(varied), names=[_change(v.changes) for v in (varied.variants if varied else ())],
        summary=_summary(asked), judging=judged is None, calibration=_promise(judged),
    )  # fmt: skip


def _shown(form: Form, known: dict[str, tuple[str, ...]] | None = None, /, **facts: object) -> Response:
    waiting = bool(facts.get("waiting"))
    title = form.pitch.name if form.pitch else "Pitch"
    status = 422 if form.wrong else 200
    summary = facts.pop("summary", None) or (_summary(form.pitch) if form.pitch else "")
    made = page(
        "pitch.html", "pitch", title, status, form=form, known=known or {}, example=_example(known or {}),
        summary=summary, today=form.typed["decided"], **facts,
    )  # fmt: skip
    if waiting and form.pitch:  # a form that is being filled in is left alone
        made.headers["Refresh"] = str(AGAIN)
    return made


def chance(share: float) -> str:
    """A chance for people: whole percents, and never certainty.

    >>> chance(0.561), chance(0.9996), chance(0.0004)
    ('56%', 'over 99%', 'under 1%')
    """
    if share > 0.99:
        return "over 99%"
    return "under 1%" if share < 0.01 else f"{share:.0%}"


def _today() -> date:
    return date.today()


def _summary(of: Pitch) -> str:
    """The pitch in a line."""
    parts = [" and ".join(of.genres[:3])] if of.genres else []
    if of.budget is not None:
        parts.append(f"for {money(of.budget)}")
    if of.companies:
        parts.append(f"by {', '.join(of.companies[:2])}")
    if of.release is not None:
        parts.append(f"out in {of.release:%B %Y}" if of.moment == "release" else f"out in {of.release.year}")
    said = ", ".join(parts).rstrip(".")
    when = "at greenlight" if of.moment == "greenlight" else "before its release"
    day = f"{of.decided.day} {of.decided:%B %Y}"
    return (f"{said[:1].upper()}{said[1:]}. " if said else "") + f"Judged {when}, as of {day}."


def _beside(like: Comparables | None, said: Forecast, asked: Pitch, desk: Desk) -> list[Beside]:
    """Comparables' worldwide grosses in the money of the pitch's release year; none for another market's forecast."""
    if like is None or said.target != "worldwide":
        return []
    year = (
        asked.release.year
        if asked.release
        else asked.decided.year + (2 if asked.moment == "greenlight" else 0)
    )
    then, now = desk.model.as_of.year - 1, float(price_level(year, desk.model.as_of.year - 1))
    return [
        Beside(f"{c.name} ({c.released.year})", c.worldwide * now / float(price_level(c.released.year, then)))
        for c in like.films
        if c.worldwide
    ]


def _properties(said: Forecast, of: Pitch, earlier: str) -> dict[str, str]:
    """What the pitch says of each driver, where it says something."""
    told = {
        "budget": money(of.budget) if of.budget else "",
        "year": str(of.release.year) if of.release else "",
        "genre": of.genres[0] if of.genres else "",
        "country": of.country or "",
        "company": of.companies[0] if of.companies else "",
        "franchise": f"after {earlier}" if earlier else "",
        "certificate": of.certificate or "",
        "season": f"{of.release:%B}" if of.release else "",
        "runtime": f"{of.runtime:g} minutes" if of.runtime else "",
    }
    return {d.name: told.get(d.name) or ("" if d.name in MEASURED else "not told") for d in said.drivers}


def _sides(varied: WhatIf | None) -> list[Markup]:
    """The pitch's interval and each variant's, on one scale."""
    if varied is None:
        return []
    sides = [varied.base, *(v.side for v in varied.variants)]
    scale = over([amount for s in sides for amount in (s.amounts[0], s.amounts[4])])
    return [
        bar(scale, s.amounts[0], s.amounts[2], s.amounts[4], kind="side" if n else "")
        for n, s in enumerate(sides)
    ]


def _change(changes: Mapping[str, Any]) -> str:
    """What was changed, for people."""
    said = []
    for field, value in changes.items():
        if field == "budget":
            shown = money(value)
        elif isinstance(value, date):
            shown = f"{value.day} {value:%B %Y}"
        elif isinstance(value, tuple):
            shown = ", ".join(value)
        else:
            shown = f"{value:g}" if isinstance(value, float) else str(value)
        said.append(f"{field} {shown}")
    return ", ".join(said)


def _promise(judged: pl.DataFrame | None) -> Promise | None:
    """Coverage by year of the same recipe made years earlier; see `Desks.judged`."""
    if judged is None or judged.is_empty():
        return None
    held = judged.with_columns(inside=(pl.col("low") <= pl.col("y")) & (pl.col("y") <= pl.col("high")))
    rows = []
    for year, inside in held.group_by("year", maintain_order=True).agg("inside").sort("year").iter_rows():
        rows.append((str(year), *_wilson(sum(inside), len(inside))))
    share = float(held["inside"].cast(pl.Float64).to_numpy().mean())
    said = (
        f"The same recipe, made {int(rows[-1][0]) - int(rows[0][0]) + 1} years earlier, was held against the "
        f"{len(held):,} films that came out since: {share:.0%} of them fell inside the interval that promised 80%."
    )
    return Promise(said, by_year(rows, 0.8, width=BROAD), by_year(rows, 0.8, width=SLIM))


def _wilson(held: int, n: int) -> tuple[float, float, float]:
    """A share with its 95% interval (Wilson, "Probable inference", 1927)."""
    z, share = 1.959963984540054, held / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return share, middle - reach, middle + reach


def _named(desk: Desk, said: Forecast) -> str:
    """The name of the film that the pitch continues."""
    if said.earlier is None:
        return ""
    row = desk.films.filter(pl.col("title") == said.earlier).select("name", "released").row(0)
    return f"{row[0]} ({row[1].year})" if row[1] else str(row[0])


def _one_line(bad: InputError) -> str:
    """What is wrong, without where the workspace lies."""
    plain = InputError(bad.what, field=bad.field, value=bad.value, accepted=bad.accepted)
    return str(plain)


def _example(known: dict[str, tuple[str, ...]]) -> str:
    """The address of an invented pitch, told as far as the films here know its values."""
    fields = [("name", "The Lighthouse Keeper's Daughter"), ("budget", "35M"), ("moment", "greenlight")]
    told = (("genres", "Drama"), ("companies", "Universal Pictures"), ("country", "United States"))
    for field, value in told:
        there = {v.casefold() for v in known.get("countries" if field == "country" else field, ())}
        if value.casefold() in there:
            fields.append((field, value))
    changes = [("change", "budget"), ("to", "18M"), ("change", "genres"), ("to", "Horror")]
    return "/console/pitch?" + urlencode(fields + changes)
