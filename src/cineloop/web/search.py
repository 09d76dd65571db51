"""Search by name that forgives typing: trigrams shared with the name, whole beginnings first."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cineloop.play.shelf import Shelf

LEAST = 0.3  # share of trigrams in common from which a name counts as meant


@dataclass(frozen=True)
class Names:
    """titles (n,) ids, names (n,) folded; a sparse index trigram -> places, and how many trigrams each name has."""

    titles: Sequence[str]
    names: Sequence[str]
    popularity: NDArray[np.int64]
    places: dict[str, NDArray[np.int64]]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, shelf: Shelf) -> Names:
        """The names of everything a shelf can show."""
        titles = [str(t) for t in shelf.titles]
        names = [folded(shelf.catalogue.name(t)) for t in titles]
        found: dict[str, list[int]] = {}
        sizes = np.zeros(len(names), np.int64)
        for i, name in enumerate(names):
            grams = trigrams(name)
            sizes[i] = len(grams)
            for gram in grams:
                found.setdefault(gram, []).append(i)
        places = {gram: np.array(each, np.int64) for gram, each in found.items()}
        return cls(titles, names, shelf.liked_by, places, sizes)

    def search(self, query: str, k: int, without: Collection[str] = ()) -> list[tuple[str, float]]:
        """(title, how well it fits from 0 to 1), best first: the name itself, its beginning, then what is near.

        Of names that fit alike the more liked stands first. Titles of `without` are left out.
        """
        asked = folded(query)
        grams = trigrams(asked)
        if not grams or not self.names:
            return []
        shared = np.zeros(len(self.names), np.int64)
        for gram in grams:
            if gram in self.places:
                shared[self.places[gram]] += 1
        # what was typed may be a part of the name: the share of the shorter of the two counts most
        part = shared / len(grams)
        both = 2 * shared / (len(grams) + self.sizes)
        fit = 0.6 * part + 0.4 * both
        for place in np.flatnonzero(shared).tolist():
            name = self.names[place]
            if name == asked:
                fit[place] = 1.0
            elif name.startswith(asked):
                fit[place] = max(fit[place], 0.95)
            elif f" {asked}" in name:
                fit[place] = max(fit[place], 0.9)
        kept = np.flatnonzero(fit >= LEAST)
        order = kept[np.lexsort((kept, -self.popularity[kept], -np.round(fit[kept], 6)))][: k + len(without)]
        found = ((self.titles[i], float(fit[i])) for i in order)
        return [(title, fits) for title, fits in found if title not in without][:k]


def folded(name: str) -> str:
    """Lower case, without accents, signs and a leading article, so that what is meant alike is written alike.

    >>> folded("The Amélie!"), folded("M*A*S*H")
    ('amelie', 'm a s h')
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in plain).split()
    return " ".join(
        words[1:]
        if len(words) > 1 and words[0] in {"the", "a", "an", "le", "la", "les", "der", "die", "das"}
        else words
    )


def trigrams(name: str) -> set[str]:
    """The runs of three letters, the ends marked.

    >>> sorted(trigrams("up"))
    ['  u', ' up', 'up ']
    """
    if not name:
        return set()
    padded = f"  {name} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}
