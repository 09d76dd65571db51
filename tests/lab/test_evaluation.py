from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from lab_doubles import Package, log, view_of

from cineloop.errors import InputError
from cineloop.lab import Lab
from cineloop.lab.evaluation import Evaluation, scores_file
from cineloop.lab.splits import GlobalTime, HeldOutMembers
from cineloop.lab.statistics import interval, paired

SNAPSHOT = "a" * 64


def scores(shift: float = 0.0, members: int = 30, seed: int = 0) -> pl.DataFrame:
    """Two folds of the same members; `shift` is added to every recall, more in the first fold."""
    rng = np.random.default_rng(seed)
    base = rng.random(2 * members) / 2
    return pl.DataFrame(
        {
            "fold": ["day1"] * members + ["day2"] * members,
            "unit": [f"m{i:02}" for i in range(members)] * 2,
            "recall@20": base + shift * np.repeat([2.0, 1.0], members),
            "ndcg@10": base / 2,
        }
    )


def keep(lab: Lab, contender: str = "ease", frame: pl.DataFrame | None = None, **other: Any) -> Evaluation:
    values: dict[str, Any] = {"protocol": GlobalTime(), "snapshot": SNAPSHOT, "runs": []} | other
    return lab.record(contender, scores=scores() if frame is None else frame, **values)


def test_scores_come_back_as_they_were_kept(open_lab: Callable[[], Lab]) -> None:
    made = keep(open_lab(), facts={"coverage@20": 0.25})
    lab = open_lab()
    assert lab.evaluations() == [made] and lab.evaluation(made.id[:6]) == made
    assert lab.scores(made).equals(scores()) and lab.scores(made.id).equals(scores())
    assert (made.contender, made.stage, made.metrics) == ("ease", "test", ("recall@20", "ndcg@10"))
    assert made.facts == {"coverage@20": 0.25} and made.protocol == GlobalTime().describe()


def test_the_same_scores_are_kept_once(open_lab: Callable[[], Lab]) -> None:
    first = keep(open_lab())
    shuffled = scores().sample(fraction=1.0, shuffle=True, seed=3)
    assert keep(open_lab(), frame=shuffled) == first
    others = [
        keep(open_lab(), frame=scores(0.1)),
        keep(open_lab(), "knn"),
        keep(open_lab(), protocol=GlobalTime(stage="validation")),
        keep(open_lab(), snapshot="b" * 64),
        keep(open_lab(), facts={"coverage@20": 0.5}),
    ]
    assert len({first.id, *(o.id for o in others)}) == 6 == len(open_lab().evaluations())


def test_it_names_the_runs_that_it_judged(lab: Lab, package: Package) -> None:
    view = view_of(log([("ann", "heat", 1)]))
    runs = [lab.train(package.recipe(power=p), view) for p in (2.0, 1.0, 3.0)]
    made = keep(lab, runs=runs)
    assert made.runs == tuple(r.id for r in runs)  # in the order of the folds
    assert lab.evaluations(runs=runs) == [made] and lab.evaluations(runs=runs[:2]) == []


def test_evaluations_are_found_by_what_they_judge(lab: Lab) -> None:
    keep(lab)
    chosen = keep(lab, "knn", protocol=GlobalTime(stage="validation"))
    held = keep(lab, "knn", protocol=HeldOutMembers(seed=7), snapshot="b" * 64)
    assert lab.evaluations(contender="knn") == [chosen, held]
    assert lab.evaluations(stage="validation") == [chosen]
    assert lab.evaluations(protocol=HeldOutMembers(seed=7), snapshot="b" * 64) == [held]
    assert lab.evaluations(protocol=HeldOutMembers(seed=8)) == []


