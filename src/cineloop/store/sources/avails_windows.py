"""What a sheet says of windows, laid on the windows that are known: rows that open, correct and close them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cineloop.store.hashing import hex_ids, row_ids
from cineloop.store.snapshot import Snapshot
from cineloop.store.sources.source import LINE

NEVER = datetime(1800, 1, 1, tzinfo=UTC)
"""The end of a window that was deleted: before there was film."""

Offer = tuple[str, str | None, str]
"""Title, territory, channel."""


class Window(NamedTuple):
    """What stays the same when a sheet comes again: whose window it is, where, for what, and from when."""

    title: str
    territory: str | None
    channel: str
    starts_at: datetime | None

    @property
    def offer(self) -> Offer:
        """Title, territory and channel."""
        return self[:3]


@dataclass(frozen=True)
class Said:
    """What one sheet says: windows it opens with their ends, offers it takes back, each with the line that says so.

    `taken_back` has the start of the window that is meant, or None for all windows of the offer. `worldwide` has the
    rows that speak for all countries: (title, channel, start) that they open, and (title, channel, start or None)
    that they take back.
    """

    opened: dict[Window, dict[datetime | None, int]] = field(default_factory=dict)
    taken_back: dict[Offer, list[tuple[datetime | None, int]]] = field(default_factory=dict)
    worldwide: dict[tuple[str, str, datetime | None], int] = field(default_factory=dict)
    nowhere: dict[tuple[str, str, datetime | None], int] = field(default_factory=dict)

    def opens(self, window: Window, ends: datetime | None, line: int, *, world: bool) -> None:
        """A row offers this; of several that say the same the first counts."""
        self.opened.setdefault(window, {}).setdefault(ends, line)
        if world:
            self.worldwide.setdefault((window.title, window.channel, window.starts_at), line)

    def takes_back(self, window: Window, line: int, *, world: bool) -> None:
        """A row deletes this; a start of None means every window of the offer."""
        if world:
            self.nowhere.setdefault((window.title, window.channel, window.starts_at), line)
        self.taken_back.setdefault(window.offer, []).append((window.starts_at, line))


def rows(said: Said, after: Snapshot | None, known_at: datetime) -> Iterator[dict[str, Any]]:
    """Rows of `releases` for what is new, each superseding what it replaces; what stands already makes none.

    A country that a sheet does not name is spoken for by a row of the whole world from the same start: its window
    closes, and what holds there is what the world's row says.
    """
    standing, closed_before = _standing(after)
    # a window that comes back as it was before it was corrected must not be taken for that very row
    seq = (after.rows("releases") or None) if after is not None else None

    def row(window: Window, ends: datetime | None, line: int, supersedes: str | None) -> dict[str, Any]:
        return {
            **window._asdict(),
            "ends_at": ends,
            "seq": seq,
            "known_at": known_at,
            "supersedes": supersedes,
            LINE: line,
        }

    for window, ends in said.opened.items():
        before = standing.get(window, {})
        fresh = [end for end in ends if end not in before]
        stale = [identity for end, ids in before.items() if end not in ends for identity in ids]
        stay = fresh or list(ends)
        for i in range(max(len(fresh), len(stale))):
            end = stay[min(i, len(stay) - 1)]
            yield row(window, end, ends[end], stale[i] if i < len(stale) else None)
    hit: set[Offer] = set()
    for window, before in standing.items():
        line = _closing(said, window)
        if line is None:
            continue
        hit.add(window.offer)
        for identity in (identity for ids in before.values() for identity in ids):
            yield row(Window(*window.offer, None), NEVER, line, identity)
    there = {window.offer for window in (*standing, *said.opened, *closed_before)} | hit
    for offer, starts in said.taken_back.items():
        if offer not in there:  # deleted before it was ever heard of
            yield row(Window(*offer, None), NEVER, starts[0][1], None)


def _closing(said: Said, window: Window) -> int | None:
    """The line that closes a known window; None where it stays, or where the sheet opens it."""
    if window in said.opened:
        return None
    for start, line in said.taken_back.get(window.offer, ()):
        if start is None or start == window.starts_at:
            return line
    about = (window.title, window.channel)
    opened = said.worldwide.get((*about, window.starts_at))
    taken = (said.nowhere.get((*about, start)) for start in (window.starts_at, None))
    return next((line for line in (opened, *taken) if line is not None), None)


def _standing(
    after: Snapshot | None,
) -> tuple[dict[Window, dict[datetime | None, list[str]]], set[Window]]:
    """Ends of the windows that are known, with the ids of their rows; and those that were deleted."""
    found: dict[Window, dict[datetime | None, list[str]]] = {}
    closed: set[Window] = set()
    if after is not None:
        known = after.scan("releases").collect()
        ids = hex_ids(row_ids(known, "releases"))
        for each, identity in zip(known.select(*Window._fields, "ends_at").iter_rows(), ids, strict=True):
            window, end = Window(*each[:-1]), each[-1]
            if end == NEVER:
                closed.add(window)
            else:
                found.setdefault(window, {}).setdefault(end, []).append(identity)
    return found, closed
