"""What a licensed title is worth to the catalogue it is in: plays net of what members would watch instead.

From members' choice chances (`pitch/choice.py`). Take a title away, and each member's chances are spread over the
other titles in proportion, and over not watching at all. How much goes to not watching is what no log of a service
tells by itself; `leaving` states it, from 0 (members watch as much, only other titles: the title brings nothing net) to
1 (not watching is one more alternative of the same choice), and every answer holds both ends beside what was asked
for. A nested logit with one nest of titles (McFadden, "Modelling the choice of residential location", 1978).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cineloop.errors import InputError
from cineloop.lab.histories import Histories
from cineloop.lab.statistics import Interval, interval
from cineloop.pitch.choice import Chances

Floats = NDArray[np.float64]

ASSUMPTIONS = (
    "a substitution model, no causal finding: it was not observed what members do when the title leaves",
    "a member's chances of other titles keep their proportions when one is taken away (Luce's choice)",
    "members who leave the service over a title, or come for it, are not in it",
)


@dataclass(frozen=True)
class Renewal:
    """What a title brings among n members: expected `plays` over the occasions, and `net` of what would be watched
    instead, each in total with an 80% interval over members; `least`, `most`: net at leaving 0 and 1.

    `kept`: the share of its plays that would go to other titles.
    """

    title: str
    plays: Interval
    net: Interval
    least: float
    most: float
    kept: float
    leaving: float
    assumptions: tuple[str, ...] = ASSUMPTIONS


@dataclass(frozen=True)
class Cannibalisation:
    """Where a title's plays come from: `plays` of it; `takes`: (other title, plays it takes, share of its plays)."""

    title: str
    plays: float
    takes: tuple[tuple[str, float, float], ...]
    leaving: float
    assumptions: tuple[str, ...] = ASSUMPTIONS


def occasions(histories: Histories, days: float = 7.0) -> tuple[Floats, Floats]:
    """(periods (n,), active (n,)): how many periods of `days` each member was there for, first play to the log's end,
    and the share of them with a play.

    The chance lies within 0.01 and 0.99: nobody is sure to watch. InputError where the log has no clock.
    """
    n = len(histories)
    length = days * 86_400e6
    if len(histories.at) == 0 or histories.at.max() < 1e14:
        raise InputError("has no clock", field="log", accepted="plays with times; or give `active` yourself")
    member = np.repeat(np.arange(n), np.diff(histories.indptr))
    first = np.full(n, np.inf)
    np.minimum.at(first, member, histories.at.astype(np.float64))
    end = float(histories.at.max())
    periods = np.where(
        np.isfinite(first), np.floor((end - np.where(np.isfinite(first), first, end)) / length) + 1, 0
    )
    which = np.floor((histories.at - first[member]) / length).astype(np.int64)
    distinct = np.unique(np.stack([member, which]), axis=1)[0]
    with_play = np.bincount(distinct, minlength=n)
    active = np.divide(with_play, periods, out=np.zeros(n), where=periods > 0)
    return periods, np.clip(active, 0.01, 0.99)


def renewal(
    chances: Chances, title: str, active: ArrayLike, times: ArrayLike = 1.0, *, leaving: float = 0.5
) -> Renewal:
    """What `title` brings: `active` is each member's chance to watch something on an occasion, `times` how many
    occasions there are, one for all or (n,). InputError where the title is not at hand, or a chance is none.
    """
    watch, often = _checked(chances, active, times, leaving)
    p = chances.p[:, chances.column(title)].astype(np.float64)
    gross = often * watch * p
    net = often * (watch - _still(watch, p, leaving))
    most = float((often * (watch - _still(watch, p, 1.0))).sum())
    total = float(gross.sum())
    return Renewal(
        title=title,
        plays=_total(gross),
        net=_total(net),
        least=0.0,
        most=most,
        kept=1.0 - float(net.sum()) / total if total > 0 else 1.0,
        leaving=leaving,
    )


def cannibalisation(
    chances: Chances,
    title: str,
    active: ArrayLike,
    times: ArrayLike = 1.0,
    *,
    leaving: float = 0.5,
    k: int = 10,
) -> Cannibalisation:
    """From which k titles the plays of `title` come: how many more plays each would have without it.

    The shares over all titles and what is net add up to 1 (the diversion ratios of Conlon & Mortimer, "Empirical
    properties of diversion ratios", RAND 2021, under this model).
    """
    watch, often = _checked(chances, active, times, leaving)
    at = chances.column(title)
    p = chances.p[:, at].astype(np.float64)
    total = float((often * watch * p).sum())
    # q' P_b / (1 - P_a) - q P_b, of members for whom something else is left
    gain = often * (_still(watch, p, leaving) / np.maximum(1.0 - p, 1e-9) - watch)
    taken = np.where(p < 1, gain, 0.0) @ chances.p.astype(np.float64)
    taken[at] = 0.0
    order = np.lexsort((np.arange(len(taken)), -taken.round(12)))[:k]
    shares = [
        (str(chances.titles[j]), float(taken[j]), float(taken[j] / total) if total > 0 else 0.0)
        for j in order
        if taken[j] > 0
    ]
    return Cannibalisation(title, total, tuple(shares), leaving)


def _still(watch: Floats, p: Floats, leaving: float) -> Floats:
    """Each member's chance to watch something without a title of chance p: the log odds lose -leaving log(1 - p)."""
    with np.errstate(divide="ignore"):
        left = np.exp(leaving * np.log1p(-np.minimum(p, 1.0)))
    odds = watch / (1 - watch) * left
    return np.asarray(odds / (1 + odds))


def _total(values: Floats) -> Interval:
    """The sum over the members with its 80% interval."""
    mean = interval(values, level=0.8)
    n = len(values)
    return Interval(mean.mean * n, mean.low * n, mean.high * n, n)


def _checked(chances: Chances, active: ArrayLike, times: ArrayLike, leaving: float) -> tuple[Floats, Floats]:
    watch = np.broadcast_to(np.asarray(active, np.float64), (len(chances.members),))
    often = np.broadcast_to(np.asarray(times, np.float64), (len(chances.members),))
    if len(watch) == 0:
        raise InputError("no members", field="histories")
    if not ((watch > 0) & (watch < 1)).all():
        raise InputError("no chance", field="active", accepted="above 0 and below 1")
    if not (often >= 0).all():
        raise InputError("no number of occasions", field="times", accepted="0 or more")
    if not 0 <= leaving <= 1:
        raise InputError("no share", field="leaving", value=leaving, accepted="0 to 1")
    return watch, often
