"""Decisions: the audit as it stands, members under pseudonyms; by which rule, made by what, on which data."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from cineloop.guard.records import AUDIT
from cineloop.studio import Studio
from cineloop.web.console.pages import Missing, page, shelf_of, studio_of

LAST = 50


def add(router: APIRouter) -> None:
    """Add this family's pages."""
    router.add_api_route("/console/decisions", decisions, methods=["GET"])
    router.add_api_route("/console/decisions/{id}", one, methods=["GET"])


def decisions(request: Request) -> Response:
    """The newest decisions and refusals."""
    rows = studio_of(request).guard.audit(last=LAST)
    return page("decisions.html", "decisions", "Decisions", rows=rows, last=LAST)


def one(request: Request, id: str) -> Response:
    """One decision."""
    studio, shelf = studio_of(request), shelf_of(request)
    row = decided(studio, id)
    if row is None:
        raise Missing(
            "No such decision", "The audit holds no decision of this id.", "/console/decisions", "The audit"
        )
    names = shelf.catalogue.name if shelf is not None else str
    return page("decision.html", "decisions", "A decision", row=row, names=names)


def decided(studio: Studio, id: str) -> dict[str, Any] | None:
    """The audit's row of a decision, by its whole id."""
    with studio.guard.database.reading() as db:
        found = db.execute(sa.select(AUDIT).where(AUDIT.c.decision == id[:40])).mappings().first()
    return None if found is None else dict(found)
