"""How well the recommenders find what held-out members liked, beside `implicit`, in one run on one split.

    python benchmarks/play_quality.py --data FOLDER [--factors 64] [--logs ml-100k,ml-1m]

FOLDER holds `ml-100k/ml-100k.inter` and `ml-1m/ratings_reconstructed.parquet`. Ratings of 4 stars and more of
members with at least 5; a sixth of the members is held out for the test and another for choosing knobs; of
each of them 80% is folded in and the rest is to be found among all titles. Every system's knobs are chosen
from its own grid by NDCG@100 on the validation members; both ALS have the same factors. What is told is the
test: the mean with a 95% bootstrap interval over members, and the difference ours - theirs in pairs. A small
log is folded: every sixth of its members is the test once. ALS scores are means of three seeds. The defaults of
ours were chosen on the validation members, which in a folded log are the test of another fold.
"""

from __future__ import annotations

import argparse
import itertools
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as implicit asks for; ours takes its threads itself

import numpy as np
import polars as pl
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from numpy.typing import NDArray
from scipy import sparse

from cineloop.lab.statistics import interval, paired
from cineloop.play.models.als import ImplicitALS
from cineloop.play.models.ease import Ease
from cineloop.play.models.knn import ItemKNN
from cineloop.play.models.popularity import PopularityModel
from cineloop.play.models.ranking import popularity
from machine import described
from plays_log import Judged, Split, movielens, names, split

warnings.filterwarnings("ignore", message="Method expects CSR input")  # implicit, of its own matrices

METRICS = ("recall@20", "ndcg@10", "ndcg@100")
Items = NDArray[np.int32]
Fitted = Callable[[Judged], Items]


@dataclass(frozen=True)
class System:
    """A recommender under test: how it is fitted with some knobs, and the settings to choose from."""

    name: str
    fit: Callable[[sparse.csr_array, dict[str, Any], int], Fitted]
    settings: tuple[dict[str, Any], ...] = ({},)
    seeds: tuple[int, ...] = (0,)


PLAYS = Path(__file__).parents[2] / "shared" / "data" / "plays"
PACKAGES = ("numpy", "scipy", "numba", "polars", "implicit")


def grid(**knobs: tuple[Any, ...]) -> tuple[dict[str, Any], ...]:
    return tuple(dict(zip(knobs, values, strict=True)) for values in itertools.product(*knobs.values()))


def ours(recipe: type[Any], **fixed: Any) -> Callable[[sparse.csr_array, dict[str, Any], int], Fitted]:
    def fit(train: sparse.csr_array, knobs: dict[str, Any], seed: int) -> Fitted:
        titles = names("t", train.shape[1])
        seeded = (seed,) if recipe is ImplicitALS else ()
        model = recipe(**fixed, **knobs).learn(train, titles, *seeded)
        return lambda judged: model.recommend(judged.histories(), 100).items

    return fit


def most_popular(train: sparse.csr_array, knobs: dict[str, Any], seed: int) -> Fitted:
    model = PopularityModel(names("t", train.shape[1]), popularity(train))
    return lambda judged: model.recommend(judged.histories(), 100).items


def theirs(kind: type[Any], **fixed: Any) -> Callable[[sparse.csr_array, dict[str, Any], int], Fitted]:
    def fit(train: sparse.csr_array, knobs: dict[str, Any], seed: int) -> Fitted:
        als = kind is AlternatingLeastSquares
        model = kind(**fixed, **knobs, **({"random_state": seed} if als else {}))
        model.fit(sparse.csr_matrix(train), show_progress=False)

        def lists(judged: Judged) -> Items:
            shown = sparse.csr_matrix(judged.shown)
            shown.indptr, shown.indices = shown.indptr.astype(np.int32), shown.indices.astype(np.int32)
            fold_in = {"recalculate_user": True} if als else {}
            ids, scores = model.recommend(np.arange(shown.shape[0]), shown, N=100, **fold_in)
            # item-item models fill short lists up with title 0 at score 0, ALS masks by the smallest float
            ended = (scores <= -1e30) | ((scores == 0) & (not als))
            return np.where(ended, -1, ids).astype(np.int32)

        return lists

    return fit


