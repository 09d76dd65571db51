"""Any CSV, TSV or Parquet log as a source, by a mapping file (`mapping.py` says what it may hold).

What a row of the table needs and the file's row lacks, or has in a form that cannot be taken, makes a reject;
a column that the file lacks, or whose type can never be taken, is an `InputError`. Where only one of account
and profile is mapped it stands for both; `known_at` that is not mapped is `happened_at`. Text is read by
blocks, Parquet by batches of rows, so that memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cineloop.errors import InputError
from cineloop.store import schema
from cineloop.store.sources import coerce, delimited
from cineloop.store.sources.coerce import Coerced
from cineloop.store.sources.delimited import Column
from cineloop.store.sources.mapping import ID_COLUMNS, SKIP, WORDS, Mapping, load
from cineloop.store.sources.source import LINE, Batch, Reject

BATCH = 500_000
_SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".pq": "parquet"}
_BOUNDS: dict[str, tuple[float, float | None]] = {
    "seconds": (0.0, None),
    "completion": (0.0, 1.0),
    "confidence": (0.0, None),
    "runtime": (0.0, None),
}


@dataclass(frozen=True)
class Mapped:
    """A file, or all files of one format in a folder (by name), read through a mapping file.

    Raises `InputError` for a broken mapping, a path with nothing to read, or files of several formats.
    """

    mapping: Mapping
    files: tuple[Path, ...]
    format: str

    @classmethod
    def of(cls, mapping: Path | str, path: Path | str) -> Mapped:
        """The source that a mapping file makes of a file or a folder."""
        declared = load(Path(mapping))
        path = Path(path)
        if path.is_dir():
            files = tuple(
                f for f in sorted(path.iterdir()) if f.is_file() and _format(f, declared) is not None
            )
        elif path.is_file():
            files = (path,)
        else:
            raise InputError("no such file or folder", file=path, accepted="a log in CSV, TSV or Parquet")
        formats = sorted({_format(f, declared) or "" for f in files})
        if not files or formats == [""]:
            accepted = "a name in .csv, .tsv (also .gz) or .parquet, or a mapping with file.format"
            raise InputError("no file to read", file=path, accepted=accepted)
        if len(formats) > 1:
            raise InputError(
                f"files of several formats ({', '.join(formats)})", file=path, accepted="one format"
            )
        return cls(declared, files, formats[0])

    @property
    def name(self) -> str:
        """The prefix of the ids."""
        return self.mapping.name

    @property
    def licence(self) -> str:
        """As the mapping says."""
        return self.mapping.licence

    @property
    def total(self) -> int:
        """Bytes of the files."""
        return sum(file.stat().st_size for file in self.files)

    def settings(self) -> dict[str, Any]:
        """The mapping's content; `rules` grows when the same mapping makes other rows of a file."""
        return {
            "source": "mapped",
            "mapping": self.mapping.model_dump(mode="json", exclude={"licence"}),
            "rules": 1,
        }

    def read(self) -> Iterator[Batch]:
        """The rows of the table, file by file."""
        before = 0
        for file in self.files:
            pieces = _parquet(file, self._wanted()) if self.format == "parquet" else self._delimited(file)
            for frame, rejects, done in pieces:
                try:
                    rows, more = _mapped(self.mapping, frame, file)
                except InputError as error:
                    error.file = error.file or file
                    raise
                yield Batch(self.mapping.table, rows, (*rejects, *more), before + done)
            before += file.stat().st_size

    def _wanted(self) -> tuple[str, ...]:
        """The file's columns in use, each once, in the mapping's order."""
        names = [cell.column for cell in self.mapping.columns.values()]
        if self.mapping.completion is not None:
            names.append(self.mapping.completion.runtime)
        return tuple(dict.fromkeys(names))

    def _delimited(self, file: Path) -> Iterator[tuple[pl.DataFrame, tuple[Reject, ...], int]]:
        suffix = Path(file.name.removesuffix(".gz")).suffix
        columns = [Column(name, required=False) for name in self._wanted()]
        for rows in delimited.read(file, columns, self.mapping.file.dialect(suffix), self.mapping.file.names):
            yield rows.frame, rows.rejects, rows.done


def _format(file: Path, mapping: Mapping) -> str | None:
    told = _SUFFIXES.get(Path(file.name.removesuffix(".gz")).suffix)
    return (mapping.file.format or told) if told is not None or mapping.file.format is not None else None


