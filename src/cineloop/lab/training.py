"""Fit a recipe once, keep the model, and find it again.

A run's folder is `lab/runs/<id>/`: `model/` holds what the model saved, `run.json` says what it is. The
folder comes first, whole and synced, and the registry's row after it: a crash in between leaves a folder that
the next call adopts, never a row without its folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from cineloop.engine import Engine, Inline, Progress, Resources, silent
from cineloop.errors import InputError
from cineloop.lab.recipe import Model, Recipe, recipes
from cineloop.lab.registry import Registry
from cineloop.lab.run import Run, planned
from cineloop.lab.view import TrainingView
from cineloop.store.durable import commit_folder


@dataclass(frozen=True)
class Fitting:
    """One job for the engine: what to fit and the empty folder to save it into."""

    recipe: Recipe
    view: TrainingView
    seed: int
    folder: Path


def fit(job: Fitting) -> None:
    """Fit, save, and check that what was saved loads."""
    model = job.recipe.fit(job.view, job.seed)
    model.save(job.folder)
    try:
        type(model).load(job.folder)
    except Exception as bad:
        raise InputError(
            f"its model does not load what it saved ({type(bad).__name__}: {bad})",
            field="recipe",
            value=job.recipe.name,
        ) from bad


def train(
    registry: Registry,
    folder: Path,
    recipe: Recipe,
    view: TrainingView,
    seed: int = 0,
    *,
    progress: Progress = silent,
    engine: Engine | None = None,
) -> Run:
    """The run of this recipe on this view: found (`reused`) where it was made, else made now.

    The fit gets as many threads as the recipe's `threads` says, 1 where it says nothing. Two processes that
    make the same run at once both end with the same one.
    """
    run = planned(recipe, view, seed)
    home = runs_folder(folder) / run.id
    known = registry.run(run.id)
    if known is not None and all((home / "model" / name).is_file() for name in known.files):
        return replace(known, reused=True)
    if (orphan := _adopt(home, run.id)) is not None:
        return replace(registry.add_run(orphan), reused=True)
    _clear_drafts(folder)
    made = _make(folder, home, recipe, view, run, progress, engine or Inline())
    return registry.add_run(made)


def _make(
    folder: Path, home: Path, recipe: Recipe, view: TrainingView, run: Run, progress: Progress, engine: Engine
) -> Run:
    draft = _new_draft(folder)
    try:
        model = draft / "model"
        model.mkdir(parents=True)
        resources = Resources(threads=getattr(recipe, "threads", 1))

        def said(task: str, done: float, total: float | None = None) -> None:
            progress(f"train {run.label}", done, total)

        began = time.perf_counter()
        for _ in engine.map(fit, [Fitting(recipe, view, run.seed, model)], resources, said):
            pass
        made = replace(run, seconds=time.perf_counter() - began, files=hashes(model))
        (draft / "run.json").write_text(json.dumps(made.to_json(), indent=1, sort_keys=True) + "\n", "utf-8")
        home.parent.mkdir(parents=True, exist_ok=True)
        try:
            commit_folder(draft, home)
        except OSError:
            if not home.exists():
                raise
            theirs = _adopt(home, run.id)  # another process was first
            if theirs is not None:
                return theirs
            broken = home.rename(_new_draft(folder))
            commit_folder(draft, home)
            shutil.rmtree(broken, ignore_errors=True)
        return made
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def load(folder: Path, run: Run, kind: type[Recipe] | None = None) -> Model:
    """The run's model. InputError where its recipe is not installed or its files are not as they were made.

    `kind` is the recipe's class where no installed package offers it.
    """
    if kind is None:
        known = recipes()
        if run.recipe not in known:
            raise InputError("not installed", field="recipe", value=run.recipe, accepted=", ".join(known))
        kind = known[run.recipe]
    model = runs_folder(folder) / run.id / "model"
    for name, digest in sorted(run.files.items()):
        path = model / name
        if not path.is_file():
            raise InputError("is missing; train again and it is made anew", file=path)
        if _sha256(path) != digest:
            raise InputError("is not what the run made; remove its folder and train again", file=path)
    return kind.model.load(model)


def runs_folder(folder: Path) -> Path:
    """Where a workspace keeps its runs."""
    return folder / "lab" / "runs"


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path in it."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): _sha256(p) for p in paths}


def _sha256(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _adopt(home: Path, id: str) -> Run | None:
    """The run in a folder that is whole; None where there is none or it is not."""
    try:
        plain: dict[str, Any] = json.loads((home / "run.json").read_text("utf-8"))
        found = Run.from_json(plain)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.id == id and found.files == hashes(home / "model") else None


def _new_draft(folder: Path) -> Path:
    drafts = folder / "lab" / "drafts"
    drafts.mkdir(parents=True, exist_ok=True)
    return drafts / f"{socket.gethostname()}.{os.getpid()}.{uuid4().hex}"


def _clear_drafts(folder: Path) -> None:
    """Remove what processes of this machine left when they were killed."""
    for draft in (folder / "lab" / "drafts").glob(f"{socket.gethostname()}.*.*"):
        pid = draft.name.rsplit(".", 2)[1]
        if not pid.isdigit():
            continue
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(draft, ignore_errors=True)
        except PermissionError:
            continue
