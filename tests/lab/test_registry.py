from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from cineloop.errors import InputError
from cineloop.lab import Lab, tables
from cineloop.lab.registry import Registry
from cineloop.lab.run import Run


def a_run(id: str, **other: object) -> Run:
    at = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    values = {
        "id": id,
        "recipe": "ease",
        "label": "ease(l2=250.5)",
        "knobs": {"l2": 250.5, "completion": [[0.5, 1.0]], "none": None, "text": "ü"},
        "source": "s" * 64,
        "lock": "l" * 64,
        "snapshot": "a" * 64,
        "as_of": at,
        "exclusions": "e" * 64,
        "seed": 2**40,
        "made_at": at,
        "seconds": 0.1,
        "files": {"weights.npy": "f" * 64},
    }
    return Run(**(values | other))  # type: ignore[arg-type]


def test_a_run_comes_back_as_it_was(open_lab: Callable[[], Lab]) -> None:
    run = a_run("0" * 31 + "1")
    assert open_lab().registry.add_run(run) == run
    assert open_lab().registry.run(run.id) == run
    assert Run.from_json(run.to_json()) == run


def test_the_first_of_two_equal_runs_wins(lab: Lab) -> None:
    first, second = a_run("1" * 32), a_run("1" * 32, seconds=9.0)
    assert lab.registry.add_run(first) == first
    assert lab.registry.add_run(second) == first
    # its folder was lost and made anew with other bytes: the row has to tell of those
    changed = a_run("1" * 32, files={"weights.npy": "0" * 64})
    assert lab.registry.add_run(changed) == changed == lab.registry.run(first.id)


def test_a_prefix_finds_one_run_or_says_why_not(lab: Lab) -> None:
    for id in ("ab" + "0" * 30, "ac" + "0" * 30):
        lab.registry.add_run(a_run(id))
    assert lab.run("ab").id.startswith("ab")
    for prefix, said in (
        ("a", "several runs start so"),
        ("ff", "no such run"),
        ("%", "no such run"),
        ("", "run"),
    ):
        with pytest.raises(InputError, match=said):
            lab.run(prefix)


def test_runs_are_listed_by_recipe_and_snapshot(lab: Lab) -> None:
    later = datetime(2025, 1, 1, tzinfo=UTC)
    lab.registry.add_run(a_run("c" * 32, made_at=later))
    lab.registry.add_run(a_run("d" * 32, recipe="knn"))
    lab.registry.add_run(a_run("e" * 32, snapshot="b" * 64))
    assert [r.id[0] for r in lab.runs()] == ["d", "e", "c"]
    assert [r.id[0] for r in lab.runs(recipe="ease", snapshot="a" * 64)] == ["c"]


def test_a_registry_of_a_newer_format_is_refused(open_lab: Callable[[], Lab]) -> None:
    with open_lab().registry.writing() as db:
        db.execute(sa.update(tables.registry).values(value=str(tables.FORMAT + 1)))
    with pytest.raises(InputError, match="registry format 2: made by a newer version; accepted: up to 1"):
        open_lab()


def test_a_failed_transaction_leaves_nothing(lab: Lab) -> None:
    row = a_run("2" * 32)
    with pytest.raises(RuntimeError), lab.registry.writing() as db:
        db.execute(
            sa.insert(tables.runs).values(row.to_json() | {"as_of": row.as_of, "made_at": row.made_at})
        )
        raise RuntimeError
    assert lab.runs() == []


def test_links_to_runs_that_are_not_there_are_refused(lab: Lab) -> None:
    with pytest.raises(sa.exc.IntegrityError), lab.registry.writing() as db:
        db.execute(sa.insert(tables.evaluation_runs).values(evaluation="x" * 32, position=0, run="y" * 32))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "not a database URL"),
        ("mysql://host/name", "'mysql': no such kind of database; accepted: sqlite:"),
        ("postgresql://me:secret@127.0.0.1:1/x", "the registry does not answer"),
    ],
)
def test_a_registry_that_can_not_be_opened_is_one_line(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as bad:
        Registry.open(tmp_path, url)
    assert "\n" not in str(bad.value) and "secret" not in str(bad.value)


def test_a_file_that_is_no_registry_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "registry.sqlite").write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(InputError, match="the registry does not answer: file is not a database"):
        Registry.open(tmp_path)


ADD = """
import sys
from test_registry import a_run
from cineloop.lab import Lab
lab = Lab(sys.argv[1])
for i in range(int(sys.argv[2]), int(sys.argv[2]) + int(sys.argv[3])):
    lab.registry.add_run(a_run(f"{i:032x}"))
    print(i, flush=True)
"""


def adding(folder: Path, first: int, many: int) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-c", ADD, str(folder), str(first), str(many)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_processes_open_and_write_one_registry_at_once(tmp_path: Path) -> None:
    writers = [adding(tmp_path / "studio", 100 * i, 20) for i in range(3)]
    for writer in writers:
        writer.communicate(timeout=120)
    assert [w.returncode for w in writers] == [0, 0, 0]
    with Lab(tmp_path / "studio") as lab:
        assert len(lab.runs()) == 60


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """`kill -9` in the middle of writes: every id that was printed after its commit is there."""
    acknowledged: list[int] = []
    for attempt in range(2):
        writer = adding(tmp_path / "studio", 1000 * attempt, 1000)
        assert writer.stdout is not None
        acknowledged += [int(writer.stdout.readline()) for _ in range(5 + 7 * attempt)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.communicate()[0].splitlines()]
        with Lab(tmp_path / "studio") as lab:
            kept = {int(run.id, 16) for run in lab.runs()}
            with lab.registry.reading() as db:
                assert db.execute(sa.text("PRAGMA integrity_check")).scalar_one() == "ok"
                assert db.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
                assert db.execute(sa.text("PRAGMA synchronous")).scalar_one() == 2  # FULL
        assert set(acknowledged) <= kept
