"""`cineloop demo`: the whole loop on MovieLens 100k. What it did before it says so and does not do again."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import click

from cineloop.cli.show import opened, progress

CUTS = ("global-time", "held-out-members")
SUMMARY = (
    "MovieLens 100k went in as a viewing log. Four recipes were trained and judged on plays they had not seen, "
    "the best went through the gate, and a member got a home screen that says why each title is on it."
)


@click.command()
@click.option("--from", "given", type=click.Path(path_type=Path), help="A folder with MovieLens 100k.")
@click.option("--member", help="Whose home to show; default: a member with a usual number of ratings.")
def demo(given: Path | None, member: str | None) -> None:
    """Fetch MovieLens 100k, ingest, train, judge, promote, show a member's home, write a report."""
    from cineloop.cli.data import show_ingested
    from cineloop.cli.evaluate import show_comparisons
    from cineloop.lab.protocols import protocol
    from cineloop.lab.recipe import make, recipes
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
    step = _steps(6)
    studio = opened(create=True)
    contenders = [make(name) for name in recipes()]
    with progress() as say:
        step("MovieLens 100k")
        source = MovieLens(given or fetch_movielens_100k(cache_folder(), say), "ml-100k")
        click.echo(source.licence)
        step("into the tables of record")
        report = ingest(studio.store, source, "quarantine", say)
        show_ingested(report)
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
    step("report")
    path = studio.folder / "report.html"
    sections = [
        log_section(studio),
        quality_section([comparison(studio.lab, made, (*METRICS, "coverage@20")) for made in judged]),
        gate_section(studio, contest),
        home_section(decision),
    ]
    write_report(path, "The loop's first turn", SUMMARY, sections)
    click.echo(f"{path}\ndone in {time.monotonic() - started:.0f} s")


def _steps(total: int) -> Callable[[str], None]:
    numbers = count(1)

    def step(what: str) -> None:
        click.secho(f"\n[{next(numbers)}/{total}] {what}", bold=True)

    return step
