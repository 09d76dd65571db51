"""How well hours viewed of a service's new titles are forecast: train on earlier half years, test on the next.

A folder of Netflix's engagement reports, its weekly global Top 10 and an older catalogue. For each half year with one
before it: the titles first shown in it, forecast from the half years that had ended (what the service itself knows; the
row `published` is an outsider, who has only the reports that were out by then). Judged in logs: mean absolute error,
R2, share within a factor of two, coverage, width and interval score (Gneiting & Raftery, JASA 2007) of the 80%
interval; beside medians by kind, language and genre of the same training titles, with differences in pairs. Intervals
resample series, so that seasons of one are one witness.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.lab.statistics import Interval, interval, paired
from cineloop.pitch.hours import Known, Report, features, fit_hours, series_key
from cineloop.store.sources.catalogue_csv import CatalogueCsv, is_catalogue
from cineloop.store.sources.netflix_engagement import NetflixEngagement, half_year, is_netflix_engagement
from cineloop.store.sources.netflix_top10 import NetflixTop10, is_netflix_top10
from cineloop.titles.entities import entities_in, tables_of
from cineloop.titles.resolve import match

Floats = NDArray[np.float64]

LEVEL = 0.8
"""Of the interval that is judged."""

MEDIANS: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "kind": ("form",),
    "language": ("language",),
    "genre": ("genre",),
    "kind and language": ("form", "language"),
    "kind and genre": ("form", "genre"),
}
"""Baselines: the median hours of the training titles that agree in these columns, else of all of them."""

LEAST = 5
"""Training titles that a median must rest on."""


@dataclass(frozen=True)
class Baseline:
    """A median's absolute error, and how much the model's is below it, title by title."""

    name: str
    error: Interval
    gain: Interval


@dataclass(frozen=True)
class Tested:
    """One half year, forecast from earlier ones. Errors are of natural logs; so is `width`, of the interval."""

    half: str
    trained: tuple[str, ...]
    published: bool
    titles: int
    error: Interval
    r2: float
    within_two: Interval
    coverage: Interval
    width: float
    interval_score: Interval
    score_gain: Interval
    baselines: tuple[Baseline, ...]


@dataclass(frozen=True)
class MatchRate:
    """Of the titles first shown in a half year, how many were found elsewhere, among those that could be."""

    half: str
    where: str
    found: int
    of: int


@dataclass(frozen=True)
class StreamingEvaluation:
    """All half years, and how many titles were matched to other sources."""

    tests: tuple[Tested, ...]
    matches: tuple[MatchRate, ...]

    def table(self) -> pl.DataFrame:
        """One row a test and contender: mean absolute error with its interval, and the model's gain over it."""
        rows: list[tuple[str | int | float | None, ...]] = []
        for test in self.tests:
            view = f"{test.half}{', published' if test.published else ''}"
            common = (view, test.titles)
            rows.append((*common, "model", *_three(test.error), None, None, None))
            rows += [
                (*common, f"median by {b.name}", *_three(b.error), *_three(b.gain)) for b in test.baselines
            ]
        names = (
            "half",
            "titles",
            "contender",
            "error",
            "error_low",
            "error_high",
            "gain",
            "gain_low",
            "gain_high",
        )
        return pl.DataFrame(rows, schema=names, orient="row")

    def __str__(self) -> str:
        lines = []
        for t in self.tests:
            view = "published reports only" if t.published else "reports on half years that had ended"
            lines += [
                f"{t.half}: {t.titles} new titles, trained on {', '.join(t.trained)} ({view})",
                f"  error of log hours {t.error}, R2 {t.r2:.3f}, within a factor of two {t.within_two}",
                f"  {LEVEL:.0%} interval: holds {t.coverage}, ×/÷ {np.exp(t.width / 2):.2f}, score {t.interval_score}, "
                f"better than quantiles by kind by {t.score_gain}",
            ]
            lines += [
                f"  median by {b.name}: {b.error}, the model is better by {b.gain}" for b in t.baselines
            ]
        lines += [f"{m.half}: {m.found} of {m.of} found in {m.where}" for m in self.matches]
        return "\n".join(lines)


