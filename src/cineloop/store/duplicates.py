"""Rows that are there already, or twice in the same source: found by their ids and left out.

Half of each id (8 bytes) is enough to find suspects, of which a billion rows hold no false one on average: memory is
one bucket's, and a bucket without suspects is not read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from cineloop.store.hashing import Words, row_ids
from cineloop.store.parts import Part, PartFile, read_groups


def suspects(halves: Words, folder: Path, known: Iterable[Part]) -> Words:
    """High halves of ids that occur more than once in `halves`, or in `halves` and in a known part; sorted."""
    ordered = np.sort(halves)
    found = [ordered[1:][ordered[1:] == ordered[:-1]]]
    for part in known:
        for rows in read_groups(folder / part.file, part.table):
            own = row_ids(rows, part.table)[:, 0]
            at = np.minimum(np.searchsorted(ordered, own), len(ordered) - 1)
            found.append(own[ordered[at] == own])
    return np.unique(np.concatenate(found))


def without_repeats(
    draft: PartFile, target: Path, odd: Words, folder: Path, known: Iterable[Part]
) -> PartFile:
    """Write the rows of a draft to `target` again, each once and none that a known part holds.

    Only rows whose half id is among `odd` are looked at closely.
    """
    seen = _suspect_ids(pl.DataFrame(schema={"high": pl.UInt64, "low": pl.UInt64}), odd)
    for part in known:
        for rows in read_groups(folder / part.file, part.table):
            seen = pl.concat([seen, _suspect_ids(_ids(rows, part.table), odd)])
    out = PartFile(target, draft.table, draft.bucket, draft.of)
    try:
        for rows in read_groups(draft.path, draft.table):
            ids = _ids(rows, draft.table).with_row_index("at")
            doubtful = _suspect_ids(ids, odd)
            fresh = doubtful.unique(["high", "low"], keep="first", maintain_order=True).join(
                seen, on=["high", "low"], how="anti"
            )
            seen = pl.concat([seen, fresh.select("high", "low")])
            keep = np.ones(rows.height, bool)
            keep[doubtful["at"].to_numpy()] = False
            keep[fresh["at"].to_numpy()] = True
            if keep.any():
                out.write(rows.filter(pl.Series(keep)))
    finally:
        out.close()
    return out


def _ids(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    ids = row_ids(rows, table)
    return pl.DataFrame({"high": ids[:, 0], "low": ids[:, 1]})


def _suspect_ids(ids: pl.DataFrame, odd: Words) -> pl.DataFrame:
    return ids.filter(pl.Series(np.isin(ids["high"].to_numpy(), odd)))
