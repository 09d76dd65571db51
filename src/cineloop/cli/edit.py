"""`cineloop edit …`: editors pin, boost and block titles, and make rows of their own."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cineloop.cli.show import json_option, opened, print_json, table

if TYPE_CHECKING:
    from cineloop.play.edits import Act, Written
    from cineloop.play.series import Catalogue
    from cineloop.studio import Studio


def _somebody() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container without a user database
        return "the editors"


_by = click.option(
    "--by", envvar="CINELOOP_EDITOR", default=_somebody, help="Who, as members read it; default: you."
)


def _holds(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where and when an act holds, who does it and why."""
    options = (
        click.option("--territory", help="ISO 3166-1 alpha-2: only there; default: everywhere."),
        click.option("--from", "starts", help="First day, or a time with its zone; default: from now on."),
        click.option("--until", help="Last day, or a time with its zone; default: until withdrawn."),
        _by,
        click.option("--note", help="Why, for colleagues; members never see it."),
        click.option("--id", "identity", help="A name for it; default: by what it is about."),
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def edit() -> None:
    """Editors' hand on every home: pins, boosts, blocks, rows of their own.

    Each act shows in the reasons. Of one title, a block beats all else.
    """


@edit.command()
@click.argument("title")
@click.option("--row", help="A kind of row, a genre or an editorial row; default: top picks.")
@click.option("--position", type=click.IntRange(0), default=0, show_default=True, help="Place, from 0.")
@_holds
def pin(title: str, row: str | None, position: int, as_json: bool, **holds: str | None) -> None:
    """Put TITLE (an id, or a name as shown) at a place of a row, for all who have not seen it."""
    from cineloop.play.edits import catalogue, check_row, find_title

    studio = opened()
    titles = catalogue(studio)
    check_row(studio, titles, row)
    act = _act("pin", find_title(titles, title), holds, row=row, position=position)
    _write(studio, titles, [act], as_json)


@edit.command()
@click.argument("title")
@click.option(
    "--factor", type=click.FloatRange(0.1, 10), default=2, show_default=True, help="Below 1 it lowers."
)
@_holds
def boost(title: str, factor: float, as_json: bool, **holds: str | None) -> None:
    """Rank TITLE higher (or lower) in the rows that scores decide."""
    _titled("boost", title, as_json, holds, factor=factor)


@edit.command()
@click.argument("title")
@_holds
def block(title: str, as_json: bool, **holds: str | None) -> None:
    """Keep TITLE out of every row and list."""
    _titled("block", title, as_json, holds)


@edit.command()
@click.argument("name")
@click.option("--heading", required=True, help="As members read it.")
@click.option(
    "--title", "named", multiple=True, required=True, help="An id or a name; once for each, in order."
)
@click.option(
    "--position", type=click.IntRange(0), default=1, show_default=True, help="Place on the page, from 0."
)
@_holds
def row(
    name: str, heading: str, named: tuple[str, ...], position: int, as_json: bool, **holds: str | None
) -> None:
    """Make the editorial row NAME, or make it anew with just these titles."""
    from cineloop.play.edits import catalogue, find_title, row_acts

    studio = opened()
    titles = catalogue(studio)
    found = [find_title(titles, title) for title in named]
    if holds["identity"]:
        raise click.UsageError("a row goes by its NAME: --id is for pins, boosts and blocks")
    like = _act("row", None, holds, row=name)
    _write(studio, titles, row_acts(studio, name, heading, found, position, like), as_json)


@edit.command()
@click.argument("identity", metavar="ID")
@_by
@json_option
def withdraw(identity: str, by: str, as_json: bool) -> None:
    """Take back the act ID; with a row go all its titles."""
    from cineloop.play.edits import catalogue, withdrawals

    studio = opened()
    _write(studio, catalogue(studio), withdrawals(studio, identity, by), as_json)


@edit.command("import")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@_by
@json_option
def import_(path: Path, by: str, as_json: bool) -> None:
    """Take acts from a CSV with the columns kind, title, row, heading, position, factor, territory, from, until,
    by, note and id; all but kind may be missing."""
    from cineloop.play.edits import catalogue, read_acts

    studio = opened()
    _write(studio, catalogue(studio), read_acts(studio, path, by), as_json)


@edit.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the acts that stand, and whether they hold at the log's last moment."""
    from cineloop.play.act_words import holds, span, what
    from cineloop.play.edits import catalogue, editorial

    studio = opened()
    standing, titles = editorial(studio).standing.to_dicts(), catalogue(studio)
    now = _now(studio)
    for act in standing:
        act["holds"] = holds(act["starts_at"], act["ends_at"], now)
    if as_json:
        print_json(standing)
        return
    rows = [
        (
            act["id"],
            titles.name(act["title"]) if act["title"] else act["heading"] or "",
            what(act),
            act["territory"] or "everywhere",
            span(act["starts_at"], act["ends_at"]),
            act["holds"],
            act["by"],
            act["note"] or "",
        )
        for act in standing
    ]
    headers = ("id", "title", "what", "where", "when", "holds", "by", "note")
    table(
        "Editors' acts", headers, rows, note=f"`holds`: at the log's last moment, {now:%-d %B %Y %H:%M} UTC."
    )


def _titled(kind: str, title: str, as_json: bool, holds: dict[str, str | None], **more: Any) -> None:
    from cineloop.play.edits import catalogue, find_title

    studio = opened()
    titles = catalogue(studio)
    _write(studio, titles, [_act(kind, find_title(titles, title), holds, **more)], as_json)


def _act(kind: str, title: str | None, holds: dict[str, str | None], **more: Any) -> Act:
    from cineloop.play.edits import Act, act_id, moment

    territory = holds["territory"]
    return Act(
        id=holds["identity"] or act_id(kind, title, more.get("row"), territory),
        kind=kind,
        by=holds["by"] or _somebody(),
        title=title,
        territory=territory,
        starts_at=moment(holds["starts"], "--from"),
        ends_at=moment(holds["until"], "--until", end=True),
        note=holds["note"],
        **more,
    )


def _write(studio: Studio, titles: Catalogue, acts: list[Act], as_json: bool) -> None:
    from cineloop.play.act_words import holds, span, what
    from cineloop.play.edits import write

    done: Written = write(studio, acts, datetime.now(UTC))
    if as_json:
        print_json({"written": [asdict(act) for act in done.acts], "already": done.already})
        return
    now = _now(studio)
    for act in done.acts:
        said = asdict(act)
        about = f"{titles.name(act.title)} ({act.title}) " if act.title else ""
        line = f"{act.id}: {about}{what(said)}"
        if act.kind != "withdraw":
            when = f"{span(act.starts_at, act.ends_at)}; holds {holds(act.starts_at, act.ends_at, now)}"
            line += f", {act.territory or 'everywhere'}, {when}"
        click.echo(line)
    if done.already:
        click.echo(f"{done.already} stood so before")


def _now(studio: Studio) -> datetime:
    """The log's last moment, by which homes are made; where there is no log yet, this one."""
    from cineloop.errors import InputError

    try:
        return studio.watermark()
    except InputError:
        return datetime.now(UTC)
