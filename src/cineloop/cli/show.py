"""What every command shares: opening the workspace, tables, progress bars, JSON, and moments typed by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cineloop.engine import Progress, silent
from cineloop.errors import InputError

if TYPE_CHECKING:
    from cineloop.studio import Studio


def opened(*, create: bool = False) -> Studio:
    """The workspace that the command line named."""
    from cineloop.studio import open_studio

    named: dict[str, Any] = click.get_current_context().find_root().obj
    return open_studio(
        named["workspace"],
        create=create,
        registry=named["registry"],
        records=named["records"],
        events=named["events"],
    )


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`: machine-readable output on stdout and nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(command)


def print_json(value: Any) -> None:
    """Plain values, models and moments as JSON."""

    def plain(thing: Any) -> Any:
        if isinstance(thing, datetime):
            return thing.isoformat()
        if isinstance(thing, Path):
            return str(thing)
        if hasattr(thing, "model_dump"):
            return thing.model_dump(mode="json")
        if isinstance(thing, (set, frozenset)):
            return sorted(thing)
        if hasattr(thing, "item"):
            return thing.item()
        raise TypeError(f"{type(thing).__name__} has no JSON form")

    click.echo(json.dumps(value, indent=2, default=plain, ensure_ascii=False, allow_nan=False))


def table(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]], *, note: str = "") -> None:
    """A table on stdout; columns whose cells are numbers stand to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, header in enumerate(headers):
        cells = [str(row[i]) for row in rows]
        right = bool(cells) and all(c == "" or c.lstrip("+-−")[:1].isdigit() or c == "–" for c in cells)
        several = any("\n" in c for c in cells)
        made.add_column(header, justify="right" if right or several else "left", overflow="fold")
    for row in rows:
        made.add_row(*[str(cell) for cell in row])
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    console.print(made)
    if note:
        console.print(note, style="dim", soft_wrap=True)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress]:
    """A progress bar a task on stderr; on a screen it moves, in a log nothing is said."""
    if quiet or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        ids: dict[str, TaskID] = {}

        def say(task: str, done: float, total: float | None = None) -> None:
            if task not in ids:
                ids[task] = bars.add_task(task, total=total)
            bars.update(ids[task], completed=done, total=total)
            if total is not None and done >= total:
                bars.remove_task(ids.pop(task))

        yield say


def moment(text: str | None, field: str) -> datetime | None:
    """A day (its first moment, UTC) or an ISO 8601 time with its zone; None stays None.

    >>> moment("1998-04-22", "as-of").isoformat()
    '1998-04-22T00:00:00+00:00'
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or (at.tzinfo is None and len(text) > 10):
        accepted = "a day such as 1998-04-22, or a time with its zone such as 1998-04-22T12:00:00Z"
        raise InputError("not a moment", field=field, value=text, accepted=accepted)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def knob_values(settings: Sequence[str]) -> dict[str, Any]:
    """`name=value` pairs, the value as JSON where it is JSON, else as text.

    >>> knob_values(["l2=500", "half_life_days=null"])
    {'l2': 500, 'half_life_days': None}
    """
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise InputError("not a knob", field="--knob", value=setting, accepted="name=value")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values
