"""What serving needs of everyone's plays, made once per view and memory-mapped by every worker.

A folder of plain `.npy` arrays and one JSON: each profile's rows side by side, found by the hash of its id; how
many members liked each title; what is rising. Its name hashes all that decides its content.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.lab.run import canonical, moment
from cineloop.lab.view import TrainingView
from cineloop.play.past import Touch, touch_rows
from cineloop.play.series import Catalogue
from cineloop.play.signals import Signals
from cineloop.play.trending import Trend, trending
from cineloop.store.durable import commit_folder
from cineloop.store.schema import FEEDBACK_KINDS, PLAY_KINDS

FORMAT = 1
KINDS = (*PLAY_KINDS, *FEEDBACK_KINDS)
KEPT = 2  # folders of earlier views that stay, for workers that still read them


@dataclass(frozen=True)
class Prepared:
    """Mapped arrays; `titles` (n,) sorted holds every title and playable that a row names."""

    titles: Sequence[str]
    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    accounts: NDArray[np.uint64]
    rows: dict[str, NDArray[Any]]
    liked_by: dict[str, int]
    members: int
    trends: list[Trend]
    timed: bool

    def touches(self, profile: str) -> list[Touch]:
        """A profile's rows, oldest first; none for one never heard of."""
        place = self._place(profile)
        if place is None:
            return []
        a, b = int(self.starts[place]), int(self.starts[place + 1])
        kind, title, playable, number, confidence, at = (self.rows[c][a:b].tolist() for c in _COLUMNS)
        names = self.titles
        return [
            Touch(KINDS[k], names[t], names[p], None if n != n else n, None if c != c else c, when)
            for k, t, p, n, c, when in zip(kind, title, playable, number, confidence, at, strict=True)
        ]

    def knows(self, profile: str) -> bool:
        """Whether the profile has rows."""
        return self._place(profile) is not None

    def belongs(self, profile: str, accounts: frozenset[str]) -> bool:
        """Whether a known profile belongs to one of these accounts."""
        place = self._place(profile)
        return place is not None and int(self.accounts[place]) in {_hash(account) for account in accounts}

    def _place(self, profile: str) -> int | None:
        wanted = np.uint64(_hash(profile))
        place = int(np.searchsorted(self.hashes, wanted))
        return place if place < len(self.hashes) and self.hashes[place] == wanted else None


_COLUMNS = ("kind", "title", "playable", "number", "confidence", "at")


def prepare(view: TrainingView, signals: Signals, trend_days: float, folder: Path) -> Prepared:
    """Load what is prepared of this view below `folder`, or make it first. Safe among several processes."""
    said = {
        "format": FORMAT,
        "snapshot": view.snapshot.id,
        "as_of": moment(view.as_of),
        "exclusions": view.exclusions.digest(),
        "signals": asdict(signals),
        "trend_days": trend_days,
    }
    final = folder / hashlib.sha256(canonical(said)).hexdigest()[:24]
    if not final.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with _turn(folder):  # of several workers that start together one makes it, and the others find it
            if not final.is_dir():
                _make(view, signals, trend_days, final)
    return _load(final)


def _make(view: TrainingView, signals: Signals, trend_days: float, final: Path) -> None:
    draft = final.with_name(f".{final.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # what one that was killed left
    draft.mkdir()
    _write(view, signals, trend_days, draft)
    commit_folder(draft, final)
    _forget_old(final.parent, final)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait for the others, and keep them waiting while inside; the system ends it with the process."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(view: TrainingView, signals: Signals, trend_days: float, out: Path) -> None:
    catalogue = Catalogue.of(view.table("titles").collect())
    tables = {name: view.table(name) for name in ("plays", "feedback")}
    rows = pl.concat([touch_rows(t, name, catalogue) for name, t in tables.items()]).collect()
    profiles = rows.select("profile", "account").unique("profile", keep="first").sort("profile")
    hashed = profiles.with_columns(
        hash=pl.Series([_hash(p) for p in profiles["profile"]], dtype=pl.UInt64),
        owner=pl.Series([_hash(a) for a in profiles["account"]], dtype=pl.UInt64),
    ).sort("hash")
    titles = pl.concat([rows["title"], rows["playable"]]).unique().sort()
    code = pl.DataFrame({"name": titles, "code": np.arange(len(titles), dtype=np.int32)})
    place = pl.DataFrame({"profile": hashed["profile"], "place": np.arange(len(hashed), dtype=np.int32)})
    rows = (
        rows.join(place, on="profile")
        .join(code.rename({"name": "title", "code": "t"}), on="title")
        .join(code.rename({"name": "playable", "code": "p"}), on="playable")
        .select(
            "place",
            pl.col("kind").replace_strict(_KIND, return_dtype=pl.UInt8),
            "t",
            "p",
            "number",
            "confidence",
            "at",
        )
        .sort("place", "at", "t", "p", "kind", "number", "confidence")
    )
    counts = np.bincount(rows["place"].to_numpy(), minlength=len(hashed))
    arrays = {
        "hashes": hashed["hash"].to_numpy(),
        "accounts": hashed["owner"].to_numpy(),
        "starts": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        "kind": rows["kind"].to_numpy(),
        "title": rows["t"].to_numpy(),
        "playable": rows["p"].to_numpy(),
        "number": rows["number"].fill_null(np.nan).to_numpy(),
        "confidence": rows["confidence"].fill_null(np.nan).to_numpy(),
        "at": rows["at"].to_numpy(),
    }
    for name, array in arrays.items():
        np.save(out / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    positives = signals.interactions(view)
    untimed = sum(int(t.select(pl.col("happened_at").null_count()).collect().item()) for t in tables.values())
    rising = [] if untimed else trending(positives, view.as_of, days=trend_days)
    facts = {
        "titles": titles.to_list(),
        "members": positives["member"].n_unique(),
        "liked_by": dict(positives.group_by("title").len().sort("title").rows()),
        "trends": [asdict(trend) for trend in rising],
        "timed": not untimed,
    }
    (out / "facts.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


_KIND = {kind: i for i, kind in enumerate(KINDS)}


def _load(folder: Path) -> Prepared:
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    arrays = {p.stem: _mapped(p) for p in sorted(folder.glob("*.npy"))}
    return Prepared(
        titles=facts["titles"],
        hashes=arrays["hashes"],
        starts=arrays["starts"],
        accounts=arrays["accounts"],
        rows={name: arrays[name] for name in _COLUMNS},
        liked_by=facts["liked_by"],
        members=facts["members"],
        trends=[Trend(**trend) for trend in facts["trends"]],
        timed=facts["timed"],
    )


def _mapped(path: Path) -> NDArray[Any]:
    whole = np.load(path, mmap_mode=None if path.stat().st_size < 256 else "r", allow_pickle=False)
    return np.asarray(whole)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def _forget_old(folder: Path, newest: Path) -> None:
    """Views of earlier days are not asked for again; what a worker still maps stays until it lets go."""
    done = (f for f in folder.iterdir() if f != newest and not f.name.startswith("."))
    others = sorted(done, key=lambda f: f.stat().st_mtime, reverse=True)
    for old in others[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
