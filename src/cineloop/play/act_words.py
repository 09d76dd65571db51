"""Editors' acts in words, for the command line and the console. An act is a row of the table `editorial`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def what(act: Mapping[str, Any]) -> str:
    """What an act does.

    >>> what({"kind": "pin", "title": "ml:50", "position": 2, "row": None})
    'pinned at place 2 of top-picks'
    """
    if act["kind"] == "pin":
        return f"pinned at place {act['position'] or 0} of {act['row'] or 'top-picks'}"
    if act["kind"] == "boost":
        return f"boosted ×{act['factor']:g}"
    if act["kind"] == "row" and act["title"] is None:
        place = "below all others" if act["position"] is None else f"at place {act['position']} of the page"
        return f"row “{act['heading']}” {place}"
    if act["kind"] == "row":
        place = "at the end" if act["position"] is None else f"at place {act['position']}"
        return f"{place} of row {act['row']}"
    return "blocked" if act["kind"] == "block" else "withdrawn"


def span(starts: datetime | None, ends: datetime | None) -> str:
    """From when to when an act was meant to hold."""
    since = f"from {starts:%Y-%m-%d %H:%M}" if starts else "from now on"
    return f"{since} " + (f"to before {ends:%Y-%m-%d %H:%M} UTC" if ends else "until withdrawn")


def holds(starts: datetime | None, ends: datetime | None, now: datetime) -> str:
    """Whether an act of that span holds at a moment: now, later, no more."""
    if ends is not None and ends <= now:
        return "no more"
    return "later" if starts is not None and starts > now else "now"
