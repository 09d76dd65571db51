"""`home(studio, request)`: the page of one profile, decided, explained and audited."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from cineloop.guard import Decision, Evidence, MadeBy, Request
from cineloop.lab.recommender import Recommender
from cineloop.lab.view import TrainingView
from cineloop.play.brief import HomeRequest
from cineloop.play.home import Card, Home, Reason, Row
from cineloop.play.past import FINISHED, Past, nobody, past
from cineloop.play.rows import Draft, Setting, drafts
from cineloop.play.shelf import Shelf, shelf
from cineloop.studio import Answer, Question, Studio


def home(studio: Studio, request: HomeRequest, on: Shelf | None = None) -> Decision[Home]:
    """Decide a profile's home screen with the model that is live under `play/home`.

    `on` is a shelf made before, for callers that answer many members. A profile never heard of gets a home too.
    Raises `Denied` where the policy refuses: a profiled home for a member who objects to profiling.
    """
    ready = on or shelf(studio, request.as_of)
    mine = past(ready.view, request.profile, ready.catalogue, ready.signals)
    objected = _objects(studio, ready, request.profile)
    question = Question(
        request=Request(
            "play.home",
            subject=request.profile,
            facts={"profiling": request.profiling, "objected": objected},
        ),
        as_of=ready.view.as_of,
        snapshot=ready.view.snapshot.id,
        watermark=studio.watermark(),
        brief=request.model_dump(mode="json", exclude={"profile"}),
    )
    return studio.decide(question, lambda: _answer(ready, request, mine))


def _objects(studio: Studio, ready: Shelf, profile: str) -> bool:
    """Whether the profile or its account objects; their own rows are looked at for no more than the account."""
    objectors = studio.guard.objectors()
    if not objectors or profile in objectors:
        return bool(objectors)
    theirs = TrainingView(ready.view.snapshot, ready.view.as_of, profile=profile)
    accounts = (theirs.table(name).select("account").unique().collect() for name in ("plays", "feedback"))
    return any(account in objectors for rows in accounts for account in rows["account"])


def _answer(ready: Shelf, request: HomeRequest, mine: Past) -> Answer[Home]:
    who = mine if request.profiling else nobody(request.profile)
    rows = _page(Setting(ready, who, request, _ranked(ready.model, who)))
    page = Home(profile=request.profile, profiling=request.profiling, rows=tuple(rows))
    weights: dict[str, float] = {}
    for row in rows:
        for card in row.cards:
            for part in card.reason.contributions:
                weights[part.title] = weights.get(part.title, 0.0) + part.value
    return Answer(
        value=page,
        made_by=(
            MadeBy(kind="run", ref=ready.run.id, part="ranking and similar titles"),
            MadeBy(kind="rule", ref="cineloop.play.trending", part="trending now"),
        ),
        record=[{"row": r.kind, "titles": [card.title for card in r.cards]} for r in rows],
        evidence=tuple(
            Evidence(kind="play", ref=title, about="the page's scores", weight=weight)
            for title, weight in sorted(weights.items(), key=lambda p: (-abs(p[1]), p[0]))
        ),
    )


def _ranked(model: Recommender, who: Past) -> tuple[tuple[str, float], ...]:
    """Every title of the model with its score for this member, best first, ties by title id."""
    scores = model.score(who.liked)[0]
    order = np.lexsort((np.arange(len(scores)), -scores))
    return tuple((str(model.titles[i]), float(scores[i])) for i in order)


def _page(setting: Setting) -> list[Row]:
    made: list[Row] = []
    used: set[tuple[str, int | None]] = set()
    known = setting.shelf.catalogue.known_as
    for draft in drafts(setting):
        chosen = list(islice(_new_to_the_page(setting, draft, used), setting.request.row_length))
        if len(chosen) < draft.least:
            continue
        used.update(known(title) for title in chosen)
        score = dict(draft.candidates)
        reasons = draft.explain(chosen)
        cards = [_card(setting, t, score[t], reason) for t, reason in zip(chosen, reasons, strict=True)]
        made.append(Row(kind=draft.kind, heading=draft.heading, chooses=draft.chooses, cards=tuple(cards)))
    return made


def _new_to_the_page(setting: Setting, draft: Draft, used: set[tuple[str, int | None]]) -> Iterator[str]:
    """Candidates that the filters and the row let through, none known by a name that is on the page."""
    allowed = setting.shelf.allowed(setting.request)
    here = set(used)
    for title, _ in draft.candidates:
        name = setting.shelf.catalogue.known_as(title)
        if title in allowed and name not in here and _fits(draft, title, setting.past):
            here.add(name)  # a film that a log holds under two ids is one film to the eye
            yield title


def _fits(draft: Draft, title: str, mine: Past) -> bool:
    if draft.chooses == "unfinished":
        return True
    if draft.chooses == "rewatch":
        return title not in mine.unfinished and title not in mine.turned_down
    return title not in mine.touched


def _card(setting: Setting, title: str, score: float | None, reason: Reason) -> Card:
    catalogue = setting.shelf.catalogue
    watched = setting.past.watched.get(title, {})
    play = catalogue.next_to_play(title, watched, FINISHED)
    return Card(
        title=title,
        name=catalogue.name(title),
        year=catalogue.year(title),
        play=play,
        play_name=catalogue.name(play),
        score=score,
        reason=reason,
    )
