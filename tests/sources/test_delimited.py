"""Delimited text: what is taken, what is rejected and where, against hand-made files and Python's csv module."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.store.sources import delimited
from cineloop.store.sources.delimited import Column, read
from cineloop.store.sources.dialect import Dialect, header
from cineloop.store.sources.source import LINE, Reject

ABC = (Column("a", "integer"), Column("b", "number"), Column("c", required=False))


def taken(
    path: Path,
    columns: tuple[Column, ...] = ABC,
    dialect: Dialect | None = None,
    names: tuple[str, ...] | None = None,
) -> tuple[list[tuple[object, ...]], list[Reject]]:
    """All rows of a file, their line last, and all rejects."""
    frames, rejects = [], []
    for rows in read(path, columns, dialect or Dialect(), names):
        frames.append(rows.frame)
        rejects.extend(rows.rejects)
    return [row for frame in frames for row in frame.iter_rows()], rejects


def test_a_quoted_field_may_hold_separators_newlines_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text('a,b,c\n1,0.5,"x, ""y""\nz"\n2,1,plain\n')
    rows, rejects = taken(path)
    assert rows == [(1, 0.5, 'x, "y"\nz', 2), (2, 1.0, "plain", 4)]
    assert rejects == []


def test_every_kind_of_broken_record_is_told_with_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(
        b"\xef\xbb\xbfa,b,c\r\n"
        b'1,1,"two\r\nlines"\r\n'  # lines 2 and 3
        b"x,1,letters\r\n"  # 4
        b"2,,missing\r\n"  # 5
        b"3,1\r\n"  # 6
        b"4,1,too,many\r\n"  # 7
        b"5,1,\xff\r\n"  # 8
        b"6,1,nul\0\r\n"  # 9
        b"99999999999999999999,1,huge\r\n"  # 10
        b"\r\n"  # blank lines are passed over
        b"7,1,\r\n"  # 12
        b'8,1,"open\r\n'  # 13: never closed
        b"9,1,last"  # 14: without a newline
    )
    rows, rejects = taken(path)
    assert rows == [(1, 1.0, "two\nlines", 2), (7, 1.0, None, 12), (9, 1.0, "last", 14)]
    assert [(r.line, r.field, r.value) for r in rejects] == [
        (4, "a", "x"),
        (5, "b", None),
        (6, None, "3,1"),
        (7, None, "4,1,too,many"),
        (8, "c", "\ufffd"),
        (9, "c", "nul\0"),
        (10, "a", "99999999999999999999"),
        (13, None, '8,1,"open'),
    ]
    assert all(r.file == str(path) and r.accepted for r in rejects)


@pytest.mark.parametrize("separator", [",", "\t", "|", "::"])
@pytest.mark.parametrize("zipped", [False, True])
def test_separators_header_or_none_and_gzip(tmp_path: Path, separator: str, zipped: bool) -> None:
    content = "\n".join(separator.join(row) for row in [("1", "2.5", "x"), ("2", "3", "a:b")]).encode()
    path = tmp_path / ("log.gz" if zipped else "log")
    path.write_bytes(gzip.compress(content) if zipped else content)
    rows, rejects = taken(path, ABC, Dialect(separator, quotes=False, header=False), ("a", "b", "c"))
    assert (rows, rejects) == ([(1, 2.5, "x", 1), (2, 3.0, "a:b", 2)], [])


def test_latin_1_and_wide_files_with_columns_in_another_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes("c|other|b|a\ncaf\u00e9|z|1|7\n".encode("latin-1"))
    rows, _ = taken(path, ABC, Dialect("|", quotes=False, encoding="latin-1"))
    assert rows == [(7, 1.0, "caf\u00e9", 2)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        ("a,b,c\n1,2,3".encode("utf-16"), "UTF-16"),
        (b"a,b\n1,2\n", "not in the file"),
        (b"a,b,b,c\n1,2,3,4\n", "two columns"),
        (b"a,b,c\n" + b"one,two\n" * 50, "none of the first 50 records"),
        (b"\0\1\2\3", "not a text file"),
    ],
)
def test_a_broken_file_is_one_line_of_error(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        taken(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_broken_gzip_and_missing_files(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b,c\n" + b"1,2,3\n" * 100_000)
    for content in (b"not gzip", whole[: len(whole) // 2]):
        path = tmp_path / "log.csv.gz"
        path.write_bytes(content)
        with pytest.raises(InputError, match="gzip"):
            taken(path)
    with pytest.raises(InputError, match="cannot be read"):
        taken(tmp_path / "absent.csv")


def test_a_header_alone_is_a_file_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("a,b,c\n")
    assert taken(path) == ([], [])
    assert header(path, Dialect()) == ("a", "b", "c")


def test_overlong_fields_and_records_cost_only_themselves(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"a,b,c\n1,1,x\n2,1,{'y' * 70_000}\n3,1,z\n4,1,{'w' * (3 << 20)}\n5,1,v\n")
    rows, rejects = taken(path)
    assert [row[0] for row in rows] == [1, 3, 5]
    assert [(r.line, r.field) for r in rejects] == [(3, "c"), (5, None)]
    assert all(len(r.value or "") <= 200 for r in rejects)


def test_nothing_inside_a_broken_quoted_field_becomes_a_record(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    inner = "7,7,inner\n"
    for times, tail in ((20_000, ""), (200, "\ry")):  # too long a field; a carriage return after it
        path.write_bytes(f'a,b,c\n1,1,x\n2,"{inner * times}",a{tail}\n3,1,z\n'.encode())
        rows, rejects = taken(path)
        assert [(r.line, r.field) for r in rejects] == [(3, None)]
        assert [(row[0], row[-1]) for row in rows] == [(1, 2), (3, 4 + times)]


def test_a_broken_first_record_of_a_file_without_a_header_is_a_reject(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for bad in (b"1,\xff,x", b"nul\0", b'1,"open,x', b"1"):
        path.write_bytes(bad + b"\n2,1,fine\n")
        rows, rejects = taken(path, ABC, Dialect(header=False), ("a", "b", "c"))
        assert rows == [(2, 1.0, "fine", 2)]
        assert [r.line for r in rejects] == [1]


def test_done_counts_the_bytes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("a,b,c\n" + "1,2,3\n" * 1000)
    assert list(read(path, ABC, Dialect()))[-1].done == path.stat().st_size


cells = st.one_of(
    st.sampled_from(
        [
            "1",
            "+5",
            " 5",
            "5 ",
            "\t5",
            "1e3",
            "0x1",
            "1_0",
            "inf",
            "nan",
            "1.",
            ".",
            "-",
            "1e400",
            "-0",
            "007",
        ]
    ),
    st.sampled_from(
        ["", "null", "\uff15", "5.0", "true", "9" * 25, "a,b", 'q"q', '"', "two\nlines", "cr\rcr"]
    ),
    st.text(max_size=6).filter(lambda t: "\0" not in t and "\r" not in t),
    st.integers(-(2**70), 2**70).map(str),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=8), st.booleans())
def test_the_fate_of_a_record_does_not_depend_on_its_neighbours(
    rows: list[tuple[str, str, str]], crlf: bool
) -> None:
    """Each record alone in a file with one sound record, and all together, give the same rows."""

    def written(records: list[tuple[str, str, str]]) -> tuple[list[tuple[object, ...]], list[str | None]]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log.csv"
            out = io.StringIO()
            csv.writer(out, lineterminator="\r\n" if crlf else "\n").writerows([("a", "b", "c"), *records])
            path.write_bytes(out.getvalue().encode())
            made, rejects = taken(path)
            return [row[:3] for row in made], [r.field for r in rejects]

    sound = ("1", "1", "sound")
    alone = [written([sound, row]) for row in rows]
    together = written([sound, *rows])
    assert repr(together[0][1:]) == repr([row for made, _ in alone for row in made[1:]])
    assert together[1] == [field for _, fields in alone for field in fields]


lone = cells.filter(lambda t: "\r" not in t)  # csv.writer leaves it unquoted, where it is no field's part


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(lone, lone), min_size=1, max_size=10))
def test_text_is_read_as_the_csv_module_reads_it(rows: list[tuple[str, str]]) -> None:
    """Independent reading: csv.reader over the same bytes, with newlines as this reader gives them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([("a", "b"), ("x", "y"), *rows])
        path.write_bytes(out.getvalue().encode())
        made, rejects = taken(path, (Column("a", required=False), Column("b", required=False)))
    expected = list(csv.reader(io.StringIO(out.getvalue(), newline="")))[1:]
    assert rejects == []
    assert [row[:2] for row in made] == [tuple(v or None for v in row) for row in expected if row]


