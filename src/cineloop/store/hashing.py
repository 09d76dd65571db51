"""A stable 128-bit id for every row, and the digest of a set of rows.

The id of a row is a multilinear hash in two independent 64-bit lanes (Carter & Wegman 1979; Lemire & Kaser 2014,
"Strongly universal string hashing is fast"): every value becomes one or two 64-bit words, each word is mixed and
multiplied by an odd constant drawn from the *name* of its column, the products are added, and the sum goes
through the finaliser of splitmix64 (Steele et al. 2014). A null adds nothing, so a nullable column added later
changes no id, and neither does the order of the columns. Nothing here rests on how Polars or NumPy hash.

The digest of a set of rows is the sum of their ids modulo 2**128: it depends neither on the order of the rows nor
on how they are cut into parts. A sum protects against accident, not against a forger, who can choose rows that
add up to what he likes; each part's file also carries its SHA-256, which `Store.verify` checks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from cineloop.store.schema import TABLES, Table

Words = npt.NDArray[np.uint64]

CHUNK = 16_384
"""Rows hashed at a time: the few arrays of 8 bytes a row that a step touches stay in the cache."""

INLINE = 12
"""The longest string, in bytes, that is its own two words; a longer one is its BLAKE2b-128."""

_MASK = (1 << 64) - 1

_NOT_NULL = np.uint64(0x9E3779B97F4A7C15)
"""Added to every word, so that a zero or an empty string does not pass for a null."""


def row_ids(frame: pl.DataFrame, table: Table | str) -> Words:
    """The ids of the rows, (n, 2) uint64, high half first.

    Columns that the table does not have are left out; columns it has must be of the schema's types.

    >>> heat = pl.DataFrame({"title": ["ml:1"], "kind": ["film"], "name": ["Heat"]})
    >>> later = heat.with_columns(parent=pl.lit(None, pl.String)).select("name", "parent", "kind", "title")
    >>> hex_ids(row_ids(heat, "titles")).item() == hex_ids(row_ids(later, "titles")).item()
    True
    """
    spec = TABLES[table] if isinstance(table, str) else table
    terms = [
        term
        for name in spec.columns
        if name in frame.columns and frame[name].null_count() < frame.height
        for term in _terms(frame[name], name)
    ]
    start_high, start_low = _constants(f"table {spec.name}", 2)
    return _hash(terms, np.full(frame.height, start_high, np.uint64), np.uint64(start_low))


def member_hash(members: pl.Series) -> Words:
    """A stable hash of each member's id, (n,) uint64; its highest bits are the row's bucket. No nulls."""
    terms = _terms(members, "member") if len(members) else []
    return _hash(terms, np.zeros(len(members), np.uint64), np.uint64(0))[:, 0]


def digest(ids: Words) -> int:
    """The sum of ids modulo 2**128; sums of parts add up to the sum of the whole.

    >>> hex(digest(np.array([[0, 2**64 - 1], [0, 1]], np.uint64)))
    '0x10000000000000000'
    """
    half = np.uint64(32)
    low = int((ids[:, 1] & np.uint64(0xFFFFFFFF)).sum()) + (int((ids[:, 1] >> half).sum()) << 32)
    return ((int(ids[:, 0].sum()) << 64) + low) & ((1 << 128) - 1)


def hex_ids(ids: Words) -> pl.Series:
    """Ids as they stand in a `supersedes` column: 32 hex digits, high half first."""
    raw = np.ascontiguousarray(ids).astype(">u8").tobytes().hex()
    return pl.Series([raw[i : i + 32] for i in range(0, len(raw), 32)], dtype=pl.String)


def parse_ids(texts: pl.Series) -> Words:
    """The reverse of `hex_ids`, (n, 2) uint64; no nulls."""
    raw = bytes.fromhex("".join(texts.to_list()))
    return np.frombuffer(raw, ">u8").astype(np.uint64).reshape(-1, 2)


@dataclass
class _Term:
    """One word of each row of a column, where it is valid (None: everywhere), and the column's constants."""

    words: Words
    valid: npt.NDArray[np.bool_] | None
    high: int
    low: int


def _terms(values: pl.Series, name: str) -> list[_Term]:
    valid = values.is_not_null().to_numpy() if values.null_count() else None
    words = _words(values)
    drawn = iter(_constants(f"column {name}", 2 * len(words)))
    return [_Term(word, valid, next(drawn), next(drawn)) for word in words]


def _merged(terms: list[_Term]) -> list[_Term]:
    """The same sum in fewer terms: columns of equal words (account and profile) add up their constants."""
    merged: list[_Term] = []
    for term in terms:
        for other in merged:
            if term.valid is None and other.valid is None and _equal(term.words, other.words):
                other.high, other.low = other.high + term.high, other.low + term.low
                break
        else:
            merged.append(replace(term))
    return merged


def _equal(one: Words, other: Words) -> bool:
    if one.ctypes.data == other.ctypes.data and one.strides == other.strides:
        return True
    return bool((one[:64] == other[:64]).all()) and bool((one == other).all())


