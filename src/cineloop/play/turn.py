"""One turn of the loop: what members did goes in, contenders are judged anew, the best goes live if the gate allows.

A turn is named by what it starts from, so that the same state is not turned twice. What it began with is written
down before it changes anything, and every step is named by its content: a turn that was interrupted, wherever,
is finished by the next call and ends as if nothing had happened.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from cineloop.engine import Progress, silent
from cineloop.errors import InputError, MissingExtra
from cineloop.lab.promotion import MARGIN
from cineloop.lab.protocols import Cut
from cineloop.lab.recipe import Recipe, knobs
from cineloop.lab.report import write_report
from cineloop.lab.run import Run, moment, name_of, planned
from cineloop.play.comparison import METRICS
from cineloop.play.contend import METRIC, Contest, Judged, contest_of, judge
from cineloop.play.evaluate import SIGNALS
from cineloop.play.sections import gate_section, log_section, quality_section
from cineloop.play.shelf import HOME
from cineloop.store.compaction import compacted
from cineloop.store.durable import write_atomic
from cineloop.store.lock import writer_lock
from cineloop.store.workspace import plain_errors
from cineloop.studio import Studio

Outcome = Literal["promoted", "refused", "kept", "nothing judged", "nothing new"]
STAGES = ("compact", "judge", "train", "gate", "report", "record")
BY = "turn"


@dataclass(frozen=True)
class Turn:
    """What a turn came to.

    `promoted`: another run is live now. `refused`: the gate kept what was live. `kept`: the chosen run was live
    already. `nothing judged`: the log can't carry the protocol yet. `nothing new`: this state was turned before,
    by the turn of that id. `record` is what stands in `turns/<id>.json`.
    """

    id: str
    outcome: Outcome
    why: str
    record: Mapping[str, Any]


@dataclass(frozen=True)
class _Asked:
    contenders: tuple[Recipe, ...]
    cut: Cut
    baseline: Recipe
    metric: str
    margin: float
    seed: int

    def basis(self, studio: Studio) -> dict[str, Any]:
        """All that decides the result but what is live: data, exclusions, recipes and their code, protocol."""
        head = studio.store.head_id()
        try:
            view = studio.view()
            runs = [planned(r, view, self.seed).id for r in (*self.contenders, self.baseline)]
        except InputError:  # no behaviour yet: there is nothing to make a run from
            runs = []
        return {
            "snapshot": head,
            "recipes": [[r.name, knobs(r)] for r in (*self.contenders, self.baseline)],
            "runs": runs,
            "protocol": self.cut.describe(),
            "metric": self.metric,
            "margin": self.margin,
            "seed": self.seed,
        }


def turn(
    studio: Studio,
    contenders: Sequence[Recipe],
    cut: Cut,
    baseline: Recipe,
    *,
    at: datetime,
    metric: str = METRIC,
    margin: float = MARGIN,
    seed: int = 0,
    progress: Progress = silent,
    reached: Callable[[str], None] = lambda stage: None,
) -> Turn:
    """Compact the events, judge the contenders, refit the best, ask the gate, write report and record.

    `at` is the time now, for the record. `reached` is called after each of `STAGES`. An interrupted turn is
    finished first, from the data it began with; events that came meanwhile are for the next. InputError where
    another turn is at work, which is named.
    """
    if not contenders:
        raise InputError("no contender", field="recipes", accepted="one or more")
    if metric not in METRICS:
        raise InputError("no metric to choose by", field="metric", value=metric, accepted=", ".join(METRICS))
    if not 0 <= margin < 1:
        raise InputError(
            "no share", field="margin", value=margin, accepted="0 up to 1, of the opponent's mean"
        )
    asked = _Asked(tuple(contenders), cut, baseline, metric, margin, seed)
    folder = turns_folder(studio.folder)
    with plain_errors(folder):
        folder.mkdir(exist_ok=True)
        with writer_lock(folder / "lock", "turn"):
            return _turn(studio, asked, at, progress, reached)


def turns_folder(workspace: Path) -> Path:
    """Where a workspace keeps the records of its turns."""
    return workspace / "turns"


def turns(workspace: Path) -> list[dict[str, Any]]:
    """The records of the turns that ended, oldest first."""
    found = []
    for path in turns_folder(workspace).glob("*.json"):
        if path.name != "begun.json" and not path.name.startswith("."):
            found.append(_read(path))
    return sorted(found, key=lambda r: (r["began_at"], r["id"]))


def _turn(
    studio: Studio, asked: _Asked, at: datetime, progress: Progress, reached: Callable[[str], None]
) -> Turn:
    begun = _begun(studio, asked, at)
    if "basis" not in begun:
        studio.compact(progress)
        begun = begun | {"basis": asked.basis(studio)}
        if (before := _turned(studio, begun)) is not None:
            (turns_folder(studio.folder) / "begun.json").unlink()
            since = (
                f"nothing new since turn {before['id'][:12]} of {before['began_at'][:19]}Z: {before['why']}"
            )
            return Turn(before["id"], "nothing new", since, before)
        _write(turns_folder(studio.folder) / "begun.json", begun)
    reached("compact")
    record = _opened(studio, begun)
    if (lacking := _lacking(studio, asked.cut)) is not None:
        stages = [("judge", "skipped", lacking)]
        return _close(studio, record, "nothing judged", lacking, stages, reached)

    live = None if begun["live"] is None else studio.lab.run(begun["live"])
    opponent = asked.baseline if live is None else studio.lab.recipe(live)
    judged = judge(
        studio,
        asked.contenders,
        asked.cut,
        opponent,
        metric=asked.metric,
        seed=asked.seed,
        progress=progress,
    )
    reached("judge")
    run = studio.lab.train(judged.recipe, studio.view(), asked.seed, progress)
    _write(turns_folder(studio.folder) / "begun.json", begun | {"run": run.id})
    reached("train")
    contest = _gate(studio, asked, judged, run)
    reached("gate")
    outcome: Outcome = "promoted" if contest.verdict.promoted else "refused"
    if live is not None and live.id == run.id:
        outcome = "kept"
    reported = _report(studio, contest, outcome)
    reached("report")
    stages = [
        ("judge", "done", f"{contest.chosen} chosen among {len(asked.contenders)}, by {asked.metric}"),
        ("train", "done", f"run {run.id}"),
        ("gate", outcome, contest.verdict.why),
        ("report", *reported),
    ]
    numbers = {
        "chosen": contest.chosen,
        "against": contest.against,
        "run": run.id,
        "verdict": {
            "promoted": contest.verdict.promoted,
            "difference": _finite(asdict(contest.verdict.difference)),
            "margin": contest.verdict.margin,
        },
        "validation": contest.validation.rows(),
        "test": contest.test.rows(),
    }
    return _close(studio, record | numbers, outcome, contest.verdict.why, stages, reached)


def _begun(studio: Studio, asked: _Asked, at: datetime) -> dict[str, Any]:
    """Where the interrupted turn stood, if it can be finished from the present state; else a new beginning."""
    path = turns_folder(studio.folder) / "begun.json"
    live = _live(studio)
    if path.exists():
        begun = _read(path)
        if "basis" not in begun and begun.get("live") == live:
            return begun
        same = json.loads(json.dumps(asked.basis(studio))) == begun.get("basis")
        if same and live in (begun["live"], begun.get("run")):
            return begun
    head = studio.store.head()
    begun = {
        "began_at": moment(at),
        "snapshot": studio.store.head_id(),
        "rows": {name: head.rows(name) for name in sorted(head.tables)},
        "live": live,
    }
    _write(path, begun)
    return begun


def _turned(studio: Studio, begun: Mapping[str, Any]) -> dict[str, Any] | None:
    """The turn that started from this state, or brought it about.

    What a person rolled back stays back: a turn does not put the same run up again on the same data.
    """
    basis, live = name_of(begun["basis"]), begun["live"]
    fits = [
        r
        for r in turns(studio.folder)
        if r["basis"] == basis and live in (r["live"]["before"], r["live"]["after"])
    ]
    return fits[-1] if fits else None


def _opened(studio: Studio, begun: Mapping[str, Any]) -> dict[str, Any]:
    head = studio.store.head()
    upto = compacted(head)
    added = {name: head.rows(name) - begun["rows"].get(name, 0) for name in sorted(head.tables)}
    basis = name_of(begun["basis"])
    return {
        "id": name_of([basis, begun["live"]]),
        "basis": basis,
        "began_at": begun["began_at"],
        "inputs": {
            "snapshot_before": begun["snapshot"],
            "snapshot_after": studio.store.head_id(),
            "horizon": None if upto is None else upto.tx,
            "rows_added": {name: n for name, n in added.items() if n},
            **{k: begun["basis"][k] for k in ("recipes", "protocol", "metric", "margin", "seed")},
        },
        "live": {"before": begun["live"]},
    }


def _lacking(studio: Studio, cut: Cut) -> str | None:
    """Why the log can't be judged by the protocol yet, in one line; None where it can."""
    try:
        view = studio.view()
        positives = SIGNALS.interactions(view)
        for stage in ("validation", "test"):
            replace(cut, stage=stage).folds(view, positives)
    except InputError as short:
        return f"{cut.name} can't judge this log: {short}"
    return None


