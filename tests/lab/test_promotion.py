from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from lab_doubles import Package, log, view_of

from cineloop.errors import InputError
from cineloop.lab import Lab
from cineloop.lab.evaluation import Evaluation
from cineloop.lab.promotion import Verdict
from cineloop.lab.run import Run
from cineloop.lab.splits import GlobalTime
from cineloop.lab.view import TrainingView

SNAPSHOT = log([("ann", "heat", 1), ("ann", "alien", 2), ("bob", "heat", 3)])
ALL = view_of(SNAPSHOT, day=100)
NAME = "play/home"


class Bench:
    """Makes contenders of one recipe under several knobs, whose scores a test lays down."""

    def __init__(self, lab: Lab, package: Package) -> None:
        self.lab, self.package = lab, package

    def refit(self, power: float, view: TrainingView = ALL) -> Run:
        return self.lab.train(self.package.recipe(power=power), view)

    def judge(
        self, power: float, shift: float = 0.0, *, stage: Any = "test", view: TrainingView = ALL
    ) -> Evaluation:
        """50 members over two days; each scores 0.5 on average, plus the shift, with a noise of its own."""
        runs = [
            self.refit(power, TrainingView(view.snapshot, view_of(SNAPSHOT, day).as_of)) for day in (10, 20)
        ]
        rng = np.random.default_rng(int(power * 10))
        base = np.tile(np.linspace(0.3, 0.7, 50), 2)
        frame = pl.DataFrame(
            {
                "fold": ["day1"] * 50 + ["day2"] * 50,
                "unit": [f"m{i:02}" for i in range(50)] * 2,
                "ndcg@100": base + shift + rng.normal(0, 0.01, 100),
            }
        )
        return self.lab.record(runs[0].label, GlobalTime(days=2, stage=stage), view.snapshot.id, runs, frame)


@pytest.fixture
def bench(lab: Lab, package: Package) -> Bench:
    return Bench(lab, package)


def promote(bench: Bench, power: float, evidence: Evaluation, against: Evaluation, **other: Any) -> Any:
    return bench.lab.promote(NAME, bench.refit(power), evidence, against, metric="ndcg@100", by="me", **other)


def test_the_first_goes_live_where_it_beats_the_baseline(bench: Bench, open_lab: Callable[[], Lab]) -> None:
    baseline, better = bench.judge(1.0), bench.judge(2.0, 0.05)
    chosen = bench.judge(2.0, 0.04, stage="validation")
    assert bench.lab.live(NAME) is None
    verdict = promote(bench, 2.0, better, baseline)
    assert verdict.promoted and verdict.margin == 0.0 and verdict.difference.above_zero
    assert verdict.why.startswith("ndcg@100 of counting(power=2.0) less that of counting is 0.05")
    assert verdict.why.endswith("above zero") and verdict.difference.n == 50
    other = open_lab()
    assert other.live(NAME) == bench.refit(2.0)
    [row] = other.history(NAME)
    assert (row.action, row.by, row.metric) == ("promote", "me", "ndcg@100")
    assert (row.evaluation, row.against, row.validation) == (better.id, baseline.id, chosen.id)
    assert row.difference == verdict.difference and row.run == bench.refit(2.0).id


def test_one_that_is_not_surely_better_is_refused_and_that_is_kept(bench: Bench) -> None:
    baseline, alike = bench.judge(1.0), bench.judge(2.0, 0.001)
    verdict = promote(bench, 2.0, alike, baseline)
    assert not verdict.promoted and "not above zero" in verdict.why
    assert "it was not judged on validation days" in verdict.why
    assert bench.lab.live(NAME) is None
    assert [p.action for p in bench.lab.history(NAME)] == ["refuse"]


def test_a_second_look_at_one_test_is_said(bench: Bench) -> None:
    baseline, alike = bench.judge(1.0), bench.judge(2.0, 0.001)
    looks = [promote(bench, 2.0, alike, baseline).why for _ in range(3)]
    assert "looked at" not in looks[0]
    assert looks[1].endswith("this test was looked at 1 time before")
    assert looks[2].endswith("this test was looked at 2 times before")
    assert (
        "looked at" not in promote(bench, 3.0, bench.judge(3.0, 0.05), baseline).why
    )  # another's look is no look


