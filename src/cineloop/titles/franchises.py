"""Franchises out of names and release order: a film continues an earlier one, never a later one makes it a first part.

A film of which a sequel was made years later is no "collection" on the day it opens: whether a sequel follows is part
of what a forecast must not know. So the only facts used are the name of the film itself and the names of films
released before it.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

from cineloop.titles.text import folded

Words = tuple[str, ...]

_ROMAN = "ii|iii|iv|v|vi|vii|viii|ix|x"
_PART = r"(?:part|chapter|vol\.?|volume|episode)"
# a stem, then a number that ends the name or its first half: "Scream 2", "Rocky IV", "Hellboy II: The Golden Army"
_NUMBERED = re.compile(rf"^(.+?)[\s:,\-–]+(?:{_PART}\s+)?({_ROMAN}|[2-9]|1[0-3])(?=$|[\s:\-–!]).*$")
# numbers that are hardly ever anything but the number of a part, whether or not the first part is known here
_LATER_PART = re.compile(r"(?:\b(?:ii|iii|iv|vi|vii|viii|ix)\b|\s[2-9](?:$|:))")
_RANGE = re.compile(r"^\W*\d")  # "9 to 5", "50 First Dates": a name that starts with a number counts nothing
_WORD = re.compile(r"[^\W_]+")
_ARTICLES = frozenset({"the", "a", "an"})
_SMALL = _ARTICLES | {"of", "and", "in", "to", "my", "on", "for"}


@dataclass(frozen=True)
class Entry:
    """What a film continues.

    `earlier` is the title of the last part known before it, null where none is in the table; `number` counts the parts
    before it; `numbered` says that its own name counts ("II"), even where no earlier part is known.
    """

    earlier: str | None
    number: int
    numbered: bool

    @property
    def sequel(self) -> bool:
        """Whether it continues another film."""
        return self.earlier is not None or self.numbered


@dataclass(frozen=True)
class _Names:
    whole: Words
    stems: tuple[Words, ...]
    numbered: bool


class Franchises:
    """Names of films by what their franchise would be called, in the order of their release."""

    def __init__(self, films: Iterable[tuple[str, str, date]]) -> None:
        """From (title, name, released) of each film."""
        self._by_stem: dict[Words, list[tuple[date, str]]] = {}
        self._by_name: dict[Words, list[tuple[date, str]]] = {}
        for title, name, released in sorted(films, key=lambda f: (f[2], f[0])):
            read = _names(name)
            for stem in read.stems:
                self._by_stem.setdefault(stem, []).append((released, title))
            self._by_name.setdefault(read.whole, []).append((released, title))

    @classmethod
    def of(cls, films: pl.DataFrame) -> Franchises:
        """From a FILMS frame; films without a date take no part."""
        dated = films.filter(pl.col("released").is_not_null())
        return cls(dated.select("title", "name", "released").iter_rows())

    def entry(self, name: str, before: date) -> Entry:
        """What a film of this name continues, of the films released before the day.

        A stem is what stands before a number, a colon or a dash; the parts of a franchise share one, or the first part
        is all of it. A name of two words or more that begins another's counts too ("Magic Mike XXL"). The same name
        again is a remake or chance, not a part, unless that name is the stem of earlier parts.

        >>> known = Franchises([("t:1", "Die Hard", date(1988, 7, 20)), ("t:2", "Die Hard 2", date(1990, 7, 4))])
        >>> known.entry("Die Hard with a Vengeance", date(1995, 5, 19))
        Entry(earlier='t:2', number=2, numbered=False)
        >>> known.entry("Die Hard 2", date(1989, 1, 1)).earlier, known.entry("Die Hard", date(1987, 1, 1)).sequel
        ('t:1', False)
        """
        read = _names(name)
        parts: set[tuple[date, str]] = set()
        for stem in read.stems:
            parts.update(_before(self._by_stem.get(stem), before))
            parts.update(_before(self._by_name.get(stem), before))
        if len(read.whole) > 1:
            parts.update(_before(self._by_stem.get(read.whole), before))
        if not parts:
            parts = self._begun(read.whole, before)
        last = max(parts, default=None)
        return Entry(last[1] if last else None, len(parts), read.numbered)

    def named(self, name: str, before: date) -> str | None:
        """The title of the last film of just this name that was released before the day."""
        found = _before(self._by_name.get(_names(name).whole), before)
        return found[-1][1] if found else None

    def _begun(self, whole: Words, before: date) -> set[tuple[date, str]]:
        """Parts of the franchise whose name begins this one: the longest that is known."""
        for length in range(len(whole) - 1, 1, -1):
            start = whole[:length]
            if sum(w not in _SMALL for w in start) < 2:
                continue
            found = [
                *_before(self._by_name.get(start), before),
                *_before(self._by_stem.get(start), before),
            ]
            if found:
                return set(found)
        return set()


def entries(films: pl.DataFrame) -> pl.DataFrame:
    """For each film of a FILMS frame, in its order: title, earlier, number, numbered, sequel.

    A film without a date continues nothing.
    """
    known = Franchises.of(films)
    found = [
        (title, *_row(known.entry(name, released) if released else Entry(None, 0, False)))
        for title, name, released in films.select("title", "name", "released").iter_rows()
    ]
    schema = {
        "title": pl.String,
        "earlier": pl.String,
        "number": pl.Int64,
        "numbered": pl.Boolean,
        "sequel": pl.Boolean,
    }
    return pl.DataFrame(found, schema=schema, orient="row")


def _row(entry: Entry) -> tuple[str | None, int, bool, bool]:
    return entry.earlier, entry.number, entry.numbered, entry.sequel


def _before(films: list[tuple[date, str]] | None, day: date) -> list[tuple[date, str]]:
    return films[: bisect.bisect_left(films, (day, ""))] if films else []


def _names(name: str) -> _Names:
    plain = folded(name).replace("'", "").replace("’", "")
    stems = []
    number = _NUMBERED.match(plain)
    if number:
        stems.append(_words(number.group(1)))
    for mark in (":", " - "):
        if mark in plain:
            stems.append(_words(plain.split(mark, 1)[0]))
    later = _LATER_PART.search(plain)
    kept = tuple(dict.fromkeys(s for s in stems if s))
    return _Names(_words(plain), kept, bool(later and later.start() > 0 and not _RANGE.search(plain)))


def _words(text: str) -> Words:
    found = _WORD.findall(text)
    while len(found) > 1 and found[0] in _ARTICLES:
        found = found[1:]
    return tuple(found)
