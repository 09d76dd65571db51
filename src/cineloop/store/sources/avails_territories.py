"""Territories of an avails row: the countries that it is offered in, and whether it speaks for the whole world.

`TerritoryExclusion` takes countries out. A window of `releases` is of one country or of the whole world, so that
"the world without China" becomes a window for every other country of ISO 3166-1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cineloop.store.sources.avails_cells import BrokenCell
from cineloop.store.sources.avails_sheet import Record

_ISO_3166 = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL "
    "BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV "
    "CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD "
    "GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM "
    "IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK "
    "LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW "
    "MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR "
    "PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS "
    "ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY "
    "UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
)
COUNTRIES = tuple(_ISO_3166.split())
"""The 249 codes of ISO 3166-1 alpha-2."""
_WORLD = ("WW", "WORLDWIDE", "WORLD")
_CODES = "ISO 3166-1 alpha-2, as in DE; several by commas"


@dataclass(frozen=True)
class Territories:
    """Where a row's offer holds: `offered` has countries, or None alone for the whole world without exception.

    `world`: the row speaks for all countries, so that one it leaves out is not offered there.
    """

    offered: tuple[str | None, ...]
    world: bool


def territories(record: Record) -> Territories:
    """Countries of `Territory` less those of `TerritoryExclusion`; `BrokenCell` where none is left.

    >>> found = territories(Record("a.csv", 3, {"Territory": "WW", "TerritoryExclusion": "CN, RU"}))
    >>> len(found.offered), "CN" in found.offered, found.world
    (247, False, True)
    >>> territories(Record("a.csv", 3, {"Territory": "DE, AT"}))
    Territories(offered=('DE', 'AT'), world=False)
    """
    text, said = record.text("Territory") or "", record.text("TerritoryExclusion")
    world = text.upper() in _WORLD
    excluded = () if said is None else _codes("TerritoryExclusion", said, _CODES)
    for code in excluded:
        if code not in COUNTRIES:  # left unseen it would be offered where it must not be
            raise BrokenCell("TerritoryExclusion", code, "no country", _CODES)
    if world and not excluded:
        return Territories((None,), True)
    offered = COUNTRIES if world else _codes("Territory", text, f"{_CODES}; WW")
    left = tuple(code for code in offered if code not in excluded)
    if not left:
        raise BrokenCell("TerritoryExclusion", said, "leaves no country", "fewer than in Territory")
    return Territories(left, world)


def _codes(field: str, text: str, accepted: str) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(code.strip() for code in re.split("[,;|]", text)))
    if not all(re.fullmatch("[A-Z]{2}", code) for code in codes):
        raise BrokenCell(field, text or None, "no country", accepted)
    return codes
