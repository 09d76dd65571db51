"""Making a page out of drafts: every row takes its best titles that are allowed and not on the page yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cineloop.play.home import Card, Reason, Row
from cineloop.play.past import FINISHED
from cineloop.play.reasons import Parts
from cineloop.play.rows import Draft, Setting, drafts
from cineloop.play.shelf import Mask, Places

_SPARE = 12  # candidates beyond a row's length, for those that share a name


@dataclass(frozen=True)
class _Chosen:
    """A draft and the places it took; `drawn` is the index of the one drawn at random, from so many."""

    draft: Draft
    places: list[int]
    drawn: int | None = None
    pool: int = 1


def compose(setting: Setting, rng: Generator) -> tuple[list[Row], Parts]:
    """The page's rows, and for each place explained by history the parts of its score."""
    shelf, request = setting.shelf, setting.request
    chosen = list(_choose(setting, rng))
    wanted = [place for c in chosen if c.draft.by_parts for place in c.places]
    parts = Parts.of(shelf, setting.past, wanted, request.contributions)
    rows = []
    for each in chosen:
        cards = []
        for i, place in enumerate(each.places):
            if i == each.drawn:
                text = (
                    f"drawn at random from {each.pool} titles near your taste, so that we learn what you like"
                )
                cards.append(_card(setting, place, each.draft, Reason("explore", text), 1 / each.pool))
            else:
                cards.append(_card(setting, place, each.draft, each.draft.explain(place, parts)))
        rows.append(Row(each.draft.kind, each.draft.heading, each.draft.chooses, tuple(cards)))
    assert all(len(row.cards) <= request.row_length for row in rows)
    return rows, parts


def _choose(setting: Setting, rng: Generator) -> Iterator[_Chosen]:
    shelf, request = setting.shelf, setting.request
    free = shelf.allowed(request).copy()
    unseen = np.ones(len(free), np.bool_)
    unseen[setting.places(sorted(setting.past.touched))] = False
    open_again = np.ones(len(free), np.bool_)
    open_again[setting.places(sorted({*setting.past.unfinished, *setting.past.turned_down}))] = False
    fitting = {"unseen": unseen, "rewatch": open_again, "unfinished": np.ones(len(free), np.bool_)}
    explore = request.explore and request.profiling
    for draft in drafts(setting):
        fits = free & fitting[draft.chooses]
        made = _take(setting, draft, fits, request.row_length)
        if (
            explore
            and draft.chooses == "unseen"
            and draft.among is not None
            and len(made.places) >= draft.least
        ):
            made, explore = _draw(setting, draft, fits, made, rng), False
        if len(made.places) < draft.least:
            continue
        free[shelf.alike(made.places)] = False
        yield made


def _take(setting: Setting, draft: Draft, fits: Mask, length: int) -> _Chosen:
    if draft.listed is not None:
        order = draft.listed[fits[draft.listed]]
    else:
        assert draft.among is not None
        order = best(setting.scores, fits & draft.among, length + _SPARE)
    names, places = set(), []
    for place in order.tolist():
        name = setting.shelf.named[place]
        if name not in names:
            names.add(name)
            places.append(place)
            if len(places) == length:
                break
    return _Chosen(draft, places)


def _draw(setting: Setting, draft: Draft, fits: Mask, made: _Chosen, rng: Generator) -> _Chosen:
    """Give one place to a title drawn evenly from those that rank next; the others keep their order."""
    request = setting.request
    at = min(request.explore_position, len(made.places) - 1)
    certain = _take(setting, draft, fits, len(made.places) - 1).places
    rest = fits.copy()
    rest[setting.shelf.alike(certain)] = False
    pool = _take(setting, draft, rest, request.explore_pool).places
    if len(pool) < 2:
        return made
    drawn = int(pool[int(rng.integers(len(pool)))])
    return _Chosen(draft, [*certain[:at], drawn, *certain[at:]], drawn=at, pool=len(pool))


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


def _card(setting: Setting, place: int, draft: Draft, reason: Reason, propensity: float = 1.0) -> Card:
    catalogue, title = setting.shelf.catalogue, str(setting.shelf.titles[place])
    play = catalogue.next_to_play(title, setting.past.watched.get(title, {}), FINISHED)
    score: float | None = float(setting.scores[place])
    if draft.values is not None:
        score = draft.values.get(place)
    elif draft.chooses != "unseen" or not np.isfinite(setting.scores[place]):
        score = None
    return Card(
        title=title,
        name=catalogue.name(title),
        year=catalogue.year(title),
        play=play,
        play_name=catalogue.name(play),
        score=score,
        reason=reason,
        propensity=propensity,
    )
