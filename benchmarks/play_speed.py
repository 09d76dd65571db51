"""How long training and lists of 100 for all members take, beside `implicit`, at the same quality.

    python benchmarks/play_speed.py --data FOLDER [--repeats 3] [--logs ml-1m,generated]

FOLDER holds `ml-1m/ratings_reconstructed.parquet`; the second log is generated: 100,000 members, 10,000 titles,
10 million plays, see `plays_log.generate`. Every measurement is a process of its own, ours and theirs in
turn; the medians are told. Loading, imports and compilation (warmed up on a small log) are not timed. Both
use all cores; BLAS has one thread while implicit works, as it asks for. Peak memory is the largest resident
size less that before training: the log itself is not counted. Quality is NDCG@100 and recall@20 of held-out
members, folded in. Both ALS have the same factors and iterations; two knobs of each were chosen from `GRIDS`
on other held-out members (`--tune` chooses again). The lists of implicit's ALS use the members' vectors left
by training; ours solves for every history, as a service must for members it has not trained on, so the time
of implicit with that solve (`recalculate_user`) stands beside.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", str(os.cpu_count()))

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from machine import described
from plays_log import Judged, generate, histories, movielens, names, split

PAIRS = [("cineloop als", "implicit ALS"), ("cineloop knn", "implicit cosine")]
# chosen on validation members
KNOBS: dict[tuple[str, str], dict[str, float]] = {
    ("ml-1m", "cineloop als"): {"frequency_exponent": 0.75, "unobserved": 0.25, "regularisation": 0.05},
    ("ml-1m", "implicit ALS"): {"alpha": 4.0, "regularization": 40.0},
    ("generated", "cineloop als"): {"frequency_exponent": 0.75, "unobserved": 0.02, "regularisation": 0.1},
    ("generated", "implicit ALS"): {"alpha": 12.0, "regularization": 400.0},
}
GRIDS: dict[str, list[dict[str, float]]] = {
    "cineloop als": [
        {"frequency_exponent": 0.75, "unobserved": a, "regularisation": r}
        for a in (0.02, 0.05, 0.1, 0.2, 0.4)
        for r in (0.03, 0.04, 0.06, 0.1, 0.15)
    ],
    "implicit ALS": [
        {"alpha": a, "regularization": r}
        for a in (2.0, 4.0, 8.0, 12.0, 16.0)
        for r in (20.0, 40.0, 80.0, 200.0, 400.0)
    ],
}
K = 100

PLAYS = Path(__file__).parents[2] / "shared" / "data" / "plays"
PACKAGES = ("numpy", "scipy", "numba", "polars", "implicit")


def log(which: str, data: Path) -> sparse.csr_array:
    return generate(100_000, 10_000, 10_000_000) if which == "generated" else movielens(data, which)


class Peak:
    """The largest resident size from here on, MiB, looked at a hundred times a second."""

    def __enter__(self) -> Peak:
        self.before = self.most = self._now()
        self.over = threading.Event()
        self.watch = threading.Thread(target=self._look)
        self.watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.watch.join()

    @property
    def grown(self) -> float:
        return self.most - self.before

    def _look(self) -> None:
        while not self.over.wait(0.01):
            self.most = max(self.most, self._now())

    @staticmethod
    def _now() -> float:
        statm = Path("/proc/self/statm")
        if statm.exists():
            return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def ours(
    name: str, train: sparse.csr_array, judged: Judged, factors: int, iterations: int, knobs: dict[str, float]
) -> dict[str, float]:
    from cineloop.play.models.als import ImplicitALS
    from cineloop.play.models.knn import ItemKNN

    recipe: Any = ItemKNN(neighbours=K)
    seed: tuple[int, ...] = ()
    if name == "als":
        recipe, seed = ImplicitALS(factors=factors, iterations=iterations, **knobs), (0,)
    small = train[:200]
    recipe.learn(small, names("t", small.shape[1]), *seed).recommend(histories(small), K)
    titles, members = names("t", train.shape[1]), histories(train)
    with Peak() as peak:
        fit, model = timed(lambda: recipe.learn(train, titles, *seed))
        lists, _ = timed(lambda: model.recommend(members, K))
    return {"fit": fit, "lists": lists, "MiB": peak.grown} | quality(
        judged, model.recommend(judged.histories(), K).items
    )


def theirs(
    name: str, train: sparse.csr_array, judged: Judged, factors: int, iterations: int, knobs: dict[str, float]
) -> dict[str, float]:
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender

    def fresh() -> Any:
        if name == "cosine":
            return CosineRecommender(K=K)
        return AlternatingLeastSquares(factors=factors, iterations=iterations, random_state=0, **knobs)

    plays, model = old(train), fresh()
    fresh().fit(old(train[:200]), show_progress=False)
    with threadpool_limits(1, user_api="blas"):
        with Peak() as peak:
            fit, _ = timed(lambda: model.fit(plays, show_progress=False))
            lists, _ = timed(lambda: model.recommend(np.arange(plays.shape[0]), plays, N=K))
        found = {"fit": fit, "lists": lists, "MiB": peak.grown}
        shown = old(judged.shown)
        fold_in = {"recalculate_user": True} if name == "ALS" else {}
        if name == "ALS":
            found["lists with solve"], _ = timed(
                lambda: model.recommend(np.arange(plays.shape[0]), plays, N=K, **fold_in)
            )
        ids, scores = model.recommend(np.arange(shown.shape[0]), shown, N=K, **fold_in)
    ended = (scores <= -1e30) | ((scores == 0) & (name != "ALS"))
    return found | quality(judged, np.where(ended, -1, ids).astype(np.int32))


def old(matrix: sparse.csr_array) -> sparse.csr_matrix:
    """The kind of matrix that implicit takes, with 32-bit indices."""
    made = sparse.csr_matrix(matrix)
    made.indptr, made.indices = made.indptr.astype(np.int32), made.indices.astype(np.int32)
    return made


def quality(judged: Judged, items: np.ndarray) -> dict[str, float]:
    scores = judged.score(items)
    return {m: float(scores[m].mean() or 0.0) for m in ("ndcg@100", "recall@20")}


def worker(asked: argparse.Namespace) -> None:
    with np.load(asked.log, allow_pickle=False) as kept:
        plays = sparse.csr_array(
            (np.ones(len(kept["indices"]), np.float32), kept["indices"], kept["indptr"]),
            shape=tuple(kept["shape"]),
        )
    cut = split(plays, min(plays.shape[0] // 6, 2000))
    whose, _, name = asked.worker.partition(" ")
    work, size = ours if whose == "cineloop" else theirs, (asked.factors, asked.iterations)
    if asked.tune:
        found = [
            (work(name, cut.train, cut.validation, *size, knobs), knobs) for knobs in GRIDS[asked.worker]
        ]
        score, knobs = max(found, key=lambda pair: pair[0]["ndcg@100"])
        print(json.dumps(knobs | {"ndcg@100": score["ndcg@100"]}))
    else:
        knobs = KNOBS.get((asked.name, asked.worker), {})
        print(json.dumps(work(name, cut.train, cut.test, *size, knobs)))


def run(asked: argparse.Namespace, file: Path, name: str, system: str, *more: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--worker", system, "--log", str(file), "--name", name, *more]
    command += ["--factors", str(asked.factors), "--iterations", str(asked.iterations)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=PLAYS)
    parser.add_argument("--logs", default="ml-1m,generated")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--tune", action="store_true", help="only choose the knobs of both ALS")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        worker(asked)
        return
    print(
        f"Measured on {described(*PACKAGES)}. ALS: {asked.factors} factors, {asked.iterations} iterations; "
        f"item-item: {K}"
    )
    print(f"neighbours. Medians of {asked.repeats} runs in turn, seconds.")
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.logs.split(","):
            plays = log(name, asked.data)
            file = Path(folder) / f"{name}.npz"
            np.savez(file, indptr=plays.indptr, indices=plays.indices, shape=np.array(plays.shape))
            print(
                f"\n## {name}: {plays.nnz:,} plays, {plays.shape[0]:,} members, {plays.shape[1]:,} titles\n"
            )
            if asked.tune:
                for system in GRIDS:
                    print(f"{system}: {run(asked, file, name, system, '--tune')}", flush=True)
                continue
            print("| system | training | lists of 100 | both | peak MiB | NDCG@100 | recall@20 |")
            print("|---|---|---|---|---|---|---|", flush=True)
            for pair in PAIRS:
                runs: dict[str, list[dict[str, float]]] = {system: [] for system in pair}
                for _ in range(asked.repeats):
                    for system in pair:
                        runs[system].append(run(asked, file, name, system))
                table(pair, runs)


def table(pair: tuple[str, str], runs: dict[str, list[dict[str, float]]]) -> None:
    def median(system: str, *parts: str) -> float:
        return statistics.median(sum(r[part] for part in parts) for r in runs[system])

    for system in pair:
        extra = ""
        if "lists with solve" in runs[system][0]:
            extra = f" ({median(system, 'lists with solve'):.2f} with solve)"
        print(
            f"| {system} | {median(system, 'fit'):.2f} | {median(system, 'lists'):.2f}{extra} "
            f"| {median(system, 'fit', 'lists'):.2f} | {median(system, 'MiB'):.0f} "
            f"| {median(system, 'ndcg@100'):.4f} | {median(system, 'recall@20'):.4f} |"
        )
    a, b = pair
    cells = [median(a, *p) / median(b, *p) for p in (("fit",), ("lists",), ("fit", "lists"), ("MiB",))]
    print(f"| ours / theirs | {' | '.join(f'{c:.2f}' for c in cells)} | | |", flush=True)


if __name__ == "__main__":
    main()
