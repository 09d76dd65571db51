"""Ingestion: whole or not at all, once however often it is repeated, and every broken row named."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from toy_source import START, ToySource, feedback, files_of, write_csv

import cineloop.store.draft as draft_module
from cineloop.errors import InputError
from cineloop.store import durable
from cineloop.store.check import check, conform
from cineloop.store.ingest import append, ingest
from cineloop.store.sources.source import Batch
from cineloop.store.workspace import Store

PROGRAM = Path(__file__).with_name("toy_source.py")


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_the_same_file_twice_changes_no_byte(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "ws", create=True)
    source = ToySource(write_csv(tmp_path / "log.csv", 5000), claims=400 << 20)
    first = ingest(store, source)
    before = files_of(store.folder)
    second = ingest(store, source)
    assert (first.added, first.already, second.already, second.snapshot) == (
        5000,
        False,
        True,
        first.snapshot,
    )
    assert files_of(store.folder) == before
    renamed = tmp_path / "copy.csv"
    renamed.write_bytes(source.file.read_bytes())
    assert ingest(store, ToySource(renamed)).already


def test_overlapping_exports_add_only_what_is_new(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "log.csv", 3000)
    store = Store.open(tmp_path / "ws", create=True)
    ingest(store, ToySource(file, claims=400 << 20))
    write_csv(file, 5000)
    report = ingest(store, ToySource(file, claims=1600 << 20))
    assert (report.added, report.duplicates) == (2000, 3000)
    other = Store.open(tmp_path / "other", create=True)
    assert ingest(other, ToySource(file)).snapshot == report.snapshot  # the id of both exports at once
    assert store.verify() == ()


def test_rows_doubled_within_a_file_count_once(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "log.csv", 900)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, *lines[1:], *lines[1:301]]) + "\n")
    store = Store.open(tmp_path / "ws", create=True)
    report = ingest(store, ToySource(file))
    assert (report.added, report.duplicates) == (900, 1200)
    again = Store.open(tmp_path / "again", create=True)
    assert ingest(again, ToySource(write_csv(file, 900))).snapshot == report.snapshot


def test_threads_and_waiting_room_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one thread or four the files are the same; with less memory they are cut otherwise and the id stays."""
    file = write_csv(tmp_path / "log.csv", 6000)
    found = []
    for name, cores in (("one", 1), ("four", 4)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        store = Store.open(tmp_path / name, create=True)
        found.append((ingest(store, ToySource(file, claims=800 << 20)).snapshot, names(store.parts)))
    assert found[0] == found[1]
    monkeypatch.setattr(draft_module, "WAITING", 20_000)
    small = Store.open(tmp_path / "small", create=True)
    assert ingest(small, ToySource(file, claims=800 << 20)).snapshot == found[0][0]
    assert names(small.parts) != found[0][1]


def broken_log(path: Path) -> Path:
    lines = ["account,title,value,day"]
    lines += ["toy:1,toy:1,4,1", "toy:1,toy:2", "toy:1,,4,1", "toy:2,toy:2,inf,1", "toy:3,toy:3,5,2"]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_broken_row_is_fatal_with_its_line_and_nothing_is_written(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "ws", create=True)
    before = files_of(store.folder)
    with pytest.raises(InputError) as caught:
        ingest(store, ToySource(broken_log(tmp_path / "log.csv")))
    assert str(caught.value) == (
        f"{tmp_path / 'log.csv'}:3: 'toy:1,toy:2': wrong number of cells; accepted: as the header"
    )
    assert files_of(store.folder) == before
    assert not list(store.drafts.iterdir())


def test_broken_rows_can_go_to_quarantine(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "ws", create=True)
    source = ToySource(broken_log(tmp_path / "log.csv"))
    report = ingest(store, source, on_broken="quarantine")
    assert (report.added, report.rejected) == (2, 3)
    assert report.quarantine is not None
    refused = [json.loads(line) for line in report.quarantine.read_text().splitlines()]
    assert [(r["line"], r["field"], r["value"]) for r in refused] == [
        (3, None, "toy:1,toy:2"),
        (4, "title", ""),
        (5, "value", "inf"),
    ]
    assert {r["file"] for r in refused} == {str(source.file)} and all(r["accepted"] for r in refused)
    again = ingest(store, source, on_broken="quarantine")
    assert again.already and again.quarantine == report.quarantine
    assert store.head().scan("feedback").collect()["account"].sort().to_list() == ["toy:1", "toy:3"]


def test_append_reports_row_and_field(tmp_path: Path) -> None:
    store = Store.open(tmp_path, create=True)
    good = feedback([{"account": "a", "title": "t", "value": 1, "day": 1}])
    with pytest.raises(InputError, match="mine:2: kind 'love': a broken row; accepted: one of rating, like"):
        append(store, {"feedback": pl.concat([good, good.with_columns(kind=pl.lit("love"))])}, "mine")
    with pytest.raises(InputError, match="stars: no such column in feedback; accepted: account, profile"):
        append(store, {"feedback": good.with_columns(stars=1)}, "mine")
    with pytest.raises(InputError, match="table 'feed': no such table"):
        append(store, {"feed": good}, "mine")
    with pytest.raises(InputError, match="known_at: a time without its zone; accepted: times in UTC"):
        append(store, {"feedback": good.with_columns(known_at=datetime(2020, 1, 1))}, "mine")
    assert store.snapshots() == ()
    assert append(store, {"feedback": good}, "mine").added == 1
    before = files_of(tmp_path)
    assert append(store, {"feedback": good}, "yours").duplicates == 1
    assert files_of(tmp_path) == before


def test_the_rules_of_each_table() -> None:
    """One row a rule, each broken in one way; what is sound comes through."""

    def fields(table: str, **columns: list[object]) -> list[tuple[int, str]]:
        height = len(next(iter(columns.values())))
        base = {
            "plays": {"account": "a", "profile": "a", "title": "t", "kind": "watch"},
            "titles": {"title": "t", "kind": "film", "name": "n"},
            "impressions": {"account": "a", "profile": "a"},
            "releases": {"title": "t", "channel": "svod"},
        }[table]
        frame = pl.DataFrame(
            {**{k: [v] * height for k, v in base.items()}, "known_at": [START] * height, **columns},
            strict=False,
        )
        good, broken = check(table, conform(table, frame))
        assert good.height + len(broken) == height
        return [(b.row, b.field) for b in broken]

    assert fields("plays", completion=[0.0, 1.0, 1.01, -0.01, float("nan"), None]) == [
        (2, "completion"), (3, "completion"), (4, "completion"),
    ]  # fmt: skip
    assert fields("plays", seconds=[0.0, -1.0, float("inf"), float("nan"), None]) == [
        (i, "seconds") for i in (1, 2, 3)
    ]
    assert fields("plays", account=["a", None, ""]) == [(1, "account"), (2, "account")]
    assert fields("plays", kind=["watch", "rating"]) == [(1, "kind")]
    assert fields("plays", supersedes=[None, "ab" * 16, "AB" * 16, "ab"]) == [
        (2, "supersedes"),
        (3, "supersedes"),
    ]
    assert fields("titles", kind=["film", "movie"], known_at=[None, START]) == [(0, "known_at"), (1, "kind")]
    assert fields("releases", starts_at=[START, START], ends_at=[START, None]) == [(0, "ends_at")]
    assert fields(
        "impressions",
        titles=[["t"], ["t", "u"], ["t", None], ["t"], ["t"], ["t"], None],
        positions=[[0], [0], [0, 1], [-1], [0], None, [0]],
        propensities=[[1.0], [0.5, 0.5], [0.5, 0.5], [0.5], [0.0], [None], [0.5]],
    ) == [(1, "positions"), (2, "titles"), (3, "positions"), (4, "propensities"), (6, "titles")]


def test_a_file_that_changes_underneath_is_refused(tmp_path: Path) -> None:
    class Moving(ToySource):
        def read(self):  # type: ignore[no-untyped-def]
            yield from super().read()
            with self.file.open("a") as log:
                log.write("toy:1,toy:x,1,1\n")

    store = Store.open(tmp_path / "ws", create=True)
    with pytest.raises(InputError, match="changed while it was read"):
        ingest(store, Moving(write_csv(tmp_path / "log.csv", 10)))
    assert store.snapshots() == () and not list(store.parts.iterdir())
    with pytest.raises(InputError, match="No such file"):
        ingest(store, ToySource(tmp_path / "none.csv", claims=1))


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    source = ToySource(write_csv(tmp_path / "log.csv", 2500))
    seen: list[tuple[float, float | None]] = []
    ingest(
        Store.open(tmp_path / "ws", create=True),
        source,
        progress=lambda _, done, total: seen.append((done, total)),
    )
    assert seen == sorted(seen) and seen[-1] == (source.total, source.total) and len(seen) == 4


@pytest.mark.parametrize("at", range(12))
def test_a_full_disk_at_any_sync_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    store = Store.open(tmp_path / "ws", create=True)
    ingest(store, ToySource(write_csv(tmp_path / "log.csv", 1000)))
    before = files_of(store.folder)
    calls = iter(range(1000))
    real = os.fsync

    def full(handle: int) -> None:
        if next(calls) == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    write_csv(tmp_path / "log.csv", 2000)
    with monkeypatch.context() as patched:
        patched.setattr(durable.os, "fsync", full)
        try:
            ingest(store, ToySource(tmp_path / "log.csv", claims=256 << 20))
        except InputError as error:
            assert "No space left on device" in str(error) and "\n" not in str(error)
            if store.head().rows("feedback") == 1000:  # else it failed after HEAD: the new state stands whole
                assert {k: v for k, v in files_of(store.folder).items() if k in before} == before
                assert {p.name for p in store.parts.iterdir()} == {p.file for p in store.head().parts}
        else:
            assert at >= next(calls)
    assert store.verify() == ()
    assert ingest(store, ToySource(tmp_path / "log.csv", claims=256 << 20)).snapshot == store.head().id
    assert store.head().rows("feedback") == 2000


def test_a_limit_of_the_kernel_on_file_size_is_one_clear_line(tmp_path: Path) -> None:
    """The kernel itself refuses the write, in the middle of a part."""
    store = Store.open(tmp_path / "ws", create=True)
    before = files_of(store.folder)
    script = (
        "import sys, runpy; sys.argv = sys.argv[1:]\n"
        "from cineloop.errors import InputError\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except InputError as error: print('refused', error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, PROGRAM, store.folder, write_csv(tmp_path / "log.csv", 60_000)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        capture_output=True,
        text=True,
        timeout=100,
    )
    said = done.stdout.splitlines()
    assert said[0] == "begun" and said[1].startswith("refused") and "File too large" in said[1], done
    assert len(said) == 2
    assert files_of(store.folder) == before and not list(store.drafts.iterdir())


def test_a_folder_that_can_not_be_written_is_one_clear_line(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "ws", create=True)
    source = ToySource(write_csv(tmp_path / "log.csv", 10))
    store.drafts.rmdir()
    store.drafts.write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"drafts: File exists; accepted: a folder that can be written"):
        ingest(store, source)
    if os.geteuid() == 0:
        pytest.skip("root may write into a read-only folder")
    store.drafts.unlink()
    store.root.chmod(0o555)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            ingest(store, source)
    finally:
        store.root.chmod(0o755)


