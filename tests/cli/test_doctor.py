"""Each check of the doctor is shown the thing it is for, broken, and has to name it with its cure."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import Said

from cineloop.doctor import Finding, installation, requirements, workspace
from cineloop.lab.recipe import make
from cineloop.store import append
from cineloop.store.events import Event
from cineloop.store.lock import writer_lock
from cineloop.studio import Studio

DAY = datetime(2026, 1, 1, tzinfo=UTC)
NOW = DAY + timedelta(days=30)


def play(member: int, film: int, at: datetime) -> dict[str, object]:
    return {
        "account": f"a{member}",
        "profile": f"m{member}",
        "title": f"film-{film}",
        "playable": f"film-{film}",
        "kind": "watch",
        "completion": 1.0,
        "happened_at": at,
        "known_at": at,
    }


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with plays, a live run, an objection and an event that compaction has taken."""
    folder = tmp_path_factory.mktemp("doctor") / "sound"
    studio = Studio(folder, create=True)
    films = [
        {"title": f"film-{i}", "kind": "film", "name": f"Film {i}", "genres": ["Drama"], "known_at": DAY}
        for i in range(6)
    ]
    rows = [play(m, f, DAY + timedelta(days=m + f)) for m in range(6) for f in range(6) if m != f]
    append(studio.store, {"titles": pl.DataFrame(films), "plays": pl.DataFrame(rows)}, "test")
    studio.append([event("first")])
    studio.compact()
    run = studio.lab.train(make("popularity"), studio.view())
    studio.lab.train(make("knn"), studio.view())
    from cineloop.lab import tables

    row = {"name": "play/home", "action": "promote", "run": run.id, "at": DAY, "by": "test", "why": "a test"}
    with studio.lab.registry.writing() as db:
        db.execute(tables.promotions.insert().values(row))
    studio.guard.object("m1")
    studio.close()
    return folder


def event(key: str) -> Event:
    payload = {"title": "film-1", "playable": "film-1", "kind": "watch", "completion": 1.0}
    return Event(key, "plays", "m1", payload, DAY + timedelta(days=20))


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "studio"))


def unwell(found: Sequence[Finding]) -> list[Finding]:
    assert all(bool(f.mend) is (f.level != "ok") for f in found), "what is not well has a cure"
    return [f for f in found if f.level != "ok"]


def one(found: Sequence[Finding]) -> Finding:
    [only] = unwell(found)
    return only


# a workspace


def test_a_sound_workspace_is_called_so(folder: Path) -> None:
    for full in (False, True):
        found = workspace(folder, NOW, full=full)
        assert unwell(found) == []
        checks = {f.check for f in found}
    assert checks == {
        *("format", "lock", "manifests", "parts", "quarantine", "clock"),
        *("registry", "runs", "live", "guard", "events"),
    }


def test_no_workspace(tmp_path: Path) -> None:
    said = one(workspace(tmp_path / "none", NOW))
    assert (said.check, said.level) == ("format", "wrong") and "no workspace at" in said.what
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("text", "level", "what", "mend"),
    [
        ('{"format": 999}', "wrong", "format 999 is newer", "pip install --upgrade cineloop"),
        ("not json", "wrong", "is not readable", "doctor --full"),
        ('{"format": 0}', "note", "format 0 is older", "brings it up to date"),
    ],
)
def test_another_format(folder: Path, text: str, level: str, what: str, mend: str) -> None:
    (folder / "workspace.json").write_text(text)
    said = unwell(workspace(folder, NOW))[0]
    assert (said.check, said.level) == ("format", level) and what in said.what and mend in said.mend
    assert (folder / "workspace.json").read_text() == text  # looked at and left


def test_a_lock_that_is_held_names_its_holder(folder: Path) -> None:
    (folder / "turns").mkdir()
    with writer_lock(folder / "store" / "lock"), writer_lock(folder / "turns" / "lock", "turn"):
        lock, turn = unwell(workspace(folder, NOW))
    assert f"a writer is at work: process {os.getpid()}" in lock.what and lock.level == "note"
    assert f"a turn is at work: process {os.getpid()}" in turn.what and "wait" in turn.mend


def test_what_died_under_way(folder: Path) -> None:
    (folder / "store" / "drafts" / "ingestion").mkdir(parents=True)
    (folder / "turns").mkdir()
    (folder / "turns" / "begun.json").write_text("{}")
    lock, turn = unwell(workspace(folder, NOW))
    assert "left a draft" in lock.what and "cineloop data collect" in lock.mend
    assert "was interrupted" in turn.what and turn.mend.startswith("cineloop turn")


def test_a_part_that_is_gone_or_short_or_changed(folder: Path) -> None:
    parts = sorted((folder / "store" / "parts").iterdir())
    content = parts[0].read_bytes()
    parts[0].unlink()
    gone = one(workspace(folder, NOW))
    assert (gone.check, gone.level) == ("parts", "wrong") and f"{parts[0]}: is missing" in gone.what
    assert "put the file back" in gone.mend
    parts[0].write_bytes(content[:-1])
    assert f"{len(content) - 1} bytes, not {len(content)}" in one(workspace(folder, NOW)).what
    parts[0].write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    assert unwell(workspace(folder, NOW)) == []  # sizes alone don't tell
    assert "SHA-256" in one(workspace(folder, NOW, full=True)).what


