"""Writing editors' acts into the table of record, by hand or from a CSV; `play/editorial.py` says what they do.

An act has an id that says what it is about (`pin:ml:50`, in one territory `pin:ml:50@DE`): writing it again changes
it, writing the same again changes nothing, and it is taken back by its id.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from cineloop.errors import InputError
from cineloop.play.editorial import TOP, Editorial
from cineloop.play.series import Catalogue
from cineloop.store import append
from cineloop.store.check import conform
from cineloop.store.schema import EDITORIAL_KINDS
from cineloop.studio import Studio

ROWS = (TOP, "because", "trending", "new", "genre")
"""Kinds of rows that a pin may name, beside a genre and an editorial row."""

COLUMNS = (
    *("kind", "title", "row", "heading", "position", "factor"),
    *("territory", "from", "until", "by", "note", "id"),
)
"""Columns of a CSV of acts; `kind` is required."""


@dataclass(frozen=True)
class Act:
    """One row of the table `editorial` without its times of writing."""

    id: str
    kind: str
    by: str
    title: str | None = None
    row: str | None = None
    heading: str | None = None
    position: int | None = None
    factor: float | None = None
    territory: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    note: str | None = None


@dataclass(frozen=True)
class Written:
    """Acts that were written, and how many stood so before."""

    acts: tuple[Act, ...]
    already: int


def act_id(kind: str, title: str | None, row: str | None, territory: str | None) -> str:
    """What an act is about, as its id.

    >>> act_id("row", None, "summer", "DE"), act_id("row", "ml:50", "summer", None), act_id("pin", "ml:50", None, None)
    ('row:summer@DE', 'row:summer:ml:50', 'pin:ml:50')
    """
    about = [kind, *([row] if kind == "row" and row else []), *([title] if title else [])]
    return ":".join(about) + (f"@{territory}" if territory else "")


def editorial(studio: Studio) -> Editorial:
    """All acts that the newest snapshot knows."""
    return Editorial.of(studio.store.head().scan("editorial").collect())


def catalogue(studio: Studio) -> Catalogue:
    """All titles that the newest snapshot knows."""
    return Catalogue.of(studio.store.head().scan("titles").collect())


def write(studio: Studio, acts: Sequence[Act], at: datetime) -> Written:
    """Write acts as known from `at`; those that stand in just this form already are left out.

    Broken ones (a boost without its factor, an end before its start) are an `InputError`, and none is written.
    """
    before = {row["id"]: row for row in editorial(studio).acts.to_dicts()}
    rows = []
    for seq, act in enumerate(acts):
        said, old = asdict(act), before.get(act.id)
        if old is not None and all(old[name] == value for name, value in said.items()):
            continue
        known = at if old is None else max(at, old["known_at"] + timedelta(microseconds=1))
        before[act.id] = {**said, "known_at": known}
        rows.append({**said, "happened_at": at, "known_at": known, "seq": seq})
    if rows:
        append(
            studio.store,
            {"editorial": conform("editorial", pl.DataFrame(rows, infer_schema_length=None))},
            "editors",
        )
    written = tuple(acts[row["seq"]] for row in rows)
    return Written(written, len(acts) - len(written))


def row_acts(
    studio: Studio, name: str, heading: str, titles: Sequence[str], position: int | None, like: Act
) -> list[Act]:
    """The acts that make an editorial row be just these titles in this order; others in it are taken back.

    Who, where and when come from `like`.
    """
    if not titles:
        raise InputError("a row without titles", field="--title", accepted="one title at least")
    about = replace(like, kind="row", row=name, title=None, factor=None)
    made = [replace(about, id=act_id("row", None, name, like.territory), heading=heading, position=position)]
    for place, title in enumerate(dict.fromkeys(titles)):
        identity = act_id("row", title, name, like.territory)
        made.append(replace(about, id=identity, title=title, heading=None, position=place))
    stay = {act.id for act in made}
    for old in _of_row(editorial(studio), name, like.territory):
        if old["id"] not in stay:
            made.append(Act(old["id"], "withdraw", like.by))
    return made


def withdrawals(studio: Studio, identity: str, by: str) -> list[Act]:
    """The acts that take one back, an editorial row with all its titles; `InputError` where there is none."""
    known = editorial(studio)
    found = known.standing.filter(pl.col("id") == identity).to_dicts()
    if not found:
        ids = known.standing["id"].to_list()
        near = difflib.get_close_matches(identity, ids, 5, 0.4) or ids[:5]
        raise InputError("no such act", field="id", value=identity, accepted=", ".join(near) or "none stands")
    of_row = (
        _of_row(known, found[0]["row"], found[0]["territory"])
        if found[0]["kind"] == "row" and found[0]["title"] is None
        else found
    )
    return [Act(act["id"], "withdraw", by) for act in of_row]


def find_title(titles: Catalogue, asked: str) -> str:
    """The id of a film or series, by its id or its name; `InputError` with near names where there is none."""
    known = titles.titles.filter(pl.col("kind").is_in(["film", "series", "game", "live"]))
    if known.filter(pl.col("title") == asked).height:
        return asked
    if titles.root(asked) != asked:
        series = titles.root(asked)
        accepted = f"the series: {series} ({titles.name(series)})"
        raise InputError("part of a series", field="title", value=asked, accepted=accepted)
    names = known["name"].to_list()
    named = known.filter(pl.col("name").str.to_lowercase() == asked.lower())["title"].to_list()
    if len(named) == 1:
        return str(named[0])
    if named:
        ids = ", ".join(f"{t} ({titles.year(t) or 'year unknown'})" for t in named)
        raise InputError("more than one title has this name", field="title", value=asked, accepted=ids)
    by_name = {name.casefold(): name for name in names}
    near = [by_name[n] for n in difflib.get_close_matches(asked.casefold(), by_name, 5, 0.5)]
    near = near or [name for name in names if asked.casefold() in name.casefold()][:5]
    hint = ", ".join(near) or "an id as the log has it, or a name as shown"
    raise InputError("no such title", field="title", value=asked, accepted=hint)


def check_row(studio: Studio, titles: Catalogue, row: str | None) -> str | None:
    """A row that a pin may name: a kind of row, a genre, an editorial row; None is the row of top picks."""
    if row is None or row in ROWS:
        return row
    genres = titles.titles["genres"].explode().drop_nulls().unique().sort().to_list()
    own = editorial(studio).standing.filter(pl.col("kind") == "row")["row"].unique().sort().to_list()
    if row not in {*genres, *own}:
        accepted = ", ".join([*ROWS, *own, *genres])
        raise InputError("no such row", field="row", value=row, accepted=accepted)
    return row


def moment(text: str | None, field: str, *, end: bool = False) -> datetime | None:
    """A day or an ISO 8601 time with its zone; a day that ends something is meant to its last moment.

    >>> moment("2026-05-03", "until", end=True).isoformat()
    '2026-05-04T00:00:00+00:00'
    """
    if not text:
        return None
    accepted = "a day such as 2026-05-03, or a time with its zone such as 2026-05-03T18:00:00Z"
    try:
        if len(text) == 10:
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return day + timedelta(days=end)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise InputError("not a moment", field=field, value=text, accepted=accepted) from error
    if at.tzinfo is None:
        raise InputError("a time without its zone", field=field, value=text, accepted=accepted)
    return at.astimezone(UTC)


def read_acts(studio: Studio, path: Path, by: str) -> list[Act]:
    """The acts of a CSV with a header; `COLUMNS` says which it may have. `by` counts where a line names nobody.

    An unknown column, a broken value or an unknown title is an `InputError` with file and line.
    """
    titles, made = catalogue(studio), []
    # rows that the file itself makes may be pinned into
    own = {said["row"] for _, said in _lines(path) if said["kind"] == "row" and said["row"]}
    for line, said in _lines(path):
        try:
            made.append(_act(studio, titles, said, by, own))
        except InputError as error:
            error.file, error.line = path, line
            raise
    return made


def _act(studio: Studio, titles: Catalogue, said: dict[str, str], by: str, own: set[str]) -> Act:
    kind, territory, row = said["kind"], said["territory"] or None, said["row"] or None
    if kind not in EDITORIAL_KINDS:
        raise InputError("no such kind", field="kind", value=kind, accepted=", ".join(EDITORIAL_KINDS))
    title = find_title(titles, said["title"]) if said["title"] else None
    if kind == "pin" and row not in own:
        check_row(studio, titles, row)
    for field in {"pin": ["title"], "block": ["title"], "boost": ["title", "factor"], "row": ["row"]}.get(
        kind, ["id"]
    ):
        if not said[field]:
            raise InputError(f"a {kind} without it", field=field, accepted=f"the {field}")
    if kind == "row" and title is None and not said["heading"]:
        raise InputError("a row without it", field="heading", accepted="a heading, or a title of the row")
    return Act(
        id=said["id"] or act_id(kind, title, row, territory),
        kind=kind,
        by=said["by"] or by,
        title=title,
        row=row,
        heading=said["heading"] or None,
        position=_number(said["position"], "position", int),
        factor=_number(said["factor"], "factor", float),
        territory=territory,
        starts_at=moment(said["from"], "from"),
        ends_at=moment(said["until"], "until", end=True),
        note=said["note"] or None,
    )


def _number(text: str, field: str, kind: type[Any]) -> Any:
    try:
        return kind(text) if text else None
    except ValueError as error:
        accepted = "a place from 0" if kind is int else "a number from 0.1 to 10"
        raise InputError("not a number", field=field, value=text, accepted=accepted) from error


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each record's first line and its values by column; absent ones are empty."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        records = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip() for name in next(records, [])]
        for name in header:
            if name not in COLUMNS or header.count(name) > 1:
                raise InputError("not a column of acts", path, 1, name, accepted=", ".join(COLUMNS))
        if "kind" not in header:
            raise InputError("the column is not in the file", path, 1, "kind", accepted=", ".join(COLUMNS))
        line = records.line_num + 1
        for record in records:
            if any(value.strip() for value in record):
                if len(record) != len(header):
                    raise InputError(f"{len(record)} values", path, line, accepted=f"{len(header)}")
                values = dict(zip(header, (value.strip() for value in record), strict=True))
                yield line, {name: values.get(name, "") for name in COLUMNS}
            line = records.line_num + 1
    except OSError as error:
        raise InputError(error.strerror or "can't be read", file=path) from error
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8", file=path, accepted="a CSV in UTF-8") from error
    except csv.Error as error:
        raise InputError(f"not CSV ({error})", file=path, line=records.line_num) from error


def _of_row(known: Editorial, name: str, territory: str | None) -> list[dict[str, Any]]:
    same = pl.col("territory").eq_missing(pl.lit(territory, pl.String))
    return known.standing.filter(pl.col("kind") == "row", pl.col("row") == name, same).to_dicts()
