"""Hours viewed of new streaming titles: what may be known of them, and how the forecast is judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cineloop.errors import InputError
from cineloop.pitch.hours import Known, Report, features, fit_hours, series_key
from cineloop.pitch.streaming import evaluate_streaming, judge
from cineloop.store.sources.netflix_engagement import half_year

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "titles"
NOTHING = Known({}, {}, {})


def report(year: int, half: int, rows: list[dict[str, Any]]) -> Report:
    """Rows: text, kind, hours, released (None: long ago), runtime."""
    period = half_year(year, half)
    titles = pl.DataFrame(
        {
            "title": [f"n:{r['text']}" for r in rows],
            "kind": [r.get("kind", "film") for r in rows],
            "released": pl.Series([r.get("released") for r in rows], dtype=pl.Datetime("us", "UTC")),
            "runtime": pl.Series([r.get("runtime", 100.0) for r in rows], dtype=pl.Float64),
        }
    )
    engagement = titles.select("title").with_columns(
        hours=pl.Series([r["hours"] for r in rows], dtype=pl.Float64)
    )
    return Report(
        titles, engagement, frozenset(titles["title"]), period.starts_at, period.ends_at, period.known_at
    )


def made(year: int, half: int, titles: int, seed: int, shuffled: bool = False) -> Report:
    """A half year in which hours follow running time, kind, language and time left, with noise."""
    rng = np.random.default_rng(seed)
    start = half_year(year, half).starts_at
    rows, logs = [], []
    for i in range(titles):
        film = bool(rng.random() < 0.5)
        runtime = float(rng.uniform(80, 150) if film else rng.uniform(150, 700))
        wait = int(rng.integers(0, 175))
        korean = bool(rng.random() < 0.3)
        name = f"Title {seed}x{i}" + ("" if film else ": Season 1") + (" // 제목" if korean else "")
        logs.append(
            14 + 0.7 * np.log(runtime) + 0.8 * korean + 0.5 * np.log(182 - wait) + 0.5 * rng.standard_normal()
        )
        rows.append(
            {
                **{"text": name, "kind": "film" if film else "season", "runtime": runtime},
                **{"released": start + timedelta(days=wait)},
            }
        )
    hours = np.exp(rng.permutation(logs) if shuffled else logs)
    return report(year, half, [{**r, "hours": float(h)} for r, h in zip(rows, hours, strict=True)])


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("Lupin: Part 3", "Lupin: Part 1", "season"),
        ("Stranger Things 4", "Stranger Things", "season"),
        ("Elite: Season 7 // Élite: Temporada 7", "Elite: Season 6", "season"),
        ("Extraction 2", "Extraction", "film"),
    ],
)
def test_seasons_and_sequels_share_a_key(one: str, other: str, kind: str) -> None:
    assert series_key(one, kind) == series_key(other, kind)


def test_a_film_and_a_series_of_one_name_do_not_share_a_key() -> None:
    assert series_key("Monster", "film") != series_key("Monster: Season 1", "season")


def test_features_are_of_the_titles_first_shown_in_the_half_year() -> None:
    start = day("2023-07-01")
    rows = [
        {"text": "New", "hours": 5.0, "released": start},
        {"text": "Old", "hours": 5.0, "released": day("2023-06-30")},
        {"text": "Licensed", "hours": 5.0},
        {"text": "Next", "hours": 5.0, "released": day("2024-01-01")},
    ]
    frame = features(report(2023, 2, rows), [], NOTHING)
    assert frame["title"].to_list() == ["n:New"]
    assert frame["left"][0] == pytest.approx(np.log(184))  # July to December


def test_earlier_seasons_count_only_as_far_as_they_were_known() -> None:
    first = report(
        2023, 1, [{"text": "Dark: Season 1", "kind": "season", "hours": 3e6, "released": day("2023-02-01")}]
    )
    second = report(
        2023, 2, [{"text": "Dark: Season 2", "kind": "season", "hours": 9e9, "released": day("2023-09-01")}]
    )
    lists = {series_key("Dark", "season"): [(day("2023-08-30"), 2e6), (day("2023-09-02"), 7e7)]}
    row = features(second, [first, second], replace(NOTHING, listed=lists)).row(0, named=True)
    assert row["earlier"] == pytest.approx(np.log(3e6 + 1e5))  # the last report's hours, not its own
    assert row["listed"] == pytest.approx(np.log(2e6 + 1e6))  # the list of the week after is not known yet
    alone = features(second, [second], NOTHING).row(0, named=True)
    assert alone["earlier"] is None


def test_a_genre_that_is_known_later_is_not_known() -> None:
    rows = [{"text": "Dark: Season 2", "kind": "season", "hours": 5.0, "released": day("2023-09-01")}]
    key = series_key("Dark", "season")
    for since, genre in (("2023-06-30", "TV Dramas"), ("2023-07-02", "not known")):
        known = replace(NOTHING, genres={key: (day(since), "TV Dramas")})
        assert features(report(2023, 2, rows), [], known)["genre"].to_list() == [genre]


def test_nothing_of_the_titles_own_hours_is_in_its_features() -> None:
    one, other = made(2023, 2, 60, seed=3), made(2023, 2, 60, seed=3, shuffled=True)
    assert features(one, [], NOTHING).drop("hours").equals(features(other, [], NOTHING).drop("hours"))
    assert not one.engagement["hours"].equals(other.engagement["hours"])


def test_a_forecast_beats_the_medians_and_keeps_its_interval() -> None:
    train = [features(made(2023, 1, 250, seed=1), [], NOTHING)]
    test = features(made(2023, 2, 250, seed=2), [], NOTHING)
    judged = judge(train, test, ["2023H1"], "2023H2")
    assert all(b.gain.above_zero for b in judged.baselines)
    # the noise alone has a mean absolute error of 0.5 times the square root of 2/pi: 0.40
    assert 0.36 < judged.error.mean < 0.47
    assert judged.coverage.low < 0.8 < judged.coverage.high
    assert judged.score_gain.above_zero


def test_shuffled_hours_cannot_be_forecast() -> None:
    train = [features(made(2023, 1, 250, seed=1, shuffled=True), [], NOTHING)]
    test = features(made(2023, 2, 250, seed=2, shuffled=True), [], NOTHING)
    judged = judge(train, test, ["2023H1"], "2023H2")
    assert abs(judged.r2) < 0.06
    assert not any(b.gain.above_zero and b.gain.mean > 0.05 for b in judged.baselines if b.name == "all")


def test_the_same_frames_give_the_same_forecast() -> None:
    train, test = (
        [features(made(2023, 1, 80, seed=1), [], NOTHING)],
        features(made(2023, 2, 40, seed=2), [], NOTHING),
    )
    assert np.array_equal(fit_hours(train).predict(test).logs, fit_hours(train).predict(test).logs)


def test_a_folder_without_two_reports_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too few engagement reports"):
        evaluate_streaming(tmp_path)


@pytest.mark.soak
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/titles")
def test_new_netflix_titles_are_forecast_better_than_by_medians() -> None:
    found = evaluate_streaming(DATA)
    assert [(t.half, t.published) for t in found.tests] == [
        ("2023H2", False),
        ("2024H1", False),
        ("2024H1", True),
    ]
    for judged in found.tests:
        assert all(b.gain.low > 0.1 for b in judged.baselines)
        assert judged.r2 > 0.35
        assert judged.coverage.high > 0.8 > judged.coverage.low
    rates = {(m.half, m.where): m.found / m.of for m in found.matches}
    assert rates["2023H2", "2023H1's report (later seasons)"] > 0.9
    assert found.table().height == 3 * 7