def evaluate_streaming(folder: Path) -> StreamingEvaluation:
    """Evaluate on the reports, lists and catalogues that a folder holds, told by their contents.

    InputError where there are no two consecutive reports. XLSX files need the extra `xlsx`.
    """
    reports = _reports(folder)
    if len(reports) < 2:
        raise InputError(
            "too few engagement reports", file=folder, value=len(reports), accepted="two half years or more"
        )
    known, matches = _known(folder, reports)
    tests: list[Tested] = []
    for i in range(1, len(reports)):
        views = [(reports[:i], False)]
        out = [r for r in reports[:i] if r.known_at <= reports[i].starts_at]
        if out and len(out) < i:
            views.append((out, True))
        for before, published in views:
            frames = [features(r, before, known) for r in before]
            tests.append(
                judge(
                    frames,
                    features(reports[i], before, known),
                    [r.name for r in before],
                    reports[i].name,
                    published,
                )
            )
    return StreamingEvaluation(tuple(tests), tuple(matches))


def judge(
    train: Sequence[pl.DataFrame],
    test: pl.DataFrame,
    trained: Sequence[str],
    half: str,
    published: bool = False,
) -> Tested:
    """Fit on some frames of features, forecast another, and judge."""
    predictive = fit_hours(train).predict(test)
    y = test["hours"].log().to_numpy()
    units = [series_key(title.partition(":")[2]) for title in test["title"]]
    middle = np.log(predictive.median)
    low, high = np.log(predictive.interval(LEVEL)).T
    error = np.abs(y - middle)
    whole = pl.concat(train)
    quantiles = [
        _grouped(whole, test, ("form",), pl.col("hours").quantile(q))
        for q in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    ]
    score, plain = _interval_score(y, low, high), _interval_score(y, *quantiles)
    baselines = []
    for name, columns in MEDIANS.items():
        theirs = np.abs(y - _grouped(whole, test, columns, pl.col("hours").median()))
        baselines.append(Baseline(name, interval(theirs, units), paired(theirs, error, units)))
    return Tested(
        half,
        tuple(trained),
        published,
        len(test),
        interval(error, units),
        float(1 - ((y - middle) ** 2).sum() / ((y - y.mean()) ** 2).sum()),
        interval((error < np.log(2)).astype(float), units),
        interval(((y >= low) & (y <= high)).astype(float), units),
        float((high - low).mean()),
        interval(score, units),
        paired(plain, score, units),
        tuple(baselines),
    )


def _three(found: Interval) -> tuple[float, float, float]:
    return found.mean, found.low, found.high


def _grouped(train: pl.DataFrame, test: pl.DataFrame, columns: Sequence[str], value: pl.Expr) -> Floats:
    """(n,) log of a statistic of the training titles that agree in the columns; of all where there are too few."""
    of_all = float(train.select(value).item())
    if not columns:
        return np.full(len(test), np.log(of_all))
    groups = (
        train.group_by(columns).agg(value.alias("_value"), pl.len().alias("_n")).filter(pl.col("_n") >= LEAST)
    )
    joined = test.join(groups, on=list(columns), how="left", maintain_order="left")
    return joined["_value"].fill_null(of_all).log().to_numpy()


def _interval_score(y: Floats, low: Floats, high: Floats) -> Floats:
    """(n,) width, and 2/(1 - level) times the distance to the outcome where it lies outside."""
    missed = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    return np.asarray((high - low) + 2.0 / (1.0 - LEVEL) * missed)


