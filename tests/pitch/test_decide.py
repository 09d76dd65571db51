"""The wing's decisions: what made them, what they rest on, and that nothing later than their day is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from film_csv import write_table
from pitch_world import films_of_the_world

from cineloop.errors import InputError
from cineloop.guard import Denied, Interval
from cineloop.pitch.brief import Pitch
from cineloop.pitch.candidates import SlateBrief
from cineloop.pitch.decide import comparables, forecast, slate, whatif
from cineloop.pitch.desk import desk, end_of
from cineloop.pitch.history import held, of_errors
from cineloop.pitch.models.calibration import Errors
from cineloop.pitch.report import decision_json
from cineloop.store import ingest
from cineloop.store.sources.imdb_stats import ImdbStats
from cineloop.studio import Studio, open_studio

ROOT = Path(__file__).parents[2]
DAY = date(2008, 6, 30)
PITCH = Pitch(
    name="A Quiet Harbour",
    decided=DAY,
    genres=("Horror",),
    budget=2e7,
    release=date(2010, 3, 1),
    country="United States",
    companies=("company 10",),
    directors=("director 7",),
)
WORLD = films_of_the_world(years=range(1998, 2011), a_year=45)


def workspace(folder: Path, films: pl.DataFrame, *, budgets: bool = True) -> Studio:
    studio = open_studio(folder / "studio", create=True)
    ingest(studio.store, ImdbStats(write_table(films, folder / "films.csv", budgets=budgets), "world"))
    return studio


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = workspace(tmp_path_factory.mktemp("pitch"), WORLD)
    yield made
    made.close()


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A workspace whose films tell no budgets."""
    made = workspace(tmp_path_factory.mktemp("blind"), WORLD, budgets=False)
    yield made
    made.close()


def test_a_forecast_names_what_made_it_and_what_it_rests_on(studio: Studio) -> None:
    decision = forecast(studio, PITCH)
    found = decision.answer
    assert decision.action == "pitch.forecast" and decision.verdict.rules == ("policy:pitch-with-evidence",)
    assert decision.uncertainty == Interval(low=found.interval[0], high=found.interval[1], level=0.8)
    assert found.interval[0] < found.median < found.interval[1]
    assert decision.inputs.as_of == datetime(2008, 6, 30, 23, 59, 59, 999_999, tzinfo=UTC)
    assert decision.inputs.snapshot == studio.store.head().id
    (run,) = [part.ref for part in decision.made_by if part.kind == "run"]
    made = studio.lab.run(run)
    assert (made.recipe, made.as_of) == ("audience", end_of(DAY))
    kinds = {e.kind for e in decision.evidence}
    assert kinds == {"comparable", "driver"}
    assert {t.name for t in found.thresholds} == {"break-even", "top decile"}
    kept = studio.guard.audit(last=1)[0]
    assert (kept["decision"], kept["action"]) == (decision.id, "pitch.forecast")


def test_what_is_made_is_not_made_again(studio: Studio) -> None:
    first, again = forecast(studio, PITCH), forecast(studio, PITCH)
    assert first.id != again.id and first.inputs == again.inputs and first.evidence == again.evidence
    assert first.answer.interval == again.answer.interval
    assert len([r for r in studio.lab.runs("audience") if r.as_of == end_of(DAY)]) == 1
    assert desk(studio, DAY, "greenlight") is desk(studio, DAY, "greenlight")


def test_later_films_change_nothing(studio: Studio, tmp_path: Path) -> None:
    shorter = workspace(tmp_path, WORLD.filter(pl.col("released") <= DAY))
    assert shorter.store.head().id != studio.store.head().id
    here, there = forecast(studio, PITCH), forecast(shorter, PITCH)
    assert here.answer.interval == there.answer.interval and here.evidence == there.evidence
    shorter.close()


