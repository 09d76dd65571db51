"""Whatever bytes the readers get: rows, rejects or one `InputError`, never another exception."""

from __future__ import annotations

import gzip
import io
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.store.schema import TABLES
from cineloop.store.sources.mapped import Mapped
from cineloop.store.sources.movielens import MovieLens
from cineloop.store.sources.source import LINE, Source


def _parquet() -> bytes:
    out = io.BytesIO()
    pl.DataFrame(
        {
            "who": [1, 2, 3],
            "what": ["a", "b", None],
            "shown": [["x"], [], ["y", None]],
            "at": [1.5, None, 1e300],
        }
    ).write_parquet(out)
    return out.getvalue()


VALID: dict[str, bytes] = {
    "u.data": b"1\t10\t5\t881250949\n2\t20\t3\t881250950\n",
    "u.item": b"10|Heat (1995)|01-Jan-1995||http://x|0|1" + b"|0" * 17 + b"\n",
    "ratings.dat": b"1::10::5::881250949\n2::20::3::881250950\n",
    "movies.dat": b"10::Heat (1995)::Action|Crime\n20::Caf\xe9 (1995)::Drama\n",
    "ratings.csv": b"userId,movieId,rating,timestamp\n1,10,4.5,881250949\n2,20,0.5,881250950\n",
    "movies.csv": b'movieId,title,genres\n10,"Usual Suspects, The (1995)",Crime\n20,Up (2009),(no genres listed)\n',
    "x.inter": b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\ta\t4\t881250949\n",
    "x.item": b"item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\na\tUp\t2009\tDrama\n",
    "log.csv": b'who,what,shown,at\n1,"a\nb",x|y,2020-01-01T00:00:00Z\n2,c,z,1e300\n',
    "log.parquet": _parquet(),
}

MAPPING = b"""name = "acme"
table = "impressions"
[file]
separator = ","
[columns]
profile = "who"
session = "what"
titles = { column = "shown", separator = "|" }
happened_at = { column = "at", time = "s" }
[constants]
known_at = 2020-01-01
"""

fragments = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [
            b"\n",
            b"\r",
            b"\r\n",
            b'"',
            b'""',
            b",",
            b"::",
            b"\t",
            b"|",
            b"\0",
            b"\xef\xbb\xbf",
            b"\xff",
            b"\xed\xa0\x80",
        ]
    ),
    st.sampled_from(
        [b"1e400", b"9" * 30, b"-1", b"nan", b"inf", b" 5", b"\x1f", b"(1995)", b"\xf0\x9f\x8e\xac"]
    ),
    st.sampled_from(
        [b"x" * 70_000, b'"' + b"y" * 140_000, b"\n" * 50, b"= ", b"[[", b"[file]\n", b"{", b"'''"]
    ),
)


@st.composite
def mutated(draw: st.DrawFn, valid: bytes) -> bytes:
    """A valid file with a few pieces cut out, put in or written over; or bytes of no origin."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    content = valid
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content)))
        end = min(len(content), at + draw(st.integers(0, 8)))
        content = content[:at] + draw(st.one_of(st.just(b""), fragments)) + content[end:]
    return content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 9)) == 0 else content


@st.composite
def attempts(draw: st.DrawFn) -> tuple[str, bytes, bytes]:
    """(file name, its bytes, bytes of a mapping)."""
    name = draw(st.sampled_from(sorted(VALID)))
    content = draw(mutated(VALID[name]))
    mapping = draw(st.one_of(st.just(MAPPING), mutated(MAPPING))) if name.startswith("log") else MAPPING
    if draw(st.integers(0, 7)) == 0 and not name.endswith("parquet"):
        content = gzip.compress(content, mtime=0)
        name, content = f"{name}.gz", draw(st.one_of(st.just(content), mutated(content)))
    return name, content, mapping


def check(attempt: tuple[str, bytes, bytes]) -> None:
    name, content, mapping = attempt
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        (Path(folder) / "map.toml").write_bytes(mapping)
        try:
            source: Source = (
                Mapped.of(Path(folder) / "map.toml", path) if name.startswith("log") else MovieLens(path)
            )
            for batch in source.read():
                table = TABLES[batch.table]
                known = pl.DataFrame(table.schema.empty_table()).schema
                assert {n: t for n, t in batch.rows.schema.items() if n != LINE}.items() <= dict(
                    known
                ).items()
                for field in table.schema:
                    assert field.nullable or batch.rows[field.name].null_count() == 0
                for reject in batch.rejects:
                    assert reject.line is not None and reject.line >= 1 and reject.what
                assert batch.done <= source.total
        except InputError as error:
            assert "\n" not in str(error) and str(error)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(attempts())
def test_hundreds_of_malformed_inputs(attempt: tuple[str, bytes, bytes]) -> None:
    check(attempt)


@pytest.mark.soak
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(attempts())
def test_five_thousand_malformed_inputs(attempt: tuple[str, bytes, bytes]) -> None:
    check(attempt)
