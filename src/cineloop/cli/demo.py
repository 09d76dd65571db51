"""`cineloop demo`: the whole loop on MovieLens 100k, then a pitch on open film facts.

What it did before it says so and does not do again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cineloop.cli.show import opened, progress
from cineloop.errors import InputError

if TYPE_CHECKING:
    from cineloop.engine import Progress
    from cineloop.lab.report import Section
    from cineloop.store.sources.film_facts import FilmFacts
    from cineloop.studio import Studio

CUTS = ("global-time", "held-out-members")
SUMMARY = (
    "MovieLens 100k went in as a viewing log. Four recipes were trained and judged on plays they had not seen, "
    "the best went through the gate, and a member got a home screen that says why each title is on it."
)
PITCHED = (
    " A title that does not exist yet was forecast from open film facts, with its interval and its evidence."
)


@click.command()
@click.option("--from", "given", type=click.Path(path_type=Path), help="A folder with MovieLens 100k.")
@click.option(
    "--films",
    type=click.Path(path_type=Path),
    help="A movies.db of bokeh_sampledata; default: fetched. With --from alone: no pitch.",
)
@click.option("--member", help="Whose home to show; default: a member with a usual number of ratings.")
def demo(given: Path | None, films: Path | None, member: str | None) -> None:
    """Fetch MovieLens 100k and film facts, ingest, train, judge, promote, show a member's home, forecast a pitch,
    write a report."""
    from cineloop.cli.data import show_ingested
    from cineloop.cli.evaluate import show_comparisons
    from cineloop.lab.protocols import protocol
    from cineloop.lab.recipe import make
    from cineloop.lab.recommender import rankers
    from cineloop.lab.report import write_report
    from cineloop.play.brief import HomeRequest
    from cineloop.play.comparison import METRICS, comparison
    from cineloop.play.contend import contend
    from cineloop.play.decide import home
    from cineloop.play.evaluate import evaluate
    from cineloop.play.report import home_text
    from cineloop.play.sections import gate_section, home_section, log_section, quality_section
    from cineloop.play.shelf import usual_member
    from cineloop.store import ingest
    from cineloop.store.sources.fetch import cache_folder, fetch_movielens_100k
    from cineloop.store.sources.movielens import MovieLens

    started = time.monotonic()
    step = _steps(7)
    studio = opened(create=True)
    contenders = rankers()
    with progress() as say:
        step("MovieLens 100k and film facts")
        source = MovieLens(given or fetch_movielens_100k(cache_folder(), say), "ml-100k")
        facts = None if given is not None and films is None else _film_facts(films, say)
        for each in (source, facts):
            if each is not None:
                click.echo(each.licence)
        step("into the tables of record")
        show_ingested(ingest(studio.store, source, "quarantine", say))
        if facts is not None:
            show_ingested(ingest(studio.store, facts, "quarantine", say))
        step("train and judge on held-out plays")
        before = {run.id for run in studio.lab.runs()}
        judged = [
            evaluate(studio.lab, studio.view(), contenders, protocol(name), progress=say) for name in CUTS
        ]
        show_comparisons([comparison(studio.lab, made) for made in judged])
        step("choose on validation days, promote through the gate")
        contest = contend(
            studio, contenders, protocol("global-time"), make("popularity"), by="demo", progress=say
        )
        runs = studio.lab.runs()
        reused, fresh = len(before & {r.id for r in runs}), len({r.id for r in runs} - before)
    click.echo(f"chosen on validation: {contest.chosen}")
    click.echo(f"{'promoted' if contest.verdict.promoted else 'refused'}: {contest.verdict.why}")
    click.echo(f"{fresh} runs made, {reused} of before reused")
    step("one member's home")
    decision = home(studio, HomeRequest(profile=member or usual_member(studio)))
    click.echo(home_text(decision, most=3))
    step("a pitch")
    with progress() as say:
        pitched = [] if facts is None else _pitch(studio, say)
    step("report")
    path = studio.folder / "report.html"
    sections = [
        log_section(studio),
        quality_section([comparison(studio.lab, made, (*METRICS, "coverage@20")) for made in judged]),
        gate_section(studio, contest),
        home_section(decision),
        *pitched,
    ]
    write_report(path, "The loop's first turn", SUMMARY + (PITCHED if pitched else ""), sections)
    click.echo(f"{path}\ndone in {time.monotonic() - started:.0f} s")


def _film_facts(given: Path | None, say: Progress) -> FilmFacts | None:
    """The film facts; None, and a word on why, where there is no way to them and none were given."""
    from cineloop.store.sources.fetch_films import FilmFacts, cache_folder, fetch_film_facts

    try:
        return FilmFacts(fetch_film_facts(cache_folder(), say, given=given))
    except InputError as closed:
        if given is not None:
            raise
        click.echo(f"no pitch without film facts: {closed}")
        return None


def _pitch(studio: Studio, say: Progress) -> Sequence[Section]:
    """Forecast the example: what it would bring on the day that the facts end, and whether such intervals held."""
    from cineloop.cli.show import table
    from cineloop.pitch.brief import Pitch
    from cineloop.pitch.decide import forecast
    from cineloop.pitch.desk import desk
    from cineloop.pitch.report import evidence_table, forecast_text
    from cineloop.pitch.sections import calibration_section, forecast_section

    pitch = Pitch.read(Path(str(files("cineloop.pitch") / "examples" / "pitch.toml")))
    at = desk(studio, pitch.decided, pitch.moment, say)
    decision = forecast(studio, pitch, at)
    click.echo(forecast_text(decision, pitch.name))
    table(*evidence_table(decision))
    return [forecast_section(decision, pitch, at), calibration_section(at)]


def _steps(total: int) -> Callable[[str], None]:
    numbers = count(1)

    def step(what: str) -> None:
        click.secho(f"\n[{next(numbers)}/{total}] {what}", bold=True)

    return step
