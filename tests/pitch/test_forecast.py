"""Forecasts in a world whose rules are known, saved and loaded, wider where something is missing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pitch_world import COMPANIES, GENRES, films_of_the_world

from cineloop.errors import InputError
from cineloop.pitch.brief import Moment, Pitch
from cineloop.pitch.forecast import Known, forecast, forecasts
from cineloop.pitch.models import evidence
from cineloop.pitch.models.audience import AudienceModel, fit_films
from cineloop.pitch.models.calibration import Errors, calibrate
from cineloop.pitch.models.trees import grow

FILMS = films_of_the_world()
DAY = date(2013, 1, 1)
PITCH = Pitch(
    name="A New Story",
    decided=date(2013, 3, 1),
    moment="release",
    release=date(2013, 6, 1),
    genres=("Comedy",),
    budget=2e7,
    certificate="PG",
    runtime=105,
    country="United States",
    companies=("Company 6",),
)


@pytest.fixture(scope="module")
def model() -> AudienceModel:
    return fit_films(FILMS, DAY, "release")


@pytest.fixture(scope="module")
def early() -> AudienceModel:
    return fit_films(FILMS, DAY, "greenlight")


def changed(**fields: object) -> Pitch:
    return Pitch.model_validate(PITCH.model_dump() | fields)


def test_what_was_put_in_is_found(model: AudienceModel) -> None:
    due = FILMS.filter(pl.col("released") >= DAY)
    said = model.predict(due, FILMS)
    # the world's own rule, without its noise
    truth = 1.3 + 0.95 * np.log(due["budget"].to_numpy())
    truth += [
        GENRES[g] + COMPANIES[c]
        for g, c in zip(due["genres"].list.first(), due["companies"].list.first(), strict=True)
    ]
    truth += 0.7 * due["name"].str.ends_with(" 2").to_numpy()
    assert np.abs(np.log(said.median) - truth).mean() < 0.25
    # noise 0.7 · exp(-0.25 · (log budget - 16.8)): the 80% interval is 2 · 1.2816 of it wide
    noise = 0.7 * np.exp(-0.25 * (np.log(due["budget"].to_numpy()) - 16.8))
    width = np.diff(np.log(said.interval(0.8)), axis=1)[:, 0]
    assert np.median(width / (2 * 1.2816 * noise)) == pytest.approx(1.0, abs=0.2)
    assert np.corrcoef(width, noise)[0, 1] > 0.9


def test_effects_point_where_they_should(model: AudienceModel) -> None:
    horror, drama = (forecast(model, changed(genres=(g,)), FILMS) for g in ("Horror", "Drama"))
    # e to 0.6 + 0.4
    assert np.log(horror.median / drama.median) == pytest.approx(1.0, abs=0.25)
    rich, poor = (forecast(model, changed(budget=b), FILMS) for b in (8e7, 8e6))
    assert np.log(rich.median / poor.median) == pytest.approx(0.95 * np.log(10), abs=0.35)
    assert np.log(rich.interval[1] / rich.interval[0]) < np.log(poor.interval[1] / poor.interval[0])


def test_drivers_add_up(model: AudienceModel) -> None:
    made = forecast(model, PITCH, FILMS)
    mean = np.log(made.typical) + sum(d.log for d in made.drivers)
    centre = made.predictive.mean_log[0]
    shift = model.calibration.quantiles.mean() * model.calibration.scale(np.array([16.8]), np.array([0.0]))[0]
    assert mean == pytest.approx(centre, abs=abs(shift) + 0.05)
    assert all(d.low <= d.factor <= d.high for d in made.drivers)


@pytest.mark.parametrize(
    "gone",
    [
        {"budget": None},
        {"genres": ()},
        {"companies": ()},
        {"companies": ("Never Heard Of",)},
    ],
)
def test_what_is_missing_widens_the_interval(model: AudienceModel, gone: dict[str, object]) -> None:
    full, less = forecast(model, PITCH, FILMS), forecast(model, changed(**gone), FILMS)
    width = [np.log(f.interval[1] / f.interval[0]) for f in (full, less)]
    assert width[1] > width[0] + 0.005
    assert less.unknown == tuple(k for k, v in gone.items() if not v)


@pytest.mark.parametrize("field", ["certificate", "runtime", "release", "country"])
def test_no_missing_field_narrows_it(model: AudienceModel, field: str) -> None:
    full, less = forecast(model, PITCH, FILMS), forecast(model, changed(**{field: None}), FILMS)
    width = [np.log(f.interval[1] / f.interval[0]) for f in (full, less)]
    # what does nothing here is missed by nobody: no wider, but for the doubt that its own value brings
    assert width[1] >= 0.995 * width[0]
    assert less.unknown == (field,)


def test_what_lies_outside_says_so(model: AudienceModel) -> None:
    assert forecast(model, PITCH, FILMS).outside == ()
    told = forecast(
        model, changed(budget=5e9, companies=("Never Heard Of",), franchise="No Such Film"), FILMS
    ).outside
    assert [t.split()[0] for t in told] == ["budget", "company", "franchise"]
    [late] = forecast(model, changed(release=date(2025, 1, 1)), FILMS).outside
    assert late.startswith("release in 2025")


def test_a_franchise_is_read_named_or_denied(model: AudienceModel) -> None:
    first = FILMS.filter(pl.col("released").dt.year() == 2011).row(0, named=True)
    second = forecast(model, changed(name=f"{first['name']} 2"), FILMS)
    named = forecast(model, changed(franchise=first["name"]), FILMS)
    denied = forecast(model, changed(name=f"{first['name']} 2", franchise=False), FILMS)
    assert second.earlier == named.earlier == first["title"]
    assert denied.earlier is None
    assert np.log(second.median / denied.median) == pytest.approx(0.7, abs=0.4)


def test_thresholds(model: AudienceModel) -> None:
    made = forecast(model, PITCH, FILMS, break_even=3.0)
    even, top = made.thresholds
    assert (even.name, even.amount, top.name) == ("break-even", 6e7, "top decile")
    assert even.chance == pytest.approx(float(made.predictive.chance(6e7)[0]))
    assert 0.0 < top.chance < 0.5
    assert [t.name for t in forecast(model, changed(budget=None), FILMS).thresholds] == ["top decile"]


def test_only_the_pitched_moment_is_answered(model: AudienceModel, early: AudienceModel) -> None:
    with pytest.raises(InputError, match="moment"):
        forecast(early, PITCH, FILMS)
    with pytest.raises(InputError, match="decided"):
        forecast(model, changed(decided=date(2012, 1, 1)), FILMS)


def test_greenlight_sees_no_certificate_runtime_or_day(early: AudienceModel) -> None:
    plain = changed(moment="greenlight", release=date(2015, 1, 2), certificate=None, runtime=None)
    finished = changed(moment="greenlight", release=date(2015, 12, 24), certificate="R", runtime=200)
    logs = [forecast(early, p, FILMS).predictive.logs for p in (plain, finished)]
    assert (logs[0] == logs[1]).all()


def test_many_at_once_are_the_same_as_one_by_one(model: AudienceModel) -> None:
    pitches = [changed(budget=b) for b in (1e6, 1e7, 1e8)]
    known = Known(FILMS, PITCH.decided)
    for one, made in zip(pitches, forecasts(model, pitches, known), strict=True):
        alone = forecast(model, one, FILMS)
        assert made.predictive.logs == pytest.approx(alone.predictive.logs, abs=1e-9)
        assert made.outside == alone.outside


@pytest.mark.parametrize("moment", ["greenlight", "release"])
def test_saved_and_loaded(tmp_path: Path, moment: Moment, request: pytest.FixtureRequest) -> None:
    made: AudienceModel = request.getfixturevalue("model" if moment == "release" else "early")
    made.save(tmp_path)
    back = AudienceModel.load(tmp_path)
    assert (back.predict(FILMS, FILMS).logs == made.predict(FILMS, FILMS).logs).all()
    again = tmp_path / "again"
    again.mkdir()
    back.save(again)
    for file in sorted(p.name for p in again.iterdir()):
        assert (again / file).read_bytes() == (tmp_path / file).read_bytes()
    (tmp_path / "mean.npy").write_bytes(b"junk")
    with pytest.raises(InputError, match="not a saved model"):
        AudienceModel.load(tmp_path)
    with pytest.raises(InputError, match="not a saved model"):
        AudienceModel.load(tmp_path / "nowhere")


def test_too_few_films() -> None:
    with pytest.raises(InputError, match="too few films"):
        fit_films(FILMS.head(50), DAY, "release")
    with pytest.raises(InputError, match="target"):
        fit_films(FILMS, DAY, "release", "popularity")


def test_variances_of_groups_are_found_again() -> None:
    # 80 levels of 25 rows, deviation 0.5, noise 1: the variances come back, and so does the shrinkage n / (n + 4)
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(80), 25)
    effects = rng.normal(0, 0.5, 80)
    y = effects[group] + rng.normal(0, 1, 2000)
    columns = np.eye(80)[group]
    made = evidence.fit(columns, [80], [False], y, np.ones(2000), steps=200, tolerance=1e-4)
    assert made.variances[0] == pytest.approx(effects.var(), rel=0.25)
    assert made.noise == pytest.approx(1.0, rel=0.1)
    means = np.bincount(group, y) / 25
    shrunk = means * 25 / (25 + made.noise / made.variances[0])
    assert made.mean == pytest.approx(shrunk, abs=1e-3)


def test_flat_terms_are_least_squares() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 3))
    y = x @ [1.0, -2.0, 0.5] + rng.normal(0, 0.1, 300)
    made = evidence.fit(x, [3], [True], y, np.ones(300))
    assert made.mean == pytest.approx(np.linalg.lstsq(x, y, rcond=None)[0], abs=1e-4)


def test_calibration_covers_with_the_scale_that_was_put_in() -> None:
    rng = np.random.default_rng(5)
    size = rng.normal(17, 1, 4000)
    error = rng.normal(0.2, 1, 4000) * np.exp(-0.3 * (size - 17))
    made = calibrate(Errors(error[:2000], size[:2000], np.zeros(2000), np.zeros(2000)))
    said = made.predictive(np.zeros(2000), size[2000:], np.zeros(2000)).quantile([0.1, 0.9])
    inside = (error[2000:] >= said[:, 0]) & (error[2000:] <= said[:, 1])
    for part in (size[2000:] < 16.5, size[2000:] > 17.5):
        # the standard error of a share of 0.8 in 600 films is 0.016
        assert inside[part].mean() == pytest.approx(0.8, abs=0.05)


def test_trees_find_what_goes_together() -> None:
    rng = np.random.default_rng(6)
    x, z = rng.normal(size=(2, 1500))
    frame = pl.DataFrame({"x": x, "z": z, "g": np.where(rng.random(1500) < 0.5, "a", "b")})
    truth = np.where((x > 0) & (z > 0), 2.0, 0.0) + np.where(frame["g"].to_numpy() == "a", 1.0, 0.0)
    y = truth + rng.normal(0, 0.3, 1500)
    forest = grow(frame, y, np.ones(1500), seed=0)
    assert np.abs(forest.predict(frame) - truth).mean() < 0.15
    again = grow(frame, y, np.ones(1500), seed=0)
    assert (again.predict(frame) == forest.predict(frame)).all()
