"""Vectors of titles, part by part: what two titles have in common is a sum that can say why.

The parts and what two titles have in common in each, from 0 to 1:

- `people`: directors, writers and cast, rare names counting more (cosine); `company`, `country`, `language`,
  `certificate`, `genres`, `name` (words of the name, such as a franchise's) likewise.
- `terms`: words of the overview (TF-IDF cosine); `themes`: the same after a truncated SVD, or a sentence encoder's.
- `scale`: log real budget, `era`: the year, `runtime`: minutes; exp(-(a - b)^2 / 2h^2) with h of `NUMBERS`.
- `season`: the day of the year on a circle. `audience`: cosine of who played them.

`titles/space.py` makes them from facts; `Audience` from plays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cineloop.errors import InputError
from cineloop.lab.histories import Histories, Strings
from cineloop.titles.text import truncated_svd, unit, unit_rows

Block = NDArray[np.float32]
Floats = NDArray[np.float64]

SPARSE = ("people", "company", "genres", "terms", "name", "certificate", "country", "language")
DENSE = ("themes", "season", "audience")
NUMBERS = {"scale": 0.7, "era": 8.0, "runtime": 15.0}
"""Numeric parts and their bandwidths h: 0.7 of log real budget is a factor of two; years; minutes."""
PARTS = (*SPARSE, *DENSE, *NUMBERS)

_FORMAT = 1


@dataclass(frozen=True)
class TitleVectors:
    """Vectors of m titles: `terms[part]` (m, v) and `dense[part]` (m, d) with rows of length 1 or 0,
    `numbers[part]` (m,) with NaN where unknown.
    """

    titles: Strings
    terms: Mapping[str, sparse.csr_array]
    dense: Mapping[str, Block]
    numbers: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.titles)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts there are, in the order of `PARTS`."""
        return tuple(p for p in PARTS if p in self.terms or p in self.dense or p in self.numbers)

    def similarity(self, part: str, others: TitleVectors) -> Block:
        """(m, n) what each title has in common with each of `others` in one part, 0 to 1; unknown is 0."""
        if part in self.terms:
            made = np.asarray((self.terms[part] @ others.terms[part].T).toarray(), np.float32)
        elif part in self.dense:
            made = self.dense[part] @ others.dense[part].T
        elif part in self.numbers:
            apart = (self.numbers[part][:, None] - others.numbers[part][None, :]) / NUMBERS[part]
            made = np.nan_to_num(np.exp(-0.5 * apart**2), nan=0.0).astype(np.float32)
        else:
            raise InputError("no such part", field="part", value=part, accepted=", ".join(self.parts))
        return np.clip(made, 0.0, 1.0)

    def kernel(self, weights: Mapping[str, float], others: TitleVectors) -> Block:
        """(m, n) weighted sum of the similarities; a part that is not there adds nothing."""
        made = np.zeros((len(self), len(others)), np.float32)
        for part, weight in weights.items():
            if weight > 0 and part in self.parts:
                made += np.float32(weight) * self.similarity(part, others)
        return made

    def known(self, part: str) -> NDArray[np.bool_]:
        """(m,) whether anything is known of each title in a part."""
        if part in self.terms:
            return np.asarray(np.diff(self.terms[part].indptr) > 0)
        if part in self.dense:
            return np.asarray((self.dense[part] != 0).any(axis=1))
        return np.isfinite(self.numbers[part])

    def without(self, parts: Iterable[str]) -> TitleVectors:
        """The same titles with some parts unknown, such as those that are not decided at greenlight."""
        hidden = frozenset(parts)
        return replace(
            self,
            terms={
                p: sparse.csr_array(t.shape, dtype=t.dtype) if p in hidden else t
                for p, t in self.terms.items()
            },
            dense={p: np.zeros_like(d) if p in hidden else d for p, d in self.dense.items()},
            numbers={p: np.full_like(v, np.nan) if p in hidden else v for p, v in self.numbers.items()},
        )

    def rows(self, index: NDArray[Any]) -> TitleVectors:
        """Some of the titles, by positions or a mask."""
        at = np.flatnonzero(index) if np.asarray(index).dtype == bool else np.asarray(index)
        return TitleVectors(
            self.titles[at],
            {p: t[at] for p, t in self.terms.items()},
            {p: d[at] for p, d in self.dense.items()},
            {p: v[at] for p, v in self.numbers.items()},
        )

    def with_audience(self, audience: Audience) -> TitleVectors:
        """The same titles with the part `audience`; a title without plays has none."""
        at = _places(audience.titles, self.titles)
        placed = np.zeros((len(self), audience.factors.shape[1]), np.float32)
        placed[at >= 0] = audience.factors[at[at >= 0]]
        return replace(self, dense={**self.dense, "audience": placed})

    def save(self, path: Path) -> None:
        """One npz file; the same vectors give the same bytes."""
        arrays: dict[str, NDArray[Any]] = {"titles": self.titles.astype(str)}
        for part, matrix in self.terms.items():
            _put(arrays, f"terms/{part}", matrix)
        arrays |= {f"dense/{p}": d for p, d in self.dense.items()}
        arrays |= {f"numbers/{p}": v for p, v in self.numbers.items()}
        write_npz(path, "title-vectors", {}, arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote; InputError where the file is none of these."""
        _, arrays = read_npz(path, "title-vectors")
        return cls(
            arrays["titles"].astype(object),
            {k.split("/")[1]: _get(arrays, k[: -len("/data")]) for k in arrays if k.endswith("/data")},
            {k.removeprefix("dense/"): v for k, v in arrays.items() if k.startswith("dense/")},
            {k.removeprefix("numbers/"): v for k, v in arrays.items() if k.startswith("numbers/")},
        )


@dataclass(frozen=True)
class Audience:
    """Who plays what, without any member in it: titles (m,) sorted; factors (m, d) float32, rows of length 1.

    The dot product of two rows approximates the cosine of the titles' columns of plays (Sarwar et al.,
    "Item-based collaborative filtering", WWW 2001) by its d largest axes.
    """

    titles: Strings
    factors: Block

    @classmethod
    def of(cls, histories: Histories, dimensions: int = 64) -> Self:
        """From members' histories."""
        plays = histories.matrix(histories.catalogue)
        columns = unit_rows(sparse.csr_array(plays.T))
        values, axes = truncated_svd(sparse.csr_array(columns.T), dimensions)
        return cls(histories.catalogue, unit((axes * values[:, None]).T))


