"""How forecasts of cold titles are judged: the newest titles of a log lose all their plays, and are forecast.

The recommender is trained anew, by the recipe that is handed in, on a view without those plays; nothing else is
hidden. What is forecast is compared with what was hidden: who played (AUC a title: the chance that a member who
played it stands above one who did not) and how many (rank correlation over the titles, distance of logs, coverage of
the interval). The baselines know the genre: a title gets the mean plays of its genres' titles, and a member the number
of titles of its genres that they played; or activity alone.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import rankdata

from cineloop.errors import InputError
from cineloop.guard.exclusions import Exclusions
from cineloop.lab.histories import Histories
from cineloop.lab.recipe import Recipe
from cineloop.lab.recommender import Recommender
from cineloop.lab.statistics import Interval
from cineloop.lab.view import TrainingView
from cineloop.pitch.cold import ColdForecaster
from cineloop.pitch.trial import OURS, Floats, Trial, judged_by
from cineloop.titles.films import SETTLED

_AUC, _DISTANCE, _COVERED = "auc", "distance of logs", "covered by 80%"
_RANKS = "rank correlation"


def played(view: TrainingView) -> pl.DataFrame:
    """Rows (member, title, at, confidence): who watched or judged what, once each, at the first time; all count 1."""
    at = pl.coalesce(pl.col("happened_at").dt.epoch("us"), "seq", pl.lit(0, pl.Int64)).alias("at")
    kinds = {"plays": ["watch", "live"], "feedback": ["rating", "like", "dislike"]}
    rows = [
        view.table(table)
        .filter(pl.col("kind").is_in(kind))
        .select(pl.col("profile").alias("member"), "title", at)
        for table, kind in kinds.items()
    ]
    return (
        pl.concat(rows)
        .group_by("member", "title")
        .agg(pl.col("at").min())
        .with_columns(pl.lit(1.0).alias("confidence"))
        .sort("member", "at", "title")
        .collect()
    )


def evaluate_cold(
    view: TrainingView,
    films: pl.DataFrame,
    recipe: Recipe,
    *,
    share: float = 0.2,
    least: int = 5,
    resamples: int = 1000,
    seed: int = 0,
) -> Trial:
    """Hide all plays of the newest `share` of the titles by release, and forecast them.

    `films`: FILMS rows of the view's titles; one without a date of release is taken as released 365 days before its
    gross would be known (`known`), which orders logs that tell years alone. `recipe`: makes the recommender. The AUC
    is of titles with `least` hidden plays. InputError where no title is hidden, or the recipe makes no recommender.
    """
    rows = played(view)
    films = films.with_columns(pl.coalesce("released", pl.col("known") - SETTLED).alias("released"))
    known = films.filter(
        pl.col("title").is_in(rows["title"].unique().to_list()), pl.col("released").is_not_null()
    )
    known = known.sort("released", "title")
    hidden = known[len(known) - round(share * len(known)) :]
    if hidden.is_empty() or len(hidden) == len(known):
        raise InputError("hides no title, or all", field="share", value=share, accepted="between 0 and 1")
    gone = rows.filter(pl.col("title").is_in(hidden["title"].to_list()))
    told = rows.join(gone, on=["member", "title"], how="anti")
    pairs = frozenset(gone.select("member", "title").iter_rows())
    model = recipe.fit(view.without(Exclusions(pairs=pairs)), seed)
    if not isinstance(model, Recommender):
        raise InputError("makes no recommender", field="recipe", value=recipe.name)
    histories = Histories.of(told)
    forecaster = ColdForecaster.fit(model, histories, known[: len(known) - len(hidden)], seed=seed)
    found = forecaster.forecast(model, histories, hidden)
    titles = hidden.get_column("title").to_numpy().astype(object)
    order = np.argsort(titles)
    truth = np.zeros((len(histories), len(hidden)), np.bool_)
    truth[:, order] = Histories.of(gone, histories.members).matrix(titles[order]).toarray() > 0
    total = truth.sum(axis=0).astype(np.float64)
    by_genre, tastes = _by_genre(known[: len(known) - len(hidden)], hidden, histories)
    active = np.repeat(np.diff(histories.indptr)[:, None].astype(np.float32), len(hidden), axis=1)
    reach = np.stack([c.reach for c in found], axis=1)
    mean = np.array([c.plays for c in found])
    who = {OURS: reach, "plays of its genres": tastes, "activity": active}
    many = {OURS: mean, "mean of its genres": by_genre}
    inside = np.array([c.low <= n <= c.high for c, n in zip(found, total, strict=True)], np.float64)
    judged = judged_by(
        "cold titles",
        {
            _AUC: {c: _auc(s, truth, least) for c, s in who.items()},
            _DISTANCE: {c: np.abs(np.log1p(v) - np.log1p(total)) for c, v in many.items()},
            _COVERED: {OURS: inside},
        },
        titles,
        titles,
        less=(_DISTANCE,),
        facts={
            "titles hidden": len(hidden),
            "plays hidden": float(total.sum()),
            "members": len(histories),
            "plays forecast": float(mean.sum()),
        },
    )
    ranks, ahead = _rank_correlations(many, total, resamples, seed)
    return Trial(
        judged.name,
        judged.cases,
        {**judged.means, _RANKS: ranks},
        {**judged.gains, _RANKS: ahead},
        judged.scores.with_columns(pl.Series("plays", total), pl.Series("forecast", mean)),
        forecaster.weights,
        judged.facts,
    )


def _by_genre(
    known: pl.DataFrame, hidden: pl.DataFrame, histories: Histories
) -> tuple[Floats, NDArray[np.float32]]:
    """(c,) the mean plays of the titles of each hidden title's genres; (n, c) how many of them each member played."""
    genres = sorted({g for row in known["genres"].to_list() for g in row or []})
    column = {g: i for i, g in enumerate(genres)}

    def of(films: pl.DataFrame) -> NDArray[np.float32]:
        made = np.zeros((len(films), len(genres)), np.float32)
        for i, row in enumerate(films["genres"].to_list()):
            made[i, [column[g] for g in row or [] if g in column]] = 1
        return made

    known = known.sort("title")
    theirs, own = of(known), of(hidden)
    taken = histories.matrix(known.get_column("title").to_numpy().astype(object))
    plays = np.diff(sparse.csc_array(taken).indptr).astype(np.float64)
    level = (plays @ theirs) / np.maximum(theirs.sum(axis=0), 1)
    several = own.sum(axis=1)
    mean = np.where(several > 0, own @ level / np.maximum(several, 1), plays.mean())
    return mean, np.asarray((taken @ theirs) @ own.T, np.float32)


