"""What the newest turn of the loop did, out of its record, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cineloop.play.turn import turns_folder

SAID = {
    "compact": "Took in what members did",
    "judge": "Judged the contenders",
    "train": "Trained the chosen one on all data",
    "gate": "Asked the gate",
    "report": "Wrote the report",
}
OUTCOMES = {
    "promoted": "Another run went live",
    "refused": "The gate kept what was live",
    "kept": "The chosen run was live already",
    "nothing judged": "The log can't carry a judgement yet",
}
GOOD, BAD = ("done", "promoted", "kept"), ("refused",)


@dataclass(frozen=True)
class Stage:
    """One stage: what was done, how it ended, and what it says; `tone` is good, bad or nothing."""

    name: str
    outcome: str
    what: str
    tone: str


@dataclass(frozen=True)
class LastTurn:
    """A turn's record for people. `run`, `before` and `after` are ids of runs, where it names them."""

    record: str
    began_at: str
    outcome: str
    why: str
    stages: tuple[Stage, ...]
    run: str
    before: str
    after: str
    added: tuple[tuple[str, int], ...]


def last_turn(workspace: Path) -> LastTurn | None:
    """The record of the turn that began last; None where there is no readable one.

    A turn that is still at work, or was interrupted, is none yet.
    """
    found: list[tuple[str, str, dict[str, Any]]] = []
    for path in sorted(turns_folder(workspace).glob("*.json")):
        try:
            said = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(said, dict) and path.name != "begun.json":
            found.append((str(said.get("began_at", "")), path.stem, said))
    if not found:
        return None
    began, record, said = max(found, key=lambda each: each[:2])
    live, added = _mapping(said.get("live")), _mapping(_mapping(said.get("inputs")).get("rows_added"))
    outcome, stages = str(said.get("outcome", "")), said.get("stages")
    return LastTurn(
        record=record,
        began_at=began,
        outcome=OUTCOMES.get(outcome, outcome),
        why=str(said.get("why", "")),
        stages=tuple(_stage(s) for s in stages if isinstance(s, dict)) if isinstance(stages, list) else (),
        run=str(said.get("run") or ""),
        before=str(live.get("before") or ""),
        after=str(live.get("after") or ""),
        added=tuple(sorted((str(k), v) for k, v in added.items() if isinstance(v, int))),
    )


def _stage(said: Mapping[str, Any]) -> Stage:
    name, outcome = str(said.get("stage", "")), str(said.get("outcome", ""))
    tone = "good" if outcome in GOOD else "bad" if outcome in BAD else ""
    return Stage(SAID.get(name, name), outcome, str(said.get("what", "")), tone)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
