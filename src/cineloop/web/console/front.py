"""The front page: what data there is, what is live, how good it is, what changed since the last turn."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from cineloop.errors import InputError
from cineloop.lab.promotion import Promotion
from cineloop.lab.run import Run
from cineloop.lab.statistics import Interval
from cineloop.play.shelf import HOME
from cineloop.studio import Studio
from cineloop.web.console.kept import Kept, kept_of
from cineloop.web.console.last_turn import last_turn
from cineloop.web.console.pages import page, studio_of

BEHAVIOUR = ("plays", "feedback", "impressions")


@dataclass(frozen=True)
class Standing:
    """The evidence that the live run went live on: both means, and the difference between them."""

    metric: str
    contender: str
    against: str
    ours: Interval
    theirs: Interval
    difference: Interval


def add(router: APIRouter) -> None:
    """Add this family's pages."""
    router.add_api_route("/console", front, methods=["GET"])


def front(request: Request) -> Response:
    """The studio's front page."""
    studio = studio_of(request)
    snapshot = studio.store.head()
    live = studio.lab.live(HOME)
    history = studio.lab.history()
    runs = studio.lab.runs()
    spans = [part for part in snapshot.parts if part.table in BEHAVIOUR]
    return page(
        "front.html",
        "front",
        "Overview",
        name=studio.folder.name,
        snapshot=snapshot if snapshot.parts else None,
        rows=sum(part.rows for part in spans),
        titles=snapshot.rows("titles"),
        first=min((p.known_from for p in spans), default=None),
        last=max((p.known_to for p in spans), default=None),
        live=live,
        since=next(
            (p.at for p in reversed(history) if live and p.run == live.id and p.action != "refuse"), None
        ),
        standing=standing(studio, live, history, kept_of(request)),
        history=history[::-1][:5],
        labels={run.id: run.label for run in runs},
        runs=runs[::-1][:5],
        ingestions=sorted(snapshot.ingestions, key=lambda i: i.ingested_at, reverse=True)[:5],
        turn=last_turn(studio.folder),
    )


def standing(studio: Studio, live: Run | None, history: list[Promotion], kept: Kept) -> Standing | None:
    """How the live run did on its test days; None where it went live without evidence or the scores are gone."""
    shown = [p for p in history if live is not None and p.run == live.id and p.difference is not None]
    if not shown:
        return None
    said = shown[-1]
    if said.evaluation is None or said.against is None or said.metric is None or said.difference is None:
        return None
    try:
        ours, theirs = (studio.lab.evaluation(e) for e in (said.evaluation, said.against))
        metrics = [said.metric]
        first, second = kept.once(
            ("standing", ours.id, theirs.id, said.metric), lambda: studio.lab.table([ours, theirs], metrics)
        )
    except InputError:
        return None
    return Standing(said.metric, ours.contender, theirs.contender, first.score, second.score, said.difference)