def test_the_same_question_asked_once_gets_the_answer_it_got(bench: Bench) -> None:
    lab, baseline = bench.lab, bench.judge(1.0)

    def ask(power: float, shift: float, margin: float = 0.02) -> Verdict:
        evidence = bench.judge(power, shift)
        return lab.promote(
            NAME, bench.refit(power), evidence, baseline, metric="ndcg@100", margin=margin, once=True
        )

    refused = ask(2.0, 0.001)
    assert not refused.promoted and ask(2.0, 0.001) == refused
    promoted = ask(3.0, 0.05)
    assert (
        promoted.promoted and ask(3.0, 0.05) == promoted
    )  # though another is live now than when it was asked
    assert [p.action for p in lab.history(NAME)] == ["refuse", "promote"]
    # without `once` every question is one
    assert "looked at 1 time" in promote(bench, 2.0, bench.judge(2.0, 0.001), bench.judge(3.0, 0.05)).why


def test_an_answer_that_was_rolled_back_does_not_stand(bench: Bench) -> None:
    lab, baseline, first = bench.lab, bench.judge(1.0), bench.judge(2.0, 0.05)
    second = bench.judge(3.0, 0.09)
    for power, evidence, against in ((2.0, first, baseline), (3.0, second, first)):
        lab.promote(NAME, bench.refit(power), evidence, against, metric="ndcg@100", once=True)
    lab.rollback(NAME)
    again = lab.promote(NAME, bench.refit(3.0), second, first, metric="ndcg@100", once=True)
    assert again.promoted and "looked at 1 time before" in again.why
    assert lab.live(NAME) == bench.refit(3.0) and len(lab.history(NAME)) == 4


def test_a_new_recipe_has_to_beat_the_live_one(bench: Bench) -> None:
    baseline, first = bench.judge(1.0), bench.judge(2.0, 0.05)
    promote(bench, 2.0, first, baseline)
    worse = bench.judge(3.0, 0.03)
    with pytest.raises(
        InputError, match=r"judges counting, which is not what is live; accepted: .*power=2.0"
    ):
        promote(bench, 3.0, worse, baseline)  # better than the baseline is not enough any more
    assert not promote(bench, 3.0, worse, first).promoted
    assert bench.lab.live(NAME) == bench.refit(2.0)
    assert promote(bench, 4.0, bench.judge(4.0, 0.08), first).promoted
    assert bench.lab.live(NAME) == bench.refit(4.0)


def test_a_refresh_needs_only_to_be_no_worse_than_the_margin(bench: Bench, package: Package) -> None:
    """The live one scores 0.55 and may lose 2% of it, 0.011."""
    promote(bench, 2.0, bench.judge(2.0, 0.05), bench.judge(1.0))
    more = view_of(
        log([("ann", "heat", 1), ("ann", "alien", 2), ("bob", "heat", 3), ("bob", "dune", 50)]), day=100
    )
    live = bench.judge(2.0, 0.05, view=more)
    refit = bench.refit(2.0, more)
    # newer data, the same code: the same runs on the same days, so exactly no worse
    verdict = bench.lab.promote(NAME, refit, live, live, metric="ndcg@100")
    assert verdict.promoted and verdict.difference.mean == 0.0
    assert verdict.margin == pytest.approx(0.02 * bench.lab.table([live], ["ndcg@100"])[0].score.mean)
    assert "no worse than the margin of 0.011" in verdict.why
    assert bench.lab.live(NAME) == refit
    # a line of its code was changed: judged anew, a little worse passes and more than the margin does not
    package.write("weights.py", "")
    for shift, passed in ((0.045, True), (0.03, False)):
        changed = bench.judge(2.0, shift, view=more)
        assert set(changed.runs).isdisjoint(live.runs)
        again = bench.lab.promote(f"play/{shift}", bench.refit(2.0, more), changed, live, metric="ndcg@100")
        assert again.promoted is passed
        if passed:
            assert not again.difference.above_zero


def test_what_is_live_already_stays_and_adds_no_row(bench: Bench) -> None:
    baseline, better = bench.judge(1.0), bench.judge(2.0, 0.05)
    promote(bench, 2.0, better, baseline)
    again = promote(bench, 2.0, better, better)
    assert again.promoted and "is live under play/home already" in again.why
    assert len(bench.lab.history(NAME)) == 1
    # asked as on the first day, against the baseline: a second run of the same commands says the same
    assert promote(bench, 2.0, better, baseline).promoted and len(bench.lab.history(NAME)) == 1


def test_the_baseline_itself_may_be_the_first(bench: Bench) -> None:
    baseline = bench.judge(1.0)
    assert promote(bench, 1.0, baseline, baseline).promoted