def test_a_broken_manifest(folder: Path) -> None:
    head = (folder / "store" / "HEAD").read_text().strip()
    (folder / "store" / "snapshots" / f"{head}.json").write_text("{")
    said = next(f for f in workspace(folder, NOW) if f.check == "manifests")
    assert said.level == "wrong" and "not a readable manifest" in said.what and "from a copy" in said.mend


def test_a_head_that_names_nothing_is_mended_by_the_command_it_says(folder: Path) -> None:
    head = folder / "store" / "HEAD"
    head.write_text("0" * 64 + "\n")
    said = next(f for f in workspace(folder, NOW) if f.check == "manifests")
    assert said.level == "wrong" and "names a snapshot that is not there" in said.what
    _, newest, _, where = said.mend.split()
    assert where == str(head)
    head.write_text(newest + "\n")
    assert unwell(workspace(folder, NOW)) == []


def test_refused_rows(folder: Path) -> None:
    studio = Studio(folder)
    bad = [play(1, 2, DAY) | {"completion": 7.0}, play(1, 3, DAY)]
    report = append(studio.store, {"plays": pl.DataFrame(bad)}, "broken", on_broken="quarantine")
    studio.close()
    said = one(workspace(folder, NOW))
    assert said.check == "quarantine" and said.what == "1 rows of broken were refused"
    assert report.quarantine is not None and str(report.quarantine) in said.mend
    report.quarantine.unlink()
    assert "the list of them is gone" in one(workspace(folder, NOW)).what


def test_rows_from_the_future(folder: Path) -> None:
    said = one(workspace(folder, DAY + timedelta(days=5)))
    assert (said.check, said.level) == ("clock", "wrong")
    assert "plays has rows known only at 2026-01-21 00:00 UTC, and now is 2026-01-06" in said.what
    assert "timedatectl" in said.mend


def test_a_run_that_is_gone_or_damaged(folder: Path) -> None:
    studio = Studio(folder)
    [knn] = studio.lab.runs("knn")
    studio.close()
    model = folder / "lab" / "runs" / knn.id / "model"
    first = sorted(model.iterdir())[0]
    first.write_bytes(first.read_bytes() + b"x")
    assert unwell(workspace(folder, NOW)) == []
    assert "its files are not what was made" in one(workspace(folder, NOW, full=True)).what
    first.unlink()
    assert f"{first.name} is missing" in one(workspace(folder, NOW)).what
    shutil.rmtree(model.parent)
    said = one(workspace(folder, NOW))
    assert (said.check, said.level) == ("runs", "note") and "its folder is missing" in said.what
    assert said.mend.startswith("cineloop train knn")


def test_a_live_run_that_does_not_load(folder: Path) -> None:
    studio = Studio(folder)
    live = studio.lab.live("play/home")
    studio.close()
    assert live is not None
    for path in (folder / "lab" / "runs" / live.id / "model").iterdir():
        path.write_bytes(b"broken")
    said = one(workspace(folder, NOW))
    assert (said.check, said.level) == ("live", "wrong") and "play/home does not load" in said.what
    assert said.mend.startswith("cineloop rollback play/home")


def test_nothing_live_and_no_runs(tmp_path: Path) -> None:
    Studio(tmp_path / "w", create=True).close()
    said = one(workspace(tmp_path / "w", NOW))
    assert said.what == "no runs yet" and "cineloop train" in said.mend
    assert not (tmp_path / "w" / "registry.sqlite").exists()
    studio = Studio(tmp_path / "w")
    assert studio.lab.runs() == []
    studio.close()
    assert one(workspace(tmp_path / "w", NOW)).what == "nothing is live"


@pytest.mark.parametrize(
    ("file", "check"),
    [("registry.sqlite", "registry"), ("guard.sqlite", "guard"), ("events.sqlite", "events")],
)
def test_a_database_that_is_none(folder: Path, file: str, check: str) -> None:
    for left in folder.glob(f"{file}-*"):
        left.unlink()
    (folder / file).write_bytes(b"not a database at all, but long enough to be taken for one" * 50)
    said = one(workspace(folder, NOW))
    assert (said.check, said.level) == (check, "wrong") and "does not answer" in said.what
    assert said.mend == f"put {folder / file} back from a copy"


def test_a_registry_of_a_newer_version(folder: Path) -> None:
    with sqlite3.connect(folder / "registry.sqlite") as db:
        db.execute("UPDATE registry SET value = '99' WHERE key = 'format'")
    said = one(workspace(folder, NOW))
    assert (said.check, said.level) == ("registry", "wrong") and "made by a newer version" in said.what


