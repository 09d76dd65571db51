"""`cineloop …`: parse, call, render. One file a wing; each is imported only when it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import click

from cineloop import __version__
from cineloop.errors import InputError, MissingExtra

# name -> (where it lives, what it is for); kept here so that --help imports none of them
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("cineloop.cli.demo:demo", "The whole loop on MovieLens 100k, a pitch on film facts, a report."),
    "data": ("cineloop.cli.data:data", "Fetch, ingest, look at and tidy the tables of record."),
    "train": ("cineloop.cli.lab:train", "Train a recipe; what is made is not made again."),
    "evaluate": (
        "cineloop.cli.evaluate:evaluate",
        "Judge recipes, or any system's lists, on held-out plays.",
    ),
    "runs": ("cineloop.cli.lab:runs", "List the runs, or show one."),
    "promote": ("cineloop.cli.lab:promote", "Put a recipe live under a name, if it passes the gate."),
    "rollback": ("cineloop.cli.lab:rollback", "Put back what was live before."),
    "turn": ("cineloop.cli.turn:turn", "One turn of the loop: compact, train, judge, promote, report."),
    "play": ("cineloop.cli.play:play", "Home screens, recommendations, similar titles."),
    "pitch": ("cineloop.cli.pitch:pitch", "Forecasts, comparables, drivers, what-if and slates."),
    "edit": ("cineloop.cli.edit:edit", "Editors' hand: pin, boost and block titles, rows of their own."),
    "serve": ("cineloop.cli.serve:serve", "Serve homes and search, and take events, for a streaming app."),
    "guard": ("cineloop.cli.guard:guard", "Objections and the audit of decisions."),
    "doctor": ("cineloop.cli.doctor:doctor", "Say what is wrong with the installation and the workspace."),
    "completion": ("cineloop.cli.completion:completion", "Print the shell completion script."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="cineloop")
@click.option(
    "--workspace",
    "-w",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("studio"),
    show_default=True,
    envvar="CINELOOP_WORKSPACE",
    help="The workspace folder.",
)
@click.option(
    "--registry", envvar="CINELOOP_REGISTRY", help="Database of runs; default: SQLite in the workspace."
)
@click.option(
    "--records", envvar="CINELOOP_RECORDS", help="Database of the audit; default: SQLite in the workspace."
)
@click.option(
    "--events", envvar="CINELOOP_EVENTS", help="Database of events; default: SQLite in the workspace."
)
@click.pass_context
def cli(
    ctx: click.Context, workspace: Path, registry: str | None, records: str | None, events: str | None
) -> None:
    """Cineloop: plays in, models judged and promoted, a home screen with reasons out."""
    ctx.obj = {"workspace": workspace, "registry": registry, "records": records, "events": events}


def main() -> None:
    """The command line's entry: what a user can put right is one line on stderr and exit code 2."""
    try:
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.ClickException as bad:
        if isinstance(bad, click.UsageError) and bad.ctx is not None:
            click.echo(f"error: {bad.format_message()} (see {bad.ctx.command_path} --help)", err=True)
        else:
            click.echo(f"error: {bad.format_message()}", err=True)
        sys.exit(2)
    except (InputError, MissingExtra) as bad:
        click.echo(f"error: {bad}", err=True)
        sys.exit(2)
    except Exception as bad:
        said = _expected(bad)
        if said is None:
            raise
        click.echo(f"error: {said[0]}", err=True)
        sys.exit(said[1])


def _expected(bad: Exception) -> tuple[str, int] | None:
    """One line and an exit code for errors of libraries that a user can cause, else None."""
    kind = type(bad).__name__
    if kind == "ValidationError" and hasattr(bad, "errors"):
        first = bad.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return f"{where} {first.get('input')!r}: {first['msg']}", 2
    if kind == "Denied":
        return str(bad), 3
    if isinstance(bad, OSError) and bad.filename is not None:
        return f"{bad.filename}: {bad.strerror}", 2
    if kind == "OperationalError":
        return " ".join(str(getattr(bad, "orig", bad)).split()), 2
    return None