def test_ingestion_time_stands_in_the_manifest_alone(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        store = Store.open(tmp_path / name, create=True)
        report = ingest(store, ToySource(write_csv(tmp_path / "log.csv", 100)))
        (ingestion,) = store.head().ingestions
        assert datetime.fromisoformat(ingestion.ingested_at).tzinfo == UTC
        found.append(
            (report.snapshot, {k: v for k, v in files_of(store.folder).items() if "snapshots" not in k})
        )
    assert found[0] == found[1]


def test_batches_of_unlike_shape_lose_nothing(tmp_path: Path) -> None:
    """Columns that are null, constant or twins in one batch and not in the next come back in every row."""
    rows = [
        {"account": f"a:{i % 3}", "title": f"t:{i}", "value": 4, "day": 1, "known_day": 1 + (i > 4)}
        for i in range(9)
    ]
    rows += [{"account": "a:9", "title": "a:9", "value": i, "day": i, "kind": "like"} for i in range(4)]
    rows += [
        {"account": "a:9", "title": "u", "value": 1, "day": 3, "supersedes": "0" * 32},
        {"account": "a:8", "title": "v", "value": 1, "day": 3},
    ]
    frame = conform("feedback", feedback(rows))

    class Cut(ToySource):
        def read(self):  # type: ignore[no-untyped-def]
            for start in range(0, frame.height, self.batch):
                yield Batch("feedback", frame[start : start + self.batch])

    file = write_csv(tmp_path / "unused.csv", 1)
    for batch in (1, 2, 5, 15):
        store = Store.open(tmp_path / f"by-{batch}", create=True)
        ingest(store, Cut(file, batch=batch, claims=800 << 20))
        found = store.head().scan("feedback").collect()
        assert found.sort("title", "value").equals(frame.sort("title", "value"))
        assert store.verify() == ()
