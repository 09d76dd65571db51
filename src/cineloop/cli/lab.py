"""`cineloop train|runs|promote|rollback`."""

from __future__ import annotations

import getpass

import click

from cineloop.cli.show import json_option, knob_values, moment, opened, print_json, progress, table


@click.command()
@click.argument("recipe")
@click.option("--knob", "-k", "settings", multiple=True, help="name=value; may be repeated.")
@click.option("--as-of", help="Learn only from what was known by then; default: all.")
@click.option("--seed", type=int, default=0, show_default=True)
@json_option
def train(recipe: str, settings: tuple[str, ...], as_of: str | None, seed: int, as_json: bool) -> None:
    """Train RECIPE on the newest snapshot; the same inputs give the run that is there."""
    from cineloop.lab.recipe import make

    chosen, day = make(recipe, knob_values(settings)), moment(as_of, "--as-of")
    studio = opened()
    with progress(quiet=as_json) as say:
        run = studio.lab.train(chosen, studio.view(day), seed, say)
    if as_json:
        print_json(run.to_json() | {"reused": run.reused})
        return
    what = "there already" if run.reused else f"trained in {run.seconds:.1f} s"
    click.echo(f"{run.id}  {run.label}  as of {run.as_of:%Y-%m-%d}  {what}")


@click.command()
@click.argument("run", required=False)
@click.option("--recipe", help="Only runs of this recipe.")
@json_option
def runs(run: str | None, recipe: str | None, as_json: bool) -> None:
    """List the runs, the newest last, or show one RUN (its id, or the start of it)."""
    from cineloop.lab.run import canonical

    lab = opened().lab
    if run is not None:
        found = lab.run(run).to_json()
        if as_json:
            print_json(found)
        else:
            rows = [(k, canonical(v).decode() if isinstance(v, dict) else v) for k, v in found.items()]
            table(f"Run {found['id'][:12]}", ("field", "value"), rows)
        return
    every = lab.runs(recipe)
    live: dict[str, list[str]] = {}
    for name in sorted({p.name for p in lab.history()}):
        if (now := lab.live(name)) is not None:
            live.setdefault(now.id, []).append(name)
    if as_json:
        print_json([r.to_json() | {"live": live.get(r.id, [])} for r in every])
        return
    headers = ("run", "recipe", "as of", "seconds", "made at", "live as")
    shown = [
        (
            r.id[:12],
            r.label,
            f"{r.as_of:%Y-%m-%d}",
            f"{r.seconds:.2f}",
            f"{r.made_at:%Y-%m-%d %H:%M}",
            ", ".join(live.get(r.id, [])),
        )
        for r in every
    ]
    table("Runs", headers, shown)


@click.command()
@click.argument("name", type=click.Choice(["play/home"]))
@click.option("--recipe", "names", multiple=True, help="A contender; may be repeated. Default: every recipe.")
@click.option("--knob", "-k", "settings", multiple=True, help="name=value, with a single --recipe.")
@click.option(
    "--protocol", "named", default="global-time", show_default=True, help="See `cineloop evaluate`."
)
@click.option("--setting", "-s", "cuts", multiple=True, help="name=value of the protocol; may be repeated.")
@click.option("--by", default=None, help="Who asks; default: the user's name.")
@json_option
def promote(
    name: str,
    names: tuple[str, ...],
    settings: tuple[str, ...],
    named: str,
    cuts: tuple[str, ...],
    by: str | None,
    as_json: bool,
) -> None:
    """Send the best contender to the gate of NAME, and put it live if it passes.

    The choice is made on validation days; on test days it needs its paired interval above zero against what is
    live. Exit code 1 where the gate refuses.
    """
    from cineloop.lab.protocols import protocol
    from cineloop.lab.recipe import make
    from cineloop.lab.recommender import rankers
    from cineloop.play.contend import contend

    if settings and len(names) != 1:
        raise click.UsageError("--knob goes with a single --recipe")
    contenders = rankers({name: knob_values(settings) for name in names})
    cut = protocol(named, knob_values(cuts))
    studio = opened()
    with progress(quiet=as_json) as say:
        contest = contend(
            studio, contenders, cut, make("popularity"), by=by or getpass.getuser(), progress=say
        )
    verdict = contest.verdict
    if as_json:
        print_json(
            {
                "name": name,
                "chosen": contest.chosen,
                "against": contest.against,
                "run": contest.run.id,
                "promoted": verdict.promoted,
                "why": verdict.why,
                "difference": vars(verdict.difference),
                "margin": verdict.margin,
            }
        )
    else:
        click.echo(f"{'promoted' if verdict.promoted else 'refused'}: {verdict.why}")
    click.get_current_context().exit(0 if verdict.promoted else 1)


@click.command()
@click.argument("name")
@click.option("--by", default=None, help="Who asks; default: the user's name.")
@click.option("--why", default="", help="The reason, kept in the history.")
@json_option
def rollback(name: str, by: str | None, why: str, as_json: bool) -> None:
    """Put back what was live under NAME before."""
    run = opened().lab.rollback(name, by or getpass.getuser(), why)
    if as_json:
        print_json({"name": name, "run": run.id, "label": run.label})
    else:
        click.echo(f"{name}: live is {run.label}, run {run.id[:12]}")
