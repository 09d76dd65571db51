"""Profiles: find one, and see the home that it would get, with every reason."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import quote

import numpy as np
import polars as pl
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from cineloop.guard import Denied
from cineloop.lab.view import TrainingView
from cineloop.play.brief import HomeRequest
from cineloop.play.decide import home
from cineloop.play.past import touch_of
from cineloop.play.shelf import Shelf
from cineloop.store import Snapshot
from cineloop.studio import Studio
from cineloop.web.console.kept import kept_of
from cineloop.web.console.pages import Missing, page, shelf_of, studio_of

SAMPLE = 24
NOTHING_LIVE = (
    "Nothing is live yet",
    "A home needs a model that went through the gate: cineloop demo, or cineloop train and cineloop promote.",
)


def add(router: APIRouter) -> None:
    """Add this family's pages."""
    router.add_api_route("/console/profiles", profiles, methods=["GET"])
    router.add_api_route("/console/profiles/{profile:path}", one, methods=["GET"])


def profiles(request: Request, id: str = "") -> Response:
    """Look a profile up, or take one of a sample."""
    if id.strip():
        return RedirectResponse(f"/console/profiles/{quote(id.strip()[:200], safe=':')}", 303)
    studio = studio_of(request)
    # an objection counts at once: who objects is a part of the key
    snapshot, objectors = studio.store.head(), frozenset(studio.guard.objectors())
    shown = kept_of(request).once(
        ("sample", snapshot.id, objectors), lambda: sampled(snapshot, objectors, SAMPLE)
    )
    return page("profiles.html", "profiles", "Profiles", sample=shown)


def sample(studio: Studio, most: int = SAMPLE) -> list[tuple[str, int]]:
    """(profile, rows): profiles evenly spread from the busiest to the quietest, the busiest first.

    Whoever objects to profiling is left out.
    """
    return sampled(studio.store.head(), studio.guard.objectors(), most)


def sampled(snapshot: Snapshot, objectors: Collection[str], most: int) -> list[tuple[str, int]]:
    """`sample` of a snapshot, less those who object."""
    rows = pl.concat([snapshot.scan(name).select("account", "profile") for name in ("plays", "feedback")])
    member = pl.coalesce("profile", "account")
    counted = (
        rows.filter(~pl.col("account").is_in(list(objectors)) & ~member.is_in(list(objectors)))
        .group_by(member.alias("member"))
        .len()
        .sort(["len", "member"], descending=[True, False])
        .collect()
        .rows()
    )
    places = sorted({round(p) for p in np.linspace(0, len(counted) - 1, min(most, len(counted))).tolist()})
    return [(str(counted[p][0]), int(counted[p][1])) for p in places]


def one(
    request: Request, profile: str, territory: str = "", max_age: str = "", profiling: str = "on"
) -> Response:
    """The home that a profile gets, decided and audited like any other, without an explored place."""
    studio, shelf = studio_of(request), shelf_of(request)
    if shelf is None:
        return page(
            "empty.html", "profiles", "Nothing is live yet", heading=NOTHING_LIVE[0], text=NOTHING_LIVE[1]
        )
    form = {
        "territory": territory[:8],
        "max_age": max_age[:8],
        "profiling": "off" if profiling == "off" else "on",
    }
    fresh = [touch_of(event, shelf.catalogue) for event in studio.events.fresh(profile, shelf.events)]
    if not fresh and not known(shelf, profile):
        raise Missing(
            "No such profile",
            f"The log holds nothing of “{profile[:120]}”. Ids are written as the source has them, such as ml-100k:167.",
            "/console/profiles",
            "Find a profile",
        )
    try:
        asked = HomeRequest(
            profile=profile,
            territory=territory.strip().upper() or None,
            max_age=int(max_age) if max_age.strip() else None,
            profiling=profiling != "off",
        )
    except (ValidationError, ValueError):
        wrong = "A territory is two letters, such as SE; an age is a number from 0 to 120."
        return page("profile.html", "profiles", profile, 422, profile=profile, form=form, wrong=wrong)
    try:
        decision = home(studio, asked, on=shelf, fresh=[touch for touch in fresh if touch is not None])
    except Denied as denied:
        return page("profile.html", "profiles", profile, 403, profile=profile, form=form, denied=denied)
    past = shelf.past(profile, [touch for touch in fresh if touch is not None])
    history = [(t, shelf.catalogue.name(t)) for t in past.history[:8]] if asked.profiling else []
    return page(
        "profile.html", "profiles", profile, profile=profile, form=form, decision=decision,
        home=decision.answer, history=history,
    )  # fmt: skip


def known(shelf: Shelf, profile: str) -> bool:
    """Whether the log names the profile; also where it objects, so that no model and no shelf holds its rows."""
    if shelf.prepared.knows(profile):
        return True
    theirs = TrainingView(shelf.view.snapshot, shelf.view.as_of, profile=profile)
    return any(theirs.table(name).head(1).collect().height for name in ("plays", "feedback"))