def test_a_pair_is_compared_by_member_on_what_both_scored(lab: Lab) -> None:
    a = keep(lab, "ease", scores(0.1))
    b = keep(lab, "knn", scores().filter(pl.col("unit") != "m03"))
    found = lab.compare(a, b, "recall@20")
    # 29 members in common, each 0.2 better in one fold and 0.1 in the other: every resample has the mean 0.15
    assert found.mean == pytest.approx(0.15, abs=1e-12) and found.n == 29
    assert found.low == pytest.approx(0.15, abs=1e-9) and found.above_zero
    # against the arrays themselves
    c = keep(lab, "other", scores(seed=9))
    units = scores()["unit"]
    expected = paired(scores(0.1)["recall@20"], scores(seed=9)["recall@20"], units)
    assert lab.compare(a, c, "recall@20").mean == pytest.approx(expected.mean)
    assert lab.compare(a, c, "recall@20").low == pytest.approx(expected.low, abs=1e-9)


def test_a_table_gives_means_and_differences(lab: Lab) -> None:
    judged = [keep(lab, "ease", scores(0.1)), keep(lab, "popularity", scores())]
    cells = lab.table(judged, ["recall@20", "ndcg@10"], baseline="popularity")
    assert [(c.contender, c.metric, c.difference is None) for c in cells] == [
        ("ease", "recall@20", False),
        ("ease", "ndcg@10", False),
        ("popularity", "recall@20", True),
        ("popularity", "ndcg@10", True),
    ]
    rows = scores(0.1)
    expected = interval(rows["recall@20"], rows["unit"])
    assert cells[0].score.mean == pytest.approx(expected.mean) and cells[0].score.n == 30
    assert cells[0].score.low == pytest.approx(expected.low, abs=1e-9)
    assert cells[1].difference is not None and cells[1].difference.mean == 0.0
    with pytest.raises(
        InputError, match="baseline 'knn': not among the contenders; accepted: ease, popularity"
    ):
        lab.table(judged, ["recall@20"], baseline="knn")


def test_what_a_metric_says_nothing_of_is_left_out(lab: Lab) -> None:
    some = scores().with_columns(pl.Series("calibration", [float("nan"), None] * 10 + [0.5] * 40))
    made = keep(lab, frame=some)
    assert lab.scores(made)["calibration"].null_count() == 20
    [cell] = lab.table([made], ["calibration"])
    assert (cell.score.mean, cell.score.low) == (0.5, 0.5)


def test_unlike_things_are_not_compared(lab: Lab) -> None:
    made = keep(lab)
    for other, said in (
        (keep(lab, "knn", protocol=HeldOutMembers()), "protocol: ease and knn were judged on different ones"),
        (keep(lab, "knn", snapshot="b" * 64), "snapshot: ease and knn were judged on different ones"),
        (
            keep(lab, "knn", scores().with_columns(unit=pl.lit("x") + pl.col("unit"))),
            "no unit was scored for both",
        ),
    ):
        with pytest.raises(InputError, match=said):
            lab.compare(made, other, "recall@20")
    with pytest.raises(InputError, match=r"metric 'map': no such metric; accepted: recall@20, ndcg@10"):
        lab.compare(made, made, "map")


def test_a_lost_or_changed_file_of_scores_is_one_line(lab: Lab) -> None:
    made = keep(lab)
    file = scores_file(lab.folder, made.id)
    scores(0.5).write_parquet(file)  # well-formed, but other numbers
    with pytest.raises(InputError, match="is not what was recorded"):
        lab.scores(made)
    file.write_bytes(b"PAR1 half")
    with pytest.raises(InputError, match="is not what was recorded") as bad:
        lab.scores(made)
    assert "\n" not in str(bad.value)
    file.unlink()
    with pytest.raises(InputError, match="is missing"):
        lab.scores(made)
    assert keep(lab) == made and lab.scores(made).equals(scores())


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"fold": ["a", "a"], "unit": ["m", "m"], "x": [1.0, 2.0]}),
        pl.DataFrame({"fold": ["a"], "unit": ["m"]}),
        pl.DataFrame({"fold": ["a"], "unit": [None], "x": [1.0]}, schema_overrides={"unit": pl.String}),
    ],
)
def test_scores_that_name_no_unit_or_one_twice_are_refused(lab: Lab, frame: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="scores"):
        keep(lab, frame=frame)
    assert lab.evaluations() == []
