"""Row ids and digests: against a second implementation in plain Python, and for what they must not depend on."""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.store.check import conform, frame_schema
from cineloop.store.hashing import digest, hex_ids, member_hash, parse_ids, row_ids

M = (1 << 64) - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# The definition again, a value at a time, as hashing.py's docstrings state it: shares no code with the vectorised one.
def constants(salt: str, count: int) -> list[int]:
    return [
        int.from_bytes(hashlib.blake2b(f"{salt} {i}".encode(), digest_size=8).digest(), "little") | 1
        for i in range(count)
    ]


def mix(x: int) -> int:
    x = (x ^ x >> 32) * 0xD6E8FEB86659FD93 & M
    return x ^ x >> 29


def finalise(x: int) -> int:
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & M
    x = (x ^ x >> 27) * 0x94D049BB133111EB & M
    return x ^ x >> 31


def words(value: Any) -> list[int]:
    if isinstance(value, str):
        raw = value.encode()
        if len(raw) <= 12:
            raw = struct.pack("<I", len(raw)) + raw.ljust(12, b"\0")
        else:
            raw = hashlib.blake2b(raw, digest_size=16).digest()
        return list(struct.unpack("<QQ", raw))
    if isinstance(value, float):
        value = 0.0 if value == 0 else float("nan") if value != value else value
        return list(struct.unpack("<Q", struct.pack("<d", value)))
    if isinstance(value, datetime):
        return [(value - EPOCH) // timedelta(microseconds=1) & M]
    if isinstance(value, list):
        lanes = [0, 0]
        for place, item in enumerate(value):
            for lane, got in enumerate(added("item", item)):
                lanes[lane] += finalise((mix(place) + got) & M)
        return [(lane + len(value)) & M for lane in lanes]
    return [value & M]


def added(column: str, value: Any) -> tuple[int, int]:
    if value is None:
        return 0, 0
    own = words(value)
    k = constants(f"column {column}", 2 * len(own))
    mixed = [mix((w + 0x9E3779B97F4A7C15) & M) for w in own]
    return (
        sum(m * k[2 * i] for i, m in enumerate(mixed)) & M,
        sum(m * k[2 * i + 1] for i, m in enumerate(mixed)) & M,
    )


def plain_id(table: str, row: dict[str, Any]) -> str:
    lanes = constants(f"table {table}", 2)
    for column, value in row.items():
        got = added(column, value)
        lanes = [(lane + g) & M for lane, g in zip(lanes, got, strict=True)]
    return f"{finalise(lanes[0]):016x}{finalise(lanes[1]):016x}"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIME = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
ROW = st.fixed_dictionaries(
    {
        "account": TEXT,
        "profile": TEXT,
        "surface": st.none() | TEXT,
        "titles": st.none() | st.lists(TEXT, max_size=4),
        "positions": st.none() | st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4),
        "propensities": st.none() | st.lists(st.none() | st.floats(), max_size=4),
        "happened_at": st.none() | TIME,
        "seq": st.none() | st.integers(-(2**63), 2**63 - 1),
        "known_at": st.none() | TIME,
    }
)


