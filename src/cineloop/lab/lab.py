"""The lab of a workspace: one object that holds its folder and registry and hands out the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import polars as pl
from pydantic import TypeAdapter

from cineloop.engine import Engine, Inline, Progress, silent
from cineloop.lab import evaluation as judging
from cineloop.lab import promotion as gate
from cineloop.lab import training
from cineloop.lab.evaluation import Cell, Evaluation
from cineloop.lab.promotion import MARGIN, Promotion, Verdict
from cineloop.lab.recipe import Model, Recipe, make
from cineloop.lab.registry import Registry
from cineloop.lab.run import Run
from cineloop.lab.splits import Splits
from cineloop.lab.statistics import Interval
from cineloop.lab.view import TrainingView


class Lab:
    """Runs, evaluations and promotions of the workspace in `folder`.

    `url` names a PostgreSQL registry; without it the registry is `registry.sqlite` in the folder. Models and
    scores are files below `lab/` in the folder in either case.
    """

    def __init__(self, folder: Path | str, url: str | None = None, engine: Engine | None = None) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.registry = Registry.open(self.folder, url)
        self.engine: Engine = engine or Inline()
        # recipes that no package offers (a notebook's, a test's) can be loaded by the lab that trained them
        self._trained: dict[str, type[Recipe]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the registry's connections."""
        self.registry.engine.dispose()

    # runs

    def train(self, recipe: Recipe, view: TrainingView, seed: int = 0, progress: Progress = silent) -> Run:
        """The run of a recipe on a view, made now unless it is there (`run.reused`)."""
        run = training.train(
            self.registry, self.folder, recipe, view, seed, progress=progress, engine=self.engine
        )
        self._trained[run.id] = type(recipe)
        return run

    def load(self, run: Run | str) -> Model:
        """A run's model; InputError where its recipe or its files are not there, or not as they were made."""
        run = self.run(run) if isinstance(run, str) else run
        return training.load(self.folder, run, self._trained.get(run.id))

    def recipe(self, run: Run) -> Recipe:
        """The recipe of a run with its knobs, as the installed package offers it."""
        kind = self._trained.get(run.id)
        return make(run.recipe, run.knobs) if kind is None else TypeAdapter(kind).validate_python(run.knobs)

    def run(self, id: str) -> Run:
        """A run by its id or the start of it."""
        return self.registry.find(id)

    def runs(self, recipe: str | None = None, snapshot: str | None = None) -> list[Run]:
        """Runs, oldest first."""
        return self.registry.runs(recipe, snapshot)

    # evaluations

    def record(
        self,
        contender: str,
        protocol: Splits | Mapping[str, Any],
        snapshot: str,
        runs: Sequence[Run | str],
        scores: pl.DataFrame,
        facts: Mapping[str, float] | None = None,
    ) -> Evaluation:
        """Keep a contender's scores, rows (fold, unit, metrics …); the same ones are kept once."""
        return judging.record(self.registry, self.folder, contender, protocol, snapshot, runs, scores, facts)

    def evaluation(self, id: str) -> Evaluation:
        """An evaluation by its id or the start of it."""
        return judging.evaluation(self.registry, id)

    def evaluations(
        self,
        *,
        contender: str | None = None,
        stage: str | None = None,
        protocol: Splits | Mapping[str, Any] | None = None,
        snapshot: str | None = None,
        runs: Sequence[Run | str] | None = None,
    ) -> list[Evaluation]:
        """The evaluations that fit, oldest first."""
        return judging.evaluations(
            self.registry, contender=contender, stage=stage, protocol=protocol, snapshot=snapshot, runs=runs
        )

    def scores(self, of: Evaluation | str) -> pl.DataFrame:
        """An evaluation's scores, rows (fold, unit, metrics …)."""
        return judging.scores(self.folder, self._evaluation(of))

    def compare(self, a: Evaluation | str, b: Evaluation | str, metric: str, level: float = 0.95) -> Interval:
        """The mean difference a − b on common units, with its interval."""
        return judging.compare(self.folder, self._evaluation(a), self._evaluation(b), metric, level=level)

    def table(
        self, judged: Sequence[Evaluation], metrics: Sequence[str], baseline: Evaluation | str | None = None
    ) -> list[Cell]:
        """Means and differences to the baseline, with their intervals."""
        return judging.table(self.folder, judged, metrics, baseline)

    def _evaluation(self, of: Evaluation | str) -> Evaluation:
        return self.evaluation(of) if isinstance(of, str) else of

    # promotions

    def promote(
        self,
        name: str,
        run: Run | str,
        evidence: Evaluation | str,
        against: Evaluation | str,
        *,
        metric: str,
        by: str = "",
        margin: float = MARGIN,
        once: bool = False,
    ) -> Verdict:
        """Ask the gate to make a refit on all data live under a name, on two test evaluations."""
        return gate.promote(
            self.registry,
            self.folder,
            name,
            self.run(run) if isinstance(run, str) else run,
            self._evaluation(evidence),
            self._evaluation(against),
            metric=metric,
            by=by,
            margin=margin,
            once=once,
        )

    def live(self, name: str) -> Run | None:
        """The run that is live under a name."""
        return gate.live(self.registry, name)

    def history(self, name: str | None = None) -> list[Promotion]:
        """What was promoted, refused and rolled back, oldest first."""
        return gate.history(self.registry, name)

    def rollback(self, name: str, by: str = "", why: str = "") -> Run:
        """Go back to what was live before under a name."""
        return gate.rollback(self.registry, name, by, why)
