"""The rows a home can have. Each says which titles it would show, in order, and how it explains those chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cineloop.play.brief import HomeRequest
from cineloop.play.home import Choice, Reason
from cineloop.play.past import FINISHED, Past
from cineloop.play.reasons import by_history, popular
from cineloop.play.shelf import Shelf

ANCHORS = 2  # rows of "because you liked X"
GENRES = 3  # rows of a genre
AGAIN = 30  # days after which a finished title may be offered again
_PRIOR = 5.0  # liked titles' worth of the members' common taste in a member's genre shares


@dataclass(frozen=True)
class Setting:
    """For whom the page is made: their past, and every title the model ranks, best first, with its score."""

    shelf: Shelf
    past: Past
    request: HomeRequest
    ranked: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Draft:
    """A row before the page has chosen from it: candidates (title, score) in order, and the reasons of a choice."""

    kind: str
    heading: str
    chooses: Choice
    candidates: Sequence[tuple[str, float | None]]
    explain: Callable[[Sequence[str]], Sequence[Reason]]
    least: int = 3


def drafts(setting: Setting) -> Iterator[Draft]:
    """Every row in the order of the page; the page leaves out those with too few titles."""
    yield continue_watching(setting)
    yield top_picks(setting)
    yield from because(setting)
    yield rising(setting)
    yield fresh(setting)
    yield from genres(setting)
    yield watch_again(setting)


def continue_watching(setting: Setting) -> Draft:
    """Titles begun and not finished, the last touched first."""
    past, catalogue = setting.past, setting.shelf.catalogue

    def explain(titles: Sequence[str]) -> list[Reason]:
        made = []
        for title in titles:
            watched = past.watched[title]
            playable = catalogue.next_to_play(title, watched, FINISHED)
            share = watched.get(playable, 0.0)
            text = f"you are {share:.0%} through" if share else "the next episode is waiting"
            made.append(Reason(kind="unfinished", text=text))
        return made

    candidates = [(title, None) for title in past.unfinished]
    return Draft("continue-watching", "Continue watching", "unfinished", candidates, explain, least=1)


def top_picks(setting: Setting) -> Draft:
    """What the live model ranks highest; for a member without history, what most members liked."""
    shelf, past = setting.shelf, setting.past
    cold = len(past.liked.items) == 0
    return Draft(
        kind="popular" if cold else "top-picks",
        heading="Popular with members" if cold else "Top picks for you",
        chooses="unseen",
        candidates=setting.ranked,
        explain=lambda titles: by_history(shelf, past, titles),
    )


def because(setting: Setting) -> Iterator[Draft]:
    """For each of the last liked titles that has neighbours: the titles most like it."""
    shelf, made = setting.shelf, 0
    for anchor in setting.past.history[:10]:
        near = shelf.model.similar([anchor], 3 * setting.request.row_length + 20).row(0)
        if made == ANCHORS or not near:
            continue
        made += 1
        name = shelf.catalogue.name(anchor)
        reason = Reason(kind="similar", text=f"members who liked {name} liked it")
        yield Draft(
            kind="because",
            heading=f"Because you liked {name}",
            chooses="unseen",
            candidates=near,
            explain=lambda titles, reason=reason: [reason] * len(titles),  # type: ignore[misc]
        )


def rising(setting: Setting) -> Draft:
    """What more members liked lately than its past would lead one to expect."""
    shelf = setting.shelf
    of = {trend.title: trend for trend in shelf.trends}

    def explain(titles: Sequence[str]) -> list[Reason]:
        days = f"{shelf.trend_days:g} days"
        return [
            Reason(
                kind="trending",
                text=f"liked by {of[t].recent} members in the last {days}, usually by {of[t].expected:.1f}",
            )
            for t in titles
        ]

    candidates = [(trend.title, trend.score) for trend in shelf.trends]
    return Draft("trending", "Trending now", "unseen", candidates, explain)


def fresh(setting: Setting) -> Draft:
    """What has just become available, in the order of the member's taste."""
    shelf, request = setting.shelf, setting.request
    new = shelf.new(request.territory, request.channel)
    score = dict(setting.ranked)
    candidates = sorted(((t, score.get(t)) for t in new), key=lambda p: (p[1] is None, -(p[1] or 0.0)))

    def explain(titles: Sequence[str]) -> list[Reason]:
        years = [shelf.catalogue.year(title) for title in titles]
        return [
            Reason(kind="new", text="new here" if y is None else f"new: first released in {y}") for y in years
        ]

    return Draft("new", "New", "unseen", candidates, explain)


def genres(setting: Setting) -> Iterator[Draft]:
    """The genres that this member likes more than members do; for nobody in particular, the most liked ones."""
    shelf, past = setting.shelf, setting.past
    liked = [shelf.catalogue.genres(title) for title in past.history]
    own: dict[str, float] = {}
    for of_title in liked:
        for genre in of_title:
            own[genre] = own.get(genre, 0.0) + 1 / len(of_title)
    total = sum(own.values())
    usual = shelf.genre_share
    if total:
        lift = {g: (own[g] + _PRIOR * usual[g]) / ((total + _PRIOR) * usual[g]) for g in own if usual.get(g)}
        best = sorted((g for g in lift if lift[g] > 1 and own[g] >= 1), key=lambda g: (-lift[g], g))[:GENRES]
    else:
        best = sorted(usual, key=lambda g: (-usual[g], g))[:GENRES]
    for genre in best:
        candidates = [(t, s) for t, s in setting.ranked if genre in shelf.catalogue.genres(t)]
        text = (
            f"{genre} is {own[genre] / total:.0%} of what you liked, {usual[genre]:.0%} of what members like"
            if total
            else ""
        )

        def explain(titles: Sequence[str], text: str = text) -> list[Reason]:
            if not text:
                return [popular(shelf, title) for title in titles]
            why = by_history(shelf, past, titles)
            return [Reason(kind="genre", text=text, contributions=r.contributions) for r in why]

        yield Draft("genre", genre, "unseen", candidates, explain)


def watch_again(setting: Setting) -> Draft:
    """Finished and liked, and not touched for a while: what was last touched longest ago first."""
    past = setting.past
    liked, recently = set(past.history), setting.shelf.view.as_of - timedelta(days=AGAIN)
    again = [t for t in past.seen if t in liked and (t not in past.last or past.last[t] <= recently)]
    oldest = sorted(again, key=lambda t: (past.last[t].timestamp() if t in past.last else 0.0, t))

    def explain(titles: Sequence[str]) -> list[Reason]:
        return [Reason(kind="rewatch", text=_when(past, title)) for title in titles]

    return Draft("watch-again", "Watch again", "rewatch", [(t, None) for t in oldest], explain)


def _when(past: Past, title: str) -> str:
    at = past.last.get(title)
    return "you liked it" if at is None else f"you liked it on {at:%-d %B %Y}"