def _auc(scores: NDArray[np.floating], truth: NDArray[np.bool_], least: int) -> Floats:
    """(c,) the area under the ROC curve a title, ties counting half; NaN with fewer than `least` plays."""
    n, made = len(truth), np.full(truth.shape[1], np.nan)
    for c in range(truth.shape[1]):
        yes = int(truth[:, c].sum())
        if least <= yes < n:
            ranks = rankdata(scores[:, c])[truth[:, c]].sum()
            made[c] = (ranks - yes * (yes + 1) / 2) / (yes * (n - yes))
    return made


def _rank_correlations(
    forecasts: dict[str, Floats], truth: Floats, resamples: int, seed: int
) -> tuple[dict[str, Interval], dict[str, Interval]]:
    """Spearman's rank correlation of each with the truth, and what ours is ahead, over resampled titles.

    Percentile intervals of the bootstrap: a correlation is no mean, which the BCa interval of `lab.statistics` takes.
    """
    rng = np.random.default_rng(seed)
    n = len(truth)
    draws = [np.arange(n), *(rng.integers(0, n, n) for _ in range(resamples))]
    found = {c: np.array([_spearman(v[at], truth[at]) for at in draws]) for c, v in forecasts.items()}
    return (
        {c: _percentiles(v, n) for c, v in found.items()},
        {c: _percentiles(found[OURS] - v, n) for c, v in found.items() if c != OURS},
    )


def _spearman(a: Floats, b: Floats) -> float:
    x, y = rankdata(a), rankdata(b)
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0


def _percentiles(values: Floats, n: int) -> Interval:
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Interval(float(values[0]), float(low), float(high), n)
