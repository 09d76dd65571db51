"""Every metric against a calculation by hand and against a slow, plain-Python reading of its definition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cineloop.lab.histories import Histories, Lists
from cineloop.play.metrics import Background, exposure, score_lists

TITLES = [f"t{i}" for i in range(8)]


def lists_of(ranked: dict[str, Sequence[str]], titles: Sequence[str] = TITLES, width: int = 6) -> Lists:
    items = np.full((len(ranked), width), -1, np.int32)
    for row, names in enumerate(ranked.values()):
        items[row, : len(names)] = [titles.index(name) for name in names]
    keys = np.array(list(ranked), dtype=object)
    return Lists(keys, np.array(titles, dtype=object), items, np.zeros(items.shape, np.float32))


def pairs(of: dict[str, Sequence[str]]) -> pl.DataFrame:
    rows = [(m, t) for m, titles in of.items() for t in titles]
    return pl.DataFrame(rows, schema={"member": pl.String, "title": pl.String}, orient="row")


def histories_of(of: dict[str, Sequence[str]]) -> Histories:
    rows = pairs(of).with_columns(at=pl.lit(0, pl.Int64), confidence=pl.lit(1.0))
    return Histories.of(rows, list(of))


def test_accuracy_by_hand() -> None:
    # list t0 t1 t2 t3, targets t1 t3 t5: hits at places 2 and 4
    row = score_lists(
        lists_of({"a": ["t0", "t1", "t2", "t3"]}), pairs({"a": ["t1", "t3", "t5"]}), ks=(2, 4)
    ).row(0, named=True)
    assert row["unit"] == "a"
    assert row["targets"] == 3.0
    # the first 2: one hit of min(2, 3) = 2, of all 3 targets, of 2 places
    assert row["recall@2"] == pytest.approx(1 / 2)
    assert row["recall_all@2"] == pytest.approx(1 / 3)
    assert row["precision@2"] == pytest.approx(1 / 2)
    # the hit stands at 2: (1/log2 3) / (1/log2 2 + 1/log2 3) = 0.63093 / 1.63093
    assert row["ndcg@2"] == pytest.approx(0.386853, abs=1e-6)
    # precision at the hit's place is 1/2; over min(2, 3)
    assert row["map@2"] == pytest.approx(1 / 4)
    assert row["mrr@2"] == pytest.approx(1 / 2)
    # the first 4: two hits of min(4, 3) = 3
    assert row["recall@4"] == pytest.approx(2 / 3)
    assert row["precision@4"] == pytest.approx(2 / 4)
    # (1/log2 3 + 1/log2 5) / (1 + 1/log2 3 + 1/log2 4) = (0.63093 + 0.43068) / 2.13093
    assert row["ndcg@4"] == pytest.approx(0.498189, abs=1e-6)
    # (1/2 + 2/4) / 3
    assert row["map@4"] == pytest.approx(1 / 3)
    assert row["mrr@4"] == pytest.approx(1 / 2)
    assert row["hit@4"] == 1.0


def test_the_two_recalls_differ_only_where_there_are_more_targets_than_places() -> None:
    # both targets of b are found, all three places of a's first 3 hit its 5 targets
    made = score_lists(
        lists_of({"a": ["t0", "t1", "t2"], "b": ["t0", "t1", "t2"]}),
        pairs({"a": ["t0", "t1", "t2", "t3", "t4"], "b": ["t0", "t1"]}),
        ks=(3,),
    )
    assert made["recall@3"].to_list() == [1.0, 1.0]
    assert made["recall_all@3"].to_list() == pytest.approx([3 / 5, 1.0])


def test_a_member_without_a_list_scores_nothing_and_unknown_targets_are_misses() -> None:
    made = score_lists(
        lists_of({"b": ["t0"], "z": ["t1"]}), pairs({"a": ["t0"], "b": ["t0", "t0", "new"]}), ks=(1, 2)
    )
    assert made["unit"].to_list() == ["a", "b"]  # z has no targets: not judged
    assert made["listed"].to_list() == [0.0, 1.0]
    assert made["targets"].to_list() == [1.0, 2.0]
    assert made["unrankable"].to_list() == [0.0, 0.5]
    assert made["hit@1"].to_list() == [0.0, 1.0]
    assert made["recall@2"].to_list() == [0.0, 0.5]


def test_a_title_listed_twice_counts_once() -> None:
    row = score_lists(lists_of({"a": ["t0", "t0", "t1"]}), pairs({"a": ["t0", "t1"]}), ks=(3,)).row(
        0, named=True
    )
    assert row["recall@3"] == 1.0
    assert row["precision@3"] == pytest.approx(2 / 3)
    # precision 1/1 at place 1, 2/3 at place 3
    assert row["map@3"] == pytest.approx((1 + 2 / 3) / 2)


def test_two_lists_of_one_member_are_refused() -> None:
    lists = lists_of({"a": ["t0"], "b": ["t1"]})
    doubled = Lists(np.array(["a", "a"], dtype=object), lists.titles, lists.items, lists.scores)
    with pytest.raises(ValueError, match="two lists"):
        score_lists(doubled, pairs({"a": ["t0"]}))


def test_beyond_accuracy_by_hand() -> None:
    # four training members; t0 was watched by all, t1 by two, t2 by one
    training = pairs({"a": ["t0", "t1"], "b": ["t0", "t1"], "c": ["t0", "t2"], "d": ["t0"]})
    facts = pl.DataFrame({"title": ["t0", "t1", "t2"], "genres": [["Drama"], ["Drama", "War"], ["War"]]})
    made = score_lists(
        lists_of({"u": ["t2", "t1"]}),
        pairs({"u": ["t1"]}),
        ks=(1, 2),
        background=Background.of(training, facts),
        histories=histories_of({"u": ["t0"]}),
    ).row(0, named=True)
    # -log2(1/4) = 2 bits for t2, -log2(2/4) = 1 bit for t1
    assert made["novelty@1"] == pytest.approx(2.0)
    assert made["novelty@2"] == pytest.approx(1.5)
    # percentiles of audiences 1, 2, 4: 1/6, 3/6, 5/6; the history is t0 at 5/6
    assert made["popularity_lift@1"] == pytest.approx(1 / 6 - 5 / 6)
    assert made["popularity_lift@2"] == pytest.approx((1 / 6 + 3 / 6) / 2 - 5 / 6)
    # history: all Drama. t2 is War: q = 0.01 p, so the divergence is log(1 / 0.01) = 4.60517 nats
    assert made["miscalibration@1"] == pytest.approx(4.605170, abs=1e-6)
    # t2 and t1: Drama (0 + 1/2) / 2 = 1/4, smoothed 0.99 / 4 + 0.01 = 0.2575: -log 0.2575 = 1.356735
    assert made["miscalibration@2"] == pytest.approx(1.356735, abs=1e-6)


def test_what_has_no_meaning_is_null() -> None:
    training = pairs({"a": ["t0", "t1"], "b": ["t0"]})
    facts = pl.DataFrame({"title": ["t0"], "genres": [["Drama"]]})
    made = score_lists(
        lists_of({"cold": ["t0"], "untold": ["t1"], "warm": ["t0"]}),
        pairs({"cold": ["t0"], "listless": ["t0"], "untold": ["t0"], "warm": ["t1"]}),
        ks=(1,),
        background=Background.of(training, facts),
        histories=histories_of({"cold": [], "listless": ["t0"], "untold": ["t0"], "warm": ["t0"]}),
    )
    assert made["novelty@1"].to_list() == [0.0, None, 1.0, 0.0]  # t0: everybody; t1: one of two, 1 bit
    assert made["popularity_lift@1"].to_list() == [None, None, pytest.approx(0.25 - 0.75), 0.0]
    assert made["miscalibration@1"].to_list() == [None, None, None, 0.0]  # t1 has no known genre


def test_coverage_and_gini_by_hand() -> None:
    lists = lists_of({"a": ["t0", "t1"], "b": ["t0", "t2"], "c": ["t0", "t1"]}, width=2)
    catalogue = np.array(["t0", "t1", "t2", "t3"], dtype=object)
    made = exposure(lists, 2, catalogue)
    # shown 3, 2, 1, 0 times; ascending 0 1 2 3 with weights -3 -1 1 3: (-1 + 2 + 9) / (4 * 6)
    assert made.coverage == pytest.approx(3 / 4)
    assert made.gini == pytest.approx(10 / 24)
    # the first place alone: t0 every time: (3 * 3) / (4 * 3), the most for four titles
    assert exposure(lists, 1, catalogue).coverage == pytest.approx(1 / 4)
    assert exposure(lists, 1, catalogue).gini == pytest.approx(3 / 4)
    # a title outside the catalogue takes no part
    assert exposure(lists, 2, catalogue[:1]).coverage == 1.0


# --- an independent implementation, from the definitions, one member and one title at a time ---


def dcg(gains: Sequence[int]) -> float:
    return sum(g / math.log2(place + 1) for place, g in enumerate(gains, start=1))


def plain_accuracy(ranked: list[str], targets: set[str], k: int) -> dict[str, float]:
    top = ranked[:k]
    relevant = [int(t in targets) for t in top]
    places = [i for i, r in enumerate(relevant, start=1) if r]
    return {
        "recall": len(set(top) & targets) / min(k, len(targets)),
        "recall_all": len(set(top) & targets) / len(targets),
        "precision": len(set(top) & targets) / k,
        "ndcg": dcg(relevant) / dcg([1] * min(k, len(targets))),
        "map": sum(sum(relevant[:i]) / i for i in places) / min(k, len(targets)),
        "mrr": 1 / places[0] if places else 0.0,
        "hit": float(bool(places)),
    }


def plain_beyond(
    top: list[str], history: list[str], training: dict[str, set[str]], genres: dict[str, list[str]]
) -> dict[str, float | None]:
    audience = {t: sum(t in seen for seen in training.values()) for t in set().union(*training.values())}
    people = sum(bool(seen) for seen in training.values())

    def percentile(title: str) -> float:
        if title not in audience:
            return 0.0
        below = sum(n < audience[title] for n in audience.values())
        same = sum(n == audience[title] for n in audience.values())
        return (below + same / 2) / len(audience)

    def taste(titles: list[str]) -> dict[str, float] | None:
        total: dict[str, float] = {}
        for t in titles:
            if t in audience:
                for g in set(genres.get(t, [])):
                    total[g] = total.get(g, 0.0) + 1 / len(set(genres[t]))
        whole = sum(total.values())
        return {g: v / whole for g, v in total.items()} if whole else None

    past = [t for t in history if t in audience]
    p, q = taste(past), taste(top)
    return {
        "novelty": sum(-math.log2(max(1, audience.get(t, 0)) / people) for t in top) / len(top)
        if top
        else None,
        "popularity_lift": (
            sum(map(percentile, top)) / len(top) - sum(map(percentile, past)) / len(past)
            if top and past
            else None
        ),
        "miscalibration": (
            sum(v * math.log(v / (0.99 * q.get(g, 0.0) + 0.01 * v)) for g, v in p.items())
            if p and q
            else None
        ),
    }


members = st.sampled_from(["m1", "m2", "m3", "m4"])
some = st.lists(st.sampled_from([*TITLES, "unknown"]), unique=True, max_size=6)
few = st.lists(st.sampled_from(TITLES), unique=True, max_size=6)


@given(
    ranked=st.dictionaries(members, few, max_size=4),
    targets=st.dictionaries(members, some.filter(bool), min_size=1, max_size=4),
    history=st.dictionaries(members, some, max_size=4),
    training=st.dictionaries(members, some.filter(bool), min_size=1, max_size=4),
    genres=st.dictionaries(
        st.sampled_from([*TITLES, "unknown"]), st.lists(st.sampled_from("ABC"), max_size=3), max_size=8
    ),
    ks=st.lists(st.integers(1, 8), min_size=1, max_size=3, unique=True),
)
def test_all_metrics_equal_a_plain_reading(
    ranked: dict[str, list[str]],
    targets: dict[str, list[str]],
    history: dict[str, list[str]],
    training: dict[str, list[str]],
    genres: dict[str, list[str]],
    ks: list[int],
) -> None:
    facts = pl.DataFrame(
        {"title": list(genres), "genres": list(genres.values())},
        schema={"title": pl.String, "genres": pl.List(pl.String)},
    )
    background = Background.of(pairs(training), facts)
    lists = lists_of(ranked)
    made = score_lists(lists, pairs(targets), ks=ks, background=background, histories=histories_of(history))
    assert made["unit"].to_list() == sorted(targets)
    for row in made.iter_rows(named=True):
        m = row["unit"]
        assert row["unrankable"] == pytest.approx(targets[m].count("unknown") / len(targets[m]))
        assert row["listed"] == float(bool(ranked.get(m)))
        for k in ks:
            expected: dict[str, Any] = plain_accuracy(ranked.get(m, []), set(targets[m]), k)
            expected |= plain_beyond(
                ranked.get(m, [])[:k], history.get(m, []), {a: set(t) for a, t in training.items()}, genres
            )
            for name, value in expected.items():
                wanted = None if value is None else pytest.approx(value, abs=1e-9)
                assert row[f"{name}@{k}"] == wanted, (m, name, k)
    for k in ks:
        times = sorted(
            sum(t in names[:k] for names in ranked.values())
            for t in set().union(*map(set, training.values()))
        )
        # Gini as the mean absolute difference of all pairs over twice the mean
        mean = sum(times) / len(times)
        gini = sum(abs(a - b) for a in times for b in times) / (2 * len(times) ** 2 * mean) if mean else 0.0
        seen = exposure(lists, k, background.titles)
        assert seen.gini == pytest.approx(gini, abs=1e-9)
        assert seen.coverage == pytest.approx(sum(t > 0 for t in times) / len(times))


@given(order=st.permutations(range(6)))
def test_the_order_of_rows_changes_nothing(order: list[int]) -> None:
    training = pairs({"a": ["t0", "t1"], "b": ["t0"], "c": ["t2", "t3", "t4"]})
    targets = pairs({"a": ["t2", "t5"], "b": ["t1"], "c": ["t0", "t6", "t7"]})
    lists = lists_of({"a": ["t2", "t3"], "b": ["t0"], "c": ["t7", "t0"]})
    shuffled = score_lists(lists, targets[order], background=Background.of(training[order]))
    assert shuffled.equals(score_lists(lists, targets, background=Background.of(training)))


def test_no_members_and_no_titles_are_no_error() -> None:
    empty = pairs({})
    background = Background.of(empty)
    lists = Lists(
        np.array([], object), np.array([], object), np.zeros((0, 0), np.int32), np.zeros((0, 0), np.float32)
    )
    assert len(score_lists(lists, empty, background=background, histories=histories_of({}))) == 0
    scored = score_lists(lists, pairs({"a": ["t0"]}), ks=(3,), background=background)
    assert scored.select("unrankable", "ndcg@3", "novelty@3").row(0) == (1.0, 0.0, None)
    assert exposure(lists, 3, background.titles).coverage == 0.0
