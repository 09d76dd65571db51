"""How much each part of a title's vector counts: weights learned on earlier films, then frozen.

The weights are those under which a draw among the candidates, in proportion to exp(sum of weighted similarities),
most often finds what was truly alike: a conditional logit (McFadden, "Conditional logit analysis of qualitative
choice behavior", 1974) with several right answers, known in ranking as ListNet's top-one loss (Cao et al., "Learning
to rank: from pairwise to listwise approach", ICML 2007). It is convex, so that the answer is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.titles.vectors import PARTS, TitleVectors

Floats = NDArray[np.float64]

_BLOCK = 64  # queries at once: their similarities to all candidates, a part at a time
_PENALTY = 1e-3  # keeps a part that separates perfectly from running away


@dataclass(frozen=True)
class Weights:
    """Part to weight, none below 0, and what they were learned from."""

    values: Mapping[str, float]
    learned: str

    def __post_init__(self) -> None:
        for part, weight in self.values.items():
            if part not in PARTS:
                raise InputError("no such part", field="weights", value=part, accepted=", ".join(PARTS))
            if not 0 <= weight < np.inf:
                raise InputError("no weight", field=f"weights.{part}", value=weight, accepted="0 or more")
        if not any(self.values.values()):
            raise InputError("no part counts", field="weights", accepted="one above 0 or more")
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))


def learn_weights(
    queries: TitleVectors,
    candidates: TitleVectors,
    alike: NDArray[np.bool_],
    eligible: NDArray[np.bool_],
    parts: Sequence[str],
    *,
    learned: str,
    seed: int = 0,
    most: int = 800,
    others: int = 300,
) -> Weights:
    """Weights of `parts` for q queries among c candidates.

    `alike` and `eligible` (q, c): which candidates were truly alike, and which could be chosen. At most `most`
    queries are drawn, with at most 100 of the alike and `others` of the rest of each. InputError where no query has
    both. A weight ends at 0 where a part does not help.
    """
    rng = np.random.default_rng(seed)
    right, wrong = alike & eligible, ~alike & eligible
    usable = np.flatnonzero(right.any(axis=1) & wrong.any(axis=1))
    if len(usable) == 0:
        raise InputError(
            "nothing to learn from: no film has others that are alike and others that are not",
            field="films",
            accepted="more films known by then",
        )
    chosen = np.sort(rng.permutation(usable)[:most])
    drawn = [
        np.concatenate(
            [
                rng.permutation(np.flatnonzero(right[i]))[:100],
                rng.permutation(np.flatnonzero(wrong[i]))[:others],
            ]
        )
        for i in chosen
    ]
    width = max(map(len, drawn))
    similar = np.zeros((len(chosen), width, len(parts)))
    aim, there = np.zeros((len(chosen), width)), np.zeros((len(chosen), width), np.bool_)
    for start in range(0, len(chosen), _BLOCK):
        block = queries.rows(chosen[start : start + _BLOCK])
        for p, part in enumerate(parts):
            likeness = block.similarity(part, candidates)
            for row in range(len(block)):
                at = drawn[start + row]
                similar[start + row, : len(at), p] = likeness[row, at]
    for row, (i, at) in enumerate(zip(chosen, drawn, strict=True)):
        there[row, : len(at)] = True
        aim[row, : len(at)] = right[i, at] / right[i, at].sum()
    found = conditional_logit(similar, aim, there)
    return Weights(dict(zip(parts, found.tolist(), strict=True)), learned)


def conditional_logit(
    features: Floats, aim: Floats, there: NDArray[np.bool_], penalty: float = _PENALTY
) -> Floats:
    """(p,) weights, none below 0, that maximise the mean of sum_c aim log softmax(features w) over the queries.

    features (q, c, p); aim (q, c), each row summing to 1; `there` (q, c) masks the padding.

    >>> likes = np.array([[[1.0], [0.0]], [[0.0], [1.0]]])
    >>> conditional_logit(likes, np.array([[1.0, 0.0], [0.0, 1.0]]), np.ones((2, 2), bool)).tolist()[0] > 1
    True
    """
    from scipy.optimize import minimize

    n = len(features)

    def loss(w: Floats) -> tuple[float, Floats]:
        z = np.where(there, features @ w, -np.inf)
        z -= z.max(axis=1, keepdims=True)
        odds = np.exp(z)
        total = odds.sum(axis=1, keepdims=True)
        log_p = np.where(there, z - np.log(total), 0.0)
        slope = np.einsum("qc,qcp->p", aim - odds / total, features) / n
        return float(penalty / 2 * w @ w - (aim * log_p).sum() / n), penalty * w - slope

    start = np.zeros(features.shape[2])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start))
    return np.asarray(found.x, np.float64).round(6)
