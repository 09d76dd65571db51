"""Titles as Netflix writes them in its reports: `Title: Season 2 // original title: 시즌 2`.

Before ` // ` stands the English title with the season, after it the same in its own language, at times twice (in
traditional and simplified characters). What is read out of such a string is what a viewer could read before the
release too: the series, the season, and from script and words the language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["film", "season"]

_COUNT = r"(?:\d+|[IVXl]+|One|Two|Three|Four|Five|Six|Seven|Eight)"
_STRONG = (
    rf"(?:The )?(?:Final )?Season(?: {_COUNT}[A-C]?)?(?:[ :,-]*\(?(?:Part|Volume|Vol\.) {_COUNT}\)?)?(?: - .*)?|"
    rf"Series {_COUNT}|Limited Series|The Series|Miniseries|Mini-?série|Minissérie|Miniserie|"
    rf"Staffel {_COUNT}|Temporada {_COUNT}|\d+ª temporada|Saison {_COUNT}|Stagione {_COUNT}|Sezon {_COUNT}|"
    r"\d+(?:st|nd|rd|th) season"
)
_WEAK = rf"(?:Parts?|Volumes?|Vol\.|Collections?|Chapters?|Books?)(?: {_COUNT})?(?:[ –-]+(?:Part )?{_COUNT})?"
_AFTER_COLON = re.compile(
    rf"^(?P<name>.+?): \(?(?:(?P<strong>{_STRONG})|(?P<weak>{_WEAK}))\)?$", re.IGNORECASE
)
_IN_PARENTHESES = re.compile(
    r"^(?P<name>.+?) \((?P<strong>Limited Series|Miniseries|Season \d+)\)$", re.IGNORECASE
)
_ORIGINAL_MARKER = re.compile(r"^(?P<name>.+?): (?P<mark>[^:]+)$")
_NAMED = r"Season|Series|Part|Volume|Vol\.|Collection|Chapters?|Book|Staffel|Temporada|Saison|Stagione|Sezon"
_NUMBER = re.compile(rf"(?:{_NAMED}) ({_COUNT})|(\d+)(?:ª|st|nd|rd|th) (?:season|temporada)", re.IGNORECASE)
_WORDS = {w: i for i, w in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight"], 1)}
_ROMAN = {
    "i": 1,
    "ii": 2,
    "iii": 3,
    "iv": 4,
    "v": 5,
    "vi": 6,
    "vii": 7,
    "viii": 8,
    "ix": 9,
    "x": 10,
    "l": 1,
    "ll": 2,
}


@dataclass(frozen=True)
class ReportString:
    """What a string says. `name` is the film or series; `marker` the words of the season; `number` its number.

    `original` is the name in its own language, without the season where that is told apart; `language` ISO 639-1, or
    None where script and words do not tell, and where there is no original: then it goes by the same title at home.
    """

    name: str
    kind: Kind
    marker: str | None
    number: int | None
    limited: bool
    original: str | None
    language: str | None


@lru_cache(maxsize=1 << 16)
def parse(text: str, kind: Kind | None = None) -> ReportString:
    """Read a string; `kind` where the report's sheet tells it, else by the words: a season where one is named.

    >>> told = parse("The Glory: Season 1 // 더 글로리: 시즌 1")
    >>> told.name, told.kind, told.marker, told.number, told.original, told.language
    ('The Glory', 'season', 'Season 1', 1, '더 글로리', 'ko')
    >>> parse("John Wick: Chapter 2", "film").name, parse("Dark: Season 3").number, parse("Leo").kind
    ('John Wick: Chapter 2', 3, 'film')
    """
    shown, _, rest = " ".join(text.split()).partition(" // ")
    shown, rest = shown.strip(), rest.split(" // ")[0].strip()
    found = None
    if kind != "film":
        found = _AFTER_COLON.match(shown) or _IN_PARENTHESES.match(shown)
    told: Kind = kind or ("season" if found is not None else "film")
    language = language_of(rest) if rest else None
    if found is None:
        return ReportString(shown, told, None, None, False, rest or None, language)
    parts = found.groupdict()
    marker = parts.get("strong") or parts["weak"]
    limited = marker.lower() in ("limited series", "miniseries")
    original = None
    if rest:
        tail = _ORIGINAL_MARKER.match(rest)
        original = tail["name"] if tail is not None else rest
    return ReportString(found["name"], told, marker, _number(marker), limited, original, language)


def _number(marker: str) -> int | None:
    found = _NUMBER.search(marker)
    if found is None:
        return None
    said = (found[1] or found[2]).lower()
    return int(said) if said.isdigit() else _WORDS.get(said, _ROMAN.get(said))


_SCRIPTS = (
    ("ja", r"[\u3040-\u30ff]"),
    ("ko", r"[\uac00-\ud7af]"),
    ("zh", r"[\u4e00-\u9fff]"),
    ("th", r"[\u0e00-\u0e7f]"),
    ("he", r"[\u0590-\u05ff]"),
    ("ar", r"[\u0600-\u06ff]"),
    ("hi", r"[\u0900-\u097f]"),
    ("bn", r"[\u0980-\u09ff]"),
    ("pa", r"[\u0a00-\u0a7f]"),
    ("ta", r"[\u0b80-\u0bff]"),
    ("te", r"[\u0c00-\u0c7f]"),
    ("kn", r"[\u0c80-\u0cff]"),
    ("ml", r"[\u0d00-\u0d7f]"),
    ("ru", r"[\u0400-\u04ff]"),
    ("el", r"[\u0370-\u03ff]"),
)
"""Scripts in the order in which they decide: Japanese has kana among its characters, Chinese has none."""

# words of a season, then words and letters that are frequent in one language and rare in the others
_SEASONS = (
    ("pt", r"\d+ª temporada|minissérie|série limitada"),
    ("es", r"volumen|miniserie:|serie limitada"),
    ("fr", r"saison|mini-série"),
    ("de", r"staffel"),
    ("it", r"stagione"),
    ("tr", r"\d+\. sezon|mini dizi"),
    ("pl", r"sezon|część|serial limitowany"),
    ("sv", r"säsong"),
    ("no", r"sesong"),
    ("da", r"sæson"),
    ("nl", r"seizoen"),
    ("fi", r"kausi"),
    ("is", r"sería|þáttaröð"),
    ("id", r"musim"),
    ("vi", r"mùa|phần"),
)
_FREQUENT = {
    "es": "el los las del una por y mi tu su qué cómo con para sin amor vida hombre mujer casa temporada señor niño "
    "años noche historia la de en",
    "pt": "o os as do da dos das um uma não meu minha seu sua com para em coração vida você temporada noite é",
    "fr": "le les des du une et au aux dans sur pour pas mon ma mes sans l' d' sous avec chez tout toi nous vie qui "
    "la de un en est",
    "it": "il lo gli della dello dei delle di una e che non con per il mio la nel tutti mi ti",
    "de": "der die das und ein eine ist im nicht mit für von mein auf ich zu dem den",
    "nl": "het een van en de ik mijn op voor niet met",
    "pl": "w na się nie jak moja mój dla od za po jest",
    "tr": "bir ve aşk benim ile sen ben için",
    "id": "yang di dan aku cinta dari untuk anak hantu ibu",
    "tl": "ang mga ng sa ko mo si ka na ay",
    "sv": "och en ett är jag på att det för",
    "da": "og er på det en jeg af til",
    "no": "og er på det en jeg av til ikke",
    "ro": "și nu lui din pe cu",
    "vi": "của và em anh tôi",
}
_LETTERS = {
    "es": "ñ¿¡", "pt": "ãõ", "fr": "êèàçœùûî", "de": "ßäü", "pl": "łąęśżźćń", "tr": "ışğ", "sv": "å", "da": "æø",
    "no": "ø", "ro": "șță", "vi": "ơưạảấầậắặẹếềệịọốồộớợụứựđ", "it": "òì", "hu": "őű", "cs": "ěřů",
}  # fmt: skip
_BY_WORD: dict[str, list[str]] = {}
for _code, _said in _FREQUENT.items():
    for _word in dict.fromkeys(_said.split()):
        _BY_WORD.setdefault(_word, []).append(_code)


def language_of(text: str) -> str | None:
    """The language that a title is in, ISO 639-1, by script, then words of the season, then frequent words.

    None where nothing tells. Languages that share a script are told apart only where they are written in Latin
    letters: Marathi counts as Hindi, Ukrainian as Russian, Persian as Arabic.

    >>> language_of("시그널: 시즌 1"), language_of("La sociedad de la nieve"), language_of("Kulüp: 1. Sezon")
    ('ko', 'es', 'tr')
    """
    for code, pattern in _SCRIPTS:
        if re.search(pattern, text):
            return code
    low = text.lower().replace("\xa0", " ")
    for code, pattern in _SEASONS:
        if re.search(rf"(?:^|[^\w]){pattern}", low):
            return code
    points: dict[str, float] = {}
    for word in re.findall(r"[^\W\d_]+'?", low):
        for code in _BY_WORD.get(word, ()):
            points[code] = points.get(code, 0.0) + 1.0 / len(_BY_WORD[word])
    for code, letters in _LETTERS.items():
        if hits := sum(low.count(letter) for letter in letters):
            points[code] = points.get(code, 0.0) + hits
    if not points:
        return None
    best = max(points.values())
    return min(code for code, value in points.items() if value == best)
