"""What a crash leaves: kill -9 during ingestion, and the order in which the system calls reach the disk."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_source import ToySource, write_csv

from cineloop.store.ingest import ingest
from cineloop.store.workspace import Store

PROGRAM = Path(__file__).with_name("toy_source.py")
ROWS = 12_000


def command(folder: Path, log: Path) -> list[str]:
    return [sys.executable, str(PROGRAM), str(folder), str(log)]


def kill_at_random(folder: Path, kills: int) -> None:
    """A store with a head, then ingestions of a longer file killed at random moments, then one left alone."""
    log = folder / "log.csv"
    start = Store.open(folder / "start", create=True)
    base = ingest(start, ToySource(write_csv(log, ROWS // 10))).snapshot
    write_csv(log, ROWS)
    shutil.copytree(start.folder, folder / "undisturbed")
    with subprocess.Popen(command(folder / "undisturbed", log), stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None and run.stdout.readline() == "begun\n"
        begun = time.monotonic()
        expected = run.stdout.readline().split()[1]
        took = time.monotonic() - begun
    dice = random.Random(7)
    died = 0
    for kill in range(kills):
        place = folder / f"killed-{kill}"
        shutil.copytree(start.folder, place)
        with subprocess.Popen(command(place, log), stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None and run.stdout.readline() == "begun\n"
            time.sleep(dice.uniform(0, took * 1.05))
            run.send_signal(signal.SIGKILL)
            acknowledged = run.stdout.read().startswith("done")
            died += run.wait() == -signal.SIGKILL
        store = Store.open(place)
        assert store.verify() == ()
        assert store.head().id in ({expected} if acknowledged else {base, expected})
        assert store.head().scan("feedback").collect().height in (ROWS // 10, ROWS)
        report = ingest(store, ToySource(log, batch=500, claims=800 << 20))
        assert report.snapshot == expected == store.head().id
        assert store.verify() == () and not list(store.drafts.iterdir())
        assert {p.name for p in store.parts.iterdir()} == {p.file for p in store.head().parts}
        shutil.rmtree(place)
    assert died > kills // 2  # else the moments were too late to show anything


def test_three_kills_during_ingestion(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 3)


@pytest.mark.soak
def test_twenty_kills_during_ingestion(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 20)


def traced(folder: Path, program: list[str]) -> list[tuple[str, str]]:
    """(system call, its path or target) in the order of their ends, with descriptors turned into paths."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    calls = "fsync,fdatasync,rename,renameat,renameat2,write"
    out = folder / "trace"
    done = subprocess.run(
        [strace, "-f", "-y", "-s", "40", "-e", f"trace={calls}", "-o", out, *program],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode and ("ptrace" in done.stderr or not out.exists()):
        pytest.skip(f"strace may not trace here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    began: dict[str, str] = {}
    found = []
    for line in out.read_text().splitlines():
        pid, _, call = line.partition(" ")
        if call.rstrip().endswith("<unfinished ...>"):
            began[pid] = call.rstrip().removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"\s*<\.\.\. \w+ resumed>(.*)", call):
            call = began.pop(pid) + resumed[1]
        call = call.strip()
        if sync := re.match(r"f(?:data)?sync\(\d+<(.*?)>\s*\)\s+= 0", call):
            found.append(("sync", sync[1]))
        elif moved := re.match(
            r'rename(?:at2?)?\((?:AT_FDCWD[^,]*, )?"(.*?)", (?:AT_FDCWD[^,]*, )?"(.*?)".*= 0', call
        ):
            found += [("from", moved[1]), ("to", moved[2])]
        elif said := re.match(r'write\(1<.*?>, "(\w+)', call):
            found.append(("say", said[1]))
        elif wrote := re.match(r"write\(\d+<(.*?)>,", call):
            found.append(("write", wrote[1]))
    return found


def test_data_is_synced_before_it_is_acknowledged(tmp_path: Path) -> None:
    """Files before their names, names before the manifest, the manifest before HEAD, all before the word."""
    log = write_csv(tmp_path / "log.csv", 2000)
    log.write_text(log.read_text() + "broken\n")
    ws = tmp_path / "ws"
    found = traced(tmp_path, [*command(ws, log), "quarantine"])
    store = Store.open(ws)
    head = store.head()
    parts = [str(store.parts / p.file) for p in head.parts]
    (quarantined,) = (str(p) for p in store.quarantine.iterdir())
    manifest, head_file = str(store.manifest(head.id)), str(store.root / "HEAD")
    assert len(parts) == 8

    def only(kind: str, path: str) -> int:
        (at,) = (i for i, call in enumerate(found) if call == (kind, path))
        return at

    def synced_between(path: str, after: int, before: int) -> bool:
        return ("sync", path) in found[after + 1 : before]

    named_manifest, named_head, said = only("to", manifest), only("to", head_file), only("say", "done")
    for path in (*parts, quarantined, manifest, head_file):
        named = only("to", path)
        draft = found[named - 1][1]
        last_write = max((i for i, call in enumerate(found) if call == ("write", draft)), default=-1)
        assert 0 <= last_write < named, f"{draft} was never seen being written"
        assert synced_between(draft, last_write, named), f"{draft} was renamed before it was synced"
    for path in (*parts, quarantined):
        assert only("to", path) < named_manifest
        assert synced_between(str(Path(path).parent), only("to", path), named_manifest)
    assert named_manifest < named_head < said
    assert synced_between(str(store.manifests), named_manifest, named_head)
    assert synced_between(str(store.root), named_head, said)
