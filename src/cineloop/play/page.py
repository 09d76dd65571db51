"""Making a page out of drafts: every row takes its best titles that are allowed and not on the page yet."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import Generator

from cineloop.play.editorial import Pin
from cineloop.play.home import Card, Reason, Row
from cineloop.play.past import FINISHED
from cineloop.play.reasons import Parts
from cineloop.play.rows import Draft, Setting, best, drafts, editors
from cineloop.play.shelf import Mask, Places

_SPARE = 12  # candidates beyond a row's length, for those that share a name


@dataclass(frozen=True)
class _Chosen:
    """A draft and the places it took; `drawn` is the index of the one drawn at random, from so many.

    `pinned` has the pins of those that editors put there.
    """

    draft: Draft
    places: list[int]
    drawn: int | None = None
    pool: int = 1
    pinned: Mapping[int, Pin] = field(default_factory=dict)


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
                cards.append(_card(setting, place, each.draft, _reason(setting, place, each, parts)))
        rows.append(Row(each.draft.kind, each.draft.heading, each.draft.chooses, tuple(cards)))
    assert all(len(row.cards) <= request.row_length for row in rows)
    return rows, parts


def _reason(setting: Setting, place: int, chosen: _Chosen, parts: Parts) -> Reason:
    """The draft's own reason, unless editors pinned the title, and beside their boost where it counted."""
    hand, now = setting.hand, setting.shelf.view.as_of
    if place in chosen.pinned:
        return Reason("editor", chosen.pinned[place].reason(now))
    reason = chosen.draft.explain(place, parts)
    boost = hand.boosts.get(str(setting.shelf.titles[place])) if chosen.draft.by_score else None
    if boost is None:
        return reason
    return Reason("editor", f"{boost.reason(now)}; {reason.text}", reason.contributions)


def _choose(setting: Setting, rng: Generator) -> Iterator[_Chosen]:
    shelf, request = setting.shelf, setting.request
    free = shelf.allowed(request).copy()
    unseen = np.ones(len(free), np.bool_)
    unseen[setting.places(setting.past.touched)] = False
    open_again = np.ones(len(free), np.bool_)
    open_again[setting.places({*setting.past.unfinished, *setting.past.turned_down})] = False
    fitting = {"unseen": unseen, "rewatch": open_again, "unfinished": np.ones(len(free), np.bool_)}
    explore = request.explore and request.profiling
    usual, ours = deque(drafts(setting)), deque(editors(setting))
    kept = _Kept.of(setting, [*usual, *ours], unseen)
    shown = 0
    while (usual or ours) and (request.rows is None or shown < request.rows):
        due = bool(ours) and (not usual or (ours[0].at is not None and ours[0].at <= shown))
        draft = (ours if due else usual).popleft()
        explores = explore and draft.chooses == "unseen" and draft.among is not None
        fits = kept.open_to(draft, free & fitting[draft.chooses])
        made = _row(setting, draft, fits, kept.pins.get(draft, []), rng if explores else None)
        if len(made.places) < draft.least:
            continue
        explore = explore and not explores
        free[shelf.alike(made.places)] = False
        shown += 1
        yield made


@dataclass(frozen=True)
class _Kept:
    """What editors put into a row is kept for it, or a row above would show it first.

    `pins` of each draft with their places, in the order of their positions; keeper (n,) the number of the draft that
    a title is kept for, -1 for none.
    """

    pins: Mapping[Draft, list[tuple[Pin, int]]]
    number: Mapping[Draft, int]
    keeper: Places | None

    @classmethod
    def of(cls, setting: Setting, planned: Sequence[Draft], unseen: Mask) -> _Kept:
        """For what the member has not seen. A pin whose row is not planned keeps nothing."""
        shelf, pins = setting.shelf, setting.hand.pins
        if not pins and not setting.hand.rows:
            return cls({}, {}, None)
        number = {draft: i for i, draft in enumerate(planned)}
        keeper = np.full(len(unseen), -1, np.int64)
        for draft in planned:
            if draft.kind == "editor" and draft.listed is not None:
                same = shelf.alike(draft.listed.tolist())
                keeper[same[unseen[same] & (keeper[same] < 0)]] = number[draft]
        found: dict[Draft, list[tuple[Pin, int]]] = {}
        for pin in pins:
            place = shelf.place.get(pin.title)
            draft_of = next((draft for draft in planned if draft.answers(pin.row)), None)
            if place is not None and draft_of is not None and unseen[place]:
                same = shelf.alike([place])
                keeper[same[unseen[same]]] = number[draft_of]
                found.setdefault(draft_of, []).append((pin, place))
        for of_draft in found.values():
            of_draft.sort(key=lambda found: (found[0].position, found[0].title))
        return cls(found, number, keeper)

    def open_to(self, draft: Draft, fits: Mask) -> Mask:
        """(n,) what fits and is not kept for another draft; what was kept for this one is open from then on."""
        if self.keeper is None:
            return fits
        number = self.number[draft]
        open_to: Mask = fits & ((self.keeper < 0) | (self.keeper == number))
        self.keeper[self.keeper == number] = -1
        return open_to


def _row(
    setting: Setting, draft: Draft, fits: Mask, pins: Sequence[tuple[Pin, int]], rng: Generator | None
) -> _Chosen:
    """A draft's best titles around its pins; with `rng`, one of those that are not pinned is drawn."""
    length, shelf = setting.request.row_length, setting.shelf
    standing: dict[int, Pin] = {}
    for pin, place in pins:
        if fits[place] and len(standing) < length:
            standing[place] = pin
            fits = fits.copy()
            fits[shelf.alike([place])] = False
    made = _take(setting, draft, fits, length - len(standing))
    if rng is not None and made.places and len(made.places) + len(standing) >= draft.least:
        made = _draw(setting, draft, fits, made, rng)
    places, drawn = list(made.places), made.drawn
    for place, pin in standing.items():
        at = min(pin.position, len(places))
        places.insert(at, place)
        drawn = drawn if drawn is None or at > drawn else drawn + 1
    return replace(made, places=places, drawn=drawn, pinned=standing)


def _take(setting: Setting, draft: Draft, fits: Mask, length: int) -> _Chosen:
    if length < 1:
        return _Chosen(draft, [])
    if draft.listed is not None:
        order = draft.listed[fits[draft.listed]]
    else:
        assert draft.among is not None
        order = _ranked(setting, fits & draft.among, length + _SPARE)
    names, places = set(), []
    for place in order.tolist():
        name = setting.shelf.named[place]
        if name not in names:
            names.add(name)
            places.append(place)
            if len(places) == length:
                break
    return _Chosen(draft, places)


def _ranked(setting: Setting, among: Mask, k: int) -> Places:
    """The k that rank highest among some: out of those that lead on the whole, where enough of them fit."""
    leading = setting.leading
    fits = leading[among[leading]]
    return fits[:k] if len(fits) >= k else best(setting.ranked, among, k)


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


def _card(setting: Setting, place: int, draft: Draft, reason: Reason, propensity: float = 1.0) -> Card:
    title, name, year, episodic = setting.shelf.facts[place]
    play, play_name = title, name
    if episodic:
        catalogue = setting.shelf.catalogue
        play = catalogue.next_to_play(title, setting.past.watched.get(title, {}), FINISHED)
        play_name = catalogue.name(play)
    score: float | None = float(setting.scores[place])
    if draft.values is not None:
        score = draft.values.get(place)
    elif draft.chooses != "unseen" or score == -math.inf:
        score = None
    return Card(title, name, year, play, play_name, score, reason, propensity)
