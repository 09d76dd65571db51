"""Which rows have been corrected, and since when."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from cineloop.store.hashing import parse_ids, row_ids
from cineloop.store.parts import Part, read_groups

Places = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@lru_cache(maxsize=8)
def superseded(folder: Path, parts: tuple[Part, ...]) -> dict[str, Places]:
    """For each part of one table with corrected rows: their places in it, and since when they are corrected.

    Times are in microseconds since 1970 UTC: the `known_at` of the earliest correction. A correction may stand
    in another part than its row, even in another bucket (a play that was booked on the wrong account), so the
    ids of all the table's rows are computed, once for each set of parts.
    """
    said = pl.concat(
        [
            pl.read_parquet(folder / p.file, columns=["supersedes", "known_at"]).drop_nulls("supersedes")
            for p in parts
            if p.corrections
        ]
    )
    first = said.group_by("supersedes").agg(pl.col("known_at").min().to_physical())
    ids = parse_ids(first["supersedes"])
    wanted = pl.DataFrame({"high": ids[:, 0], "low": ids[:, 1], "since": first["known_at"]})
    found: dict[str, Places] = {}
    for part in parts:
        start, places = 0, []
        for rows in read_groups(folder / part.file, part.table):
            own = row_ids(rows, part.table)
            table = pl.DataFrame({"high": own[:, 0], "low": own[:, 1]}).with_row_index("at", start)
            places.append(table.join(wanted, on=["high", "low"]).select(pl.col("at").cast(pl.Int64), "since"))
            start += rows.height
        hit = pl.concat(places).sort("at") if places else None
        if hit is not None and hit.height:
            found[part.file] = (hit["at"].to_numpy(), hit["since"].to_numpy())
    return found
