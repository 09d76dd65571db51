"""Judging recommenders on what members went on to watch, and any system's lists beside them.

A protocol of `lab.splits` cuts the view into folds; each recipe is trained on each fold's training view, is
handed the fold's histories, and ranks everything it knows but what is in them. One evaluation a contender
keeps a score for each member, so that any two can be compared in pairs at any later time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import polars as pl

from cineloop.engine import Progress, silent
from cineloop.lab.evaluation import Evaluation
from cineloop.lab.external import match
from cineloop.lab.histories import Histories, Lists, Strings
from cineloop.lab.lab import Lab
from cineloop.lab.recipe import Recipe
from cineloop.lab.recommender import Recommender
from cineloop.lab.run import moment
from cineloop.lab.splits import Fold, Splits
from cineloop.lab.view import TrainingView
from cineloop.play.comparison import Comparison, Figure, Standing, choose, comparison
from cineloop.play.metrics import DEFINITIONS, KS, Background, exposure, score_lists
from cineloop.play.signals import Signals

__all__ = [
    "Comparison",
    "Figure",
    "Ground",
    "Standing",
    "choose",
    "comparison",
    "evaluate",
    "evaluate_external",
    "grounds",
    "score",
]

SIGNALS = Signals()
CHUNK = 2048


@dataclass(frozen=True)
class Ground:
    """A fold made ready: what its models train on, whom they answer and what the lists are held against.

    members (n,) everyone with targets, sorted; histories, theirs, empty ones too.
    """

    fold: Fold
    view: TrainingView
    members: Strings
    histories: Histories
    background: Background


def grounds(view: TrainingView, splits: Splits, signals: Signals = SIGNALS) -> list[Ground]:
    """The folds that the protocol cuts from the view's positives."""
    made = []
    for fold in splits.folds(view, signals.interactions(view)):
        training = fold.training(view)
        facts = training.table("titles").select("title", "genres").collect()
        members = fold.targets["member"].unique().sort()
        made.append(
            Ground(
                fold=fold,
                view=training,
                members=members.to_numpy().astype(object),
                histories=Histories.of(fold.history, members),
                background=Background.of(signals.interactions(training), facts),
            )
        )
    return made


def score(ground: Ground, lists: Lists, ks: Sequence[int] = KS) -> pl.DataFrame:
    """Rows (fold, unit, warm, metrics …) for the members of a fold, whoever made the lists.

    `warm` is 1 where there was some history to go by, else 0; the metrics are those of `score_lists`.
    """
    scores = score_lists(
        lists, ground.fold.targets, ks=ks, background=ground.background, histories=ground.histories
    )
    warm = np.diff(ground.histories.indptr) > 0
    return scores.select(
        pl.lit(ground.fold.name).alias("fold"),
        "unit",
        pl.Series("warm", warm.astype(np.float64)),
        pl.exclude("unit"),
    )


def evaluate(
    lab: Lab,
    view: TrainingView,
    recipes: Sequence[Recipe],
    splits: Splits,
    *,
    signals: Signals = SIGNALS,
    ks: Sequence[int] = KS,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Evaluation]:
    """Train each recipe on each fold, unless that run is made already, and record how its lists score.

    `signals` says what counts as a target, for all recipes alike; a recipe reads the histories with its own,
    which may weigh a pair of the history otherwise or leave it out, but never add one. No pair of the history
    is recommended again.
    """
    made = []
    ready = grounds(view, splits, signals)
    total = len(recipes) * len(ready)
    for i, recipe in enumerate(recipes):
        runs, lists = [], []
        for j, ground in enumerate(ready):
            progress("evaluate", i * len(ready) + j, total)
            run = lab.train(recipe, ground.view, seed, progress)
            own = getattr(recipe, "signals", signals)
            model = cast(Recommender, lab.load(run))
            lists.append(_answers(model, ground, None if own == signals else own.interactions(view), max(ks)))
            runs.append(run)
        protocol = _protocol(view, splits, signals, ks)
        scores, facts = _judged(ready, lists, ks)
        made.append(lab.record(runs[0].label, protocol, view.snapshot.id, runs, scores, facts))
    progress("evaluate", total, total)
    return made


