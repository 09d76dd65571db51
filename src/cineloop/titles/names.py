"""Names of titles as keys: what stays the same when two sources write one title in two ways.

Case, accents, punctuation, `&`, articles in front or behind, Roman numerals and numbers in words, `Part 2` for `2`.
Two titles with one key need not be one: remakes share it. That is for `titles/resolve.py` to tell.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from cineloop.store.sources.film_names import name_and_year
from cineloop.store.sources.languages import CODES

_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
_APOSTROPHES = re.compile(r"['’‘`´]")
_NOT_WORD = re.compile(r"[^\w]+|_")
_ARTICLES = {"the", "a", "an"}
_WRITTEN = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ROMAN = ("ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii")
_NUMBERS = {word: str(i) for words in (_WRITTEN, _ROMAN) for i, word in enumerate(words, 2)}
_ONE = {"i", "one"}
_COUNTED = {"part", "chapter", "volume", "vol", "episode", "movie", "film"}
_WORDS = {"vs": "versus", "n": "and", "dr": "doctor", "mr": "mister", "st": "saint"}
_VERSIONS = {
    "u.s.",
    "usa",
    "u.k.",
    "the movie",
    "the series",
    "tv",
    "dubbed",
    "subtitled",
    "4k",
    "mini-series",
}
_VERSIONS |= {
    "limited series",
    "miniseries",
    "special edition",
    "director's cut",
    "full sequence",
    "original",
}
_PARENTHESES = re.compile(r"\(([^()]{3,})\)")
_BRANDS = re.compile(
    r"^(?:marvel|disney|dc|dreamworks|national lampoon|tyler perry|netflix)(?:'s|’s)? (?=\S)", re.IGNORECASE
)
_SUBTITLE = re.compile(r"\s*(?::|\s[-–—])\s+|\s*:\s*")


def folded(text: str) -> str:
    """Lower case, without accents, letters of one script in one form.

    >>> folded("Łódź: Ænima Straße")
    'lodz: aenima strasse'
    """
    while (plain := _folded_once(text)) != text:  # what is taken apart may bring capitals and marks to light
        text = plain
    return plain


def _folded_once(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    return unicodedata.normalize("NFKC", bare.translate(_LETTERS))


@lru_cache(maxsize=1 << 17)
def title_key(name: str) -> str:
    """The words of a title that count, in one form.

    >>> title_key("The Godfather: Part II") == title_key("Godfather II, The")
    True
    >>> title_key("Fast & Furious"), title_key("Amélie"), title_key("Ocean's Eleven"), title_key("Seven")
    ('fast and furious', 'amelie', 'oceans 11', '7')
    """
    text = folded(name_and_year(name)[0]).replace("&", " and ").replace("+", " plus ")
    words = [_WORDS.get(w, w) for w in _NOT_WORD.sub(" ", _APOSTROPHES.sub("", text)).split()]
    words = [_NUMBERS.get(w, w) for w in words]
    if len(words) > 1 and words[0] in _ARTICLES:
        words = words[1:]
    kept: list[str] = []
    for word in words:
        if kept and kept[-1] in _COUNTED and len(kept) > 1 and (word.isdigit() or word in _ONE):
            kept[-1] = "1" if word in _ONE else word
        else:
            kept.append(word)
    return " ".join(kept)


def numbers(key: str) -> frozenset[str]:
    """The numbers in a key: what tells a sequel from its original. A 1 says nothing.

    >>> sorted(numbers(title_key("Toy Story 3"))), sorted(numbers(title_key("Toy Story")))
    (['3'], [])
    """
    return frozenset(w for w in key.split() if w.isdigit() and w != "1")


def keys(names: Iterable[str | None]) -> tuple[str, ...]:
    """All keys that a title may be found by: of each name, of what stands in parentheses, and without a brand in front.

    >>> keys(["City of Lost Children, The (Cité des enfants perdus, La)"])
    ('city of lost children', 'la cite des enfants perdus')
    """
    found: dict[str, None] = {}
    for name in names:
        if not name:
            continue
        whole, _ = name_and_year(name)
        bare = _PARENTHESES.sub(" ", whole).strip() or whole
        inside = [words for words in _PARENTHESES.findall(whole) if not _qualifies(words)]
        forms = [bare, *inside, _BRANDS.sub("", bare)]
        for form in forms:
            if key := title_key(form):
                found[key] = None
    return tuple(found)


def _qualifies(words: str) -> bool:
    """Whether words in parentheses tell a version apart (a language, a country, a year) and are no other name."""
    said = words.strip().lower()
    return said in CODES or said in _VERSIONS or said.isdigit() or said.startswith(("season", "part", "in "))


def year_in(name: str) -> int | None:
    """The year that a name carries to be told from its namesakes.

    >>> year_in("One Day at a Time (2017)")
    2017
    """
    return name_and_year(name)[1]


def main_part(name: str) -> str | None:
    """The key of what stands before a subtitle; None where there is none.

    >>> main_part("Pirates of the Caribbean: Dead Man's Chest")
    'pirates of the caribbean'
    """
    parts = _SUBTITLE.split(name, maxsplit=1)
    return title_key(parts[0]) or None if len(parts) == 2 else None
