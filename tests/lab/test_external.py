from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_doubles import DAY0

from cineloop.errors import InputError
from cineloop.guard.exclusions import Exclusions
from cineloop.lab.external import match, read_lists
from cineloop.lab.splits import HISTORY, Fold

HEAD = "member,title,rank,as_of\n"


def read(tmp_path: Path, text: str | bytes, name: str = "lists.csv") -> pl.DataFrame:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_lists(path)


def test_lists_are_read_and_sorted(tmp_path: Path) -> None:
    text = HEAD + "ann,heat,2,2024-01-05\nann,alien,1,2024-01-05\nann,dune,1,2024-01-01T12:00:00+02:00\n"
    found = read(tmp_path, "\ufeff" + text.replace("\n", "\r\n"))
    assert found.rows() == [
        ("ann", "dune", 1, datetime(2024, 1, 1, 10, tzinfo=UTC), None),
        ("ann", "alien", 1, datetime(2024, 1, 5, tzinfo=UTC), None),
        ("ann", "heat", 2, datetime(2024, 1, 5, tzinfo=UTC), None),
    ]
    assert found.columns == ["member", "title", "rank", "as_of", "score"]
    scored = read(
        tmp_path, 'score,extra,as_of,rank,title,member\n0.5,x,2024-01-05Z,1,"a, b",ann\n'.replace("5Z", "5")
    )
    assert scored.select("title", "score").rows() == [("a, b", 0.5)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lists.csv:1: member: missing column; accepted: member, title, rank, as_of, score"),
        ("member,title,rank\n", "lists.csv:1: as_of: missing column"),
        ("member,title,rank,as_of,rank\n", "lists.csv:1: rank: the column stands twice"),
        (HEAD + "ann,heat,1\n", "lists.csv:2: 3 fields; accepted: 4 fields"),
        (
            HEAD + "\nann,heat,1,2024-01-01\n,heat,1,2024-01-01\n",
            "lists.csv:4: member '': not accepted; accepted: a non-empty id",
        ),
        (
            HEAD + "ann,heat,0,2024-01-01\n",
            "lists.csv:2: rank '0': not accepted; accepted: a whole number from 1",
        ),
        (HEAD + "ann,heat,1.5,2024-01-01\n", "lists.csv:2: rank '1.5': not accepted"),
        (HEAD + "ann,heat,²,2024-01-01\n", "lists.csv:2: rank '²': not accepted"),
        (
            HEAD + "ann,heat,1,01/02/2024\n",
            "lists.csv:2: as_of '01/02/2024': not accepted; accepted: an ISO 8601",
        ),
        (
            HEAD + "ann,heat,1,2024-01-01\nbob,heat,1,2024-01-01\nann,alien,1,2024-01-01\n",
            "lists.csv:4: rank 1: twice in the list of ann as of 2024-01-01",
        ),
        (
            HEAD + 'ann,heat,1,2024-01-01\n"bo\nb",heat,1,2024-01-01\nann,heat,2,2024-01-01\n',
            "lists.csv:5: title 'heat': twice in the list of ann",
        ),
        (HEAD + 'ann,"heat,1,2024-01-01\n', "lists.csv:2: unexpected end of data"),
        (HEAD.encode() + b"ann,\xff,1,2024-01-01\n", "lists.csv:1: not text in UTF-8"),
        ("score," + HEAD + "high,ann,heat,1,2024-01-01\n", "lists.csv:2: score 'high': not accepted"),
    ],
)
def test_a_broken_file_is_one_line_with_its_place(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(InputError) as bad:
        read(tmp_path, text)
    assert said in str(bad.value) and "\n" not in str(bad.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(InputError, match=rf"none\.{name.partition('.')[2]}: .*[Nn]o such file"):
            read_lists(tmp_path / name)


def parquet(tmp_path: Path, **columns: Any) -> pl.DataFrame:
    values: dict[str, Any] = {"member": ["ann"], "title": ["heat"], "rank": [1], "as_of": [date(2024, 1, 5)]}
    pl.DataFrame(values | columns).write_parquet(tmp_path / "lists.parquet")
    return read_lists(tmp_path / "lists.parquet")


def test_parquet_in_its_own_types(tmp_path: Path) -> None:
    expected = [("ann", "heat", 1, datetime(2024, 1, 5, tzinfo=UTC), None)]
    assert parquet(tmp_path).rows() == expected
    assert parquet(tmp_path, as_of=[datetime(2024, 1, 5)], rank=pl.Series([1.0])).rows() == expected
    assert parquet(tmp_path, as_of=["2024-01-05"], score=[None]).rows() == expected
    assert parquet(tmp_path, member=[7])["member"].to_list() == ["7"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"rank": [1.5]}, "lists.parquet:1: rank 1.5: not accepted"),
        ({"rank": [None]}, "lists.parquet:1: rank: not accepted"),
        ({"as_of": [5]}, "lists.parquet:1: as_of 5: not accepted"),
        ({"member": [["ann"]]}, r"lists.parquet: member: a column of List"),
        ({"score": ["x"]}, "lists.parquet:1: score 'x': not accepted"),
    ],
)
def test_broken_parquet_is_one_line(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as bad:
        parquet(tmp_path, **columns)
    assert said in str(bad.value)
    with pytest.raises(InputError, match="not Parquet"):
        read(tmp_path, b"PAR1 no", "other.parquet")


CELL = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        ["1", "2", "ann", "2024-01-01", '"', "\0", "1e400", "nan", "9" * 30, "0001-01-01T00:00+23:00"]
    ),
)


