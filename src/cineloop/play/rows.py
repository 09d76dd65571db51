"""The rows a home can have. Each says which titles it would show, in which order, and how it explains a choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cineloop.play.brief import HomeRequest
from cineloop.play.editorial import TOP, Hand
from cineloop.play.home import Choice, Reason
from cineloop.play.past import FINISHED, Past
from cineloop.play.reasons import Parts, by_history, popular
from cineloop.play.shelf import Mask, Places, Shelf

ANCHORS = 2  # rows of "because you liked X"
GENRES = 3  # rows of a genre
AGAIN = 30  # days after which a finished title may be offered again
_LEADING = 500  # of the highest ranked, sorted once for all rows of a page
_PRIOR = 5.0  # liked titles' worth of the members' common taste in a member's genre shares

Explain = Callable[[int, Parts], Reason]


@dataclass(frozen=True)
class Setting:
    """For whom the page is made: their past, and scores (n,) of every title, minus infinity where unranked."""

    shelf: Shelf
    past: Past
    request: HomeRequest
    scores: NDArray[np.float32]

    @cached_property
    def hand(self) -> Hand:
        """What the editors want on this page."""
        return self.shelf.hand(self.request.territory)

    @cached_property
    def ranked(self) -> NDArray[np.float32]:
        """(n,) the scores with the editors' boosts, by which titles are put in order.

        A boost adds the logarithm of its factor times the standard deviation of the member's scores, whatever
        their unit: factor 1 changes nothing, a greater one ranks higher, 10 is 2.3 deviations.
        """
        places, factors = self.shelf.boosted(self.request.territory)
        if not len(places):
            return self.scores
        spread = self.scores[np.isfinite(self.scores)].std(dtype=np.float64)
        ranked = self.scores.copy()
        ranked[places] += (np.log(factors) * spread).astype(np.float32)
        return ranked

    @cached_property
    def leading(self) -> Places:
        """(m,) the places that rank highest of all that the model ranks: most rows find what they need here."""
        return best(self.ranked, self.shelf.shown, _LEADING)

    def places(self, titles: Iterable[str]) -> Places:
        """Places of the titles that can be shown, in their order."""
        found = (self.shelf.place.get(title) for title in titles)
        return np.array([place for place in found if place is not None], np.int64)


@dataclass(frozen=True, eq=False)
class Draft:
    """A row before the page has chosen: `listed` places in this order, or any `among` (n,), best score first.

    `explain(place, parts)` gives the reason of one choice; `by_parts` says that it wants the parts of its score,
    `by_score` that scores decided its order. `name` is what editors call a row of their own, `at` its place on the
    page.
    """

    kind: str
    heading: str
    chooses: Choice
    explain: Explain
    listed: Places | None = None
    among: Mask | None = None
    values: Mapping[int, float] | None = None
    by_parts: bool = False
    by_score: bool = False
    least: int = 3
    name: str | None = None
    at: int | None = None

    def answers(self, row: str) -> bool:
        """Whether a pin that names this row means this draft; only what a member has not seen is pinned."""
        called = (self.kind, self.name, self.heading, TOP if self.kind == "popular" else None)
        return self.chooses == "unseen" and row in called


def best(scores: NDArray[np.float32], among: Mask, k: int) -> Places:
    """Places of the k highest scores among some, the highest first, equal ones in the order of their places.

    >>> best(np.array([1, 3, 3, 2], np.float32), np.array([True, True, True, False]), 2).tolist()
    [1, 2]
    """
    places = np.flatnonzero(among)
    found = scores[places]
    if len(places) > k:
        least = np.partition(found, len(found) - k)[len(found) - k]
        above = np.flatnonzero(found > least)
        equal = np.flatnonzero(found == least)[: k - len(above)]
        kept = np.concatenate([above, equal])
        places, found = places[kept], found[kept]
    return places[np.lexsort((places, -found))]


def drafts(setting: Setting) -> Iterator[Draft]:
    """Every row but the editors', in the order of the page; the page leaves out those with too few titles."""
    yield continue_watching(setting)
    yield top_picks(setting)
    yield from because(setting)
    yield rising(setting)
    yield fresh(setting)
    yield from genres(setting)
    yield watch_again(setting)


def continue_watching(setting: Setting) -> Draft:
    """Titles begun and not finished, the last touched first."""
    past, shelf = setting.past, setting.shelf

    def explain(place: int, parts: Parts) -> Reason:
        title = str(shelf.titles[place])
        watched = past.watched[title]
        share = watched.get(shelf.catalogue.next_to_play(title, watched, FINISHED), 0.0)
        text = f"you are {share:.0%} through" if share else "the next episode is waiting"
        return Reason("unfinished", text)

    listed = setting.places(past.unfinished)
    return Draft("continue-watching", "Continue watching", "unfinished", explain, listed=listed, least=1)


def top_picks(setting: Setting) -> Draft:
    """What the live model ranks highest; for a member without history, what most members liked."""
    shelf, cold = setting.shelf, len(setting.past.liked.items) == 0
    return Draft(
        kind="popular" if cold else "top-picks",
        heading="Popular with members" if cold else "Top picks for you",
        chooses="unseen",
        explain=lambda place, parts: by_history(shelf, place, parts, setting.request.contributions),
        among=shelf.shown,
        by_parts=not cold,
        by_score=True,
    )


