"""Ingestion of 20 and 40 million ratings beside a plain Polars scan-and-sink of the same file.

    python benchmarks/ingest.py [--rows 20000000 40000000] [--repeats 3] [--folder DIR]

The log is generated (seed 0) in the layout of MovieLens' ratings.csv: members one after another, each with 20 ratings
and an exponential number more (150 in the mean), titles drawn from 80,000 by a truncated power law (exponent 0.8 of
the rank), half-star ratings, and times in seconds: a first day between 1996 and 2023, then one rating a minute or so.
Each run is a process of its own: wall time from its start to its end, imports included, and the peak of its resident
memory as the kernel counts it. The two kinds of run alternate, and the best of `--repeats` counts for each. Bars: a
peak below 2 GiB at both sizes, and at most 3 times the time of Polars.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

INGEST = """
import sys
from cineloop.store.ingest import ingest
from cineloop.store.sources.movielens import MovieLens
from cineloop.store.workspace import Store
report = ingest(Store.open(sys.argv[2], create=True), MovieLens(sys.argv[1]))
assert report.rejected == 0, report
"""

SINK = """
import sys
import polars as pl
pl.scan_csv(sys.argv[1]).sink_parquet(sys.argv[2])
"""

PEAK_BAR = 2 << 30
TIME_BAR = 3.0


@dataclass(frozen=True)
class Run:
    """Seconds from start to end, and peak resident memory in bytes, of one process."""

    seconds: float
    peak: int


def write_ratings(path: Path, rows: int, seed: int = 0) -> None:
    """The generated log, as this module's docstring describes it."""
    random = np.random.default_rng(seed)
    titles = 80_000
    share = np.cumsum(np.arange(1, titles + 1) ** -0.8)
    numbers = random.permutation(200_000)[:titles] + 1
    done, member, block = 0, 1, 2_000_000
    with path.open("wb") as out:
        while done < rows:
            counts = 20 + random.exponential(130, block // 150).astype(np.int64)
            users = np.repeat(np.arange(member, member + len(counts)), counts)[: rows - done]
            member += len(counts)
            size = len(users)
            first = random.integers(820_454_400, 1_690_000_000, len(counts))
            drawn = np.searchsorted(share, random.random(size) * share[-1])
            frame = pl.DataFrame(
                {
                    "userId": users,
                    "movieId": numbers[drawn],
                    "rating": random.integers(1, 11, size) * 0.5,
                    "timestamp": np.repeat(first, counts)[:size]
                    + np.cumsum(random.integers(1, 120, size)) % 9_000_000,
                }
            )
            frame.write_csv(out, include_header=done == 0)
            done += size


def measure(program: str, *arguments: Path) -> Run:
    """Run a program in a fresh interpreter and wait for it."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)])
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a run ended with {process.returncode}")
    return Run(seconds, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def main() -> int:
    """Print the table; 1 where a bar is missed."""
    options = argparse.ArgumentParser(description="Ingestion beside a plain Polars scan-and-sink")
    options.add_argument("--rows", type=int, nargs="+", default=[20_000_000, 40_000_000])
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--folder", type=Path, default=None, help="where the files go for a while")
    chosen = options.parse_args()
    missed = False
    print(
        f"{'rows':>12} {'csv MB':>8} {'ingest':>9} {'peak MiB':>9} {'polars':>9} {'peak MiB':>9} {'ratio':>6}"
    )
    for rows in chosen.rows:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as temporary:
            folder = Path(temporary)
            log = folder / "ratings.csv"
            write_ratings(log, rows)
            ours, plain = [], []
            for _ in range(chosen.repeats):
                plain.append(measure(SINK, log, folder / "plain.parquet"))
                ours.append(measure(INGEST, log, folder / "studio"))
                shutil.rmtree(folder / "studio")
            best, other = min(ours, key=lambda r: r.seconds), min(plain, key=lambda r: r.seconds)
            peak, ratio = max(r.peak for r in ours), best.seconds / other.seconds
            missed |= peak >= PEAK_BAR or ratio > TIME_BAR
            print(
                f"{rows:12,} {log.stat().st_size / 1e6:8.0f} {best.seconds:8.1f}s {peak / 2**20:9.0f} "
                f"{other.seconds:8.1f}s {max(r.peak for r in plain) / 2**20:9.0f} {ratio:6.2f}",
                flush=True,
            )
    print("bars: peak below 2048 MiB, ratio at most 3:", "missed" if missed else "met")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