def _parquet(file: Path, wanted: tuple[str, ...]) -> Iterator[tuple[pl.DataFrame, tuple[Reject, ...], int]]:
    """Batches of the wanted columns; `_line` is the row's number from 1."""
    size, seen = file.stat().st_size, 0
    broken = (pa.lib.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError, RuntimeError)
    try:
        with pq.ParquetFile(file) as source:
            found, rows = source.schema_arrow, source.metadata.num_rows
            for name in wanted:
                if found.names.count(name) != 1:
                    what = (
                        "the column is not in the file"
                        if name not in found.names
                        else "two columns have this name"
                    )
                    raise InputError(what, file=file, field=name, accepted=", ".join(found.names[:12]))
                if not _readable(found.field(name).type):
                    kind = str(found.field(name).type)
                    accepted = "text, numbers, booleans, dates, times or lists of them"
                    raise InputError("a column of this type cannot be read", file, None, name, kind, accepted)
            for batch in source.iter_batches(batch_size=BATCH, columns=list(wanted)):
                batch.validate(full=True)
                frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
                floats = [name for name in frame.columns if frame.schema[name].is_float()]
                frame = frame.with_columns(
                    pl.col(floats).fill_nan(None)
                )  # how pandas writes a missing number
                line = pl.int_range(seen + 1, seen + batch.num_rows + 1, dtype=pl.Int64, eager=True).alias(
                    LINE
                )
                seen += batch.num_rows
                yield frame.with_columns(line), (), size * seen // max(rows, 1)
    except InputError:
        raise
    except broken as error:
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"broken Parquet data ({told})", file=file) from error


def _readable(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind):
        return _readable(kind.value_type) and not types.is_nested(kind.value_type)
    if types.is_dictionary(kind):
        return _readable(kind.value_type) and not types.is_nested(kind.value_type)
    simple = (
        types.is_integer,
        types.is_floating,
        types.is_boolean,
        types.is_timestamp,
        types.is_date,
        types.is_decimal,
    )
    texts = (types.is_string, types.is_large_string, types.is_string_view)
    return any(test(kind) for test in (*simple, *texts))


def _mapped(mapping: Mapping, frame: pl.DataFrame, file: Path) -> tuple[pl.DataFrame, list[Reject]]:
    """The table's rows out of the file's, and the rows that cannot be."""
    table = schema.TABLES[mapping.table]
    types = pl.DataFrame(table.schema.empty_table()).schema
    sources = {name: cell.column for name, cell in mapping.columns.items()}
    raws = {name: _raw(frame.get_column(cell.column), cell.nulls) for name, cell in mapping.columns.items()}
    word, words = WORDS.get(mapping.table, ("", ()))
    if word in raws and mapping.kinds:
        skipped = raws[word].cast(pl.String).replace_strict(mapping.kinds, default="") == SKIP
        kept = ~skipped.fill_null(False)
        frame, raws = frame.filter(kept), {name: raw.filter(kept) for name, raw in raws.items()}
    made = {name: _coerced(mapping, name, types[name], raw) for name, raw in raws.items()}
    if word in made:
        made[word] = _translated(made[word], mapping.kinds, words)
    if mapping.completion is not None:
        made["completion"] = _share(mapping, frame, made["seconds"])
        sources["completion"] = mapping.completion.runtime
        raws["completion"] = frame.get_column(mapping.completion.runtime)
    values = {name: coerced.values.alias(name) for name, coerced in made.items()}
    for name, constant in mapping.constants.items():
        value = coerce.constant(constant, types[name])
        values[name] = pl.repeat(value, frame.height, dtype=types[name], eager=True).alias(name)
    for missing, there in (("account", "profile"), ("profile", "account"), ("known_at", "happened_at")):
        if missing not in values and there in values and missing in table.columns:
            values[missing] = values[there].alias(missing)
            sources[missing], raws[missing] = sources.get(there, there), raws.get(there, values[there])
    if mapping.confidence:
        values["confidence"] = _confidence(values["completion"], mapping.steps())
    faults: list[tuple[str, pl.Series, str, str]] = []
    for name, coerced in made.items():
        faults.append((name, coerced.broken, "not accepted", coerced.accepted))
    for column in table.schema:
        name = column.name
        if not column.nullable and name in raws:
            faults.append((name, values[name].is_null(), "missing", table.doc(name)))
    if "titles" in values:
        faults.append(("titles", values["titles"].list.len() == 0, "an empty list", "one title at least"))
        for name in ("positions", "propensities"):
            if name in values:
                unlike = values[name].list.len() != values["titles"].list.len()
                faults.append(
                    (name, unlike.fill_null(False), "unlike the titles in number", "one for each title")
                )
    return _sorted_out(frame, pl.DataFrame(list(values.values())), faults, raws, sources, file)


