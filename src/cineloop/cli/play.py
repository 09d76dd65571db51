"""`cineloop play …`: homes, plain recommendations, similar titles."""

from __future__ import annotations

from pathlib import Path

import click

from cineloop.cli.show import json_option, moment, opened, print_json, table


@click.group()
def play() -> None:
    """Home screens, recommendations, similar titles."""


@play.command()
@click.argument("profile")
@click.option("--as-of", help="A day or a moment; default: the last the log knows.")
@click.option("--territory", help="ISO 3166-1 alpha-2: only what is available there.")
@click.option("--max-age", type=int, help="The profile's age limit, years.")
@click.option("--genre", "genres", multiple=True, help="Only titles of this genre; may be repeated.")
@click.option("--row-length", type=int, default=10, show_default=True, help="Titles in a row.")
@click.option("--profiling", type=click.Choice(["on", "off"]), default="on", show_default=True)
@json_option
def home(
    profile: str,
    as_of: str | None,
    territory: str | None,
    max_age: int | None,
    genres: tuple[str, ...],
    row_length: int,
    profiling: str,
    as_json: bool,
) -> None:
    """Decide PROFILE's home screen, with the reason of every title."""
    from cineloop.play.brief import HomeRequest
    from cineloop.play.decide import home as decide_home
    from cineloop.play.report import home_text

    request = HomeRequest(
        profile=profile,
        as_of=moment(as_of, "--as-of"),
        territory=territory,
        max_age=max_age,
        genres=genres or None,
        row_length=row_length,
        profiling=profiling == "on",
    )
    decision = decide_home(opened(), request)
    if as_json:
        print_json(decision)
    else:
        click.echo(home_text(decision))


@play.command()
@click.argument("profiles", nargs=-1)
@click.option("--everyone", is_flag=True, help="Every profile with a history.")
@click.option("-k", type=click.IntRange(1), default=10, show_default=True, help="Titles a profile.")
@click.option("--seen", is_flag=True, help="Titles of the history too.")
@click.option("--territory", help="ISO 3166-1 alpha-2: only what is available there.")
@click.option("--max-age", type=int, help="An age limit, years.")
@click.option("--genre", "genres", multiple=True, help="Only titles of this genre; may be repeated.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write CSV (member, title, rank, score)."
)
@json_option
def recommend(
    profiles: tuple[str, ...],
    everyone: bool,
    k: int,
    seen: bool,
    territory: str | None,
    max_age: int | None,
    genres: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Rank titles for PROFILES with the live model: plain lists, no decision and no audit."""
    from cineloop.play.brief import HomeRequest
    from cineloop.play.recommend import recommended

    if not profiles and not everyone:
        raise click.UsageError("name some PROFILES, or say --everyone")
    filters = HomeRequest(profile="anyone", territory=territory, max_age=max_age, genres=genres or None)
    rows = recommended(opened(), None if everyone else list(profiles), k, seen=seen, filters=filters)
    if out is not None:
        from cineloop.store.durable import write_atomic

        write_atomic(out, rows.drop("name").write_csv().encode())
        click.echo(f"{out}: {len(rows):,} rows", err=True)
    elif as_json:
        print_json(rows.to_dicts())
    else:
        shown = [
            (r["member"], r["rank"], r["name"], r["title"], f"{r['score']:.4f}") for r in rows.to_dicts()
        ]
        table("Recommended", ("member", "rank", "title", "id", "score"), shown)


@play.command()
@click.argument("title")
@click.option("-k", type=click.IntRange(1), default=10, show_default=True, help="How many.")
@click.option("--territory", help="ISO 3166-1 alpha-2: without what editors block there, too.")
@json_option
def similar(title: str, k: int, territory: str | None, as_json: bool) -> None:
    """The titles nearest to TITLE (an id, or a name as shown), without what editors block."""
    from cineloop.play.brief import HomeRequest
    from cineloop.play.recommend import similar_titles

    where = HomeRequest(profile="anyone", territory=territory).territory
    found, rows = similar_titles(opened(), title, k, territory=where)
    if as_json:
        print_json({"title": found, "similar": rows.to_dicts()})
        return
    shown = [(r["rank"], r["name"], r["title"], f"{r['score']:.4f}") for r in rows.to_dicts()]
    table(f"Nearest to {found['name']} ({found['title']})", ("rank", "title", "id", "score"), shown)