def evaluate_external(
    lab: Lab,
    view: TrainingView,
    lists: pl.DataFrame,
    name: str,
    splits: Splits,
    *,
    signals: Signals = SIGNALS,
    ks: Sequence[int] = KS,
) -> Evaluation:
    """Score an outside system's lists, rows (member, title, rank, as_of, score), in the recipes' own table.

    For each fold a member's latest list made by the fold's day counts; a member without one scores 0, and the
    fact `listed` says how many had one. What stands in the history that the recipes are handed is taken out
    of these lists as it is out of theirs, and the rest moves up.
    """
    ready = grounds(view, splits, signals)
    matched = match([g.fold for g in ready], lists)
    outside = [_outside(g, m.lists, max(ks)) for g, m in zip(ready, matched, strict=True)]
    scores, facts = _judged(ready, outside, ks)
    return lab.record(name, _protocol(view, splits, signals, ks), view.snapshot.id, [], scores, facts)


def _protocol(view: TrainingView, splits: Splits, signals: Signals, ks: Sequence[int]) -> dict[str, Any]:
    """All that must be equal for two contenders' scores to be comparable."""
    return {
        **splits.describe(),
        "signals": asdict(signals),
        "ks": sorted(ks),
        "as_of": moment(view.as_of),
        "exclusions": view.exclusions.digest(),
        "definitions": DEFINITIONS,
    }


def _judged(
    ready: list[Ground], lists: list[Lists], ks: Sequence[int]
) -> tuple[pl.DataFrame, dict[str, float]]:
    """The scores of all folds, and the facts of the whole: counts, and means over folds of the exposure."""
    scores = pl.concat([score(g, made, ks) for g, made in zip(ready, lists, strict=True)])
    facts: dict[str, float] = {
        "members": float(scores["unit"].n_unique()),
        "cases": float(len(scores)),
        "warm": float(scores["warm"].sum()),
        "listed": float(scores["listed"].sum()),
    }
    for k in ks:
        each = [exposure(made, k, g.background.titles) for g, made in zip(ready, lists, strict=True)]
        facts[f"coverage@{k}"] = float(np.mean([e.coverage for e in each]))
        facts[f"gini@{k}"] = float(np.mean([e.gini for e in each]))
    return scores, facts


def _answers(model: Recommender, ground: Ground, own: pl.DataFrame | None, k: int) -> Lists:
    """The model's lists; `own`, where given, is how the recipe's signals read all positives of the view."""
    if own is None:
        return model.recommend(ground.histories, k)
    pairs = ground.fold.history
    mine = own.select("member", "title", pl.col("at").alias("_at"), pl.col("confidence").alias("_confidence"))
    # what a later play says of the same pair would be a look ahead: then the evaluation's own reading stands
    later = pl.col("_at") > pl.col("at")
    read = pairs.join(mine, on=["member", "title"]).with_columns(
        pl.when(later).then("confidence").otherwise("_confidence").alias("confidence")
    )
    parts = []
    for start in range(0, len(ground.members), CHUNK):
        members = ground.members[start : start + CHUNK]
        # a pair that these signals leave out of the history must still not be recommended
        hidden = Histories.of(pairs, members).matrix(model.titles)
        allowed = np.ones(hidden.shape, np.bool_)
        allowed[np.repeat(np.arange(len(members)), np.diff(hidden.indptr)), hidden.indices] = False
        parts.append(model.recommend(Histories.of(read, members), k, allowed=allowed))
    return Lists(
        keys=np.concatenate([p.keys for p in parts]),
        titles=model.titles,
        items=np.concatenate([p.items for p in parts]),
        scores=np.concatenate([p.scores for p in parts]),
    )


def _outside(ground: Ground, rows: pl.DataFrame, k: int) -> Lists:
    """An outside system's rows (member, title, rank) as lists over what was known and what it names."""
    rows = (
        rows.join(ground.fold.history, on=["member", "title"], how="anti")
        .sort("member", "rank", "title")
        .with_columns(pl.int_range(pl.len()).over("member").alias("_place"))
        .filter(pl.col("_place") < k)
    )
    titles = pl.concat([rows["title"], pl.Series("title", ground.background.titles.tolist(), pl.String)])
    titles = titles.unique().sort()
    members = rows["member"].unique().sort()
    items = np.full((len(members), k), -1, np.int32)
    items[members.search_sorted(rows["member"]), rows["_place"]] = titles.search_sorted(rows["title"])
    scores = np.where(items >= 0, -np.arange(k, dtype=np.float32), -np.inf).astype(np.float32)
    return Lists(members.to_numpy().astype(object), titles.to_numpy().astype(object), items, scores)