def _raw(column: pl.Series, nulls: Sequence[str] = ()) -> pl.Series:
    """The column with its words for unknown made null, and empty text too."""
    nulls = list(nulls)
    if column.dtype == pl.String:
        nulls.append("")
    elif isinstance(column.dtype, pl.List):
        return column
    if not nulls:
        return column
    unknown = column.cast(pl.String).is_in(nulls)
    return pl.select(pl.when(~unknown).then(column).alias(column.name)).to_series()


def _coerced(mapping: Mapping, name: str, kind: pl.DataType, raw: pl.Series) -> Coerced:
    cell = mapping.columns[name]
    prefix = f"{mapping.name}:" if cell.prefix and name in ID_COLUMNS else ""
    if isinstance(kind, pl.List):
        return coerce.listed(raw, pl.List(kind.inner).inner, cell.separator, prefix)  # type: ignore[arg-type]
    if isinstance(kind, pl.Datetime):
        return coerce.time(raw, cell.time, cell.timezone)
    if kind == pl.String:
        return coerce.text(raw, prefix)
    if kind.is_integer():
        return coerce.whole(raw, pl.Int32 if kind == pl.Int32 else pl.Int64)
    least, most = _BOUNDS.get(name, (None, None))
    return coerce.number(raw, cell.scale, least=least, most=most)


def _translated(words: Coerced, kinds: dict[str, str], known: tuple[str, ...]) -> Coerced:
    """The source's words as the table's; without a translation they must be the table's own."""
    values = words.values
    if kinds:
        values = values.replace_strict(kinds, default=None, return_dtype=pl.String)
    else:
        values = pl.select(pl.when(values.is_in(list(known))).then(values)).to_series()
    accepted = ", ".join(kinds or known)
    return Coerced(values, words.values.is_not_null() & values.is_null(), accepted)


def _share(mapping: Mapping, frame: pl.DataFrame, seconds: Coerced) -> Coerced:
    """Completion from seconds and runtime."""
    assert mapping.completion is not None
    column = _raw(frame.get_column(mapping.completion.runtime))
    unit = 60.0 if mapping.completion.unit == "minutes" else 1.0
    runtime = coerce.number(column, unit, least=0.0)
    share = (seconds.values / runtime.values).clip(0.0, 1.0)
    known = pl.select(pl.when(runtime.values > 0).then(share)).to_series()
    return Coerced(known, runtime.broken, runtime.accepted)


def _confidence(completion: pl.Series, steps: tuple[tuple[float, float], ...]) -> pl.Series:
    """The confidence of the highest step reached; zero below the first, null where completion is unknown."""
    chosen: pl.Expr = pl.when(completion.is_not_null()).then(pl.lit(0.0))
    for least, confidence in steps:
        chosen = pl.when(completion >= least).then(pl.lit(confidence)).otherwise(chosen)
    return pl.select(chosen.alias("confidence")).to_series()


def _sorted_out(
    frame: pl.DataFrame,
    made: pl.DataFrame,
    faults: list[tuple[str, pl.Series, str, str]],
    raws: dict[str, pl.Series],
    sources: dict[str, str],
    file: Path,
) -> tuple[pl.DataFrame, list[Reject]]:
    """Rows without a fault, and a reject for the first fault of every other row."""
    made = made.with_columns(frame.get_column(LINE))
    if not any(fault.any() for _, fault, _, _ in faults):
        return made, []
    lost: dict[int, Reject] = {}
    lines = frame.get_column(LINE)
    for name, fault, what, accepted in faults:
        for row in fault.arg_true():
            value = raws[name][row] if name in raws else None
            shown = (
                None
                if value is None
                else str(value.to_list() if isinstance(value, pl.Series) else value)[:200]
            )
            reject = partial(Reject, str(file), int(lines[row]), sources.get(name, name), shown)
            lost.setdefault(int(row), reject(what, accepted))
    kept = ~pl.int_range(frame.height, eager=True).is_in(list(lost))
    return made.filter(kept), [lost[row] for row in sorted(lost)]