def _reports(folder: Path) -> list[Report]:
    found: dict[datetime, Report] = {}
    for path in sorted(folder.glob("*.xlsx")):
        if not is_netflix_engagement(path):
            continue
        tables = tables_of(NetflixEngagement(path))
        starts = tables["engagement"]["starts_at"][0]
        half = half_year(starts.year, 1 if starts.month == 1 else 2)
        found[starts] = Report(
            tables["titles"],
            tables["engagement"],
            frozenset(tables["releases"]["title"]) if "releases" in tables else frozenset(),
            half.starts_at,
            half.ends_at,
            half.known_at,
        )
    return [found[starts] for starts in sorted(found)]


def _known(folder: Path, reports: Sequence[Report]) -> tuple[Known, list[MatchRate]]:
    """What lists and catalogues of the folder say, and how many titles of the reports they hold."""
    facts: dict[str, tuple[str, float | None]] = {}
    for report in reports:  # the first report tells neither kinds nor running times: a later one may
        for title, kind, runtime in report.titles.select("title", "kind", "runtime").iter_rows():
            if kind != "series" and (runtime is not None or title not in facts):
                facts[title] = (kind, runtime)
    listed: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for path in _files(folder, (".tsv",)):
        if is_netflix_top10(path):
            rows = tables_of(NetflixTop10(path))["engagement"].drop_nulls("hours")
            for title, hours, at in rows.select("title", "hours", "known_at").iter_rows():
                kind, _, name = title.partition(":")[2].partition("/")
                listed[series_key(name, "film" if kind == "film" else "season")].append((at, hours))
    genres: dict[str, tuple[datetime, str]] = {}
    for path in _files(folder, (".csv",)):
        if is_catalogue(path):
            genres |= _genres(path, reports)
    known = Known(listed, genres, facts)
    return known, list(_rates(reports, known))


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix in suffixes and path.is_file()]


def _genres(path: Path, reports: Sequence[Report]) -> dict[str, tuple[datetime, str]]:
    """The first genre of each series with a new season that the catalogue holds too, and since when."""
    tables = tables_of(CatalogueCsv(path))
    said = {
        t: (k, g[0]) for t, k, g in tables["titles"].select("title", "known_at", "genres").iter_rows() if g
    }
    theirs = entities_in(tables)
    found: dict[str, tuple[datetime, str]] = {}
    for report in reports:
        fresh = report.titles.filter(pl.col("released") >= report.starts_at)["parent"].drop_nulls().unique()
        whole = report.titles.filter(pl.col("title").is_in(fresh.implode()))
        mine = entities_in({"titles": whole}, year_of_release=False, until=report.starts_at.year)
        for pair in match(mine, [e for e in theirs if e.kind == "series"]):
            if pair.right in said:
                text = pair.left.partition(":")[2].removesuffix(" (series)")
                found.setdefault(series_key(text, "season"), said[pair.right])
    return found


def _rates(reports: Sequence[Report], known: Known) -> Iterator[MatchRate]:
    """Matches of the titles first shown in each half year but the first."""
    for last, report in pairwise(reports):
        frame = features(report, reports, known)
        later = frame.filter(pl.col("form") == "later season")
        before = {
            series_key(t.partition(":")[2], known.facts.get(t, (k,))[0])
            for t, k in last.titles.select("title", "kind").iter_rows()
            if k != "series"
        }
        keys = [series_key(t.partition(":")[2], "season") for t in later["title"]]
        yield MatchRate(
            report.name, f"{last.name}'s report (later seasons)", sum(k in before for k in keys), len(keys)
        )
        yield MatchRate(
            report.name,
            "weekly lists before the release (later seasons)",
            int((later["standing"] == "listed").sum()),
            len(later),
        )
        yield MatchRate(
            report.name,
            "the catalogue (later seasons)",
            int((later["genre"] != "not known").sum()),
            len(later),
        )
        yield MatchRate(
            report.name, "the catalogue (all)", int((frame["genre"] != "not known").sum()), len(frame)
        )