def test_a_rollback_goes_further_back_each_time(bench: Bench, open_lab: Callable[[], Lab]) -> None:
    opponent = bench.judge(1.0)
    for power in (2.0, 3.0, 4.0):
        evidence = bench.judge(power, 0.05 * power)
        assert promote(bench, power, evidence, opponent).promoted
        opponent = evidence
    assert bench.lab.rollback(NAME, by="me") == bench.refit(3.0) == bench.lab.live(NAME)
    assert open_lab().rollback(NAME) == bench.refit(2.0)
    with pytest.raises(InputError, match="name 'play/home': nothing was live before"):
        bench.lab.rollback(NAME)
    assert bench.lab.live(NAME) == bench.refit(2.0)
    # what was rolled back comes again only through the gate; a rollback then leads to what was live before
    assert promote(bench, 4.0, opponent, bench.judge(2.0, 0.1)).promoted
    assert bench.lab.live(NAME) == bench.refit(4.0)
    assert bench.lab.rollback(NAME) == bench.refit(2.0)
    kept = bench.lab.history(NAME)
    assert [p.action for p in kept] == ["promote"] * 3 + ["rollback"] * 2 + ["promote", "rollback"]
    assert [p.seq for p in kept] == sorted(p.seq for p in kept)
    assert kept[3].by == "me" and kept[3].difference is None


def test_names_are_apart(bench: Bench) -> None:
    promote(bench, 2.0, bench.judge(2.0, 0.05), bench.judge(1.0))
    assert bench.lab.live("pitch/audience") is None and bench.lab.history("pitch/audience") == []
    with pytest.raises(InputError, match="name 'pitch/audience': nothing is live"):
        bench.lab.rollback("pitch/audience")
    assert len(bench.lab.history()) == 1


def test_evidence_that_can_not_carry_a_promotion(bench: Bench) -> None:
    lab, baseline, better = bench.lab, bench.judge(1.0), bench.judge(2.0, 0.05)
    outside = lab.record("theirs", better.protocol, better.snapshot, [], lab.scores(better))
    newer = view_of(log([("ann", "heat", 1)]), day=100)
    early = lab.record(
        "counting", baseline.protocol, baseline.snapshot, [bench.refit(1.0)], lab.scores(baseline)
    )
    cases: list[tuple[Run, Evaluation, Evaluation, str]] = [
        (bench.refit(2.0), bench.judge(2.0, stage="validation"), baseline, "is not of test days"),
        (bench.refit(3.0), better, baseline, r"judges counting\(power=2.0\) and not counting\(power=3.0\)"),
        (bench.refit(2.0), outside, baseline, "judges theirs and not"),
        (bench.refit(2.0, newer), better, baseline, "is made from other data than its evidence"),
        (lab.run(better.runs[1]), better, baseline, "was made for judging and has not learned from all data"),
        (bench.refit(2.0), better, early, "the two were not refitted as of the same days"),
    ]
    for run, evidence, against, said in cases:
        with pytest.raises(InputError, match=said) as bad:
            lab.promote(NAME, run, evidence, against, metric="ndcg@100")
        assert "\n" not in str(bad.value)
    with pytest.raises(InputError, match="no such metric"):
        lab.promote(NAME, bench.refit(2.0), better, baseline, metric="recall@5")
    with pytest.raises(InputError, match=r"margin 2\.0: no share"):
        lab.promote(NAME, bench.refit(2.0), better, baseline, metric="ndcg@100", margin=2.0)
    assert lab.history(NAME) == []
    # what a newcomer runs today is a fair baseline where nothing is live
    assert lab.promote(NAME, bench.refit(3.0), bench.judge(3.0, 0.3), outside, metric="ndcg@100").promoted


def test_the_live_model_as_it_stands_may_be_judged_on_days_it_has_not_seen(bench: Bench) -> None:
    lab, days = bench.lab, bench.judge(1.0)
    frame = lab.scores(days)
    worse = frame.with_columns(pl.col("ndcg@100") - 0.1)
    before = view_of(SNAPSHOT, day=4)
    old = bench.refit(2.0, view_of(SNAPSHOT, day=5))
    first = lab.record("two", days.protocol, days.snapshot, [bench.refit(2.0, before)], frame)
    base = lab.record("one", days.protocol, days.snapshot, [bench.refit(1.0, before)], worse)
    assert lab.promote(NAME, old, first, base, metric="ndcg@100").promoted
    stands = lab.record("as it stands", days.protocol, days.snapshot, [old], frame)
    assert promote(bench, 3.0, bench.judge(3.0, 0.1), stands).promoted