def _places(titles: Strings, names: Strings) -> NDArray[np.int64]:
    """The place of each name in sorted `titles`, -1 where it is not there."""
    if len(titles) == 0:
        return np.full(len(names), -1, np.int64)
    at = np.searchsorted(titles, names)
    return np.where(titles[np.minimum(at, len(titles) - 1)] == names, at, -1).astype(np.int64)


def _put(arrays: dict[str, NDArray[Any]], name: str, matrix: sparse.csr_array) -> None:
    arrays |= {
        f"{name}/data": matrix.data,
        f"{name}/indices": matrix.indices,
        f"{name}/indptr": matrix.indptr,
        f"{name}/shape": np.array(matrix.shape),
    }


def _get(arrays: Mapping[str, NDArray[Any]], name: str) -> sparse.csr_array:
    shape = tuple(arrays[f"{name}/shape"].tolist())
    return sparse.csr_array(tuple(arrays[f"{name}/{p}"] for p in ("data", "indices", "indptr")), shape=shape)


def write_npz(path: Path, kind: str, head: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Arrays and a few JSON facts in one file of a stated kind; the same content gives the same bytes."""
    about = json.dumps({"format": _FORMAT, "kind": kind, **head}, sort_keys=True)
    with path.open("wb") as file:  # a name would get ".npz" appended
        np.savez(file, **cast(Any, {"about": np.array(about), **dict(sorted(arrays.items()))}))


def read_npz(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """(facts, arrays) as written; InputError where the file is none of this kind and format."""
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        head = json.loads(str(arrays.pop("about")))
        if (head["kind"], head["format"]) != (kind, _FORMAT):
            raise InputError(
                "another kind or format",
                file=path,
                field="kind",
                value=head["kind"],
                accepted=f"{kind} {_FORMAT}",
            )
    except (OSError, ValueError, KeyError) as bad:
        if isinstance(bad, InputError):
            raise
        raise InputError(f"can't be read as {kind}: {bad}", file=path) from None
    return head, arrays
