"""A server under load: homes at a fixed arrival rate while events flow, and events acknowledged at the same rate.

    python benchmarks/serve.py [--small] [--folder DIR]

The workspace is generated (seed 0): 12,000 titles of 8 genres, 400,000 members with a log-normal number of plays (27 in
the mean) of titles drawn by a power law, over 100 days. ALS with default knobs is trained on it and put live without a
contest: this measures serving. Four workers serve; `arrivals.py` asks on loopback for the homes of 2,000 members at a
fixed rate, evenly spaced, whether or not the server keeps up, and counts waiting from the moment a request was due;
meanwhile 20 pages of 40 titles a second are told as impressions. One row repeats the first with autocannon (from npm),
whose `-R` sends each second's requests at that second's start. Processor time is the workers' own, of one request.
Memory is the sum of the processes' proportional set sizes (PSS), so that shared pages count once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cineloop.lab import tables
from cineloop.lab.recipe import make
from cineloop.store import append, ingest
from cineloop.store.sources.source import Batch
from cineloop.studio import Studio
from machine import described

START = datetime(2026, 1, 1, tzinfo=UTC)
GENRES = ("Comedy", "Drama", "Horror", "War", "Sci-Fi", "Crime", "Romance", "Documentary")
TOKEN = "benchmark"
DRIVER = """
const autocannon = require('autocannon');
const asked = JSON.parse(require('fs').readFileSync(process.argv[2]));
autocannon({...asked}, (failed, result) => {
  if (failed) { console.error(failed); process.exit(1); }
  console.log(JSON.stringify({latency: result.latency, failed: result.non2xx + result.errors}));
});
"""


@dataclass(frozen=True)
class Plays:
    """The generated log, 50,000 members a batch."""

    members: int
    titles: int
    name: str = "generated"
    licence: str = "generated"
    files: tuple[Path, ...] = ()

    @property
    def total(self) -> int:
        return self.members * 26 * 40

    def settings(self) -> dict[str, Any]:
        return {"members": self.members, "titles": self.titles}

    def read(self) -> Iterator[Batch]:
        random = np.random.default_rng(0)
        share = np.cumsum(np.arange(1, self.titles + 1) ** -0.8)
        done = 0
        for first in range(0, self.members, 50_000):
            count = min(50_000, self.members - first)
            each = (random.lognormal(2.9, 0.8, count)).astype(np.int64) + 3
            member = np.repeat(np.arange(first, first + count), each)
            title = np.searchsorted(share, random.random(len(member)) * share[-1])
            at = (
                START
                + pl.Series(random.integers(0, 100 * 86_400, len(member))).cast(pl.Duration("ms")) * 1000
            )
            rows = pl.DataFrame({"member": member, "title": title, "happened_at": at}).select(
                pl.format("a{}", "member").alias("account"),
                pl.format("p{}", "member").alias("profile"),
                pl.format("t{}", "title").alias("title"),
                pl.lit("watch").alias("kind"),
                pl.Series("completion", random.integers(40, 101, len(member)) / 100),
                "happened_at",
                pl.col("happened_at").alias("known_at"),
            )
            done += len(rows) * 40
            yield Batch("plays", rows, done=done)


def workspace(folder: Path, members: int, titles: int) -> Studio:
    """The generated workspace."""
    studio = Studio(folder, create=True)
    facts = pl.DataFrame(
        {
            "title": [f"t{i}" for i in range(titles)],
            "kind": ["film"] * titles,
            "name": [f"Film {i}" for i in range(titles)],
            "genres": [[GENRES[i % 8], GENRES[(i * 7 + 3) % 8]] for i in range(titles)],
            "year": [1990 + i % 37 for i in range(titles)],
            "known_at": [START - timedelta(days=1000)] * titles,
        }
    )
    append(studio.store, {"titles": facts}, "generated titles")
    ingest(studio.store, Plays(members, titles))
    return studio


def live(studio: Studio, recipe: str) -> None:
    """Train a recipe and put it live without a contest."""
    run = studio.lab.train(make(recipe), studio.view())
    row = {
        "name": "play/home",
        "action": "promote",
        "run": run.id,
        "at": datetime.now(UTC),
        "by": "benchmark",
        "why": "serving is measured",
    }
    with studio.lab.registry.writing() as db:
        db.execute(tables.promotions.insert().values(row))


def memory(server: int) -> tuple[float, float]:
    """(PSS, largest RSS) in MiB over the server's worker processes."""
    pss = rss = 0.0
    for each in workers(server):
        try:
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
            pss += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) / 1024
            rss = max(rss, max(int(line.split()[1]) for line in rollup if line.startswith("Rss:")) / 1024)
        except (OSError, ValueError):
            continue
    return pss, rss


