"""Comparables: the films that a pitch is most like, ranked, each with why, as of the decision's day.

Only films whose total gross was known by then are shown. A similarity is a weighted mean of what two titles have in
common in each named part (`titles/vectors.py`), over the parts that the pitch tells, so that the shares add up to it.
The weights were learned on earlier films and are frozen (`pitch/likeness.py`); how well they find what sold alike and
what is watched by the same people is judged in `pitch/retrieval.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from cineloop.errors import InputError
from cineloop.pitch.likeness import Weights
from cineloop.titles.space import TitleSpace
from cineloop.titles.text import Encoder
from cineloop.titles.vectors import Audience, TitleVectors

MONEY = Weights(
    {
        "people": 0.235,
        "company": 0.269,
        "genres": 0.089,
        "name": 0.183,
        "country": 0.162,
        "scale": 0.785,
        "era": 0.026,
    },
    "films released 1995 to 2007 with a known worldwide gross, as of 18 months before each",
)
"""What sold alike, within a factor of 1.5 at constant prices."""

AUDIENCE = Weights(
    {
        "people": 1.15,
        "genres": 3.77,
        "certificate": 0.54,
        "themes": 1.2,
        "season": 0.12,
        "era": 2.87,
    },
    "MovieLens 1M, the 2,434 titles with 20 plays or more released before 20 February 1998",
)
"""What is played by the same members: the ten titles nearest in who plays them."""

_TELLING = 0.02  # a part whose share of the similarity is less is no reason


@dataclass(frozen=True)
class Reference:
    """What pitches are compared with on a day: FILMS rows, released by then, in the order of their ids, and their
    vectors in the space that they span.
    """

    as_of: date
    films: pl.DataFrame
    space: TitleSpace
    vectors: TitleVectors
    encoder: Encoder | None = None
    audience: Audience | None = None

    @classmethod
    def of(
        cls,
        films: pl.DataFrame,
        as_of: date,
        *,
        audience: Audience | None = None,
        absent: Iterable[str] = (),
        encoder: Encoder | None = None,
    ) -> Reference:
        """From FILMS rows; those released later are left out. `absent`: people in no feature.

        `audience` must have been made as of the day too. InputError where no film is known by then.
        """
        known = films.filter(pl.col("released") <= as_of).sort("title")
        space = TitleSpace.fit(known, as_of, absent=absent, encoder=encoder)
        vectors = space.vectors(known, encoder)
        if audience is not None:
            vectors = vectors.with_audience(audience)
        return cls(as_of, known, space, vectors, encoder, audience)

    def told(self, pitch: pl.DataFrame) -> TitleVectors:
        """The vectors of other FILMS rows in the same space; an audience only where the title has plays already."""
        told = self.space.vectors(pitch, self.encoder)
        return told if self.audience is None else told.with_audience(self.audience)


@dataclass(frozen=True)
class Comparable:
    """A film like the pitch: similarity 0 to 1; `shares` part to share of it (they add up to it); `why` in words.

    worldwide: its gross in USD of the time; `known`: the day since when that was known.
    """

    title: str
    name: str
    released: date
    worldwide: float | None
    known: date | None
    similarity: float
    shares: tuple[tuple[str, float], ...]
    why: tuple[str, ...]


@dataclass(frozen=True)
class Comparables:
    """The films most like a pitch, best first, out of `candidates` whose gross was known on the day.

    `untold`: parts that count in the weights and that the pitch says nothing of. `low`, `median`, `high`: the
    10th, 50th and 90th percentile of their gross, USD of their time; None where none has a gross.
    """

    pitch: str
    as_of: date
    candidates: int
    films: tuple[Comparable, ...]
    untold: tuple[str, ...]
    low: float | None
    median: float | None
    high: float | None
    weights: Weights
    assumptions: tuple[str, ...] = (
        "similarity says what goes together in the weights' own data; it is no forecast: "
        "the percentiles describe the comparables and promise no coverage",
    )

    def frame(self) -> pl.DataFrame:
        """Rows (rank from 1, title, name, released, worldwide, similarity, why)."""
        rows = [
            (i, c.title, c.name, c.released, c.worldwide, c.similarity, "; ".join(c.why))
            for i, c in enumerate(self.films, 1)
        ]
        schema = {
            "rank": pl.Int32,
            "title": pl.String,
            "name": pl.String,
            "released": pl.Date,
            "worldwide": pl.Float64,
            "similarity": pl.Float64,
            "why": pl.String,
        }
        return pl.DataFrame(rows, schema=schema, orient="row")


def comparables(
    pitch: pl.DataFrame, reference: Reference, k: int = 10, weights: Weights = MONEY, *, grossed: bool = True
) -> Comparables:
    """The k films of `reference` most like `pitch`, one FILMS row; equal ones in the order of their ids.

    `grossed`: only films with a worldwide gross known by the reference's day; otherwise any of them. The pitch
    itself is never its own comparable. InputError where the pitch tells nothing that counts, or k is below 1.
    """
    if len(pitch) != 1:
        raise InputError("one pitch at a time", field="pitch", value=len(pitch), accepted="one row")
    if k < 1:
        raise InputError("a list can't be that short", field="k", value=k, accepted="1 or more")
    told = reference.told(pitch)
    parts = [p for p in reference.vectors.parts if weights.values.get(p, 0) > 0]
    counted = [p for p in parts if p in told.parts and told.known(p)[0]]
    if not counted:
        raise InputError("tells nothing to compare", field="pitch", accepted=f"one of {', '.join(parts)}")
    total = sum(weights.values[p] for p in counted)
    shares = np.stack(
        [
            weights.values[p] / total * told.similarity(p, reference.vectors)[0].astype(np.float64)
            for p in counted
        ]
    )
    similarity = shares.sum(axis=0)
    allowed = (reference.films.get_column("title") != pitch.item(0, "title")).to_numpy()
    if grossed:
        fit = (pl.col("known") <= reference.as_of) & (pl.col("worldwide") > 0)
        allowed &= reference.films.select(fit.fill_null(False)).to_series().to_numpy()
    order = np.lexsort((np.arange(len(similarity)), -similarity.round(12)))
    best = order[allowed[order]][:k]
    return _answer(pitch, reference, weights, told, counted, shares, best, int(allowed.sum()))


def _answer(
    pitch: pl.DataFrame,
    reference: Reference,
    weights: Weights,
    told: TitleVectors,
    counted: Sequence[str],
    shares: Any,
    best: Any,
    candidates: int,
) -> Comparables:
    mine = pitch.row(0, named=True)
    found = []
    for at in best.tolist():
        theirs = reference.films.row(at, named=True)
        parts = sorted(zip(counted, shares[:, at].tolist(), strict=True), key=lambda c: (-c[1], c[0]))
        parts = [(p, s) for p, s in parts if s > 0]
        one = reference.vectors.rows(np.array([at]))
        why = [
            words
            for part, share in parts
            if share >= _TELLING and (words := _why(part, mine, theirs, reference.space, told, one))
        ]
        found.append(
            Comparable(
                title=theirs["title"],
                name=theirs["name"],
                released=theirs["released"],
                worldwide=theirs["worldwide"],
                known=theirs["known"],
                similarity=float(sum(s for _, s in parts)),
                shares=tuple(parts),
                why=tuple(why),
            )
        )
    gross = [c.worldwide for c in found if c.worldwide]
    low, median, high = np.quantile(gross, [0.1, 0.5, 0.9]).tolist() if gross else (None, None, None)
    untold = [p for p in weights.values if weights.values[p] > 0 and p not in counted]
    return Comparables(
        pitch=mine["name"],
        as_of=reference.as_of,
        candidates=candidates,
        films=tuple(found),
        untold=tuple(untold),
        low=low,
        median=median,
        high=high,
        weights=weights,
    )


def _why(
    part: str,
    mine: dict[str, Any],
    theirs: dict[str, Any],
    space: TitleSpace,
    told: TitleVectors,
    one: TitleVectors,
) -> str:
    """One reason in words."""
    if part == "people":
        return _people(mine, theirs, space.leaves_out)
    if part == "genres":
        return "both " + ", ".join(g for g in mine["genres"] if g in theirs["genres"])
    if part == "company":
        return "both by " + ", ".join(_named(c) for c in mine["companies"] if c in theirs["companies"])
    if part == "name":
        return f"the name shares “{' '.join(space.shared('name', told, one))}”"
    if part in ("terms", "themes"):
        shared = space.shared("terms", told, one)
        return ("both tell of " if part == "terms" else "like themes: ") + ", ".join(shared) if shared else ""
    if part == "scale":
        return f"a budget of {_money(theirs['budget'])} then, {_money(mine['budget'])} now"
    if part == "era":
        return f"released in {theirs['released'].year}"
    if part == "season":
        return f"released in {theirs['released']:%B}, as this in {mine['released']:%B}"
    if part == "runtime":
        return f"{theirs['runtime']:.0f} minutes long, this {mine['runtime']:.0f}"
    if part == "audience":
        return "played by the same members"
    return {"certificate": "rated", "country": "from", "language": "in"}[part] + f" {theirs[part]}, both"


_ROLES = (("directors", "director"), ("writers", "writer"), ("cast", "cast"))


def _people(mine: dict[str, Any], theirs: dict[str, Any], absent: Callable[[str], bool]) -> str:
    said = []
    seen: set[str] = set()
    for column, role in _ROLES:
        for name in mine[column] or []:
            there = [r for c, r in _ROLES if name in (theirs[c] or [])]
            if there and name not in seen and not absent(name):
                seen.add(name)
                said.append(f"{role} {_named(name)}" + ("" if role in there else f" (there {there[0]})"))
    return "same " + ", ".join(said[:4]) if said else ""


def _named(name: str) -> str:
    """A normalised name with its capitals again.

    >>> _named("alfonso cuaron"), _named("McG")
    ('Alfonso Cuaron', 'McG')
    """
    return name.title() if name == name.lower() else name


def _money(amount: float) -> str:
    """Dollars in a few letters.

    >>> _money(152_000_000.0), _money(1_500_000.0), _money(70_000.0)
    ('$152M', '$1.5M', '$70k')
    """
    if amount >= 1e6:
        return f"${amount / 1e6:.0f}M" if amount >= 1e7 else f"${amount / 1e6:.1f}M"
    return f"${amount / 1e3:.0f}k"
