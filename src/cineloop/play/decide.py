"""`home(studio, request)`: the page of one profile, decided, explained and audited."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from cineloop.guard import Decision, Evidence, MadeBy, Request
from cineloop.lab.view import TrainingView
from cineloop.play.brief import HomeRequest
from cineloop.play.home import Home
from cineloop.play.page import compose
from cineloop.play.past import Past, Touch, past
from cineloop.play.rows import Setting
from cineloop.play.shelf import Shelf, shelf
from cineloop.studio import Answer, Pending, Question, Studio

EVIDENCE = 50  # past titles that a decision names


def home(
    studio: Studio,
    request: HomeRequest,
    on: Shelf | None = None,
    fresh: Sequence[Touch] = (),
    rng: Generator | None = None,
) -> Decision[Home]:
    """Decide a profile's home screen with the model that is live under `play/home`.

    `on` is a shelf made before, for callers that answer many members; `fresh` holds the profile's rows since the
    shelf's snapshot; `rng` draws the explored title. A profile never heard of gets a home too. Raises `Denied` where
    the policy refuses: a profiled home for a member who objects to profiling.
    """
    return prepare(studio, request, on or shelf(studio, request.as_of), fresh, rng).commit()


def prepare(
    studio: Studio,
    request: HomeRequest,
    ready: Shelf,
    fresh: Sequence[Touch] = (),
    rng: Generator | None = None,
) -> Pending[Home]:
    """The page, decided and not committed yet: `home` for callers that don't wait for the disk."""
    question = Question(
        request=Request(
            "play.home",
            subject=request.profile,
            facts={
                "profiling": request.profiling,
                "objected": request.profiling and _objects(studio, ready, request.profile),
            },
        ),
        as_of=ready.view.as_of,
        snapshot=ready.view.snapshot.id,
        watermark=ready.watermark,
        brief=request.model_dump(mode="json", exclude={"profile"}),
    )
    return studio.prepare(question, lambda: unaudited(ready, request, fresh, rng))


def unaudited(
    ready: Shelf, request: HomeRequest, fresh: Sequence[Touch] = (), rng: Generator | None = None
) -> Answer[Home]:
    """The page before anyone has decided it: for `home`, and for warming a shelf up."""
    who = ready.past(request.profile, list(fresh)) if request.profiling else _nobody(ready, request.profile)
    rows, parts = compose(Setting(ready, who, request, ready.scores(who)), rng or np.random.default_rng())
    by_editors = (
        MadeBy(kind="rule", ref="cineloop.play.editorial", part="pins, boosts, blocks and own rows"),
    )
    evidence = parts.total()[:EVIDENCE]
    return Answer(
        value=Home(profile=request.profile, profiling=request.profiling, rows=tuple(rows)),
        made_by=(
            MadeBy(kind="run", ref=ready.run.id, part="ranking and similar titles"),
            MadeBy(kind="rule", ref="cineloop.play.trending", part="trending now"),
            *(by_editors if ready.hand(request.territory) else ()),
        ),
        record=[{"row": r.kind, "titles": [card.title for card in r.cards]} for r in rows],
        evidence=tuple(
            Evidence(kind="play", ref=t, about="the page's scores", weight=w) for t, w in evidence
        ),
    )


def _nobody(ready: Shelf, profile: str) -> Past:
    return past(profile, (), ready.catalogue, ready.signals)


def _objects(studio: Studio, ready: Shelf, profile: str) -> bool:
    """Whether the profile or its account objects; their own rows are looked at for no more than the account."""
    objectors = studio.guard.objectors()
    if not objectors or profile in objectors:
        return bool(objectors)
    if ready.prepared.knows(profile):
        return ready.prepared.belongs(profile, objectors)
    theirs = TrainingView(ready.view.snapshot, ready.view.as_of, profile=profile)
    accounts = (theirs.table(name).select("account").unique().collect() for name in ("plays", "feedback"))
    return any(account in objectors for rows in accounts for account in rows["account"])
