"""Why a title is on the page, in one sentence that the numbers bear out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cineloop.play.home import Contribution, Reason
from cineloop.play.models.ranking import Ranker
from cineloop.play.past import Past
from cineloop.play.shelf import Places, Shelf

NAMED = 2  # past titles that a sentence names


@dataclass(frozen=True)
class Parts:
    """What each past title added to the scores of some places: exact for linear models, nothing for others.

    titles (h,) past titles; values (h, p) in the unit of the scores; column place -> its column in values; largest
    (p, most) of each place the (title, value) of the largest parts by size, the largest first; added (p,) the sum of
    the positive ones.
    """

    titles: Sequence[str]
    values: NDArray[np.float64]
    column: Mapping[int, int]
    largest: Sequence[Sequence[tuple[str, float]]]
    added: Sequence[float]

    @classmethod
    def of(cls, shelf: Shelf, past: Past, places: Sequence[int], most: int) -> Parts:
        """For the model's titles among `places`."""
        known = [place for place in places if shelf.column[place] >= 0]
        titles, values = _added(shelf, past, shelf.column[np.array(known, np.int64)]) if known else ([], None)
        if values is None or not values.size:
            return cls((), np.zeros((0, 0)), {}, (), ())
        rows = np.argsort(-np.abs(values), axis=0, kind="stable")[: max(most, NAMED)]
        found = zip(rows.T.tolist(), np.take_along_axis(values, rows, axis=0).T.tolist(), strict=True)
        largest = [[(titles[i], value) for i, value in zip(*of, strict=True)] for of in found]
        added = np.where(values > 0, values, 0.0).sum(axis=0).tolist()
        return cls(titles, values, {place: i for i, place in enumerate(known)}, largest, added)

    def explains(self, place: int) -> bool:
        """Whether some past title speaks for the place."""
        column = self.column.get(place)
        return column is not None and self.added[column] > 0

    def contributions(self, shelf: Shelf, place: int, most: int) -> tuple[Contribution, ...]:
        """The largest parts of a place that is explained."""
        name = shelf.catalogue.name
        largest = self.largest[self.column[place]][:most]
        return tuple([Contribution(title, name(title), value) for title, value in largest if value != 0.0])

    def total(self) -> list[tuple[str, float]]:
        """Each past title with what it added over all places, the largest by size first."""
        summed = self.values.sum(axis=1)
        return [(self.titles[i], float(summed[i])) for i in np.argsort(-np.abs(summed), kind="stable")]


def _added(shelf: Shelf, past: Past, columns: Places) -> tuple[list[str], NDArray[np.float64] | None]:
    """Past titles (h,) and what each added to the scores of some columns, (h, p)."""
    model = shelf.model
    if isinstance(model, Ranker):  # this wing's own models give the numbers without a dict a title
        history = shelf.history(past)
        names = model.titles[history.indices].tolist()
        return names, model.parts(history, columns) if history.nnz else None
    found = model.contributions(past.liked, columns.astype(np.int32)[None])[0]
    # a model names the same past titles, in one order, for every place
    return list(found[0]), np.array([list(of.values()) for of in found]).T


def by_history(shelf: Shelf, place: int, parts: Parts, most: int) -> Reason:
    """The past titles that added most to a score, with their share of all that was added.

    Where the model has no such reading, or nothing was added, how many members liked it.
    """
    if not parts.explains(place):
        return popular(shelf, place)
    column, name = parts.column[place], shelf.catalogue.name
    added = parts.added[column]
    helped = [part for part in parts.largest[column] if part[1] > 0][:NAMED]
    if not helped:  # the largest parts all speak against it: name what speaks for it
        i = int(np.argmax(parts.values[:, column]))
        helped = [(parts.titles[i], float(parts.values[i, column]))]
    named = listed([f"{name(title)} ({value / added:.0%})" for title, value in helped])
    return Reason("history", f"you liked {named}", parts.contributions(shelf, place, most))


def popular(shelf: Shelf, place: int) -> Reason:
    """How many members liked it."""
    count, members = int(shelf.liked_by[place]), shelf.prepared.members
    share = count / members if members else 0.0
    return Reason("popular", f"liked by {count:,} of {members:,} members ({share:.0%})")


def listed(names: Sequence[str]) -> str:
    """Words in a row, as one would say them.

    >>> listed(["Fargo", "Heat", "Seven"])
    'Fargo, Heat and Seven'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