@pytest.mark.parametrize(
    "bad", [b"1,2\n", b"x,2,3\n", b'1,2,"a"b\n', b"1,2,\xff\n", b'1,2,"open\n', b",2,3\n"]
)
@pytest.mark.parametrize("quoted", [False, True])
def test_a_planted_broken_record_is_found_at_its_line_across_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: bytes, quoted: bool
) -> None:
    """Blocks of 4 KiB make many cuts; records of two lines make lines and records differ."""
    monkeypatch.setattr(delimited, "BLOCK", 4096)
    monkeypatch.setattr(delimited, "PIECE", 512)
    record = b'1,2,"two\nlines"\n' if quoted else b"1,2,plain text\n"
    for before in (0, 1, 137, 700, 999):
        path = tmp_path / "log.csv"
        path.write_bytes(b"a,b,c\n" + record * before + bad + record * (1000 - before))
        rows, rejects = taken(path)
        height = record.count(b"\n")
        line = 2 + before * height
        assert [r.line for r in rejects][:1] == [line]
        assert len(rows) == 1000
        starts = [2 + i * height for i in range(before)] + [
            line + 1 + i * height for i in range(1000 - before)
        ]
        assert [row[-1] for row in rows] == starts


def test_wide_and_narrow_blocks_give_the_same_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.csv"
    path.write_text("a,b,c\n" + "".join(f'{i},{i / 8},"n{i}\n{"x" * (i % 50)}"\n' for i in range(3000)))
    whole = pl.concat(rows.frame for rows in read(path, ABC, Dialect()))
    monkeypatch.setattr(delimited, "BLOCK", 1000)
    narrow = pl.concat(rows.frame for rows in read(path, ABC, Dialect()))
    assert whole.equals(narrow)
    assert whole.columns == ["a", "b", "c", LINE] and whole.height == 3000


def test_a_separator_that_cannot_be_is_refused() -> None:
    for separator, quotes in (("", False), ("\n", False), ("::", True), ('"', False)):
        with pytest.raises(InputError):
            Dialect(separator, quotes)