def impressions(rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = frame_schema("impressions")
    return conform("impressions", pl.DataFrame(rows, schema={c: schema[c] for c in rows[0]}))


@given(st.lists(ROW, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_ids_are_those_of_the_definition_written_a_second_time(rows: list[dict[str, Any]]) -> None:
    assert hex_ids(row_ids(impressions(rows), "impressions")).to_list() == [
        plain_id("impressions", r) for r in rows
    ]


@given(st.lists(ROW, min_size=1, max_size=12), st.randoms(use_true_random=False), st.integers(0, 12))
@settings(max_examples=40, deadline=None)
def test_digest_depends_neither_on_order_nor_on_cutting(
    rows: list[dict[str, Any]], random: Any, cut: int
) -> None:
    frame = impressions(rows)
    whole = digest(row_ids(frame, "impressions"))
    order = list(range(frame.height))
    random.shuffle(order)
    shuffled = frame[order]
    parts = [
        shuffled[:cut],
        shuffled[cut:],
    ]  # slices with an offset: their buffers start before their first row
    assert sum(digest(row_ids(p, "impressions")) for p in parts) % (1 << 128) == whole


@given(st.lists(st.integers(0, 2**128 - 1), max_size=20))
def test_digest_is_the_sum_modulo_two_to_the_128(numbers: list[int]) -> None:
    ids = np.array([[n >> 64, n & M] for n in numbers], np.uint64).reshape(-1, 2)
    assert digest(ids) == sum(numbers) % (1 << 128)
    assert parse_ids(hex_ids(ids)).tolist() == ids.tolist()


def test_long_frames_hash_as_their_rows_do_one_by_one() -> None:
    """Across the borders of the chunks, with a column of one value, equal columns and nulls in between."""
    n = 40_000
    frame = conform(
        "feedback",
        pl.DataFrame(
            {
                "account": [f"a:{i // 7}" for i in range(n)],
                "profile": [f"a:{i // 7}" for i in range(n)],
                "title": [f"a-rather-long-title:{i % 50}" for i in range(n)],
                "kind": ["rating"] * n,
                "value": [None if i % 3 else float(i) for i in range(n)],
            }
        ),
    )
    ids = row_ids(frame, "feedback")
    for i in (0, 1, 16_383, 16_384, 16_385, 32_768, n - 1):
        assert hex_ids(ids[i : i + 1]).item() == plain_id("feedback", frame.row(i, named=True))
    assert len(np.unique(ids, axis=0)) == frame.unique().height


def test_null_zero_and_empty_differ_and_nan_and_zero_have_one_form() -> None:
    def ids(**columns: Any) -> list[str]:
        return hex_ids(row_ids(conform("feedback", pl.DataFrame(columns)), "feedback")).to_list()

    assert len(set(ids(seq=[None, 0, 1], title=["t"] * 3))) == 3
    assert len(set(ids(title=[None, ""], kind=["k"] * 2))) == 2
    zero, minus_zero, none = ids(value=[0.0, -0.0, None], title=["t"] * 3)
    assert zero == minus_zero != none
    strange = np.array([0x7FF8000000000000, 0xFFF8000000000001], np.uint64).view(np.float64)
    assert len(set(ids(value=strange, title=["t"] * 2))) == 1


def test_tables_and_columns_salt_the_ids() -> None:
    one = pl.DataFrame({"account": ["a"], "profile": ["b"], "title": ["c"]})
    other = pl.DataFrame({"account": ["b"], "profile": ["a"], "title": ["c"]})
    found = [row_ids(one, "plays"), row_ids(one, "feedback"), row_ids(other, "plays")]
    assert len({tuple(f[0].tolist()) for f in found}) == 3


def test_ids_never_change() -> None:
    """Workspaces on disk name rows by these: a new value here breaks every correction that was ever written."""
    frame = pl.DataFrame({"title": ["ml:1"], "kind": ["film"], "name": ["Heat and other long stories"]})
    assert hex_ids(row_ids(frame, "titles")).item() == plain_id("titles", frame.row(0, named=True))
    assert hex_ids(row_ids(frame, "titles")).item() == "e38df1585ca5b55dbbd3769b5f443e7f"
    assert f"{int(member_hash(pl.Series(['ml:1']))[0]):016x}" == "49319743ac1f50eb"


def test_members_spread_over_buckets() -> None:
    """20,000 members in 16 buckets: 1,250 each with standard deviation 34 if the hash is fair; 5 of them allowed."""
    hashes = member_hash(pl.Series([f"ml:{i}" for i in range(20_000)]))
    counts = np.bincount((hashes >> np.uint64(60)).astype(int), minlength=16)
    assert abs(counts - 1250).max() < 170


def test_unknown_types_are_refused() -> None:
    with pytest.raises(TypeError, match="no canonical form"):
        row_ids(pl.DataFrame({"title": pl.Series([b"x"])}), "titles")
