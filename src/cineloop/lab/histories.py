"""Members' histories and the lists made from them: what goes into a recommender and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

Strings = NDArray[np.object_]


@dataclass(frozen=True)
class Histories:
    """What each member has liked, oldest first, one entry a (member, title).

    members (n,) ids; catalogue (m,) the title ids that `items` index; indptr (n + 1,); items (nnz,) int32;
    confidence (nnz,) float32 > 0; at (nnz,) int64 microseconds since 1970 UTC, or the log's own order.
    """

    members: Strings
    catalogue: Strings
    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    confidence: NDArray[np.float32]
    at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.members)

    @classmethod
    def of(cls, rows: pl.DataFrame, members: Any = None) -> Histories:
        """From rows (member, title, at, confidence); `members` fixes which and in what order, empty ones too.

        >>> rows = pl.DataFrame({"member": ["b", "a"], "title": ["t", "t"], "at": [2, 1], "confidence": [1.0, 1.0]})
        >>> Histories.of(rows, ["a", "nobody"]).indptr.tolist()
        [0, 1, 1]
        """
        order = (
            rows.get_column("member").unique().sort()
            if members is None
            else pl.Series("member", list(members), dtype=pl.String)
        )
        index = pl.DataFrame({"member": order, "_m": np.arange(len(order), dtype=np.int64)})
        rows = rows.select("member", "title", "at", "confidence").join(index, on="member", how="inner")
        catalogue = rows.get_column("title").unique().sort()
        columns = pl.DataFrame({"title": catalogue, "_t": np.arange(len(catalogue), dtype=np.int32)})
        rows = rows.join(columns, on="title", how="inner").sort("_m", "at", "_t")
        counts = (
            np.bincount(rows["_m"].to_numpy(), minlength=len(order)) if len(rows) else np.zeros(len(order))
        )
        return cls(
            members=order.to_numpy().astype(object),
            catalogue=catalogue.to_numpy().astype(object),
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            items=rows["_t"].to_numpy().astype(np.int32),
            confidence=rows["confidence"].to_numpy().astype(np.float32),
            at=rows["at"].to_numpy().astype(np.int64),
        )

    def matrix(self, titles: Strings) -> sparse.csr_array:
        """(n, len(titles)) float32 confidences in the columns of `titles` (sorted); unknown titles drop out."""
        if len(titles) == 0 or len(self.catalogue) == 0:
            return sparse.csr_array((len(self), len(titles)), dtype=np.float32)
        column = np.searchsorted(titles, self.catalogue)
        found = titles[np.minimum(column, len(titles) - 1)] == self.catalogue
        column = np.where(found, column, -1)[self.items]
        keep = column >= 0
        row = np.repeat(np.arange(len(self)), np.diff(self.indptr))
        made = sparse.csr_array(
            (self.confidence[keep], (row[keep], column[keep])),
            shape=(len(self), len(titles)),
            dtype=np.float32,
        )
        made.sort_indices()
        return made


@dataclass(frozen=True)
class Lists:
    """Ranked lists: keys (n,) member or title ids; items (n, k) int32 into `titles`, -1 where a list ends early;
    scores (n, k) float32. Best first; equal scores stand in the order of their title ids.
    """

    keys: Strings
    titles: Strings
    items: NDArray[np.int32]
    scores: NDArray[np.float32]

    def row(self, i: int) -> list[tuple[str, float]]:
        """One list as (title, score)."""
        kept = self.items[i] >= 0
        names = self.titles[self.items[i][kept]]
        return [(str(t), float(s)) for t, s in zip(names, self.scores[i][kept], strict=True)]

    def frame(self) -> pl.DataFrame:
        """Rows (member, title, rank from 1, score)."""
        n, k = self.items.shape
        kept = self.items.ravel() >= 0
        names = self.titles[self.items.ravel()[kept]] if len(self.titles) else np.array([], dtype=object)
        return pl.DataFrame(
            {
                "member": pl.Series(np.repeat(self.keys, k)[kept].tolist(), dtype=pl.String),
                "title": pl.Series(names.tolist(), dtype=pl.String),
                "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), n)[kept],
                "score": self.scores.ravel()[kept],
            }
        )
