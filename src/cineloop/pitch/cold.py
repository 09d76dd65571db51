"""What a title that nobody has played yet would bring among a service's own members: how many plays, and whose.

The live recommender knows members but not the title; facts know the title but not the members. The title borrows its
scores from the known titles that it is most like (`titles/vectors.py`), each counting by its similarity, as a mapping
from attributes to a recommender's scores (Gantner et al., "Learning attribute-to-feature mappings for cold-start
recommendations", ICDM 2010, in its nearest-neighbour form). Two small regressions turn that into numbers, both learned
on earlier releases as if each were still to come: how many plays (negative binomial on what was earlier and like it),
and who (logistic on the borrowed score, with the newest known titles hidden from all histories).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtri
from scipy.stats import rankdata

from cineloop.errors import InputError
from cineloop.lab.histories import Histories, Strings
from cineloop.lab.recommender import Recommender
from cineloop.pitch.comparables import AUDIENCE
from cineloop.pitch.likeness import Weights
from cineloop.pitch.regression import Counts, Floats, logistic, negative_binomial, shifted_to
from cineloop.titles.space import TitleSpace
from cineloop.titles.vectors import TitleVectors

_NEIGHBOURS = 100
_NEWEST = 0.2  # of the known titles, on which the chances are learned
_LEAST = 30  # titles to learn from
_PAIRS = 400_000  # (member, title) pairs that the chances are learned from

ASSUMPTIONS = (
    "plays over a log as long as the one learned from, of a title that is as much in view as earlier releases were",
    "the interval holds the spread of plays around the mean, not how unsure the mean is",
    "a member is reached as members were by earlier titles that are like it: association, no effect of adding it",
)


@dataclass(frozen=True)
class Newcomer:
    """One cold title: expected plays and their 80% interval; `reach` (n,) each member's chance to play it, in the
    order of `members`, which sums to the expected plays; `like`: what it borrows most from, with each one's share.
    """

    title: str
    name: str
    plays: float
    low: int
    high: int
    members: Strings
    reach: NDArray[np.float32]
    like: tuple[tuple[str, float], ...]
    assumptions: tuple[str, ...] = ASSUMPTIONS

    def audience(self, k: int) -> list[tuple[str, float]]:
        """The k members likeliest to play it, with their chance; equal ones in the order of their ids."""
        order = np.lexsort((np.arange(len(self.reach)), -self.reach))[:k]
        return [(str(self.members[i]), float(self.reach[i])) for i in order]


@dataclass(frozen=True)
class ColdForecaster:
    """How facts become plays: the known titles' vectors, sorted by id, and what was learned on earlier releases.

    `counts` over the columns of `_facts`; `odds` (3,): log odds of a play from 1, the borrowed score and log activity.
    """

    space: TitleSpace
    vectors: TitleVectors
    released: NDArray[np.int64]
    plays: Floats
    weights: Weights
    counts: Counts
    odds: Floats
    neighbours: int = _NEIGHBOURS

    @classmethod
    def fit(
        cls,
        model: Recommender,
        histories: Histories,
        films: pl.DataFrame,
        *,
        weights: Weights = AUDIENCE,
        neighbours: int = _NEIGHBOURS,
        seed: int = 0,
    ) -> ColdForecaster:
        """From the live recommender, the members' histories and the FILMS rows of the titles that it knows.

        Titles without a date of release are not learned from. InputError with fewer than 30 titles.
        """
        known = films.filter(pl.col("title").is_in(model.titles.tolist()), pl.col("released").is_not_null())
        known = known.sort("title")
        if len(known) < _LEAST:
            raise InputError(
                f"only {len(known)} titles have plays and a date", field="films", accepted=f"{_LEAST} or more"
            )
        names = known.get_column("title").to_numpy().astype(object)
        taken = histories.matrix(names)
        plays = np.diff(sparse.csc_array(taken).indptr).astype(np.float64)
        space = TitleSpace.fit(known)
        vectors = space.vectors(known)
        released = known.get_column("released").cast(pl.Int32).to_numpy().astype(np.int64)
        kernel = vectors.kernel(weights.values, vectors)
        earlier = released[None, :] < released[:, None]
        taught = np.flatnonzero(earlier.sum(axis=1) >= _LEAST // 2)
        if len(taught) < _LEAST // 2:
            raise InputError(
                "too few titles follow one another", field="released", accepted="releases over time"
            )
        borrowed = _borrowed(np.where(earlier, kernel, -np.inf)[taught], neighbours)
        facts = _facts(borrowed, plays, earlier[taught], vectors.rows(taught), vectors)
        counts = negative_binomial(facts, plays[taught], ridge=1e-3)
        made = cls(space, vectors, released, plays, weights, counts, np.zeros(3), neighbours)
        return made._with_odds(model, histories, taken, kernel, seed)

    def _with_odds(
        self,
        model: Recommender,
        histories: Histories,
        taken: sparse.csr_array,
        kernel: NDArray[np.float32],
        seed: int,
    ) -> ColdForecaster:
        """The chances learned on the newest known titles, which no history holds while it is scored."""
        order = np.lexsort((np.arange(len(self.released)), self.released))
        newest = order[len(order) - max(1, round(_NEWEST * len(order))) :]
        hidden = np.zeros(len(order), np.bool_)
        hidden[newest] = True
        told = _without(histories, self.vectors.titles[newest])
        reachable = np.where(hidden[None, :], -np.inf, kernel[newest])
        lent = _lent(model, told, self.vectors.titles, _borrowed(reachable, self.neighbours))
        activity = _activity(told)
        rng = np.random.default_rng(seed)
        size = lent.size
        pick = np.arange(size) if size <= _PAIRS else np.sort(rng.choice(size, _PAIRS, replace=False))
        who, what = np.divmod(pick, lent.shape[1])
        yes = sparse.csc_array(taken)[:, newest].toarray()[who, what] > 0
        x = np.stack([np.ones(len(pick)), lent[who, what], activity[who]], axis=1)
        odds = logistic(x, yes, ridge=1e-6)
        return replace(self, odds=odds)

    def forecast(
        self, model: Recommender, histories: Histories, films: pl.DataFrame, level: float = 0.8
    ) -> list[Newcomer]:
        """What each of `films` (FILMS rows) would bring among the members of `histories`: all that it was fitted on, or
        as many like them, since a member's activity and scores count beside the others'.
        """
        cold = self.space.vectors(films)
        kernel = cold.kernel(self.weights.values, self.vectors)
        same = films.get_column("title").to_numpy().astype(object)[:, None] == self.vectors.titles[None, :]
        kernel = np.where(same, -np.inf, kernel)  # a title that has plays says nothing of itself
        borrowed = _borrowed(kernel, self.neighbours)
        facts = _facts(borrowed, self.plays, np.isfinite(kernel), cold, self.vectors)
        expected = np.minimum(self.counts.mean(facts), len(histories))
        span = np.minimum(self.counts.interval(facts, level), len(histories))
        lent = _lent(model, histories, self.vectors.titles, borrowed)
        log_odds = self.odds[0] + self.odds[1] * lent + self.odds[2] * _activity(histories)[:, None]
        reach = shifted_to(log_odds, expected).astype(np.float32)
        found = []
        for i, (title, name) in enumerate(films.select("title", "name").iter_rows()):
            row = borrowed[[i]]
            near = sorted(zip(-row.data, row.indices.tolist(), strict=True))[:5]
            found.append(
                Newcomer(
                    title=title,
                    name=name,
                    plays=float(expected[i]),
                    low=int(span[i, 0]),
                    high=int(span[i, 1]),
                    members=histories.members,
                    reach=reach[:, i],
                    like=tuple((str(self.vectors.titles[at]), float(-share)) for share, at in near),
                )
            )
        return found


def _borrowed(kernel: NDArray[np.floating], k: int) -> sparse.csr_array:
    """(c, m) what each title borrows from each known one: the k nearest by exp(similarity), rows summing to 1.

    The weights of `AUDIENCE` are a logit's: exp(similarity) is proportional to the chance that a title is a true
    neighbour. -inf marks what can't lend.
    """
    k = min(k, kernel.shape[1])
    at = np.argsort(-kernel, axis=1, kind="stable")[:, :k]
    near = np.take_along_axis(kernel, at, axis=1).astype(np.float64)
    share = np.exp(near - near[:, :1])
    share /= share.sum(axis=1, keepdims=True)
    row = np.repeat(np.arange(len(kernel)), k)
    made = sparse.csr_array((share.ravel(), (row, at.ravel())), shape=kernel.shape)
    made.eliminate_zeros()
    made.sort_indices()
    return made


def _facts(
    borrowed: sparse.csr_array,
    plays: Floats,
    lends: NDArray[np.bool_],
    cold: TitleVectors,
    known: TitleVectors,
) -> Floats:
    """(c, 3) what the count of plays is regressed on, out of the titles that lend: 1; the mean log plays of what it
    borrows from; how its people's earlier titles did beside all.
    """
    logs = np.log1p(plays)
    lent = np.asarray(borrowed @ logs)
    level = (lends @ logs) / np.maximum(lends.sum(axis=1), 1)
    shared = np.where(lends, cold.similarity("people", known), 0.0)
    total = shared.sum(axis=1)
    # shrunk to nought by one half of a title: a single shared name says little
    people = (shared @ logs - total * level) / (total + 0.5)
    return np.stack([np.ones(len(lent)), lent, people], axis=1)


def _lent(
    model: Recommender, histories: Histories, wanted: Strings, borrowed: sparse.csr_array
) -> NDArray[np.float32]:
    """(n, c) how each member stands to each cold title beside the other members, as a normal score of the rank.

    Known titles' scores are brought to one spread over the members, since a title's fame is no taste. Ranks, because
    recommenders score on scales of their own. A member without a known history, whose scores are the model's of
    nobody in particular, stands in the middle.
    """
    warm = np.diff(histories.matrix(model.titles).indptr) > 0
    scores = model.score(histories)[:, np.searchsorted(model.titles, wanted)]
    spread = scores[warm].std(axis=0) if warm.any() else np.ones(len(wanted))
    raw = np.asarray((borrowed @ (scores / np.where(spread > 0, spread, 1.0)).T).T)
    made = np.zeros(raw.shape, np.float32)
    n = int(warm.sum())
    for c in range(raw.shape[1]):
        made[warm, c] = ndtri(rankdata(raw[warm, c]) / (n + 1))
    return made


def _activity(histories: Histories) -> Floats:
    """(n,) log of one and the member's plays, less its mean."""
    logs = np.log1p(np.diff(histories.indptr).astype(np.float64))
    return np.asarray(logs - logs.mean()) if len(logs) else logs


def _without(histories: Histories, titles: Strings) -> Histories:
    """The same members without some titles."""
    keep = ~np.isin(histories.catalogue, titles)[histories.items]
    return Histories(
        members=histories.members,
        catalogue=histories.catalogue,
        indptr=np.concatenate([[0], np.cumsum(keep)])[histories.indptr].astype(np.int64),
        items=histories.items[keep],
        confidence=histories.confidence[keep],
        at=histories.at[keep],
    )