def systems(factors: int) -> list[System]:
    ks = (20, 50, 100, 200)
    # as many settings as implicit gets: penalties scaled by the square root of the frequency, and plain ones
    als = (
        *grid(
            frequency_exponent=(0.5,),
            unobserved=(0.15, 0.25, 0.4),
            regularisation=(0.1, 0.15, 0.2, 0.25, 0.3, 0.35),
        ),
        *grid(
            frequency_exponent=(0.0,),
            unobserved=(0.125, 0.17, 0.25),
            regularisation=(3.0, 4.0, 5.0, 6.0, 7.0, 9.0),
        ),
    )
    implicit_als = grid(
        alpha=(1.0, 2.0, 3.0, 4.0, 6.0, 8.0), regularization=(5.0, 10.0, 20.0, 30.0, 40.0, 60.0)
    )
    knn = grid(neighbours=(40, 60, 100), shrinkage=(5.0, 20.0, 50.0, 100.0), asymmetry=(0.5, 0.7, 0.85, 0.95))
    bm25 = grid(K=ks, K1=(1.2, 10.0, 100.0), B=(0.2, 0.5, 0.8))
    seeds, kinds = (0, 1, 2), {"factors": factors, "iterations": 15}
    return [
        System("cineloop als", ours(ImplicitALS, **kinds), als, seeds),
        System("cineloop als, defaults", ours(ImplicitALS, factors=factors), seeds=seeds),
        System("implicit ALS", theirs(AlternatingLeastSquares, **kinds), implicit_als, seeds),
        System("cineloop knn", ours(ItemKNN), knn),
        System("cineloop knn, defaults", ours(ItemKNN)),
        System("implicit cosine", theirs(CosineRecommender), grid(K=ks)),
        System("implicit TF-IDF", theirs(TFIDFRecommender), grid(K=ks)),
        System("implicit BM25", theirs(BM25Recommender), bm25),
        System("cineloop ease", ours(Ease), grid(l2=(100.0, 200.0, 300.0, 400.0, 500.0, 700.0, 1000.0))),
        System("cineloop ease, defaults", ours(Ease)),
        System("cineloop popularity", most_popular),
    ]


def chosen(system: System, cut: Split) -> dict[str, Any]:
    def on_validation(knobs: dict[str, Any]) -> float:
        items = system.fit(cut.train, knobs, 0)(cut.validation)
        return float(cut.validation.score(items)["ndcg@100"].mean() or 0.0)

    return max(system.settings, key=on_validation) if len(system.settings) > 1 else system.settings[0]


def tested(system: System, cuts: list[Split]) -> tuple[pl.DataFrame, str]:
    """Per test member the mean of the seeds' scores, and the knobs of each fold."""
    scores, told = [], []
    for fold, cut in enumerate(cuts):
        knobs = chosen(system, cut)
        runs = [cut.test.score(system.fit(cut.train, knobs, seed)(cut.test)) for seed in system.seeds]
        mean = pl.concat(runs).group_by("unit").mean().sort("unit")
        scores.append(mean.with_columns(pl.format("{}-{}", pl.lit(fold), "unit").alias("unit")))
        told.append(" ".join(f"{v:g}" for v in knobs.values()))
    names_ = ", ".join(system.settings[0])
    return pl.concat(scores), f"{names_}: {'; '.join(told)}" if names_ else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=PLAYS, help="folder with ml-100k and ml-1m")
    parser.add_argument("--factors", type=int, default=64, help="of both ALS")
    parser.add_argument("--logs", default="ml-100k,ml-1m")
    parser.add_argument("--members", type=int, default=900, help="folds are added until the test has so many")
    asked = parser.parse_args()
    print(f"Measured on {described(*PACKAGES)}.\n")
    for log in asked.logs.split(","):
        plays = movielens(asked.data, log)
        sixth = plays.shape[0] // 6
        cuts = [split(plays, sixth, fold) for fold in range(min(6, -(-asked.members // sixth)))]
        print(
            f"## {log}: {cuts[0].train.nnz:,} plays of {cuts[0].train.shape[0]:,} members and "
            f"{cuts[0].train.shape[1]:,} titles to learn from; {sixth * len(cuts):,} members in the test, "
            f"{len(cuts)} fold(s); ALS with {asked.factors} factors\n"
        )
        print(f"| system | {' | '.join(METRICS)} | knobs chosen on validation, one set a fold |")
        print("|---|---|---|---|---|", flush=True)
        found: dict[str, pl.DataFrame] = {}
        for system in systems(asked.factors):
            found[system.name], told = tested(system, cuts)
            cells = " | ".join(str(interval(found[system.name][m].to_numpy())) for m in METRICS)
            print(f"| {system.name} | {cells} | {told} |", flush=True)
        print(f"\n| difference, in pairs | {' | '.join(METRICS)} |\n|---|---|---|---|")
        pairs = [("cineloop als", "implicit ALS"), ("cineloop als, defaults", "implicit ALS")]
        pairs += [("cineloop knn", f"implicit {name}") for name in ("cosine", "TF-IDF", "BM25")]
        pairs += [("cineloop ease", "implicit ALS"), ("cineloop ease", "cineloop als")]
        pairs += [(f"cineloop {name}, defaults", "cineloop popularity") for name in ("als", "knn", "ease")]
        for a, b in pairs:
            cells = " | ".join(str(paired(found[a][m].to_numpy(), found[b][m].to_numpy())) for m in METRICS)
            print(f"| {a} - {b} | {cells} |")
        print(flush=True)


if __name__ == "__main__":
    main()
