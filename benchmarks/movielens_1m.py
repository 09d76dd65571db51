"""MovieLens 1M under strong generalisation (Liang et al. 2018): every recipe in one table, and EASE against itself.

Ratings >= 4, members with >= 5, held-out members whose plays are split 80/20. The held-out plays are written to a
file and kept in the workspace. From that file and the log alone an independent EASE (a plain inverse, no code of the
platform's) is fitted and scored by its own reading of recall@20 and NDCG@100; ours must equal it to 1e-4 for every
member.

    python benchmarks/movielens_1m.py [--data ../shared/data/plays] [--workspace FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from cineloop.lab.heldout import write_heldout
from cineloop.lab.recommender import rankers
from cineloop.lab.splits import HeldOutMembers
from cineloop.play.comparison import comparison
from cineloop.play.evaluate import SIGNALS, evaluate
from cineloop.store import ingest
from cineloop.store.sources.mapped import Mapped
from cineloop.studio import Studio
from machine import described

ROOT = Path(__file__).parents[1]
CUT = HeldOutMembers(members=500, seed=98765)
L2 = 500.0


def workspace(data: Path, folder: Path) -> Studio:
    """The rebuilt log through its mapping file."""
    studio = Studio(folder, create=True)
    mapping = ROOT / "examples" / "mappings" / "ml-1m-rebuilt.toml"
    ingest(studio.store, Mapped.of(mapping, data / "ml-1m" / "ratings_reconstructed.parquet"))
    return studio


def independent(log: pl.DataFrame, heldout: pl.DataFrame) -> pl.DataFrame:
    """Rows (member, recall@20, ndcg@100) of an EASE written out from the paper, on the file's histories."""
    hidden = heldout.filter(pl.col("part") == "hidden")["member"].unique()
    liked = log.filter(pl.col("value") >= 4.0).select("profile", "title").unique()
    training = liked.filter(~pl.col("profile").is_in(hidden.implode()))
    titles = training["title"].unique().sort().to_list()
    column = {title: i for i, title in enumerate(titles)}
    row = {member: i for i, member in enumerate(training["profile"].unique().sort().to_list())}
    x = np.zeros((len(row), len(titles)))
    for member, title in training.rows():
        x[row[member], column[title]] = 1.0
    inverse = np.linalg.inv(x.T @ x + L2 * np.eye(len(titles)))
    b = -inverse / np.diag(inverse)
    np.fill_diagonal(b, 0.0)
    made = []
    for (member,), rows in heldout.filter(pl.col("part") != "hidden").group_by("member"):
        told = [column[t] for t in rows.filter(pl.col("part") == "history")["title"] if t in column]
        aims = set(rows.filter(pl.col("part") == "target")["title"])
        scores = b[told].sum(axis=0)
        scores[told] = -np.inf
        ranked = [titles[i] for i in np.argsort(-scores, kind="stable")[:100]]
        hits = [title in aims for title in ranked]
        gain = sum(hit / np.log2(i + 2) for i, hit in enumerate(hits))
        ideal = sum(1 / np.log2(i + 2) for i in range(min(100, len(aims))))
        made.append((member, sum(hits[:20]) / min(20, len(aims)), gain / ideal))
    return pl.DataFrame(made, schema=["unit", "recall@20", "ndcg@100"], orient="row").sort("unit")


def main() -> None:
    """Print the table and the largest difference to the independent EASE."""
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "plays")
    ask.add_argument("--workspace", type=Path)
    asked = ask.parse_args()
    studio = workspace(asked.data, asked.workspace or Path(tempfile.mkdtemp(prefix="ml-1m-")))
    view = studio.view()
    kept = studio.folder / "heldout-ml-1m.csv"
    write_heldout(CUT.folds(view, SIGNALS.interactions(view)), kept)
    judged = evaluate(studio.lab, view, rankers(), CUT)
    compared = comparison(studio.lab, judged)
    print(described("cineloop", "numpy", "scipy", "numba"))
    print(f"held-out plays, kept: {kept}\n")
    print("| recipe | recall@20 | NDCG@10 | NDCG@100 | NDCG@100 less popularity's |\n|---|---|---|---|---|")
    for s in compared.standings:
        cells = [str(s.figures[m].interval) for m in compared.metrics]
        print(f"| {' | '.join([s.contender, *cells, str(s.figures['ndcg@100'].difference or '')])} |")
    ours = studio.lab.scores(next(e for e in judged if e.contender == "ease")).sort("unit")
    theirs = independent(view.table("feedback").collect(), pl.read_csv(kept))
    assert ours["unit"].to_list() == theirs["unit"].to_list()
    for metric in ("recall@20", "ndcg@100"):
        worst = float((ours[metric] - theirs[metric]).abs().max())
        print(f"\nEASE, {metric}: largest difference of a member to the independent one {worst:.1e}")
        assert worst < 1e-4


if __name__ == "__main__":
    main()
