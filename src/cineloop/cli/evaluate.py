"""`cineloop evaluate`: one command, one paired table, ours and any other system's lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cineloop.cli.show import json_option, knob_values, opened, print_json, progress, table

if TYPE_CHECKING:
    from cineloop.play.comparison import Comparison

DEFAULT = ("global-time", "held-out-members")


@click.command()
@click.option("--recipe", "names", multiple=True, help="A recipe; may be repeated. Default: every one.")
@click.option("--knob", "-k", "settings", multiple=True, help="name=value, with a single --recipe.")
@click.option("--protocol", "protocols", multiple=True, help="global-time, held-out-members, leave-last-out.")
@click.option("--setting", "-s", "cuts", multiple=True, help="name=value of a single --protocol.")
@click.option("--stage", type=click.Choice(["test", "validation"]), default="test", show_default=True)
@click.option("--metric", "metrics", multiple=True, help="Default: recall@20, ndcg@10, ndcg@100.")
@click.option("--baseline", default="popularity", show_default=True, help="What the differences are to.")
@click.option(
    "--group", type=click.Choice(["warm", "cold"]), help="Only members with, or without, a history."
)
@click.option(
    "--external",
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV or Parquet of another system's lists: member, title, rank, as_of.",
)
@click.option("--external-name", default="external", show_default=True, help="What to call that system.")
@click.option(
    "--write-heldout",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the held-out plays of a single --protocol as CSV, for other systems.",
)
@json_option
def evaluate(
    names: tuple[str, ...],
    settings: tuple[str, ...],
    protocols: tuple[str, ...],
    cuts: tuple[str, ...],
    stage: str,
    metrics: tuple[str, ...],
    baseline: str,
    group: str | None,
    external: Path | None,
    external_name: str,
    write_heldout: Path | None,
    as_json: bool,
) -> None:
    """Judge every recipe on held-out plays, each against a baseline, in pairs, with 95% intervals.

    Protocols: global-time (a model as of each of several days, then what members watched next, with fold-in),
    held-out-members (members no model has learned from), leave-last-out. With --external the lists of the
    system you run today stand in the same table.
    """
    from cineloop.lab.external import read_lists
    from cineloop.lab.heldout import write_heldout as write
    from cineloop.lab.protocols import protocol
    from cineloop.lab.recommender import rankers
    from cineloop.play import evaluate as judging
    from cineloop.play.comparison import METRICS, comparison

    if settings and len(names) != 1:
        raise click.UsageError("--knob goes with a single --recipe")
    if (cuts or write_heldout) and len(protocols) != 1:
        raise click.UsageError("--setting and --write-heldout go with a single --protocol")
    contenders = rankers({name: knob_values(settings) for name in names})
    judged = [protocol(n, knob_values(cuts) | {"stage": stage}) for n in protocols or DEFAULT]
    lists = None if external is None else read_lists(external)
    studio = opened()
    view = studio.view()
    compared: list[Comparison] = []
    for cut in judged:
        if write_heldout is not None:
            write(cut.folds(view, judging.SIGNALS.interactions(view)), write_heldout)
            click.echo(f"held-out plays: {write_heldout}", err=True)
        with progress(quiet=as_json) as say:
            made = judging.evaluate(studio.lab, view, contenders, cut, progress=say)
            if lists is not None:
                made.append(judging.evaluate_external(studio.lab, view, lists, external_name, cut))
        base = baseline if any(e.contender.startswith(baseline) for e in made) else None
        compared.append(
            comparison(studio.lab, made, metrics or METRICS, base, group)  # type: ignore[arg-type]
        )
    if as_json:
        print_json([{"protocol": c.protocol, "snapshot": c.snapshot, "rows": c.rows()} for c in compared])
        return
    show_comparisons(compared)


def show_comparisons(compared: Sequence[Comparison]) -> None:
    """One table a protocol."""
    from cineloop.play.report import comparison_table

    for each in compared:
        table(*comparison_table(each))
        counts = each.standings[0]
        cold = counts.cases - counts.warm
        click.echo(
            f"{counts.members:,} members in {counts.cases:,} cases, {cold:,} of them without a history; "
            f"95% intervals over members; second line: paired difference to {each.baseline}, * above zero"
        )
