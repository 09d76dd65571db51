"""MovieLens' layouts: each written here by its README, and the published files where they lie beside the project."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from cineloop.errors import InputError
from cineloop.store.schema import TABLES
from cineloop.store.sources.film_names import name_and_year
from cineloop.store.sources.movielens import MovieLens
from cineloop.store.sources.source import LINE, Reject

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "plays"

RATINGS = [(1, 10, 5, 881250949), (1, 20, 3, 881250950), (7, 10, 4, 978300760)]
U_FLAGS = "|".join("1" if i in (1, 15) else "0" for i in range(19))  # Action and Sci-Fi by u.genre's order
HALVES = [(1, 10, "0.5", 881250949), (1, 20, "3.0", 881250950), (7, 10, "4.5", 978300760)]


def lines(separator: str, rows: list[tuple[object, ...]]) -> str:
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def layout_100k(folder: Path) -> None:
    (folder / "u.data").write_text(lines("\t", RATINGS))
    items = (
        f"10|Terminator, The (1984)|01-Jan-1984||http://x|{U_FLAGS}\n"
        f"20|Caf\u00e9|02-Feb-1995|||1{'|0' * 18}\n"
        f"30|unknown||||1{'|0' * 18}\n"
    )
    (folder / "u.item").write_bytes(items.encode("latin-1"))


def layout_1m(folder: Path) -> None:
    (folder / "ratings.dat").write_text(lines("::", RATINGS))
    movies = "10::Terminator, The (1984)::Action|Sci-Fi\n20::Caf\u00e9 (1995)::(no genres listed)\n"
    (folder / "movies.dat").write_bytes((movies + "30::unknown::unknown\n").encode("latin-1"))


def layout_csv(folder: Path) -> None:
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\r\n" + lines(",", HALVES))
    movies = 'movieId,title,genres\n10,"Terminator, The (1984)",Action|Sci-Fi\n'
    (folder / "movies.csv").write_text(
        movies + "20,Caf\u00e9 (1995),(no genres listed)\n30,unknown,unknown\n"
    )
    (folder / "tags.csv").write_text("not,read\n")


def layout_recbole(folder: Path) -> None:
    head = "timestamp:float\tuser_id:token\titem_id:token\trating:float\n"
    rows = [(f"{t}.0", u, m, r) for u, m, r, t in RATINGS]
    (folder / "ml-100k.inter").write_text(head + lines("\t", rows))
    items = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    items += (
        "10\tTerminator, The\t1984\tAction Sci-Fi\n20\tCaf\u00e9\t1995\tunknown\n30\tunknown\tV\tunknown\n"
    )
    (folder / "ml-100k.item").write_text(items)


LAYOUTS = {
    "100k": (layout_100k, "ml-100k"),
    "1m": (layout_1m, "ml-1m"),
    "csv": (layout_csv, "ml"),
    "recbole": (layout_recbole, "ml-100k"),
}


def tables(source: MovieLens) -> tuple[dict[str, pl.DataFrame], list[Reject]]:
    found: dict[str, list[pl.DataFrame]] = {}
    rejects: list[Reject] = []
    for batch in source.read():
        found.setdefault(batch.table, []).append(batch.rows)
        rejects.extend(batch.rejects)
        assert 0 < batch.done <= source.total
        known = pl.DataFrame(TABLES[batch.table].schema.empty_table()).schema
        assert {n: t for n, t in batch.rows.schema.items() if n != LINE}.items() <= dict(known).items()
    return {name: pl.concat(frames) for name, frames in found.items()}, rejects


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("inside", [False, True])
def test_each_layout_gives_the_rows_its_readme_promises(tmp_path: Path, layout: str, inside: bool) -> None:
    folder = tmp_path / "unpacked" if inside else tmp_path
    folder.mkdir(exist_ok=True)
    write, name = LAYOUTS[layout]
    write(folder)
    source = MovieLens(tmp_path)
    assert (source.name, source.layout) == (name, layout)
    assert source.settings() == {"source": "movielens", "layout": layout, "name": name, "rules": 1}
    made, rejects = tables(source)
    assert rejects == []
    rated = made["feedback"]
    stars = [0.5, 3.0, 4.5] if layout == "csv" else [5.0, 3.0, 4.0]
    assert rated["profile"].to_list() == [f"{name}:1", f"{name}:1", f"{name}:7"]
    assert rated["account"].equals(rated["profile"], check_names=False)
    assert rated["title"].to_list() == [f"{name}:10", f"{name}:20", f"{name}:10"]
    assert rated["value"].to_list() == stars
    assert set(rated["kind"]) == {"rating"}
    assert rated["happened_at"][0] == datetime.fromtimestamp(881250949, UTC)  # 1997-12-04 15:55:49
    assert rated["known_at"].equals(rated["happened_at"], check_names=False)
    films = made["titles"]
    assert films["title"].to_list() == [f"{name}:10", f"{name}:20", f"{name}:30"]
    assert films["name"].to_list() == ["The Terminator", "Caf\u00e9", "unknown"]
    assert films["year"].to_list() == [1984, 1995, None]
    assert films["genres"].to_list() == [["Action", "Sci-Fi"], None, None]
    assert films["known_at"].to_list() == [datetime(y, 1, 1, tzinfo=UTC) for y in (1983, 1994, 1900)]


def test_10m_is_colons_with_half_stars(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text(lines("::", HALVES))
    (tmp_path / "movies.dat").write_text("10::Caf\u00e9 (1984)::Drama\n")
    (tmp_path / "tags.dat").write_text("1::10::slow::881250949\n")
    source = MovieLens(tmp_path)
    made, rejects = tables(source)
    assert (source.name, rejects) == ("ml-10m", [])
    assert made["feedback"]["value"].to_list() == [0.5, 3.0, 4.5]
    assert made["titles"]["name"].to_list() == ["Caf\u00e9"]  # UTF-8 here, Latin-1 in 1M


@pytest.mark.parametrize(
    "file", ["u.data", "ratings.dat", "ratings.csv", "ml-100k.inter", "movies.dat", "renamed.csv"]
)
def test_one_file_is_told_by_its_name_or_first_line(tmp_path: Path, file: str) -> None:
    for write, _ in LAYOUTS.values():
        write(tmp_path)
    (tmp_path / "ratings.csv").rename(tmp_path / "renamed.csv") if file == "renamed.csv" else None
    made, _ = tables(MovieLens(tmp_path / file))
    assert set(made) == ({"titles"} if file.startswith("movies") else {"feedback"})


def test_ids_of_whole_numbers_lose_zeros_and_tokens_keep_them(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n007,0010,4.0,881250949\n")
    made, _ = tables(MovieLens(tmp_path))
    assert made["feedback"].row(0)[:3] == ("ml:7", "ml:7", "ml:10")
    (tmp_path / "x.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n007\tB00\t4\t881250949\n"
    )
    made, _ = tables(MovieLens(tmp_path / "x.inter"))
    assert made["feedback"].row(0)[:3] == ("x:007", "x:007", "x:B00")


def test_large_ids_beside_small_ones(tmp_path: Path) -> None:
    big = 2**62
    (tmp_path / "ratings.csv").write_text(
        f"userId,movieId,rating,timestamp\n1,2,4.0,881250949\n{big},5000000,4.0,881250949\n"
    )
    made, _ = tables(MovieLens(tmp_path))
    assert made["feedback"]["profile"].to_list() == ["ml:1", f"ml:{big}"]
    assert made["feedback"]["title"].to_list() == ["ml:2", "ml:5000000"]


@pytest.mark.parametrize(
    ("layout", "row", "field", "value"),
    [
        ("csv", "1,10,5.5,881250949", "rating", "5.5"),
        ("csv", "1,10,3.3,881250949", "rating", "3.3"),
        ("csv", "1,10,0,881250949", "rating", "0"),
        ("csv", "1,10,nan,881250949", "rating", "nan"),
        ("csv", "1,10,4.0,12", "timestamp", "12"),
        ("csv", "1,10,4.0,881250949000", "timestamp", "881250949000"),
        ("csv", "-1,10,4.0,881250949", "userId", "-1"),
        ("1m", "1::10::4.5::881250949", "rating", "4.5"),
        ("100k", "1\t10\t6\t881250949", "rating", "6"),
        ("recbole", "881250949\t1\t10\tinf", "rating:float", "inf"),
    ],
)
def test_values_out_of_range_are_rejected_with_line_and_value(
    tmp_path: Path, layout: str, row: str, field: str, value: str
) -> None:
    LAYOUTS[layout][0](tmp_path)
    file = next(
        p for p in tmp_path.iterdir() if p.name.split(".")[0] == "ratings" or p.suffix in (".data", ".inter")
    )
    file.write_text(file.read_text() + row + "\n")
    made, rejects = tables(MovieLens(tmp_path))
    assert made["feedback"].height == 3
    expected_line = 4 + (layout in ("csv", "recbole"))
    assert [(r.line, r.field, r.value) for r in rejects] == [(expected_line, field, value)]
    assert rejects[0].accepted


def test_paths_in_no_or_several_layouts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no MovieLens layout"):
        MovieLens(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        MovieLens(tmp_path / "absent")
    layout_csv(tmp_path)
    with pytest.raises(InputError, match="not a prefix"):
        MovieLens(tmp_path, "a:b")
    layout_1m(tmp_path)
    with pytest.raises(InputError, match="several layouts"):
        MovieLens(tmp_path)
    odd = tmp_path / "odd.inter"
    odd.write_text("user_id:token\titem_id:token\n1\t2\n")
    with pytest.raises(InputError, match="rating: the column is not in the file"):
        MovieLens(odd)


@pytest.mark.parametrize(
    ("title", "name", "year"),
    [
        ("Matrix, The (1999)", "The Matrix", 1999),
        ("Women of '69, Unboxed", "Women of '69, Unboxed", None),
        (
            "Holy Mountain, The (Monta\u00f1a sagrada, La) (1973)",
            "The Holy Mountain (La Monta\u00f1a sagrada)",
            1973,
        ),
        ("Ennemi, L' (2001)", "L'Ennemi", 2001),
        ("8 1/2 (8\u00bd) (1963)", "8 1/2 (8\u00bd)", 1963),
        ("Big Bang Theory, The (2007-)", "The Big Bang Theory", 2007),
        ("1984 (1956) ", "1984", 1956),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", 2009),
        ("Oddity (0012)", "Oddity", None),
        ("(1999)", "(1999)", None),
    ],
)
def test_names_are_put_straight(title: str, name: str, year: int | None) -> None:
    assert name_and_year(title) == (name, year)


def real(path: str) -> MovieLens:
    if not (SHARED / path).exists():
        pytest.skip(f"{path} is not beside this checkout (shared/data/plays)")
    return MovieLens(SHARED / path)


def test_the_published_100k_is_read_whole() -> None:
    """100,000 ratings of 943 users for 1,682 movies, as its README says; stars by the published histogram."""
    made, rejects = tables(real("ml-100k"))
    rated, films = made["feedback"], made["titles"]
    assert (rated.height, rated["profile"].n_unique(), films.height, rejects) == (100_000, 943, 1682, [])
    assert rated.join(films, on="title", how="anti").is_empty()
    late = rated.join(films.select("title", listed="known_at"), on="title").filter(
        pl.col("known_at") < pl.col("listed")
    )
    assert late.is_empty()  # who sees a rating sees its title
    counts = dict(rated["value"].value_counts().iter_rows())
    assert counts == {1.0: 6110, 2.0: 11370, 3.0: 27145, 4.0: 34174, 5.0: 21201}


def test_the_published_latest_small_is_read_whole() -> None:
    made, rejects = tables(real("ml-latest-small"))
    assert (made["feedback"].height, made["titles"].height, rejects) == (100_004, 9125, [])
    assert made["titles"].filter(pl.col("year").is_null()).height == 4  # four titles carry no year


def test_the_published_movies_of_1m_are_read_whole() -> None:
    """3,883 movies, in Latin-1: the accent shows whether they were read so."""
    made, rejects = tables(real("ml-1m/movies.dat"))
    films = made["titles"]
    assert (films.height, rejects, films["year"].null_count()) == (3883, [], 0)
    assert films.filter(pl.col("title") == "ml-1m:73")["name"].item() == "Les Mis\u00e9rables"