@settings(max_examples=250, deadline=None)
@given(
    head=st.sampled_from([HEAD, "score," + HEAD, "member,rank\n", ""]),
    rows=st.lists(st.lists(CELL, max_size=6).map(",".join), max_size=6).map("\n".join),
)
def test_no_text_makes_a_traceback(tmp_path_factory: Any, head: str, rows: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes((head + rows).encode("utf-8", "surrogatepass"))
    try:
        found = read_lists(path)
    except InputError as bad:
        assert "\n" not in str(bad) and "any.csv" in str(bad)
    else:
        assert (found["rank"] >= 1).all() and found.select(
            "member", "title", "as_of"
        ).null_count().sum_horizontal()[0] == 0


@settings(max_examples=250, deadline=None)
@given(content=st.binary(max_size=200))
def test_no_bytes_make_a_traceback(tmp_path_factory: Any, content: bytes) -> None:
    for name in ("any.csv", "any.parquet"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes((HEAD.encode() if name == "any.csv" else b"PAR1") + content)
        try:
            read_lists(path)
        except InputError as bad:
            assert name in str(bad)


def fold(day: int, *members: str) -> Fold:
    targets = pl.DataFrame({"member": members, "title": "x", "at": 0, "warm": False})
    history = pl.DataFrame(schema=dict.fromkeys(HISTORY, pl.String))
    return Fold(f"day{day}", DAY0 + timedelta(days=day), Exclusions(), history, targets)


def lists(*rows: tuple[str, str, int, int]) -> pl.DataFrame:
    return pl.DataFrame(
        [(m, t, r, DAY0 + timedelta(days=d), None) for m, t, r, d in rows],
        schema={
            "member": pl.String,
            "title": pl.String,
            "rank": pl.Int32,
            "as_of": pl.Datetime("us", "UTC"),
            "score": pl.Float64,
        },
        orient="row",
    )


def test_each_fold_gets_the_latest_list_of_its_day_or_before() -> None:
    made = lists(
        ("ann", "a", 1, 0), ("ann", "b", 1, 10), ("ann", "c", 2, 10), ("ann", "d", 1, 15), ("bob", "e", 1, 5)
    )
    early, late = match([fold(10, "ann", "bob", "cid"), fold(20, "ann")], made)
    assert early.lists.select("member", "title", "rank").rows() == [
        ("ann", "b", 1),
        ("ann", "c", 2),
        ("bob", "e", 1),
    ]
    assert (early.fold, early.asked, early.missing, early.as_of) == ("day10", 3, 1, DAY0 + timedelta(days=5))
    assert late.lists["title"].to_list() == ["d"] and late.missing == 0


def test_a_list_from_after_the_last_day_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"as_of '2024-01-22.*could have seen what followed; accepted: up to 2024-01-21"
    ):
        match([fold(10, "ann"), fold(20, "ann")], lists(("ann", "a", 1, 0), ("ann", "b", 1, 21)))


def test_a_list_from_after_a_fold_is_not_used_for_it() -> None:
    early, late = match([fold(10, "ann"), fold(20, "ann")], lists(("ann", "b", 1, 11)))
    assert (early.missing, early.lists.is_empty(), early.as_of) == (1, True, None)
    assert late.missing == 0


def test_ids_that_name_nobody_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"member 'ann': no list is for a member .*accepted: ids such as 'ml:7'"
    ):
        match([fold(10, "ml:7")], lists(("ann", "a", 1, 0)))
