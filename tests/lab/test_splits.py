from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from lab_doubles import DAY0, MemorySnapshot, log, view_of

from cineloop.errors import InputError
from cineloop.lab.heldout import read_heldout, write_heldout
from cineloop.lab.splits import Fold, GlobalTime, HeldOutMembers, LeaveLastOut, Splits

DAY = 86_400_000_000
ORIGIN = int(DAY0.timestamp()) * 1_000_000


def positives(rows: list[tuple[str, str, float]]) -> pl.DataFrame:
    """Rows (member, title, day) as positives; the last time of a (member, title) counts, as in `Signals`."""
    frame = pl.DataFrame(
        rows, schema={"member": pl.String, "title": pl.String, "day": pl.Float64}, orient="row"
    )
    return (
        frame.group_by("member", "title")
        .agg(pl.col("day").max())
        .select("member", "title", (ORIGIN + pl.col("day") * DAY).cast(pl.Int64).alias("at"), confidence=1.0)
        .sort("member", "at", "title")
    )


def folds(splits: Splits, rows: list[tuple[str, str, float]], day: float = 1000) -> list[Fold]:
    return splits.folds(view_of(log([(m, t, d) for m, t, d in rows]), day), positives(rows))


def days(frame: pl.DataFrame) -> list[tuple[str, str, float]]:
    return [(m, t, (at - ORIGIN) / DAY) for m, t, at in frame.select("member", "title", "at").iter_rows()]


def test_global_time_by_hand() -> None:
    """The log ends on day 40: the test windows are (30, 40] and (20, 30], two of validation are before."""
    rows = [("ann", f"t{d:02}", float(d)) for d in (2, 21, 22, 23, 24, 25, 31)]
    rows += [("bob", "t40", 40.0), ("new", "t35", 35.0), ("old", "t00", 0.0), ("old", "t12", 12.0)]
    splits = GlobalTime(days=2, every_days=10, horizon_days=10)
    early, late = folds(splits, rows)
    assert (early.name, late.name) == ("2024-01-21", "2024-01-31")
    assert (early.as_of, late.as_of) == (DAY0 + timedelta(days=20), DAY0 + timedelta(days=30))
    # ann has 5 in (20, 30]: floor(0.8 * 5) = 4 are told, after all that is before, and the last is the target
    assert days(early.history) == [("ann", f"t{d:02}", d) for d in (2, 21, 22, 23, 24)]
    assert days(early.targets) == [("ann", "t25", 25)]
    # in (30, 40] each has 1, floor(0.8) = 0 are told; bob and new have no past: they stay, cold
    assert days(late.history) == [("ann", f"t{d:02}", d) for d in (2, 21, 22, 23, 24, 25)]
    assert late.targets.select("member", "title", "warm").rows() == [
        ("ann", "t31", True),
        ("bob", "t40", False),
        ("new", "t35", False),
    ]
    assert early.exclusions.members == frozenset() and early.exclusions.pairs == frozenset()
    # the validation days are 0 and 10: ann's t02 falls after the first, old's t12 after the second
    first, second = folds(replace(splits, stage="validation"), rows)
    assert days(first.targets) == [("ann", "t02", 2)] and first.history.is_empty()
    assert days(second.targets) == [("old", "t12", 12)] and days(second.history) == [("old", "t00", 0)]


def test_validation_ends_where_test_begins() -> None:
    splits = GlobalTime(days=3, every_days=7, horizon_days=14)
    end = DAY0 + timedelta(days=400)
    test, validation = splits.cuts(end), replace(splits, stage="validation").cuts(end)
    assert test[-1] + timedelta(days=14) == end and test == sorted(test) and len(test) == len(validation) == 3
    assert validation[-1] + timedelta(days=14) == test[0]


