"""How long a forecaster takes to train, to answer and to sweep variants, and what each of its levers is worth.

    python benchmarks/pitch.py --table FILE [--repeats 5] [--ablation]

FILE has the layout of `imdb_movie_stats_1980_2016.csv`. Everything is learnt as of 1 January 2013. Times are medians of
the repeats, after one run that compiles; training fits the whole forecaster, past forecasts for its calibration
included, and beside it the same number of plain LightGBM fits on the same films. A forecast is one pitch to its drivers
and chances, with the day's table prepared (as a service holds it) and from a bare table; the sweep is 1,000 variants of
a pitch at once. Peak memory is the largest resident size of the process less that before. One thread.

`--ablation` judges the forecaster (rolling origin 2008 to 2016, learnt anew each year from films released before)
without each lever in turn: the R2 that it loses, with an interval that takes years whole.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import polars as pl

from cineloop.pitch.brief import MOMENTS, Pitch
from cineloop.pitch.evaluate import CONTENDERS, Contender, evaluate, hierarchical
from cineloop.pitch.forecast import Known, forecast, forecasts
from cineloop.pitch.models import peers
from cineloop.pitch.models.audience import AudienceModel, Knobs, fit_films
from cineloop.titles.films import films_of_table
from machine import described

DAY = date(2013, 1, 1)
BARS = {"training": 60.0, "forecast, table prepared": 0.05, "1,000 variants": 2.0}
PITCH = Pitch(
    name="The Long Way Home",
    decided=DAY,
    moment="release",
    release=date(2013, 6, 14),
    genres=("Action",),
    budget=8e7,
    certificate="PG-13",
    runtime=118,
    country="United States",
    companies=("Universal Pictures",),
)
LEVERS: dict[str, Knobs] = {
    "without genre": Knobs(without=("genre",)),
    "without country": Knobs(without=("country",)),
    "without company": Knobs(without=("company",)),
    "without franchise": Knobs(without=("franchise",)),
    "without certificate": Knobs(without=("certificate",)),
    "without season": Knobs(without=("season",)),
    "without runtime": Knobs(without=("runtime",)),
    "without trees": Knobs(share=0.0),
    "half trees": Knobs(share=0.5),
    "all years alike": Knobs(half_life=1e6),
    "half-life 6 years": Knobs(half_life=6.0),
}


def median(work: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak() -> float:
    """The largest resident size so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def speed(films: pl.DataFrame, repeats: int) -> None:
    model: AudienceModel = fit_films(films, DAY, "release")  # compiles
    before = peak()
    train = median(lambda: fit_films(films, DAY, "release"), max(1, repeats // 2))
    grown = peak() - before
    boosted = median(lambda: peers.plain_lightgbm(films, DAY, "release", "worldwide"), max(1, repeats // 2))
    known = Known(films, DAY)
    variants = [PITCH.model_copy(update={"budget": 1e6 + 2e5 * i}) for i in range(1000)]
    forecast(model, PITCH, known)
    rows = {
        "training": train,
        "training, as many LightGBM fits": boosted,
        "forecast, table prepared": median(lambda: forecast(model, PITCH, known), 10 * repeats),
        "forecast, bare table": median(lambda: forecast(model, PITCH, films), repeats),
        "1,000 variants": median(lambda: forecasts(model, variants, known), repeats),
    }
    print("| what | seconds | bar |\n|---|---|---|")
    for name, seconds in rows.items():
        print(f"| {name} | {seconds:.3f} | {BARS.get(name, '')} |")
    print(
        f"\ntraining took {train / boosted:.2f} times as long as LightGBM's fits and grew by {grown:.0f} MiB"
    )


def ablation(films: pl.DataFrame) -> None:
    contenders: dict[str, Contender] = {"hierarchical": CONTENDERS["hierarchical"]}
    contenders |= {name: hierarchical(knobs) for name, knobs in LEVERS.items()}
    made = evaluate(films, date(2008, 1, 1), refit="yearly", contenders=contenders)
    for moment in MOMENTS:
        print(f"\n{moment}: R2 {made.of('hierarchical', moment).metrics['r2']}\n")
        print("| lever | R2 lost | interval score lost |\n|---|---|---|")
        for name in LEVERS:
            gains = made.of(name, moment).gains
            print(f"| {name} | {gains['r2']} | {gains['interval_score']} |")


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--table", type=Path, required=True)
    parse.add_argument("--repeats", type=int, default=5)
    parse.add_argument("--ablation", action="store_true")
    asked = parse.parse_args()
    films = films_of_table(asked.table, lambda _: None)
    print(described("numpy", "scipy", "numba", "polars", "lightgbm"))
    if asked.ablation:
        ablation(films)
    else:
        speed(films, asked.repeats)


if __name__ == "__main__":
    main()
