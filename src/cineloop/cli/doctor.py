"""`cineloop doctor`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import click

from cineloop.cli.show import json_option, print_json

MARKS = {"ok": ("ok   ", "green"), "note": ("note ", "yellow"), "wrong": ("WRONG", "red")}


@click.command()
@click.option("--full", is_flag=True, help="Read every byte of the tables and the runs.")
@click.option("--installation", "only", is_flag=True, help="Leave the workspace out.")
@json_option
def doctor(full: bool, only: bool, as_json: bool) -> None:
    """Say what is wrong with the installation and the workspace, and how to mend it.

    It changes nothing. Exit code 1 where something is wrong; a note is worth knowing and nothing is wrong.
    """
    from cineloop import doctor as examining

    named = click.get_current_context().find_root().obj
    found = examining.installation(named["workspace"])
    if not only:
        urls = {name: named[name] for name in ("registry", "records", "events")}
        found += examining.workspace(named["workspace"], datetime.now(UTC), full=full, **urls)
    wrong = sum(f.level == "wrong" for f in found)
    if as_json:
        print_json([asdict(f) for f in found])
    else:
        for f in found:
            mark, colour = MARKS[f.level]
            click.echo(f"{click.style(mark, fg=colour)}  {f.check}: {f.what}")
            if f.mend:
                click.echo(f"         {f.mend}")
        click.echo(f"{wrong} wrong, {sum(f.level == 'note' for f in found)} to note, {len(found)} looked at")
    click.get_current_context().exit(1 if wrong else 0)