def test_plays_at_the_time_of_the_first_target_are_targets() -> None:
    """9 in the window, floor(7.2) = 7 would be told; but the 6th to 9th share a time, so 5 are told."""
    rows = [("ann", f"t{i}", 1.0 + i) for i in range(5)] + [("ann", f"u{i}", 9.0) for i in range(4)]
    [fold] = folds(GlobalTime(days=1, horizon_days=9), [*rows, ("bob", "t", 0.0)])
    assert [t for _, t, _ in days(fold.history)] == [f"t{i}" for i in range(5)]
    assert [t for _, t, _ in days(fold.targets)] == [f"u{i}" for i in range(4)]


PLAYS = st.tuples(st.integers(0, 11), st.integers(0, 60))
# six members of some standing, two who may have hardly any; many plays share a day
LOGS = st.tuples(*[st.lists(PLAYS, min_size=5 if m < "g" else 0, max_size=14) for m in "abcdefgh"]).map(
    lambda every: [
        *[(m, f"t{t}", d) for m, plays in zip("abcdefgh", every, strict=True) for t, d in plays],
        *[("z", "first", 0), ("z", "last", 60)],
    ]
)


def whole(fold: Fold) -> list[Any]:
    return [fold.name, fold.as_of, fold.exclusions, fold.history.rows(), fold.targets.rows()]


def check_any(fold: Fold, rows: list[tuple[str, str, float]]) -> None:
    """What holds under every protocol."""
    history, targets = fold.history.select("member", "title"), fold.targets.select("member", "title")
    assert history.join(targets, on=["member", "title"]).is_empty()
    assert set(history["member"]) <= set(targets["member"])
    assert not fold.targets.is_empty()
    known = {(m, t) for m, t, _ in rows}
    assert set(history.rows()) | set(targets.rows()) <= known
    for member, _, _, warm in fold.targets.iter_rows():
        assert warm == (member in set(history["member"]))


@settings(max_examples=60, deadline=None)
@given(rows=LOGS, stage=st.sampled_from(["test", "validation"]), every=st.integers(1, 12), data=st.data())
def test_global_time_on_any_log(rows: Any, stage: Any, every: int, data: st.DataObject) -> None:
    splits = GlobalTime(days=2, every_days=every, horizon_days=10, stage=stage)
    try:
        made = folds(splits, rows)
    except InputError as bad:
        assert "no positives after any" in str(bad)
        reject()
    everything = positives(rows)
    for fold in made:
        check_any(fold, rows)
        cut = int(fold.as_of.timestamp()) * 1_000_000
        # what a recipe can learn of for this fold is up to the day, and no target is among it
        seen = fold.training(view_of(log(rows))).table("plays").collect()
        assert (seen["happened_at"] <= fold.as_of).all()
        assert (fold.targets["at"] > cut).all() and (fold.targets["at"] <= cut + 10 * DAY).all()
        for member in fold.targets["member"].unique():
            targets = fold.targets.filter(member=member)["at"]
            history = fold.history.filter(member=member)["at"]
            assert history.is_empty() or history.max() < targets.min()  # type: ignore[operator]
            # history and targets are all there is up to the window's end
            until = everything.filter(pl.col("at") <= cut + 10 * DAY, member=member)
            assert len(history) + len(targets) == len(until)
            window = int((until["at"] > cut).sum())
            assert len(targets) >= window - int(0.8 * window + 1e-9)
    shuffled = everything.sample(fraction=1.0, shuffle=True, seed=data.draw(st.integers(0, 99)))
    again = splits.folds(view_of(log(rows)), shuffled)
    assert [whole(f) for f in again] == [whole(f) for f in made]