def _hash(terms: list[_Term], start_high: Words, start_low: Words | np.uint64) -> Words:
    """Multilinear hash of each row in two lanes, (n, 2) uint64, on top of the start values."""
    rows = len(start_high)
    out = np.empty((rows, 2), np.uint64)
    varying = []
    base_high, base_low = np.zeros(1, np.uint64), np.zeros(1, np.uint64)
    for term in _merged(terms):
        k_high, k_low = np.uint64(term.high & _MASK), np.uint64(term.low & _MASK)
        if rows and term.valid is None and _equal(term.words, np.broadcast_to(term.words[:1], rows)):
            one = term.words[:1] + _NOT_NULL  # such as the kind of a ratings file: one value in all rows
            _mix(one, np.empty_like(one))
            base_high += one * k_high
            base_low += one * k_low
        else:
            varying.append((term.words, term.valid, k_high, k_low))
    spare = np.empty((4, min(CHUNK, rows)), np.uint64)
    for at in range(0, rows, CHUNK):
        end = min(at + CHUNK, rows)
        high, low, product, scratch = spare[:, : end - at]
        np.add(start_high[at:end], base_high, out=high)
        np.add(start_low[at:end] if isinstance(start_low, np.ndarray) else start_low, base_low, out=low)
        for words, valid, k_high, k_low in varying:
            np.add(words[at:end], _NOT_NULL, out=product)
            _mix(product, scratch)
            if valid is not None:
                product *= valid[at:end]
            np.multiply(product, k_high, out=scratch)
            high += scratch
            product *= k_low
            low += product
        _finalise(high, scratch)
        _finalise(low, scratch)
        out[at:end, 0], out[at:end, 1] = high, low
    return out


def _words(values: pl.Series) -> list[Words]:
    """A column as one or two uint64 a row (two for strings and lists); where null, anything."""
    kind = values.dtype
    if kind == pl.String:
        return list(_string_words(values))
    if isinstance(kind, pl.List):
        return list(_list_words(values))
    if kind.is_float():
        bits = _fixed(values.cast(pl.Float64)).view(np.float64) + 0.0  # -0.0 becomes 0.0
        if (odd := np.isnan(bits)).any():
            bits[odd] = np.nan
        return [bits.view(np.uint64)]
    if isinstance(kind, pl.Datetime):
        return [_fixed(values.dt.cast_time_unit("us").to_physical())]
    if kind.is_integer():
        return [_fixed(values.cast(pl.Int64))]
    raise TypeError(f"{values.name}: no canonical form for {kind}")


def _fixed(values: pl.Series) -> Words:
    """The raw 8-byte values behind a column, nulls and all."""
    array = values.rechunk().to_arrow()
    return np.frombuffer(array.buffers()[1], np.uint64, count=len(array) + array.offset)[array.offset :]


def _string_words(values: pl.Series) -> tuple[Words, Words]:
    """Two words a string: length, first 4 and next 8 bytes where it is short, else its BLAKE2b-128.

    The short form is Arrow's own layout of a string view (little-endian), so it is read, not computed.
    """
    array = values.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    raw = np.frombuffer(array.buffers()[1], np.uint64, count=2 * (len(array) + array.offset))
    view = raw.reshape(-1, 2)[array.offset :]
    long = (view[:, 0] & np.uint64(0xFFFFFFFF)) > INLINE
    if values.null_count():
        long &= values.is_not_null().to_numpy()
    if not long.any():
        return view[:, 0], view[:, 1]
    coded = pc.dictionary_encode(
        values.filter(pl.Series(long)).to_arrow(compat_level=pl.CompatLevel.oldest())
    )
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    digests = b"".join(
        hashlib.blake2b(text.encode(), digest_size=16).digest() for text in coded.dictionary.to_pylist()
    )
    out = view.copy()
    out[long] = np.frombuffer(digests, "<u8").reshape(-1, 2)[coded.indices.to_numpy()]
    return out[:, 0], out[:, 1]


def _list_words(values: pl.Series) -> tuple[Words, Words]:
    """Two words a list: the sums over its elements of a hash of (element, place), and its length in both."""
    lengths = values.list.len().fill_null(0).to_numpy().astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    items = values.filter(pl.Series(lengths > 0)).explode()
    place = (np.arange(len(items)) - np.repeat(starts, lengths)).astype(np.uint64)
    _mix(place, np.empty_like(place))
    lanes = _hash(_terms(items, "item") if len(items) else [], place, place)
    # a running sum that wraps around gives the sum of any stretch by one subtraction
    sums = np.concatenate([np.zeros((1, 2), np.uint64), np.cumsum(lanes, axis=0, dtype=np.uint64)])
    words = sums[starts + lengths] - sums[starts] + lengths.astype(np.uint64)[:, None]
    return words[:, 0], words[:, 1]


def _mix(x: Words, scratch: Words) -> None:
    """Spread the bits of each word, in place and one to one."""
    _xorshift(x, 32, scratch)
    x *= np.uint64(0xD6E8FEB86659FD93)
    _xorshift(x, 29, scratch)


def _finalise(x: Words, scratch: Words) -> None:
    """The finaliser of splitmix64, in place: without it a sum of ids would be a sum over columns."""
    _xorshift(x, 30, scratch)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    _xorshift(x, 27, scratch)
    x *= np.uint64(0x94D049BB133111EB)
    _xorshift(x, 31, scratch)


def _xorshift(x: Words, bits: int, scratch: Words) -> None:
    np.right_shift(x, np.uint64(bits), out=scratch)
    np.bitwise_xor(x, scratch, out=x)


@cache
def _constants(salt: str, count: int) -> tuple[int, ...]:
    """Odd 64-bit constants that belong to a name."""
    drawn = (hashlib.blake2b(f"{salt} {i}".encode(), digest_size=8).digest() for i in range(count))
    return tuple(int.from_bytes(eight, "little") | 1 for eight in drawn)
