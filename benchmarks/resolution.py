"""Entity resolution, measured: on pairs labelled by hand, and against IMDb ids that two tables share.

    python benchmarks/resolution.py [--data FOLDER]

FOLDER holds `fivethirtyeight_bechdel_movies.csv` (default: ../shared/data/titles from here); `movies.db` is
fetched. Both carry IMDb ids, which the matcher does not see: it is given names and years alone.
"""

from __future__ import annotations

import argparse
import csv
import html
import math
import time
from pathlib import Path

from cineloop.store.sources.fetch import cache_folder
from cineloop.store.sources.fetch_films import fetch_film_facts
from cineloop.store.sources.film_facts import FilmFacts
from cineloop.titles.entities import entities_in, tables_of
from cineloop.titles.resolve import Entity, match, score

ROOT = Path(__file__).resolve().parents[1]
LABELLED = ROOT / "tests" / "titles" / "labelled.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "titles")
    data = parser.parse_args().data
    labelled()
    table = data / "fivethirtyeight_bechdel_movies.csv"
    if table.is_file():
        by_ids(table)
    else:
        print(f"{table} is not there: ids are not compared")


def labelled() -> None:
    with LABELLED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for sample in ("chosen", "fresh"):
        mine = [r for r in rows if r["sample"] == sample]
        said = [score(entity(r, "left"), entity(r, "right")).confidence >= 0.5 for r in mine]
        same = [r["same"] == "1" for r in mine]
        hits = sum(a and b for a, b in zip(said, same, strict=True))
        told(f"labelled pairs, {sample} ({len(mine)})", hits, sum(said), sum(same))


def by_ids(table: Path) -> None:
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    left = [Entity(r["imdb"], "film", (html.unescape(r["title"]),), int(r["year"])) for r in rows]
    right = entities_in(tables_of(FilmFacts(fetch_film_facts(cache_folder()))))
    plain = [Entity(e.id.partition(":")[2], e.kind, e.names, e.year) for e in right]
    started = time.perf_counter()
    found = match(left, plain)
    seconds = time.perf_counter() - started
    there = {e.id for e in plain}
    hits = sum(m.left == m.right for m in found)
    told("IMDb ids, names and years alone", hits, len(found), sum(e.id in there for e in left))
    print(f"  {len(left):,} against {len(plain):,} titles in {seconds:.1f} s")


def told(what: str, hits: int, said: int, same: int) -> None:
    for name, of in (("precision", said), ("recall", same)):
        low, high = wilson(hits, of)
        print(f"{what}: {name} {hits / of:.3f} [{low:.3f}, {high:.3f}] ({hits} of {of})")


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson, JASA 1927)."""
    share = hits / of
    middle = share + z * z / (2 * of)
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - reach) / (1 + z * z / of), (middle + reach) / (1 + z * z / of)


def entity(row: dict[str, str], side: str) -> Entity:
    """One side of a labelled pair."""

    def whole(name: str) -> int | None:
        return int(row[f"{side}_{name}"]) if row[f"{side}_{name}"] else None

    return Entity(
        side,
        row[f"{side}_kind"],
        tuple(row[f"{side}_names"].split(" | ")),
        whole("year"),
        whole("until"),
        whole("shown"),
        frozenset(p for p in row[f"{side}_people"].split(";") if p),
        whole("runtime"),
        row[f"{side}_language"] or None,
        row[f"{side}_country"] or None,
        whole("number"),
    )


if __name__ == "__main__":
    main()
