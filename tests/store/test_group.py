"""Group commit: everyone's item is committed once, before its future ends, whatever the others do."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.store.group import GroupCommit


@settings(max_examples=20, deadline=None)
@given(
    items=st.lists(st.integers(0, 99), min_size=1, max_size=200),
    threads=st.integers(1, 8),
    most=st.integers(1, 50),
)
def test_every_item_is_committed_once_before_its_future_ends(
    items: list[int], threads: int, most: int
) -> None:
    """The oracle is a plain list: what `commit` was given, in all, is what was put, and each caller finds its own."""
    kept: list[int] = []
    sizes: list[int] = []

    def commit(batch: Sequence[int]) -> list[int]:
        kept.extend(batch)
        sizes.append(len(batch))
        return [-n for n in batch]

    group = GroupCommit(commit, most=most, wait_seconds=0.0005)

    def caller(n: int) -> bool:
        return group.put(n).result(10) == -n and n in kept

    with ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(caller, items))
    group.close()
    assert sorted(kept) == sorted(items) and max(sizes) <= most


def test_callers_at_the_same_time_share_a_commit() -> None:
    sizes: list[int] = []
    gate = threading.Event()

    def commit(batch: Sequence[int]) -> list[int]:
        gate.wait(10)
        sizes.append(len(batch))
        return list(batch)

    group = GroupCommit(commit, wait_seconds=0.0)
    futures = [group.put(n) for n in range(100)]
    gate.set()
    assert [f.result(10) for f in futures] == list(range(100))
    group.close()
    assert len(sizes) < 10  # while the first was committed, the others gathered


def test_one_that_fails_takes_no_other_with_it() -> None:
    kept: list[int] = []

    def commit(batch: Sequence[int]) -> list[int]:
        if 13 in batch:
            raise ValueError("unlucky")
        kept.extend(batch)
        return list(batch)

    group = GroupCommit(commit, wait_seconds=0.05)
    futures = {n: group.put(n) for n in range(10, 20)}
    for n, future in futures.items():
        if n == 13:
            with pytest.raises(ValueError, match="unlucky"):
                future.result(10)
        else:
            assert future.result(10) == n
    group.close()
    assert sorted(kept) == [n for n in range(10, 20) if n != 13]


def test_closing_commits_what_was_handed_in_and_takes_nothing_more() -> None:
    kept: list[int] = []
    group = GroupCommit(lambda batch: [kept.append(n) for n in batch], wait_seconds=5.0)  # type: ignore[func-returns-value]
    futures = [group.put(n) for n in range(3)]
    group.close()
    assert kept == [0, 1, 2] and all(f.done() for f in futures)
    with pytest.raises(RuntimeError, match="closed"):
        group.put(4)
    group.close()


def test_a_caller_that_stops_waiting_disturbs_nobody() -> None:
    gate = threading.Event()
    kept: list[int] = []

    def commit(batch: Sequence[int]) -> list[int]:
        gate.wait(10)
        kept.extend(batch)
        return list(batch)

    group = GroupCommit(commit, wait_seconds=0.05)
    first, second = group.put(1), group.put(2)
    assert first.cancel()
    gate.set()
    assert second.result(10) == 2
    group.close()
    assert kept == [1, 2]  # handed in is handed in
