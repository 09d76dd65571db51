"""A contest for `play/home`: choose on validation days, report on test days, refit on all data, ask the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cineloop.engine import Progress, silent
from cineloop.errors import InputError
from cineloop.lab.evaluation import Evaluation
from cineloop.lab.promotion import MARGIN, Verdict
from cineloop.lab.protocols import Cut
from cineloop.lab.recipe import Recipe
from cineloop.lab.run import Run, label
from cineloop.play.comparison import METRICS, Comparison, choose, comparison
from cineloop.play.evaluate import evaluate
from cineloop.play.shelf import HOME
from cineloop.studio import Studio

METRIC = "ndcg@100"


@dataclass(frozen=True)
class Contest:
    """What happened: all contenders on validation, the chosen one and its opponent on test, and the verdict.

    `run` is the refit on all data that the gate was asked to make live.
    """

    validation: Comparison
    test: Comparison
    chosen: str
    against: str
    run: Run
    verdict: Verdict


@dataclass(frozen=True)
class Judged:
    """Before the gate: all contenders on validation, and the chosen `recipe` and its opponent on test.

    `evidence` and `opposed` are the test evaluations of the chosen one and of its opponent.
    """

    validation: Comparison
    test: Comparison
    recipe: Recipe
    evidence: Evaluation
    opposed: Evaluation


def judge(
    studio: Studio,
    contenders: Sequence[Recipe],
    cut: Cut,
    opponent: Recipe,
    *,
    metric: str = METRIC,
    seed: int = 0,
    progress: Progress = silent,
) -> Judged:
    """Choose the best of `contenders` on validation days, and hold it against `opponent` on test days."""
    if not contenders:
        raise InputError("no contender", field="recipes", accepted="one or more")
    if metric not in METRICS:
        raise InputError("no metric to choose by", field="metric", value=metric, accepted=", ".join(METRICS))
    view, lab = studio.view(), studio.lab
    tried = [opponent, *(c for c in contenders if c != opponent)]
    validation = evaluate(lab, view, tried, replace(cut, stage="validation"), seed=seed, progress=progress)
    compared = comparison(lab, validation, METRICS, validation[0].contender)
    among = [s for s in compared.standings if s.contender in {label(c) for c in contenders}]
    best = choose(replace(compared, standings=tuple(among)), metric).contender
    recipe = next(c for c in contenders if label(c) == best)
    pair = [opponent] if recipe == opponent else [opponent, recipe]
    test = evaluate(lab, view, pair, replace(cut, stage="test"), seed=seed, progress=progress)
    reported = comparison(lab, test, METRICS, test[0].contender)
    return Judged(compared, reported, recipe, test[-1], test[0])


def contest_of(judged: Judged, run: Run, verdict: Verdict) -> Contest:
    """What happened, once the gate has spoken on `run`."""
    chosen, against = label(judged.recipe), judged.opposed.contender
    return Contest(judged.validation, judged.test, chosen, against, run, verdict)


def contend(
    studio: Studio,
    contenders: Sequence[Recipe],
    cut: Cut,
    baseline: Recipe,
    *,
    by: str = "",
    seed: int = 0,
    margin: float = MARGIN,
    metric: str = METRIC,
    progress: Progress = silent,
) -> Contest:
    """Send the best of `contenders` to the gate of `play/home`, against what is live there, else `baseline`.

    The best on validation by `metric` is refitted as of the test days, and so is its opponent. A contender that
    is live already, with the same knobs, is a routine refresh and needs only to be no worse than `margin`.
    """
    live = studio.lab.live(HOME)
    opponent = baseline if live is None else studio.lab.recipe(live)
    judged = judge(studio, contenders, cut, opponent, metric=metric, seed=seed, progress=progress)
    run = studio.lab.train(judged.recipe, studio.view(), seed, progress)
    verdict = studio.lab.promote(
        HOME, run, judged.evidence, judged.opposed, metric=metric, by=by, margin=margin
    )
    return contest_of(judged, run, verdict)