@settings(max_examples=60, deadline=None)
@given(rows=LOGS, seed=st.integers(0, 99))
def test_held_out_members_on_any_log(rows: Any, seed: int) -> None:
    splits = HeldOutMembers(members=2, least=3, seed=seed)
    everything = positives(rows)
    try:
        [test] = folds(splits, rows)
    except InputError as bad:
        assert "leave none" in str(bad)
        reject()
    [validation] = folds(replace(splits, stage="validation"), rows)
    held = {*test.targets["member"], *validation.targets["member"]}
    assert len(held) == 4
    assert test.exclusions == validation.exclusions and test.exclusions.members == held
    for fold in (test, validation):
        check_any(fold, rows)
        learned = fold.training(view_of(log(rows))).table("plays").collect()
        assert not set(learned["profile"]) & held
        for member in fold.targets["member"].unique():
            every = everything.filter(member=member)
            n = len(fold.targets.filter(member=member))
            # as in the paper's own split, a fifth rounded down: 1 of 5 to 9, 2 of 10
            assert n == max(1, len(every) // 5) and n + len(fold.history.filter(member=member)) == len(every)
    shuffled = everything.sample(fraction=1.0, shuffle=True, seed=seed)
    [again] = splits.folds(view_of(log(rows)), shuffled)
    assert whole(again) == whole(test)


@settings(max_examples=60, deadline=None)
@given(rows=LOGS, seed=st.integers(0, 99))
def test_leave_last_out_on_any_log(rows: Any, seed: int) -> None:
    everything = positives(rows)
    try:
        [test] = folds(LeaveLastOut(), rows)
    except InputError as bad:
        assert "no member has as many positives" in str(bad)
        reject()
    [validation] = folds(LeaveLastOut(stage="validation"), rows)
    learned = set(
        test.training(view_of(log(rows))).table("plays").select("profile", "title").collect().rows()
    )
    for fold in (test, validation):
        check_any(fold, rows)
        assert fold.exclusions == test.exclusions
        assert not learned & set(fold.targets.select("member", "title").rows())
    for member, held in everything.group_by("member"):
        name, in_order = str(member[0]), held.sort("at", "title")["title"].to_list()
        if len(in_order) < 3:
            assert name not in set(test.targets["member"])
            assert {(name, t) for t in in_order} <= learned
            continue
        assert test.targets.filter(member=name)["title"].to_list() == in_order[-1:]
        assert validation.targets.filter(member=name)["title"].to_list() == in_order[-2:-1]
        assert test.history.filter(member=name).sort("at", "title")["title"].to_list() == in_order[:-1]
        assert validation.history.filter(member=name).sort("at", "title")["title"].to_list() == in_order[:-2]
    [again] = LeaveLastOut().folds(
        view_of(log(rows)), everything.sample(fraction=1.0, shuffle=True, seed=seed)
    )
    assert whole(again) == whole(test)


@settings(max_examples=30, deadline=None)
@given(rows=LOGS, splits=st.sampled_from([GlobalTime(2, 10, 10), HeldOutMembers(1, least=2), LeaveLastOut()]))
def test_held_out_plays_come_back_from_their_file(rows: Any, splits: Splits, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("held") / "held.csv"
    try:
        made = folds(splits, rows)
    except InputError:
        reject()
    write_heldout(made, path)
    assert [whole(f) for f in read_heldout(path)] == [whole(f) for f in made]


def test_the_file_says_what_may_not_be_learned(tmp_path: Path) -> None:
    rows = [(m, f"t{i}", float(i)) for m in "abcd" for i in range(5)]
    path = tmp_path / "held.csv"
    write_heldout(folds(HeldOutMembers(1, seed=4), rows), path)
    kept = pl.read_csv(path)
    assert kept.columns == ["fold", "as_of", "member", "title", "part", "at", "confidence"]
    assert kept["part"].value_counts(sort=True).rows() == [("history", 4), ("hidden", 2), ("target", 1)]
    assert kept.filter(part="hidden")["title"].null_count() == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fold,member\n", "held.csv:1: as_of: missing column"),
        ("{head}\nf,{at},a,t,target,x,\n", "held.csv:2: at 'x': not a number"),
        ("{head}\nf,{at},a,t,target,1,\nf,{at},a,t,aim,1,\n", "held.csv:3: part 'aim': no such part"),
        ("{head}\nf,yesterday,a,t,target,1,\n", "held.csv:2: as_of 'yesterday': no moment"),
        ("{head}\nf,{at},a,,target,1,\n", "held.csv:2: title: missing"),
        ("{head}\nf,{at},a,t,history,1,\n", "held.csv:2: confidence: missing"),
        ("", "held.csv: "),
    ],
)
def test_a_broken_file_of_held_out_plays_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "held.csv"
    path.write_text(
        text.format(head="fold,as_of,member,title,part,at,confidence", at="2024-01-01T00:00:00+00:00")
    )
    with pytest.raises(InputError) as bad:
        read_heldout(path)
    assert said in str(bad.value) and "\n" not in str(bad.value)


