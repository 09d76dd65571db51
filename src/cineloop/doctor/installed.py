"""The machine, and what is installed on it. Every check yields findings, one line where all is well."""

from __future__ import annotations

import importlib.metadata as packages
import locale
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from cineloop.doctor.finding import Finding, Level
from cineloop.doctor.requirements import PACKAGE, fits, metadata, parsed, version
from cineloop.lab.recipe import GROUP

USED = ("report", "web", "postgres")  # the extras that users choose; the others are for work on the platform
TIGHT, FULL = 2_000_000_000, 200_000_000  # bytes left on the disk


def installation(folder: Path) -> list[Finding]:
    """The machine and what is installed on it; `folder` says which disk is meant."""
    return [*_python(), *_requirements(), *_extras(), *_recipes(), *_threads(), *_disk(folder), *_text()]


def _python() -> Iterator[Finding]:
    needed = metadata().get("Requires-Python", "")
    have = ".".join(map(str, sys.version_info[:3]))
    if not fits(have, needed):
        yield Finding("python", "wrong", f"Python {have}, needs {needed}", f"install a Python {needed}")
    else:
        yield Finding("python", "ok", f"Python {have}")


def _requirements() -> Iterator[Finding]:
    try:
        needed = packages.requires(PACKAGE) or []
    except packages.PackageNotFoundError:
        yield Finding(
            "requirements", "note", f"{PACKAGE} is not installed, only importable", "pip install cineloop"
        )
        return
    bad = 0
    for name, range_, _ in (r for r in map(parsed, needed) if r[2] is None):
        have = version(name)
        if have is None or not fits(have, range_):
            bad += 1
            said = "is not installed" if have is None else f"is {have}"
            yield Finding(
                "requirements", "wrong", f"{name} {said}, needs {range_}", f"pip install '{name}{range_}'"
            )
    if not bad:
        yield Finding("requirements", "ok", f"{packages.version(PACKAGE)} with all that it needs")


def _extras() -> Iterator[Finding]:
    try:
        needed = [parsed(r) for r in packages.requires(PACKAGE) or []]
    except packages.PackageNotFoundError:
        return
    for extra in USED:
        missing, old = [], []
        for name, range_, of in needed:
            if of != extra:
                continue
            have = version(name)
            if have is None:
                missing.append(name)
            elif not fits(have, range_):
                old.append(f"{name} {have}, needs {range_}")
        cure = f"pip install --upgrade '{PACKAGE}[{extra}]'"
        if old:
            yield Finding("extras", "wrong", f"extra {extra}: {', '.join(old)}", cure)
        elif missing:
            yield Finding("extras", "note", f"extra {extra} is not installed ({', '.join(missing)})", cure)
        else:
            yield Finding("extras", "ok", f"extra {extra}")


def _recipes() -> Iterator[Finding]:
    loaded = []
    for entry in sorted(packages.entry_points(group=GROUP), key=lambda e: e.name):
        try:
            entry.load()
            loaded.append(entry.name)
        except Exception as bad:  # a third party's module may raise anything
            said = " ".join(f"{type(bad).__name__}: {bad}".split())
            of = entry.dist.name if entry.dist is not None else entry.value
            yield Finding(
                "recipes",
                "wrong",
                f"recipe {entry.name} of {of} does not load: {said}",
                f"pip install --upgrade {of}, or pip uninstall {of}",
            )
    if loaded:
        yield Finding("recipes", "ok", ", ".join(loaded))
    else:
        yield Finding("recipes", "wrong", "no recipe is offered", f"pip install --force-reinstall {PACKAGE}")


def _threads() -> Iterator[Finding]:
    import numpy  # noqa: F401 - so that its BLAS is loaded and can be asked
    from threadpoolctl import threadpool_info

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for pool in (p for p in threadpool_info() if p.get("user_api") == "blas"):
        threads = int(pool["num_threads"])
        said = f"{pool['internal_api']} with {threads} thread{'s' if threads > 1 else ''} on {cores} cores"
        if threads > cores:
            cure = f"export OMP_NUM_THREADS={cores} OPENBLAS_NUM_THREADS={cores}"
            yield Finding("threads", "note", f"{said}: they get in each other's way", cure)
        else:
            yield Finding("threads", "ok", said)


def _disk(folder: Path) -> Iterator[Finding]:
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    said, cure = f"{free / 1e9:,.1f} GB free at {there}", "free some space; cineloop data collect may help"
    level: Level = "wrong" if free < FULL else "note" if free < TIGHT else "ok"
    yield Finding("disk", level, said, "" if level == "ok" else cure)
    if not os.access(there, os.W_OK):
        yield Finding("disk", "wrong", f"{there} can't be written", f"chown or chmod {there}")


def _text() -> Iterator[Finding]:
    used = {
        "file names": sys.getfilesystemencoding(),
        "files": locale.getencoding(),
        "output": getattr(sys.stdout, "encoding", None) or "utf-8",
    }
    odd = {what: name for what, name in used.items() if name.lower().replace("-", "") != "utf8"}
    if odd:
        said = ", ".join(f"{what} in {name}" for what, name in odd.items())
        yield Finding("text", "wrong", f"not UTF-8: {said}", "export PYTHONUTF8=1 LC_ALL=C.UTF-8")
    else:
        yield Finding("text", "ok", "UTF-8")
