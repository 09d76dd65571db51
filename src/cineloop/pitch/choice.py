"""Which title members choose when they play something: a calibrated Luce choice over the recommender's scores.

The chance of a title among those at hand is proportional to exp(score w1 + fame w2) (Luce, "Individual choice
behavior", 1959), the weights learned on plays that the recommender was not told of. What a member does when a title is
taken away follows from that form alone: its chance goes to the others in proportion. That is an assumption about
substitution (independence of irrelevant alternatives), not something that was observed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.lab.histories import Histories, Strings
from cineloop.lab.recommender import Recommender
from cineloop.pitch.likeness import conditional_logit

Floats = NDArray[np.float64]

_OTHERS = 300  # titles that were not chosen, beside each that was
_MOST = 4000  # held-out plays that the weights are learned from


@dataclass(frozen=True)
class Choice:
    """Weights of the member's standardised score and of the log of one and the title's plays; from `plays` plays."""

    score: float
    fame: float
    plays: int


@dataclass(frozen=True)
class Chances:
    """For each member what they would play next: members (n,); titles (a,) sorted; p (n, a) rows summing to 1."""

    members: Strings
    titles: Strings
    p: NDArray[np.float32]

    def column(self, title: str) -> int:
        """The column of a title; InputError where it is not at hand."""
        at = int(np.searchsorted(self.titles, title)) if len(self.titles) else 0
        if at == len(self.titles) or self.titles[at] != title:
            raise InputError("not among the titles at hand", field="title", value=title)
        return at


def calibrate(
    model: Recommender,
    histories: Histories,
    later: Histories,
    available: list[str] | None = None,
    *,
    seed: int = 0,
) -> Choice:
    """Learn the weights from `later`, plays of the same members that neither `model` nor `histories` has.

    Each such play is a choice among the titles that the member has not played, of `available` (None: of all that the
    model knows). InputError where there is none.
    """
    if not np.array_equal(histories.members, later.members):
        raise InputError("not of the same members", field="later", accepted="the members of the histories")
    held = later.matrix(model.titles)
    seen = histories.matrix(model.titles).toarray() > 0
    seen[:, ~_at_hand(model, available)] = True  # what is not at hand can't be chosen either
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(len(later)), np.diff(held.indptr))
    picks = np.sort(rng.permutation(len(who))[:_MOST])
    picks = picks[~seen[who[picks], held.indices[picks]]]
    if len(picks) == 0:
        raise InputError("no held-out play of a title that the model knows", field="later")
    features = _features(model, histories)
    x = np.zeros((len(picks), 1 + _OTHERS, 2))
    there = np.zeros(x.shape[:2], np.bool_)
    for row, at in enumerate(picks):
        u, j = who[at], held.indices[at]
        # titles chosen later by the same member are no refusals
        free = np.flatnonzero(~seen[u])
        free = free[~np.isin(free, held.indices[held.indptr[u] : held.indptr[u + 1]])]
        drawn = free if len(free) <= _OTHERS else rng.choice(free, _OTHERS, replace=False)
        chosen = np.concatenate([[j], drawn])
        x[row, : len(chosen), 0], x[row, : len(chosen), 1] = features[0][u, chosen], features[1][chosen]
        there[row, : len(chosen)] = True
    aim = np.zeros(there.shape)
    aim[:, 0] = 1.0
    score, fame = conditional_logit(x, aim, there, penalty=1e-6).tolist()
    return Choice(score, fame, len(picks))


def chances(
    choice: Choice, model: Recommender, histories: Histories, available: list[str] | None = None
) -> Chances:
    """Each member's chances among the titles that `model` knows and they have not played; `available` narrows them.

    A member who has played all of them has none: their row is nought. InputError where no title is left.
    """
    keep = _at_hand(model, available)
    if not keep.any():
        raise InputError("no title is at hand that the model knows", field="available")
    scores, fame = _features(model, histories)
    z = choice.score * scores[:, keep] + choice.fame * fame[keep]
    z = np.where(histories.matrix(model.titles[keep]).toarray() > 0, -np.inf, z)
    top = z.max(axis=1, keepdims=True)
    odds = np.exp(z - np.where(np.isfinite(top), top, 0.0))
    total = odds.sum(axis=1, keepdims=True)
    p = np.divide(odds, total, out=np.zeros_like(odds), where=total > 0)
    return Chances(histories.members, model.titles[keep], p.astype(np.float32))


def _at_hand(model: Recommender, available: list[str] | None) -> NDArray[np.bool_]:
    if available is None:
        return np.ones(len(model.titles), np.bool_)
    return np.isin(model.titles, np.array(available, dtype=object))


def _features(model: Recommender, histories: Histories) -> tuple[NDArray[np.float32], Floats]:
    """(n, m) scores, each member's at mean 0 and spread 1, so that one weight serves all; (m,) log fame."""
    scores = model.score(histories)
    spread = scores.std(axis=1, keepdims=True)
    scores = (scores - scores.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    plays = np.asarray((histories.matrix(model.titles) > 0).sum(axis=0), np.float64).ravel()
    return np.asarray(scores, np.float32), np.log1p(plays)