def _gate(studio: Studio, asked: _Asked, judged: Judged, run: Run) -> Contest:
    verdict = studio.lab.promote(
        HOME,
        run,
        judged.evidence,
        judged.opposed,
        metric=asked.metric,
        by=BY,
        margin=asked.margin,
        once=True,
    )
    return contest_of(judged, run, verdict)


def _report(studio: Studio, contest: Contest, outcome: Outcome) -> tuple[str, str]:
    path = studio.folder / "report.html"
    said = "kept, since this very run was live already" if outcome == "kept" else outcome
    summary = f"{contest.chosen} was chosen on validation days and {said}: {contest.verdict.why}."
    try:
        sections = [
            log_section(studio),
            quality_section([contest.validation, contest.test]),
            gate_section(studio, contest, kept=outcome == "kept"),
        ]
    except MissingExtra as missing:  # the turn counts without its pictures
        return "skipped", str(missing)
    write_report(path, "The loop's newest turn", summary, sections)
    return "done", path.name


def _close(
    studio: Studio,
    record: dict[str, Any],
    outcome: Outcome,
    why: str,
    stages: Sequence[tuple[str, str, str]],
    reached: Callable[[str], None],
) -> Turn:
    added = record["inputs"]["rows_added"]
    taken = ", ".join(f"{n} {name}" for name, n in added.items()) or "nothing to take"
    every = [("compact", "done", taken), *stages]
    record = record | {
        "outcome": outcome,
        "why": why,
        "stages": [{"stage": s, "outcome": o, "what": w} for s, o, w in every],
        "live": record["live"] | {"after": _live(studio)},
    }
    folder = turns_folder(studio.folder)
    _write(folder / f"{record['id']}.json", record)
    reached("record")
    (folder / "begun.json").unlink()
    return Turn(record["id"], outcome, why, record)


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    """Bounds that are infinite, as they are of a single member, have no number in JSON."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def _live(studio: Studio) -> str | None:
    live = studio.lab.live(HOME)
    return None if live is None else live.id


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict) or "began_at" not in found:
        raise InputError("not a readable record of a turn", file=path, accepted="remove it and turn again")
    return found


def _write(path: Path, record: Mapping[str, Any]) -> None:
    write_atomic(path, json.dumps(record, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n")