def arrivals(url: str, requests: list[dict[str, Any]], rate: int, seconds: int) -> dict[str, Any]:
    """Latencies in milliseconds at a fixed arrival rate, from a process of its own."""
    asked = {"url": url, "rate": rate, "duration": seconds, "requests": requests}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "asked.json"
        file.write_text(json.dumps(asked))
        driver = [sys.executable, str(Path(__file__).with_name("arrivals.py")), str(file)]
        done = subprocess.run(driver, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def processor(server: int) -> float:
    """Seconds of processor time that the server's processes have used."""
    ticks = 0
    for each in workers(server):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def workers(server: int) -> list[int]:
    """The server and its children."""
    found = [server]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == server:
                found.append(int(stat.parent.name))
        except (OSError, ValueError):
            continue
    return found


@dataclass
class Driver:
    """autocannon in a folder of its own."""

    folder: Path
    url: str

    @classmethod
    def install(cls, url: str) -> Driver | None:
        if shutil.which("npm") is None:
            return None
        folder = Path(tempfile.mkdtemp(prefix="autocannon-"))
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", "autocannon@8"], cwd=folder, check=True
        )
        (folder / "drive.js").write_text(DRIVER)
        return cls(folder, url)

    def drive(self, requests: list[dict[str, Any]], rate: int, seconds: int) -> dict[str, Any]:
        """Latencies in milliseconds at a fixed arrival rate."""
        asked = {
            "url": self.url,
            "connections": 40,
            "overallRate": rate,
            "duration": seconds,
            "requests": requests,
        }
        file = self.folder / "asked.json"
        file.write_text(json.dumps(asked))
        done = subprocess.run(
            ["node", "drive.js", str(file)], cwd=self.folder, capture_output=True, text=True, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def homes(members: int, rows: str = "?rows=4") -> list[dict[str, Any]]:
    """Requests for pages of 40 titles (four rows of ten), or of all rows."""
    drawn = np.random.default_rng(1).integers(0, members, 2000)
    return [{"method": "GET", "path": f"/v1/profiles/p{m}/home{rows}"} for m in drawn]


def impressions(key: str, count: int, titles: int) -> list[dict[str, Any]]:
    """Requests that each tell of one page of 40 titles: four rows of ten."""
    random = np.random.default_rng(2)
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    made = []
    for n in range(count):
        shown = [f"t{t}" for t in random.choice(titles, 40, replace=False)]
        events = []
        for each in range(4):
            titled = {"titles": shown[10 * each : 10 * each + 10], "positions": list(range(10))}
            payload = {"row": f"row-{each}", **titled, "propensities": [1.0] * 10}
            event = {
                "table": "impressions",
                "profile": f"p{n}",
                "key": f"{key}-{n}-{each}",
                "payload": payload,
            }
            events.append(event)
        body = json.dumps({"events": events})
        made.append({"method": "POST", "path": "/v1/events", "headers": headers, "body": body})
    return made


def trickle(url: str, titles: int, stop: threading.Event, every: float = 0.05) -> None:
    """20 pages a second told in the background."""
    for request in impressions(f"bg-{time.time_ns()}", 100_000, titles):
        if stop.wait(every):
            return
        call = urllib.request.Request(url + request["path"], request["body"].encode(), request["headers"])
        with urllib.request.urlopen(call, timeout=30) as answer:
            answer.read()


def main() -> None:
    """Print the tables."""
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("--small", action="store_true", help="500 titles, 5,000 members, short: to try it out")
    ask.add_argument("--folder", type=Path)
    ask.add_argument("--workers", type=int, default=4)
    asked = ask.parse_args()
    titles, members, seconds = (500, 5_000, 4) if asked.small else (12_000, 400_000, 20)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="serve-")) / "studio"
    studio = Studio(folder) if folder.exists() else workspace(folder, members, titles)
    live(studio, "als")
    print(described("cineloop", "fastapi", "uvicorn", "numpy", "polars"))
    plays = studio.store.head().rows("plays")
    print(f"{titles:,} titles, {members:,} members, {plays:,} plays; {asked.workers} workers\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    words = [
        sys.executable,
        "-m",
        "cineloop.cli",
        "-w",
        str(folder),
        "serve",
        "--port",
        str(port),
        "--workers",
        str(asked.workers),
    ]
    server = subprocess.Popen(words, env={**os.environ, "CINELOOP_TOKEN": TOKEN}, stderr=subprocess.DEVNULL)
    stop = threading.Event()
    try:
        for _ in range(6000):
            time.sleep(0.1)
            try:
                with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                    break
            except OSError:
                continue
        arrivals(url, homes(members), 50, 5)  # every worker's pages are mapped
        idle = processor(server.pid)
        arrivals(url, homes(members), 100, seconds)
        print(
            f"processor time a home: {10 * (processor(server.pid) - idle) / seconds:.2f} ms, nothing beside\n"
        )
        threading.Thread(target=trickle, args=(url, titles, stop), daemon=True).start()
        print("| what | rate, 1/s | p50, ms | p99, ms | failed |\n|---|---|---|---|---|")
        best = 0
        for rate in (100, 150, 200, 250, 300, 350, 400):
            found = arrivals(url, homes(members), rate, seconds)
            row("homes of 40 titles", rate, found)
            if found["latency"]["p99"] < 50 and not found["failed"]:
                best = rate
            elif rate >= 200:
                break
        row("homes, all rows (86 titles)", 100, arrivals(url, homes(members, ""), 100, seconds))
        told = impressions("load", 200 * seconds, titles)
        row("impressions of 40 titles", 200, arrivals(url, told, 200, seconds))
        if (driver := Driver.install(url)) is not None:
            row("homes of 40 titles, by autocannon", 200, driver.drive(homes(members), 200, seconds))
        print(f"\nhighest of these rates with a p99 under 50 ms: {best} homes a second")
        pss, rss = memory(server.pid)
        peaks = [pss]
        swap = threading.Thread(target=live, args=(studio, "knn"))
        swapped = threading.Event()

        def watch() -> None:
            while not swapped.wait(0.1):
                peaks.append(memory(server.pid)[0])

        watching = threading.Thread(target=watch)
        watching.start()
        swap.start()
        found = arrivals(url, homes(members), 100, seconds)
        swap.join()
        swapped.set()
        watching.join()
        row("homes during a swap", 100, found)
        print(
            f"\nmemory of all processes together: {pss:,.0f} MiB, at most during a swap {max(peaks):,.0f}; "
            f"the largest alone: {rss:,.0f}"
        )
    finally:
        stop.set()
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def row(what: str, rate: int, found: dict[str, Any]) -> None:
    latency = found["latency"]
    print(f"| {what} | {rate} | {latency['p50']} | {latency['p99']} | {found['failed']} |", flush=True)


if __name__ == "__main__":
    main()
