"""Why a title is on the page, in one sentence that the numbers bear out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cineloop.play.home import Contribution, Reason
from cineloop.play.past import Past
from cineloop.play.shelf import Shelf


def by_history(shelf: Shelf, past: Past, titles: Sequence[str]) -> list[Reason]:
    """What each past title added to the score of each of `titles`: exact for linear models.

    A member without a history, and a model without such a reading, get popularity or the model's name instead.
    """
    known = [title for title in titles if title in shelf.column]
    parts: dict[str, dict[str, float]] = {}
    if known and len(past.liked.items):
        items = np.array([[shelf.column[title] for title in known]], dtype=np.int32)
        parts = dict(zip(known, shelf.model.contributions(past.liked, items)[0], strict=True))
    return [_from_parts(shelf, title, parts.get(title, {})) for title in titles]


def _from_parts(shelf: Shelf, title: str, parts: dict[str, float]) -> Reason:
    ranked = sorted(((v, t) for t, v in parts.items() if v != 0.0), key=lambda p: (-abs(p[0]), p[1]))
    contributions = tuple(Contribution(title=t, name=shelf.catalogue.name(t), value=v) for v, t in ranked)
    helped = [c for c in contributions if c.value > 0][:2]
    if not helped:
        return popular(shelf, title)
    total = sum(c.value for c in contributions if c.value > 0)
    named = [f"{c.name} ({c.value / total:.0%})" for c in helped]
    return Reason(kind="history", text=f"you liked {listed(named)}", contributions=contributions)


def popular(shelf: Shelf, title: str) -> Reason:
    """How many members liked it."""
    count = shelf.liked_by.get(title, 0)
    share = count / shelf.members if shelf.members else 0.0
    return Reason(kind="popular", text=f"liked by {count:,} of {shelf.members:,} members ({share:.0%})")


def listed(names: Sequence[str]) -> str:
    """Words in a row, as one would say them.

    >>> listed(["Fargo", "Heat", "Seven"])
    'Fargo, Heat and Seven'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