@pytest.mark.parametrize(
    ("name", "check"), [("registry", "registry"), ("records", "guard"), ("events", "events")]
)
def test_a_server_that_is_not_there(folder: Path, name: str, check: str) -> None:
    pytest.importorskip("psycopg")
    nobody = "postgresql://127.0.0.1:1/none?connect_timeout=2"
    said = one(workspace(folder, NOW, **{name: nobody}))
    assert (said.check, said.level) == (check, "wrong") and "does not answer" in said.what
    assert f"--{name}" in said.mend


def test_events_that_wait(folder: Path) -> None:
    studio = Studio(folder)
    studio.append([event("second"), event("third")])
    studio.close()
    said = one(workspace(folder, NOW))
    assert (said.check, said.level, said.mend) == ("events", "note", "cineloop turn")
    assert said.what.startswith("2 events wait")


# an installation


def named(found: Sequence[Finding], check: str) -> list[Finding]:
    return [f for f in unwell(found) if f.check == check]


def test_packages_that_are_missing_or_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    needs = [
        "numpy>=99",
        "no-such-package-anywhere>=1.0",
        "click>=1",
        "no-such-server>=2; extra == 'web'",
        "polars>=99; extra == 'report'",
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: needs)
    found = installation(tmp_path)
    old, missing = named(found, "requirements")
    assert old.level == "wrong" and old.what.startswith("numpy is ") and old.what.endswith("needs >=99")
    assert old.mend == "pip install 'numpy>=99'"
    assert missing.what == "no-such-package-anywhere is not installed, needs >=1.0"
    report, web = named(found, "extras")
    assert report.level == "wrong" and "polars" in report.what and "cineloop[report]" in report.mend
    assert web.level == "note" and web.what == "extra web is not installed (no-such-server)"


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(requirements, "PACKAGE", "no-such-package")
    monkeypatch.setattr("cineloop.doctor.installed.PACKAGE", "no-such-package")
    [said] = named(installation(tmp_path), "requirements")
    assert said.level == "note" and said.mend.startswith("pip install")


def test_a_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cineloop.doctor.installed.metadata", lambda: {"Requires-Python": ">=3.99"})
    [said] = named(installation(tmp_path), "python")
    assert said.level == "wrong" and said.mend == "install a Python >=3.99"


def test_a_recipe_that_does_not_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bad = importlib.metadata.EntryPoint("theirs", "no_such_module:Recipe", "cineloop.recipes")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [bad])
    broken, none = named(installation(tmp_path), "recipes")
    assert broken.level == "wrong" and "recipe theirs" in broken.what and "ModuleNotFoundError" in broken.what
    assert "pip install --upgrade" in broken.mend and none.what == "no recipe is offered"


def test_more_threads_than_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pool = {"user_api": "blas", "internal_api": "openblas", "num_threads": 4096}
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [pool])
    [said] = named(installation(tmp_path), "threads")
    assert said.level == "note" and "4096 threads" in said.what and "export OMP_NUM_THREADS=" in said.mend


@pytest.mark.parametrize(("free", "level"), [(10_000_000, "wrong"), (900_000_000, "note")])
def test_a_disk_that_is_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, level: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**12, 10**12, free))
    [said] = named(installation(tmp_path / "not" / "there"), "disk")
    assert said.level == level and f"{free / 1e9:.1f} GB free at {tmp_path}" in said.what
    assert "cineloop data collect" in said.mend


def test_a_folder_that_can_not_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "access", lambda place, how: False)
    [said] = named(installation(tmp_path), "disk")
    assert said.level == "wrong" and "can't be written" in said.what


def test_text_that_is_not_utf_8(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("locale.getencoding", lambda: "ISO-8859-1")
    [said] = named(installation(tmp_path), "text")
    assert said.level == "wrong" and "files in ISO-8859-1" in said.what
    assert said.mend == "export PYTHONUTF8=1 LC_ALL=C.UTF-8"


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=4), st.lists(st.integers(0, 40), min_size=1, max_size=4)
)
def test_ranges_agree_with_packaging(have: list[int], bound: list[int]) -> None:
    """`packaging` is what pip itself uses."""
    specifiers = pytest.importorskip("packaging.specifiers")
    mine, other = (".".join(map(str, v)) for v in (have, bound))
    for op in (">=", "<=", "==", "!=", ">", "<"):
        wanted = specifiers.SpecifierSet(f"{op}{other}").contains(mine)
        assert requirements.fits(mine, f"{op}{other}") is wanted


# the command


def test_the_command(cineloop: Callable[..., Said], folder: Path) -> None:
    said = cineloop("doctor")
    assert said.code == 0 and "0 wrong" in said.out and "ok     live: play/home: popularity" in said.out
    (folder / "store" / "HEAD").write_text("0" * 64)
    broken = cineloop("doctor", "--json")
    assert broken.code == 1
    [wrong] = [f for f in json.loads(broken.out) if f["level"] == "wrong"]
    assert wrong["check"] == "manifests" and wrong["mend"].startswith("echo ")
    assert cineloop("doctor", "--installation").code == 0
