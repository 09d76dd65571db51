"""`cineloop pitch …`: forecasts of titles that do not exist yet, and how good such forecasts are."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cineloop.cli.show import json_option, knob_values, moment, opened, print_json, progress, table

if TYPE_CHECKING:
    import polars as pl

    from cineloop.store.sources.source import Reject

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def pitch() -> None:
    """What a title that does not exist yet would bring: forecasts, comparables, drivers, slates."""


@pitch.command()
@click.argument("file", type=FILE)
@click.option("--html", type=FILE, help="Write a report that needs nothing else.")
@json_option
def forecast(file: Path, html: Path | None, as_json: bool) -> None:
    """Forecast the gross of the pitch in FILE (TOML): the distribution, its evidence, and what is outside.

    The forecaster is made as of the day of the decision, once; films to learn from come by `cineloop data ingest`.
    """
    from cineloop.pitch import report
    from cineloop.pitch.brief import Pitch
    from cineloop.pitch.decide import forecast as decide
    from cineloop.pitch.desk import desk

    asked, studio = Pitch.read(file), opened()
    with progress(quiet=as_json) as say:
        at = desk(studio, asked.decided, asked.moment, say)
        decision = decide(studio, asked, at)
    if html is not None:
        from cineloop.lab.report import write_report
        from cineloop.pitch.sections import calibration_section, forecast_section

        sections = [forecast_section(decision, asked, at), calibration_section(at)]
        write_report(html, asked.name, "What it would bring, and what that rests on.", sections)
        click.echo(f"{html}: written", err=True)
    if as_json:
        print_json(report.decision_json(decision))
        return
    click.echo(report.forecast_text(decision, asked.name))
    table(*report.drivers_table(decision.answer))
    table(*report.evidence_table(decision))


@pitch.command()
@click.argument("file", type=FILE)
@click.option("-k", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@json_option
def comparables(file: Path, k: int, as_json: bool) -> None:
    """The films most like the pitch in FILE, of those known on its day, each with why."""
    from cineloop.pitch import report
    from cineloop.pitch.brief import Pitch
    from cineloop.pitch.decide import comparables as decide

    asked, studio = Pitch.read(file), opened()
    with progress(quiet=as_json) as say:
        decision = decide(studio, asked, k, progress=say)
    if as_json:
        print_json(report.decision_json(decision))
        return
    found = decision.answer
    note = "; ".join(found.assumptions)
    if found.low is not None and found.median is not None and found.high is not None:
        spread = " / ".join(report.money(x) for x in (found.low, found.median, found.high))
        note = f"10th, 50th and 90th percentile of these: {spread}; {note}"
    table(*report.comparables_table(found), note=note)


@pitch.command()
@click.option("--table", "file", type=FILE, help="A table of films; default: the workspace's.")
@click.option("--as-of", help="A day: what was known by then; default: today.")
@click.option(
    "--moment", "at", type=click.Choice(["greenlight", "release"]), default="greenlight", show_default=True
)
@click.option(
    "--target", type=click.Choice(["worldwide", "domestic"]), default="worldwide", show_default=True
)
@click.option(
    "--first", type=click.IntRange(1900, 2100), default=2000, show_default=True, help="First year judged."
)
@json_option
def drivers(file: Path | None, as_of: str | None, at: Any, target: str, first: int, as_json: bool) -> None:
    """What success goes with: what each group of characteristics adds to forecasts of later films, with intervals.

    Groups that can't be told from nothing are named. Nothing here says what causes what.
    """
    from cineloop.pitch.drivers import drivers as ask
    from cineloop.pitch.drivers import report as words
    from cineloop.pitch.report import plain

    day = _day(as_of, "--as-of") or date.today()
    with progress(quiet=as_json) as say:
        films = _table(file) if file is not None else _films(day)
        say("drivers", 0, None)
        found = ask(films, day, at, target, first=first)
    if as_json:
        print_json(plain(found))
    else:
        click.echo(words(found))


@pitch.command()
@click.argument("file", type=FILE)
@click.option(
    "--set", "settings", multiple=True, required=True, help="field=value; several make one variant."
)
@click.option("--each", is_flag=True, help="Every --set is a variant of its own.")
@click.option(
    "--judge", is_flag=True, help="Say of every lever what it adds to forecasts of later films (slower)."
)
@json_option
def whatif(file: Path, settings: tuple[str, ...], each: bool, judge: bool, as_json: bool) -> None:
    """The pitch in FILE beside itself with some fields changed: both whole distributions.

    Lists are JSON or divided by commas: --set genres=Horror,Thriller. Other things equal; it says nothing of causes.
    """
    from cineloop.pitch import report
    from cineloop.pitch.brief import Pitch
    from cineloop.pitch.decide import whatif as decide

    asked, given = Pitch.read(file), _changes(settings)
    changes = [{name: value} for name, value in given.items()] if each else [given]
    studio = opened()
    with progress(quiet=as_json) as say:
        decision = decide(studio, asked, changes, tell=judge, progress=say)
    if as_json:
        print_json(report.decision_json(decision))
        return
    table(*report.whatif_table(decision.answer), note=report.levers_text(decision.answer))


@pitch.command()
@click.argument("file", type=FILE)
@json_option
def slate(file: Path, as_json: bool) -> None:
    """Choose the slate worth making within the budget of FILE (TOML), with the proof and the frontier."""
    from cineloop.pitch import report
    from cineloop.pitch.candidates import SlateBrief
    from cineloop.pitch.decide import slate as decide

    asked = SlateBrief.read(file)
    studio = opened()
    with progress(quiet=as_json) as say:
        say("slate", 0, None)
        decision = decide(studio, asked, folder=file.parent, progress=say)
    if as_json:
        print_json(report.decision_json(decision))
        return
    click.echo(report.slate_text(decision))
    for each in report.slate_tables(decision.answer):
        table(*each)


@pitch.command()
@click.option(
    "--table", "file", type=FILE, required=True, help="CSV: name, released, budget, gross and more."
)
@click.option("--train-before", required=True, help="A day: learn before it, judge from it on.")
@click.option("--until", help="A day: judge films that came out before it.")
@click.option(
    "--moment", "at", type=click.Choice(["greenlight", "release"]), multiple=True, help="Default: both."
)
@click.option(
    "--refit",
    type=click.Choice(["once", "yearly"]),
    default="once",
    show_default=True,
    help="Learn once, or anew at the start of each year.",
)
@click.option(
    "--settled", is_flag=True, help="Learn only from totals known by the day, a year after the release."
)
@json_option
def evaluate(
    file: Path,
    train_before: str,
    until: str | None,
    at: tuple[Any, ...],
    refit: Any,
    settled: bool,
    as_json: bool,
) -> None:
    """Judge the forecaster on the films of a table that came out from a day on, beside peers that had the same.

    R2 and MAE of the log gross, share within a factor of two, coverage, width and interval score of the 80%
    interval, each with a 95% interval that takes years whole; paired gains over the peers. It needs no workspace.
    """
    from cineloop.pitch import evaluate as judging
    from cineloop.pitch import report
    from cineloop.pitch.brief import MOMENTS

    first, last = _day(train_before, "--train-before"), _day(until, "--until")
    assert first is not None
    films = _table(file)
    contenders = _contenders()
    judged = []
    # progress goes to stderr, also where nobody watches: an evaluation of both moments takes a minute
    for name in at or MOMENTS:
        click.echo(f"{name}: {', '.join(contenders)} …", err=True)
        judged.append(
            judging.evaluate(
                films, first, until=last, moments=[name], refit=refit, settled=settled, contenders=contenders
            )
        )
    if as_json:
        whole = judged[0].as_json()
        whole["moments"] = {name: value for one in judged for name, value in one.as_json()["moments"].items()}
        told = {"table": file.name, "ours": judging.OURS, "baseline": judging.BASELINE}
        print_json(told | {"metrics": list(judging.METRICS), "level": judging.LEVEL} | whole)
        return
    for one in judged:
        for each in report.evaluation_tables(one):
            table(*each)
    click.echo(report.evaluation_text(judged[0]))


def _contenders() -> dict[str, Any]:
    """All peers; without LightGBM those that need it are left out, and that is said."""
    from importlib.util import find_spec

    from cineloop.pitch.evaluate import CONTENDERS

    if find_spec("lightgbm") is not None:
        return dict(CONTENDERS)
    click.echo("LightGBM is not installed (pip install 'cineloop[pitch]'): judged without it", err=True)
    return {name: how for name, how in CONTENDERS.items() if "lightgbm" not in name}


def _table(file: Path) -> pl.DataFrame:
    """The films of a table; rows that are broken are left out, and the first of them are told on stderr."""
    from cineloop.titles.films import films_of_table

    broken: list[Reject] = []
    films = films_of_table(file, broken.append)
    for each in broken[:5]:
        click.echo(f"left out: {file}:{each.line}: {each.field} {each.value!r}: {each.what}", err=True)
    if len(broken) > 5:
        click.echo(f"left out: {len(broken) - 5:,} more broken rows", err=True)
    return films


def _films(day: date) -> pl.DataFrame:
    """The workspace's films as of a day."""
    from cineloop.pitch.desk import end_of
    from cineloop.titles.from_store import films_of

    return films_of(opened().view(end_of(day)))


def _day(text: str | None, field: str) -> date | None:
    found = moment(text, field)
    return None if found is None else found.date()


def _changes(settings: tuple[str, ...]) -> dict[str, Any]:
    """field=value pairs for a pitch: what is a list there may be divided by commas, and numbers by underscores."""
    from cineloop.pitch.brief import Pitch

    lists = {name for name, field in Pitch.model_fields.items() if field.default == ()}
    changes: dict[str, Any] = {}
    for name, value in knob_values(settings).items():
        if name in lists and isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        elif isinstance(value, str) and value.replace("_", "").isdigit():
            value = float(value.replace("_", ""))
        changes[name] = value
    return changes
