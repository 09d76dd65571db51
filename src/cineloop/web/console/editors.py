"""Editors' hand on one title: every act that stands, from when to when, where, by whom; and whether it is blocked."""

from __future__ import annotations

import polars as pl
from markupsafe import Markup

from cineloop.play.act_words import holds, what
from cineloop.play.recommend import blocked
from cineloop.play.shelf import Shelf
from cineloop.studio import Studio
from cineloop.web.console.pages import templates
from cineloop.web.console.sections import TitleSection, provide


def block(shelf: Shelf, title: str) -> str:
    """Where editors block a title at the shelf's moment: "everywhere", countries, or nothing."""
    place = shelf.place[title]
    if place in blocked(shelf).tolist():
        return "everywhere"
    acts = shelf.editorial.standing.filter(pl.col("kind") == "block", pl.col("territory").is_not_null())
    where = acts["territory"].unique().sort().to_list()
    return ", ".join(t for t in where if place in blocked(shelf, t).tolist())


@provide
def acts(studio: Studio, shelf: Shelf, title: str) -> TitleSection | None:
    """What editors decided of a title, or of another id of the same film; what was taken back is not told."""
    alike = [str(shelf.titles[place]) for place in shelf.alike([shelf.place[title]]).tolist()]
    found = shelf.editorial.standing.filter(pl.col("title").is_in(sorted(set(alike)))).sort(
        ["known_at", "id"], descending=[True, False]
    )
    if found.is_empty():
        return None
    now = shelf.view.as_of
    rows = [
        {**act, "what": what(act), "holds": holds(act["starts_at"], act["ends_at"], now)}
        for act in found.to_dicts()
    ]
    body = templates().get_template("acts.html").render(acts=rows, title=title, now=now)
    return TitleSection("editors", "Editors' hand", Markup(body))