def test_the_live_run_answers_unless_it_knows_more_than_the_day(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = desk(studio, DAY, "greenlight").run
    for moved, used in ((timedelta(days=-200), True), (timedelta(days=1), False)):
        other = desk(studio, DAY + moved, "greenlight").run
        monkeypatch.setattr(studio.lab, "live", lambda name, run=other: run)
        assert desk(studio, DAY, "greenlight").run.id == (other.id if used else own.id)
        monkeypatch.undo()


def test_a_person_who_objects_is_no_reason(tmp_path: Path) -> None:
    studio = workspace(tmp_path, WORLD)
    before = comparables(studio, PITCH, 60)
    assert any("director 7" in e.about.casefold() for e in before.evidence)
    people = studio.view(end_of(DAY)).table("people").collect()
    (person,) = people.filter(pl.col("name") == "director 7")["person"].unique().to_list()
    studio.guard.object(person)
    after = comparables(studio, PITCH, 60)
    assert len(after.evidence) == 60 and not any("director 7" in e.about.casefold() for e in after.evidence)
    assert "people" in after.answer.untold
    studio.close()


def test_what_if_is_the_forecast_of_the_changed_pitch(studio: Studio) -> None:
    change = {"genres": ["Drama"], "budget": 4e7}
    decision = whatif(studio, PITCH, [change, {"directors": ["director 9"]}], tell=False)
    moved, people = decision.answer.variants
    other = forecast(studio, Pitch.checked(PITCH.model_dump() | change)).answer
    base = forecast(studio, PITCH).answer
    assert moved.factor == pytest.approx(other.median / base.median, rel=1e-9)
    assert people.silent and people.factor == 1.0 and not moved.silent
    assert {e.ref for e in decision.evidence} == {"genres", "budget", "directors"}


def test_without_budgets_the_forecast_is_wide_and_says_so(studio: Studio, blind: Studio) -> None:
    decision = forecast(blind, PITCH)
    found, full = decision.answer, forecast(studio, PITCH).answer
    (run,) = [part.ref for part in decision.made_by if part.kind == "run"]
    assert blind.lab.run(run).recipe == "audience-unbudgeted"
    assert [t.name for t in found.thresholds] == ["top decile"]
    assert any(said.startswith("budget 20,000,000 USD") for said in found.outside)
    assert "budget" not in {d.name for d in found.drivers}
    assert found.interval[1] / found.interval[0] > full.interval[1] / full.interval[0]
    dearer = whatif(blind, PITCH, [{"budget": 8e7}]).answer.variants[0]
    assert dearer.silent and dearer.factor == 1.0


def test_intervals_without_budgets_hold_on_later_films(blind: Studio) -> None:
    found = held(desk(blind, date(2010, 12, 31), "greenlight"))
    assert found is not None
    # 80% of some 200 films of years that the forecaster had not seen; four standard errors are 11%
    assert found.films > 150 and abs(found.whole.mean - 0.8) < 0.11


def test_years_are_judged_by_the_years_before_them() -> None:
    rng = np.random.default_rng(0)
    age = np.repeat(np.arange(6.0), 400)
    # the last year's errors are three times as large: its interval must not know
    error = rng.standard_normal(len(age)) * np.where(age == 0, 3.0, 1.0)
    found = of_errors(Errors(error, np.zeros(len(age)), np.zeros(len(age)), age), date(2020, 12, 31))
    assert found is not None
    assert [y.name for y in found.years] == ["2016", "2017", "2018", "2019", "2020"]
    shares = [y.held for y in found.years]
    assert all(abs(share - 0.8) < 0.08 for share in shares[:-1])  # four standard errors of 400
    # P(|3 z| < 1.2816) = 0.331 for a normal z
    assert abs(shares[-1] - 0.331) < 0.1


def test_a_slate_is_proven_and_names_its_solver(studio: Studio) -> None:
    brief = SlateBrief.read(ROOT / "examples" / "slate.toml").model_copy(update={"scenarios": 200})
    when = datetime(2026, 1, 1, tzinfo=UTC)
    decision = slate(studio, brief, as_of=when)
    found = decision.answer
    assert found.proven and found.cost <= brief.budget and decision.inputs.as_of == when
    assert [part.kind for part in decision.made_by] == ["solver"]
    assert {e.ref for e in decision.evidence} == set(found.titles)


def test_a_slate_forecasts_the_pitches_that_it_names(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "harbour.toml").write_text(
        'name = "A Quiet Harbour"\ndecided = 2008-06-30\ngenres = ["Horror"]\nbudget = 20000000\nrelease = 2010-03-01\n'
        'companies = ["company 10"]\ncountry = "United States"\n'
    )
    brief = SlateBrief.checked(
        {
            "budget": 5e7,
            "share": 0.5,
            "marketing": 0.3,
            "risk": 0.0,
            "correlation": {"market": 0.1, "genre": 0.1},
            "candidate": [
                {"name": "Harbour", "cost": 2e7, "year": 2010, "genre": "Horror", "pitch": "harbour.toml"}
            ],
        }
    )
    decision = slate(studio, brief, folder=tmp_path)
    assert decision.inputs.as_of == end_of(DAY)
    assert {p.kind for p in decision.made_by} == {"run", "solver"}
    # half the mean gross of the pitch, less what it costs and its marketing
    mean = forecast(studio, Pitch.read(tmp_path / "harbour.toml")).answer.mean
    assert decision.answer.expected == pytest.approx(0.5 * mean - 2.6e7, rel=0.05)


def test_every_decision_is_plain_json(studio: Studio) -> None:
    made = (
        forecast(studio, PITCH),
        comparables(studio, PITCH, 3),
        whatif(studio, PITCH, [{"budget": 3e7}], tell=False),
    )
    for decision in made:
        plain = json.loads(json.dumps(decision_json(decision), allow_nan=False))
        assert plain["id"] == decision.id and plain["answer"] and plain["verdict"]["allowed"]
    amounts = decision_json(made[0])["answer"]["predictive"]["amounts"][0]
    assert amounts == sorted(amounts) and amounts[1] == pytest.approx(made[0].answer.interval[0])


def test_a_refusal_makes_no_answer_and_is_audited(studio: Studio) -> None:
    strict = Studio(studio.folder, rules=())
    with pytest.raises(Denied) as refused:
        comparables(strict, PITCH)
    assert strict.guard.audit(last=1)[0]["decision"] == refused.value.decision
    strict.close()


def test_a_workspace_without_films_says_how_to_get_them(tmp_path: Path) -> None:
    empty = open_studio(tmp_path / "studio", create=True)
    with pytest.raises(InputError, match="cineloop data ingest"):
        forecast(empty, PITCH)
    few = workspace(tmp_path, WORLD.head(30))
    with pytest.raises(InputError, match="too few films"):
        forecast(few, PITCH)
    few.close()


def test_the_example_is_the_one_that_the_demo_forecasts() -> None:
    here = ROOT / "examples" / "pitch.toml"
    packaged = ROOT / "src" / "cineloop" / "pitch" / "examples" / "pitch.toml"
    assert here.read_bytes() == packaged.read_bytes()
    assert Pitch.read(here).decided == date(2014, 12, 31)
