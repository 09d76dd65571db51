"""The wing's decisions: forecast, comparables, what-if and slate, each asked, answered, explained and audited.

What a decision of a day may know ends with that day; the run that made it and the snapshot it rests on are named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cineloop.engine import Progress, silent
from cineloop.errors import InputError
from cineloop.guard import Decision, Evidence, Interval, MadeBy, Request
from cineloop.pitch.brief import Pitch
from cineloop.pitch.candidates import SlateBrief
from cineloop.pitch.comparables import Comparables
from cineloop.pitch.comparables import comparables as alike
from cineloop.pitch.correlation import Correlation
from cineloop.pitch.desk import Desk, desk, end_of
from cineloop.pitch.forecast import Forecast, frame_of_pitches
from cineloop.pitch.forecast import forecast as foreseen
from cineloop.pitch.predictive import Predictive
from cineloop.pitch.slate import Slate
from cineloop.pitch.slate import slate as chosen
from cineloop.pitch.whatif import WhatIf
from cineloop.pitch.whatif import whatif as varied
from cineloop.studio import Answer, Question, Studio

SHOWN = 8  # comparables that a forecast rests on
_ALIKE = MadeBy(kind="rule", ref="cineloop.pitch.comparables", part="comparables")


def forecast(
    studio: Studio, pitch: Pitch, at: Desk | None = None, *, progress: Progress = silent
) -> Decision[Forecast]:
    """What a title that does not exist yet would bring: the distribution, with comparables and drivers as evidence.

    `at` is a desk made before; without it the desk of the pitch's day and moment is laid. InputError where the
    workspace has too few films, or the desk is another day's.
    """
    ready = at or desk(studio, pitch.decided, pitch.moment, progress)

    def answer() -> Answer[Forecast]:
        found = _honest(foreseen(ready.model, pitch, ready.known), ready, pitch)
        like = _alike(ready, pitch, SHOWN)
        return Answer(
            value=found,
            made_by=(_run(ready), _ALIKE),
            record={
                "target": found.target,
                "median": found.median,
                "interval": list(found.interval),
                "level": found.level,
                "chances": {t.name: t.chance for t in found.thresholds},
            },
            uncertainty=Interval(low=found.interval[0], high=found.interval[1], level=found.level),
            evidence=(*_of_comparables(like), *_of_drivers(found)),
        )

    return studio.decide(_question("forecast", ready, pitch), answer)


def comparables(
    studio: Studio, pitch: Pitch, k: int = 10, at: Desk | None = None, *, progress: Progress = silent
) -> Decision[Comparables]:
    """The k films most like the pitch of those known on its day, each with why."""
    ready = at or desk(studio, pitch.decided, pitch.moment, progress)

    def answer() -> Answer[Comparables]:
        found = _alike(ready, pitch, k)
        if found is None:
            raise InputError("tells nothing to compare", field="pitch", accepted="a name, genres or people")
        return Answer(
            value=found,
            made_by=(_ALIKE,),
            record={"films": [c.title for c in found.films]},
            evidence=_of_comparables(found),
        )

    return studio.decide(_question("comparables", ready, pitch, {"k": k}), answer)


def whatif(
    studio: Studio,
    pitch: Pitch,
    changes: Sequence[Mapping[str, Any]],
    at: Desk | None = None,
    *,
    tell: bool = True,
    progress: Progress = silent,
) -> Decision[WhatIf]:
    """The pitch beside itself with each of `changes` to its fields; see `pitch.whatif`.

    `tell` says of every lever whether it can be told from nothing on films that came later; the first time on a desk
    that takes some ten seconds.
    """
    ready = at or desk(studio, pitch.decided, pitch.moment, progress)
    changed = [dict(change) for change in changes]

    def answer() -> Answer[WhatIf]:
        found = varied(ready.model, pitch, changed, ready.known, ready.drivers if tell else None)
        low, high = found.base.predictive.interval(0.8)[0].tolist()
        return Answer(
            value=found,
            made_by=(_run(ready),),
            record=[
                {"change": v.name, "factor": v.factor, "low": v.low, "high": v.high} for v in found.variants
            ],
            uncertainty=Interval(low=low, high=high, level=0.8),
            evidence=tuple(
                Evidence(kind="driver", ref=lever.field, about=lever.said, weight=v.factor)
                for v in found.variants
                for lever in v.levers
            ),
        )

    told = {
        "changes": [Pitch.checked(_plain(pitch) | c).model_dump(mode="json", include=set(c)) for c in changed]
    }
    return studio.decide(_question("whatif", ready, pitch, told), answer)


def slate(
    studio: Studio,
    brief: SlateBrief,
    *,
    folder: Path | None = None,
    as_of: datetime | None = None,
    progress: Progress = silent,
) -> Decision[Slate]:
    """The slate worth making within the brief's budget, with the proof that no other is worth more.

    Candidates that state no gross are forecast from the pitches that they name, files in `folder`; pitches of one
    slate are decided on one day. `as_of` is the day of a slate that states everything; default: now.
    """
    pitches = _pitches(brief, folder or Path())
    ready: Desk | None = None
    if pitches:
        days, moments = {p.decided for p in pitches.values()}, {p.moment for p in pitches.values()}
        if len(days) > 1 or len(moments) > 1:
            raise InputError(
                "not of one day and moment", field="candidate.pitch", accepted="pitches decided together"
            )
        ready = desk(studio, days.pop(), moments.pop(), progress)

    def answer() -> Answer[Slate]:
        forecasts: dict[str, Predictive] = {}
        correlation: Correlation | None = None
        if ready is not None:
            forecasts = {n: foreseen(ready.model, p, ready.known).predictive for n, p in pitches.items()}
            correlation = ready.correlation if brief.correlation is None else None
        found = chosen(brief, forecasts, correlation)
        return Answer(
            value=found,
            made_by=(
                MadeBy(kind="solver", ref="HiGHS", part="choice, with a bound on every other slate"),
                *(() if ready is None else (_run(ready),)),
            ),
            record={"titles": list(found.titles), "expected": found.expected, "cvar": found.cvar},
            uncertainty=Interval(low=found.interval[0], high=found.interval[1], level=0.8),
            evidence=tuple(
                Evidence(
                    kind="driver",
                    ref=part.name,
                    about=f"mean profit in USD; a loss with a chance of {part.loses:.0%}",
                    weight=part.expected,
                )
                for part in found.chosen
            ),
        )

    question = Question(
        request=Request("pitch.slate"),
        as_of=as_of or datetime.now(UTC) if ready is None else end_of(ready.day),
        snapshot=None if ready is None else ready.view.snapshot.id,
        brief={
            "slate": brief.model_dump(mode="json"),
            "pitches": {name: _plain(p) for name, p in sorted(pitches.items())},
        },
    )
    return studio.decide(question, answer)


def _question(action: str, ready: Desk, pitch: Pitch, more: Mapping[str, Any] | None = None) -> Question:
    return Question(
        request=Request(f"pitch.{action}"),
        as_of=end_of(pitch.decided),
        snapshot=ready.view.snapshot.id,
        brief={"pitch": _plain(pitch), **(more or {})},
    )


def _plain(pitch: Pitch) -> dict[str, Any]:
    return pitch.model_dump(mode="json")


def _run(ready: Desk) -> MadeBy:
    return MadeBy(kind="run", ref=ready.run.id, part=f"{ready.model.target} gross, {ready.moment}")


def _honest(found: Forecast, ready: Desk, pitch: Pitch) -> Forecast:
    """Without what rests on a budget, where the films that were learnt from tell none."""
    if ready.reads_budgets or pitch.budget is None:
        return found
    said = f"budget {pitch.budget:,.0f} USD: no film learnt from tells its budget, so it moves nothing"
    return replace(
        found,
        thresholds=tuple(t for t in found.thresholds if t.name != "break-even"),
        outside=(*found.outside, said),
    )


def _alike(ready: Desk, pitch: Pitch, k: int) -> Comparables | None:
    """Comparables of a pitch; None where it tells nothing that could be compared."""
    known = ready.films["worldwide"].is_not_null().any()
    try:
        return alike(frame_of_pitches([pitch]), ready.reference, k, grossed=known)
    except InputError as bad:
        if bad.field == "pitch":
            return None
        raise


def _of_comparables(found: Comparables | None) -> tuple[Evidence, ...]:
    films = () if found is None else found.films
    return tuple(
        Evidence(
            kind="comparable",
            ref=film.title,
            about=f"{film.name} ({film.released.year}): {'; '.join(film.why)}",
            weight=film.similarity,
        )
        for film in films
    )


def _of_drivers(found: Forecast) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            kind="driver",
            ref=d.name,
            about=f"x{d.factor:.2f} [{d.low:.2f}, {d.high:.2f}] against the typical film",
            weight=d.log,
        )
        for d in found.drivers
    )


def _pitches(brief: SlateBrief, folder: Path) -> dict[str, Pitch]:
    """The pitches of the candidates that state no gross, by name."""
    return {
        c.name: Pitch.read(folder / c.pitch) for c in brief.ordered if c.gross is None and c.pitch is not None
    }
