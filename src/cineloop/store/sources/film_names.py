"""Film names as catalogues sort them, put back as people say them: "Matrix, The (1999)" is "The Matrix"."""

from __future__ import annotations

import re

FIRST_YEAR, LAST_YEAR = 1870, 2100  # a year outside these is no year of release

_YEAR = re.compile(r"\s*\((\d{4})\s*[-–]?\s*(?:\d{4})?\s*\)\s*$")
_ARTICLES = (
    "The|A|An|Le|La|Les|L'|Un|Une|Des|Il|Lo|I|Gli|Uno|Una|El|Los|Las|Der|Die|Das|Den|Det|De|Het|Ein|Eine|"
    "En|Et|Ett|O|Os|As"
)
_INVERTED = re.compile(rf"^(?P<rest>.+), (?P<article>{_ARTICLES})(?P<tail>\s*\(.*\))?$", re.IGNORECASE)
_PARENTHESES = re.compile(r"\(([^()]+)\)")


def straighten(name: str) -> str:
    """Move an article from the end of a name, or of a name in parentheses, to its front.

    >>> straighten("City of Lost Children, The (Cité des enfants perdus, La)")
    'The City of Lost Children (La Cité des enfants perdus)'
    >>> straighten("Avventura, L'"), straighten("Me, Myself & Irene")
    ("L'Avventura", 'Me, Myself & Irene')
    """
    name = _PARENTHESES.sub(lambda found: f"({_front(found[1])})", name.strip())
    return _front(name)


def _front(name: str) -> str:
    found = _INVERTED.match(name)
    if found is None:
        return name
    gap = "" if found["article"].endswith("'") else " "
    return f"{found['article']}{gap}{found['rest']}{found['tail'] or ''}"


def name_and_year(title: str) -> tuple[str, int | None]:
    """Split "Name (1999)", or a series' "Name (2007-)", into the straightened name and the (first) year.

    >>> name_and_year("Matrix, The (1999)"), name_and_year("Fawlty Towers (1975-1979)")
    (('The Matrix', 1999), ('Fawlty Towers', 1975))
    >>> name_and_year("Stranger Things")
    ('Stranger Things', None)
    """
    found = _YEAR.search(title)
    if found is None or not found.start():
        return straighten(title), None
    return straighten(title[: found.start()]), plausible(int(found[1]))


def plausible(year: int) -> int | None:
    """The year, where it can be one of a film's release."""
    return year if FIRST_YEAR <= year <= LAST_YEAR else None