def untimed(seq: bool) -> MemorySnapshot:
    return log([(m, f"t{i}", None) for m in "abcd" for i in range(5)], seq=seq)


def test_a_log_without_a_clock() -> None:
    rows = pl.DataFrame([(m, f"t{i}", i, 1.0) for m in "abcd" for i in range(5)], orient="row").rename(
        {"column_0": "member", "column_1": "title", "column_2": "at", "column_3": "confidence"}
    )
    with pytest.raises(InputError, match="20 rows of plays have no time"):
        GlobalTime().folds(view_of(untimed(seq=True)), rows)
    with pytest.raises(InputError, match="20 rows of plays have neither time nor order"):
        LeaveLastOut().folds(view_of(untimed(seq=False)), rows)
    [fold] = LeaveLastOut().folds(view_of(untimed(seq=True)), rows)
    assert fold.targets["title"].to_list() == ["t4"] * 4
    [fold] = HeldOutMembers(1).folds(view_of(untimed(seq=False)), rows)
    assert len(fold.targets) == 1 and len(fold.history) == 4


def test_a_row_known_before_it_happened_is_refused() -> None:
    """Otherwise an as-of read would show a recipe the very plays that it is to foresee."""
    plays = log([("ann", "t", 10.0), ("bob", "u", 40.0)]).tables["plays"]
    early = plays.with_columns(pl.lit(DAY0).dt.cast_time_unit("us").alias("known_at"))
    with pytest.raises(InputError, match="2 rows of plays were known before they happened"):
        GlobalTime(1).folds(view_of(MemorySnapshot({"plays": early})), positives([("ann", "t", 10.0)]))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GlobalTime(stage="train"), "stage 'train': no such stage; accepted: validation or test"),
        (lambda: GlobalTime(days=0), "days 0: too few; accepted: 1 or more"),
        (lambda: GlobalTime(end=DAY0.replace(tzinfo=None)), "end '2024-01-01 00:00:00': needs a time zone"),
        (lambda: HeldOutMembers(fold_in=1.0), "fold_in 1.0: no share; accepted: between 0 and 1"),
        (lambda: LeaveLastOut(least=2), "least 2: too few; accepted: 3 or more"),
        (lambda: folds(GlobalTime(days=9), [("a", "t", 1.0), ("a", "u", 50.0)]), "before the log begins"),
        (
            lambda: folds(GlobalTime(end=DAY0 + timedelta(90)), [("a", "t", 1.0)], day=80),
            "later than the view's day",
        ),
        (
            lambda: folds(HeldOutMembers(), [("a", f"t{i}", 1.0) for i in range(5)]),
            "two such sets of 1 members",
        ),
    ],
)
def test_settings_that_can_not_cut_are_one_line(make: Any, said: str) -> None:
    with pytest.raises(InputError) as bad:
        make()
    assert said in str(bad.value)


def test_settings_are_described_in_plain_json() -> None:
    assert GlobalTime(end=DAY0).describe() == {
        "name": "global-time",
        "days": 4,
        "every_days": 14,
        "horizon_days": 14,
        "fold_in": 0.8,
        "stage": "test",
        "end": "2024-01-01T00:00:00.000000+00:00",
    }
    assert HeldOutMembers().describe()["name"] == "held-out-members"
    assert LeaveLastOut(stage="validation").describe() == {
        "name": "leave-last-out",
        "least": 3,
        "stage": "validation",
    }
    assert all(isinstance(p, Splits) for p in (GlobalTime(), HeldOutMembers(), LeaveLastOut()))
