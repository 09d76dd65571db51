"""`cineloop turn`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from cineloop.cli.show import json_option, knob_values, opened, print_json, progress


@click.command()
@click.option("--recipe", "names", multiple=True, help="A contender; may be repeated. Default: every recipe.")
@click.option("--knob", "-k", "settings", multiple=True, help="name=value, with a single --recipe.")
@click.option(
    "--protocol", "named", default="global-time", show_default=True, help="See `cineloop evaluate`."
)
@click.option("--setting", "-s", "cuts", multiple=True, help="name=value of the protocol; may be repeated.")
@click.option(
    "--metric", default="ndcg@100", show_default=True, help="What is chosen by, and asked of the gate."
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.02,
    show_default=True,
    help="The share of the live one's mean that a routine refresh may lose.",
)
@json_option
def turn(
    names: tuple[str, ...],
    settings: tuple[str, ...],
    named: str,
    cuts: tuple[str, ...],
    metric: str,
    margin: float,
    as_json: bool,
) -> None:
    """One turn of the loop: compact events, train, judge, ask the gate of play/home, report.

    Made for a schedule: the same state is not turned twice, and what was interrupted is finished. A refusal, or
    a log too short to judge by, is an answer and no error: the exit code is 0. It is 2 where a turn can't run.
    """
    from cineloop.lab.protocols import protocol
    from cineloop.lab.recipe import make
    from cineloop.lab.recommender import rankers
    from cineloop.play.turn import turn as turned

    if settings and len(names) != 1:
        raise click.UsageError("--knob goes with a single --recipe")
    contenders = rankers({name: knob_values(settings) for name in names})
    cut = protocol(named, knob_values(cuts))
    studio = opened()
    try:
        with progress(quiet=as_json) as say:
            made = turned(
                studio,
                contenders,
                cut,
                make("popularity"),
                at=datetime.now(UTC),
                metric=metric,
                margin=margin,
                progress=say,
            )
    finally:
        studio.close()
    if as_json:
        print_json({"id": made.id, "outcome": made.outcome, "why": made.why, "record": made.record})
        return
    click.echo(f"turn {made.id[:12]}: {made.outcome}")
    if made.outcome == "nothing new":
        click.echo(made.why)
        return
    for stage in made.record["stages"]:
        click.echo(f"  {stage['stage']}: {stage['outcome']}, {stage['what']}")
    live = made.record["live"]
    click.echo(f"  live: {(live['after'] or 'nothing')[:12]} (before: {(live['before'] or 'nothing')[:12]})")
