"""Group commit: everyone's item is committed once, before its caller goes on, whatever the others do."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.store.group import GroupCommit

UNLUCKY = 1313


class Gate:
    """A commit that waits until it is opened, so that others gather; what it was given, in order."""

    def __init__(self) -> None:
        self.open, self.entered = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, batch: Sequence[int]) -> list[int]:
        self.entered.set()
        assert self.open.wait(10)
        if UNLUCKY in batch:
            raise ValueError("unlucky")
        self.batches.append(list(batch))
        return [-n for n in batch]


def gathered(group: GroupCommit[int, int], count: int) -> None:
    """Wait until so many callers wait in the group."""
    for _ in range(2000):
        if len(group._waiting) == count:
            return
        sleep(0.005)
    raise AssertionError(f"{len(group._waiting)} wait, not {count}")


@settings(max_examples=20, deadline=None)
@given(
    items=st.lists(st.integers(0, 99), min_size=1, max_size=200),
    threads=st.integers(1, 8),
    most=st.integers(1, 50),
)
def test_every_item_is_committed_once_before_its_caller_goes_on(
    items: list[int], threads: int, most: int
) -> None:
    """The oracle is a plain list: what `commit` was given, in all, is what was brought, and each finds its own."""
    kept: list[int] = []
    sizes: list[int] = []

    def commit(batch: Sequence[int]) -> list[int]:
        kept.extend(batch)
        sizes.append(len(batch))
        return [-n for n in batch]

    group = GroupCommit(commit, most=most)

    def caller(n: int) -> bool:
        return group.commit(n) == -n and n in kept

    with ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(caller, items))
    group.close()
    assert sorted(kept) == sorted(items) and max(sizes) <= most


def test_those_who_come_while_another_commits_share_the_next_commit() -> None:
    gate = Gate()
    group: GroupCommit[int, int] = GroupCommit(gate, most=30)
    with ThreadPoolExecutor(101) as pool:
        first = pool.submit(group.commit, 0)
        assert gate.entered.wait(10)
        others = [pool.submit(group.commit, n) for n in range(1, 101)]
        gathered(group, 100)
        gate.open.set()
        assert first.result(10) == 0
        assert sorted(-f.result(10) for f in others) == list(range(1, 101))
    assert [len(batch) for batch in gate.batches] == [1, 30, 30, 30, 10]


def test_one_that_fails_takes_no_other_with_it() -> None:
    gate = Gate()
    group: GroupCommit[int, int] = GroupCommit(gate)
    with ThreadPoolExecutor(12) as pool:
        first = pool.submit(group.commit, 1)
        assert gate.entered.wait(10)
        others = {n: pool.submit(group.commit, n) for n in [*range(10, 19), UNLUCKY]}
        gathered(group, 10)
        gate.open.set()
        assert first.result(10) == -1
        for n, future in others.items():
            if n == UNLUCKY:
                with pytest.raises(ValueError, match="unlucky"):
                    future.result(10)
            else:
                assert future.result(10) == -n
    assert sorted(n for batch in gate.batches for n in batch) == [1, *range(10, 19)]


def test_closing_waits_for_what_was_handed_in_and_takes_nothing_more() -> None:
    gate = Gate()
    group: GroupCommit[int, int] = GroupCommit(gate)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(group.commit, 0)]
        assert gate.entered.wait(10)
        futures += [pool.submit(group.commit, n) for n in (1, 2)]
        gathered(group, 2)
        closing = pool.submit(group.close)
        sleep(0.05)
        assert not closing.done()
        gate.open.set()
        closing.result(10)
        assert sorted(n for batch in gate.batches for n in batch) == [0, 1, 2]
        assert [f.result(10) for f in futures] == [0, -1, -2]
    with pytest.raises(RuntimeError, match="closed"):
        group.commit(4)
    group.close()


def test_an_interrupted_commit_leaves_nobody_waiting() -> None:
    """Ctrl-C in the caller that commits for others: they are told that nothing is known, and may ask again."""
    entered, opened = threading.Event(), threading.Event()

    def commit(batch: Sequence[int]) -> list[int]:
        if 0 in batch:
            entered.set()
            assert opened.wait(10)
        if 1 in batch:
            raise KeyboardInterrupt
        return list(batch)

    group: GroupCommit[int, int] = GroupCommit(commit)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(group.commit, 0)
        assert entered.wait(10)
        others = [pool.submit(group.commit, n) for n in (1, 2)]
        gathered(group, 2)
        opened.set()
        assert first.result(10) == 0
        said = [type(f.exception(10)) for f in others]
    assert sorted(kind.__name__ for kind in said) == ["KeyboardInterrupt", "RuntimeError"]
    assert group.commit(5) == 5
