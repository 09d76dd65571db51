"""How the choice model is judged: on later plays of other members, with all titles and after the hits have left.

Each member's last fifth of plays is held out; the weights are learned from one half of the members and judged on the
other. The second part asks what a renewal needs: take the most played tenth of the titles away. Are the plays of what
remains foreseen by the same weights, the chances only spread anew (independence of irrelevant alternatives; the idea of
Hausman & McFadden, "Specification tests for the multinomial logit model", Econometrica 1984), as well as by weights
learned on what remains? It says how chances move among titles, not how many plays are lost.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.guard.exclusions import Exclusions
from cineloop.lab.histories import Histories
from cineloop.lab.recipe import Recipe
from cineloop.lab.recommender import Recommender
from cineloop.lab.view import TrainingView
from cineloop.pitch.choice import Choice, calibrate, chances
from cineloop.pitch.cold_trial import played
from cineloop.pitch.trial import OURS, Floats, Trial, judged_by

_HITS = 0.1
_FAME = Choice(0.0, 1.0, 0)  # in proportion to plays
_EVEN = Choice(0.0, 0.0, 0)


def evaluate_choice(view: TrainingView, recipe: Recipe, *, held: float = 0.2, seed: int = 0) -> Trial:
    """Mean log chance of the held-out plays a member, beside chances by fame and even ones.

    `recipe` makes the recommender, without the held-out plays. InputError where the log has too few plays to hold any
    out, or the recipe makes no recommender.
    """
    rows = played(view).with_columns(
        (pl.int_range(pl.len()).over("member") >= ((1 - held) * pl.len().over("member")).ceil()).alias(
            "_held"
        )
    )
    told, gone = rows.filter(~pl.col("_held")), rows.filter("_held")
    if gone.is_empty():
        raise InputError("no member has plays to hold out", field="held", value=held)
    pairs = frozenset(gone.select("member", "title").iter_rows())
    model = recipe.fit(view.without(Exclusions(pairs=pairs)), seed)
    if not isinstance(model, Recommender):
        raise InputError("makes no recommender", field="recipe", value=recipe.name)
    members = np.random.default_rng(seed).permutation(told["member"].unique().sort().to_list())
    half = len(members) // 2
    learning, judging = sorted(members[:half].tolist()), sorted(members[half:].tolist())
    before, after = (Histories.of(told, learning), Histories.of(gone, learning))
    choice = calibrate(model, before, after, seed=seed)
    plays = np.bincount(
        np.searchsorted(model.titles, told["title"].to_numpy().astype(object)), minlength=len(model.titles)
    )
    rest = np.lexsort((np.arange(len(plays)), -plays))[round(_HITS * len(plays)) :]
    left = model.titles[np.sort(rest)].tolist()
    anew = calibrate(model, before, after, left, seed=seed)
    asked, truth = Histories.of(told, judging), Histories.of(gone, judging)

    def score(weights: Choice, available: list[str] | None = None) -> Floats:
        return _log_chance(chances(weights, model, asked, available).p, truth, available or model.titles)

    return judged_by(
        "choice of the next titles",
        {
            "log chance": {OURS: score(choice), "by fame": score(_FAME), "even": score(_EVEN)},
            "log chance, hits gone": {
                OURS: score(choice, left),
                "weights learned anew": score(anew, left),
                "by fame": score(_FAME, left),
                "even": score(_EVEN, left),
            },
        },
        np.array(judging),
        np.array(judging),
        facts={
            "weight of the score": choice.score,
            "weight of fame": choice.fame,
            "weight of the score, hits gone": anew.score,
            "weight of fame, hits gone": anew.fame,
        },
    )


def _log_chance(p: NDArray[np.float32], truth: Histories, titles: NDArray[np.object_] | list[str]) -> Floats:
    """(n,) each member's mean log chance of the titles they played; NaN where they played none that is at hand."""
    held = truth.matrix(np.array(titles, dtype=object))
    who = np.repeat(np.arange(len(truth)), np.diff(held.indptr))
    logs = np.log(np.maximum(p[who, held.indices], 1e-12).astype(np.float64))
    count = np.bincount(who, minlength=len(truth))
    total = np.bincount(who, weights=logs, minlength=len(truth))
    return np.asarray(np.divide(total, count, out=np.full(len(truth), np.nan), where=count > 0))