def because(setting: Setting) -> Iterator[Draft]:
    """For each of the last liked titles that has neighbours: the titles most like it."""
    shelf, made = setting.shelf, 0
    for anchor in setting.past.history[:10]:
        if made == ANCHORS:
            return
        near, nearness = shelf.similar(anchor, 4 * setting.request.row_length + 20)
        if not len(near):
            continue
        made += 1
        name = shelf.catalogue.name(anchor)
        reason = Reason("similar", f"members who liked {name} liked it")
        yield Draft(
            kind="because",
            heading=f"Because you liked {name}",
            chooses="unseen",
            explain=lambda place, parts, reason=reason: reason,  # type: ignore[misc]
            listed=near,
            values=dict(zip(near.tolist(), nearness.tolist(), strict=True)),
        )


def rising(setting: Setting) -> Draft:
    """What more members liked lately than its past would lead one to expect."""
    listed, of, values = setting.shelf.rising

    def explain(place: int, parts: Parts) -> Reason:
        recent, usual = of[place].recent, of[place].expected
        return Reason(
            "trending",
            f"liked by {recent} members in the last {of[place].days:g} days, usually by {usual:.1f}",
        )

    return Draft("trending", "Trending now", "unseen", explain, listed=listed, values=values)


def fresh(setting: Setting) -> Draft:
    """What has just become available, in the order of the member's taste."""
    shelf, request = setting.shelf, setting.request
    new = shelf.new(request.territory, request.channel)
    order = np.argsort(-setting.ranked[new], kind="stable")

    def explain(place: int, parts: Parts) -> Reason:
        year = shelf.catalogue.year(str(shelf.titles[place]))
        return Reason("new", "new here" if year is None else f"new: first released in {year}")

    return Draft("new", "New", "unseen", explain, listed=new[order], by_score=True)


def genres(setting: Setting) -> Iterator[Draft]:
    """The genres that this member likes more than members do; for nobody in particular, the most liked ones."""
    shelf = setting.shelf
    own: dict[str, float] = {}
    for title in setting.past.history:
        of_title = shelf.catalogue.genres(title)
        for genre in of_title:
            own[genre] = own.get(genre, 0.0) + 1 / len(of_title)
    total, usual = sum(own.values()), shelf.genre_share
    if total:
        lift = {g: (own[g] + _PRIOR * usual[g]) / ((total + _PRIOR) * usual[g]) for g in own if usual.get(g)}
        best = sorted((g for g in lift if lift[g] > 1 and own[g] >= 1), key=lambda g: (-lift[g], g))
    else:
        best = sorted(usual, key=lambda g: (-usual[g], g))
    for genre in best[:GENRES]:
        yield Draft(
            kind="genre",
            heading=genre,
            chooses="unseen",
            explain=_of_genre(setting, genre, own.get(genre, 0.0) / total if total else None),
            among=shelf.of_genre[genre] & shelf.shown,
            by_parts=bool(total),
            by_score=True,
        )


def _of_genre(setting: Setting, genre: str, share: float | None) -> Explain:
    shelf = setting.shelf
    if share is None:
        return lambda place, parts: popular(shelf, place)
    text = f"{genre} is {share:.0%} of what you liked, {shelf.genre_share[genre]:.0%} of what members like"

    def explain(place: int, parts: Parts) -> Reason:
        if not parts.explains(place):
            return Reason("genre", text)
        return Reason("genre", text, parts.contributions(shelf, place, setting.request.contributions))

    return explain


def watch_again(setting: Setting) -> Draft:
    """Finished and liked, and not touched for a while: what was last touched longest ago first."""
    past, shelf = setting.past, setting.shelf
    timed = shelf.prepared.timed
    recently = _micros(shelf.view.as_of - timedelta(days=AGAIN))
    liked = set(past.history)
    again = [t for t in past.seen if t in liked and (not timed or past.last[t] <= recently)]
    oldest = sorted(again, key=lambda t: (past.last[t], t))

    def explain(place: int, parts: Parts) -> Reason:
        at = datetime.fromtimestamp(past.last[str(shelf.titles[place])] / 1_000_000, UTC)
        return Reason("rewatch", f"you liked it on {at:%-d %B %Y}" if timed else "you liked it")

    return Draft("watch-again", "Watch again", "rewatch", explain, listed=setting.places(oldest))


def editors(setting: Setting) -> Iterator[Draft]:
    """The editors' own rows, from the top of the page down; what the member has seen is left out of them too."""
    for row in setting.hand.rows:
        reason = Reason("editor", row.reason(setting.shelf.view.as_of))
        yield Draft(
            kind="editor",
            heading=row.heading,
            chooses="unseen",
            explain=lambda place, parts, reason=reason: reason,  # type: ignore[misc]
            listed=setting.places(row.titles),
            least=1,
            name=row.name,
            at=row.position,
        )


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
