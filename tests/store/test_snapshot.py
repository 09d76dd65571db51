"""Snapshots: ids that do not depend on how rows came in, and as-of reads against a plain Python oracle."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_source import START, ToySource, feedback, write_csv

from cineloop.errors import InputError
from cineloop.store.check import conform, frame_schema
from cineloop.store.hashing import hex_ids, row_ids
from cineloop.store.ingest import append, ingest
from cineloop.store.parts import Part, bucket_count
from cineloop.store.workspace import Store


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return hex_ids(row_ids(conform("feedback", feedback(rows)), "feedback")).to_list()


ROW = st.fixed_dictionaries(
    {
        "account": st.sampled_from(["a", "b", "c"]),
        "title": st.sampled_from(["t", "u"]),
        "value": st.integers(1, 5),
        "day": st.integers(0, 6),
    }
)


@given(st.lists(ROW, min_size=1, max_size=14), st.data())
@settings(max_examples=12, deadline=None)
def test_any_order_and_cutting_gives_the_same_snapshot(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    with tempfile.TemporaryDirectory() as temporary:
        one, other = (Store.open(Path(temporary) / n, create=True) for n in ("one", "other"))
        whole = append(one, {"feedback": feedback(rows)}, "test")
        for piece in (order[:cut], order[cut:], order[: cut // 2]):
            if piece:
                append(other, {"feedback": feedback(piece)}, "test")
        assert other.head().id == one.head().id == whole.snapshot
        distinct = {tuple(sorted(r.items())) for r in rows}
        assert whole.added == len(distinct) == other.head().rows("feedback")
        assert one.verify() == other.verify() == ()


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_as_of_reads_equal_a_plain_oracle(data: st.DataObject) -> None:
    """Corrections of rows, of corrections, across accounts, earlier than what they correct, and of nothing."""
    rows: list[dict[str, Any]] = []
    for _ in range(data.draw(st.integers(1, 8))):
        row = dict(data.draw(ROW))
        if rows and data.draw(st.booleans()):
            row["supersedes"] = ids([data.draw(st.sampled_from(rows))])[0]
        elif data.draw(st.integers(0, 9)) == 0:
            row["supersedes"] = "0" * 32
        if row not in rows:
            rows.append(row)
    names = ids(rows)
    with tempfile.TemporaryDirectory() as temporary:
        store = Store.open(temporary, create=True)
        cut = data.draw(st.integers(0, len(rows)))
        for piece in (rows[:cut], rows[cut:]):
            if piece:
                append(store, {"feedback": feedback(piece)}, "test")
        for day in (None, -1, *range(7)):
            seen = [(n, r) for n, r in zip(names, rows, strict=True) if day is None or r["day"] <= day]
            gone = {r.get("supersedes") for _, r in seen}
            expected = sorted(n for n, _ in seen if n not in gone)
            as_of = None if day is None else START + timedelta(days=day)
            found = store.head().scan("feedback", as_of).collect()
            assert found.schema == frame_schema("feedback")
            assert sorted(hex_ids(row_ids(found, "feedback")).to_list()) == expected


def test_an_early_view_opens_no_later_part(tmp_path: Path) -> None:
    store = Store.open(tmp_path, create=True)
    append(store, {"feedback": feedback([{"account": "a", "title": "t", "value": 1, "day": 1}])}, "test")
    append(store, {"feedback": feedback([{"account": "a", "title": "u", "value": 1, "day": 9}])}, "test")
    (later,) = (p for p in store.head().parts if p.known_from > 1_577_836_800_000_000 + 5 * 86_400_000_000)
    (store.parts / later.file).unlink()
    assert store.head().scan("feedback", START + timedelta(days=5)).collect()["title"].to_list() == ["t"]


def test_known_at_decides_and_not_when_it_happened(tmp_path: Path) -> None:
    store = Store.open(tmp_path, create=True)
    append(
        store,
        {"feedback": feedback([{"account": "a", "title": "t", "value": 1, "day": 1, "known_day": 8}])},
        "x",
    )
    for day, rows in ((7, 0), (8, 1)):
        assert store.head().scan("feedback", START + timedelta(days=day)).collect().height == rows


def test_an_absent_table_is_empty_with_its_columns(tmp_path: Path) -> None:
    head = Store.open(tmp_path, create=True).head()
    for table in ("plays", "impressions"):
        assert head.scan(table).collect().schema == frame_schema(table)
    with pytest.raises(InputError, match="no such table; accepted: plays"):
        head.scan("plaise")
    with pytest.raises(ValueError, match="needs a time zone"):
        head.scan("plays", datetime(2020, 1, 1))


def test_lists_come_back_as_they_went_in(tmp_path: Path) -> None:
    store = Store.open(tmp_path, create=True)
    shown = conform(
        "impressions",
        pl.DataFrame(
            {
                "account": ["a", "b", "c"],
                "profile": ["a", "b", "c"],
                "titles": [["t:1", "a-title-with-a-long-id"], [], ["t:2"]],
                "positions": [[0, 1], [], None],
                "propensities": [[0.5, None], [], [1.0]],
                "known_at": [START] * 3,
            }
        ),
    )
    append(store, {"impressions": shown}, "test")
    assert store.head().scan("impressions").collect().sort("account").equals(shown)
    assert store.verify() == ()


def test_a_column_added_later_is_null_in_old_parts(tmp_path: Path) -> None:
    """A part written without the nullable `session` stands for one of before that column."""
    store = Store.open(tmp_path, create=True)
    rows = pl.DataFrame(
        {"account": ["a"], "profile": ["a"], "title": ["t"], "kind": ["watch"], "known_at": [START]}
    )
    append(store, {"plays": rows}, "test")
    (part,) = store.head().parts
    old = pq.read_table(store.parts / part.file).drop_columns(["session"])
    pq.write_table(old, store.parts / part.file)
    newer = rows.with_columns(title=pl.lit("u"), session=pl.lit("s"))
    append(store, {"plays": newer}, "test")
    found = store.head().scan("plays").sort("title").collect()
    assert found["session"].to_list() == [None, "s"]
    assert (
        append(store, {"plays": rows}, "again").duplicates == 1
    )  # and its row has the id that it always had


def test_parts_of_a_member_hold_all_its_rows(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "ws", create=True)
    file = write_csv(tmp_path / "log.csv", 4000)
    for claims in (400 << 20, 1600 << 20):  # 4 and 16 buckets side by side
        ingest(store, replace(ToySource(file), claims=claims))
        write_csv(file, 8000)
    head = store.head()
    assert {p.of for p in head.parts} == {4, 16}
    everything = head.scan("feedback").collect()
    for member in ("toy:0", "toy:17", "toy:199"):
        own = pl.concat(pl.read_parquet(store.parts / p.file) for p in head.parts_of(member))
        assert own.filter(account=member).height == everything.filter(account=member).height == 40
        assert len(head.parts_of(member)) == 2


@given(st.integers(0, 255), st.integers(0, 8), st.integers(0, 8))
def test_buckets_nest(high: int, k: int, m: int) -> None:
    """Part b of 2**k covers bucket c of 2**m just when some hash of 8 bits lies in both."""
    for bucket in range(1 << k):
        part = Part("plays", bucket, 1 << k, 1, "", "", 0, "", 0, 0, 0, 0)
        common = any(h >> (8 - k) == bucket and h >> (8 - m) == high >> (8 - m) for h in range(256))
        assert part.covers(high >> (8 - m), 1 << m) == common


def test_bucket_count_is_a_power_of_two_of_the_size() -> None:
    counts = [bucket_count(size << 20) for size in (0, 64, 128, 129, 1 << 20)]
    assert counts == [1, 1, 1, 2, 64]
