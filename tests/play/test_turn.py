"""A turn ends in one state, whether undisturbed or interrupted anywhere; and the same state is not turned twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import turn_world
from service_log import play
from turn_world import CUT, NOW, build, copy, event, turned

from cineloop.errors import InputError
from cineloop.lab.protocols import protocol
from cineloop.play.shelf import HOME
from cineloop.play.turn import STAGES, turns
from cineloop.store.lock import writer_lock
from cineloop.studio import Studio


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("turn") / "before")


@pytest.fixture(scope="session")
def undisturbed(before: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A workspace after one turn that nothing disturbed, and all that was heard of meanwhile."""
    folder, heard = copy(before, tmp_path_factory.mktemp("turn") / "after"), list[str]()
    assert turned(folder, heard.append).outcome == "promoted"
    return folder, heard


def state(folder: Path) -> dict[str, Any]:
    """All that a turn leaves, without times."""
    studio = Studio(folder)
    try:
        records = turns(folder)
        for record in records:
            assert record.pop("began_at")
        live = studio.lab.live(HOME)
        return {
            "live": live and (live.id, live.files),
            "promotions": [{**asdict(p), "at": None} for p in studio.lab.history()],
            "snapshot": studio.store.head_id(),
            "ingestions": [(i.source, dict(i.settings)) for i in studio.store.head().ingestions],
            "runs": sorted(r.id for r in studio.lab.runs()),
            "evaluations": sorted(e.id for e in studio.lab.evaluations()),
            "turns": records,
            "left": sorted(p.name for p in (folder / "turns").iterdir() if p.name != "lock"),
            "report": (folder / "report.html").exists(),
        }
    finally:
        studio.close()


class Stopped(BaseException):
    pass


def stopping(last: int) -> Any:
    heard = 0

    def hear(what: str) -> None:
        nonlocal heard
        heard += 1
        if heard == last:
            raise Stopped(what)

    return hear


def test_a_turn_takes_events_in_judges_and_promotes(undisturbed: tuple[Path, list[str]]) -> None:
    folder, heard = undisturbed
    assert [h.removeprefix("after ") for h in heard if h.startswith("after ")] == list(STAGES)
    found = state(folder)
    [record] = found["turns"]
    assert record["inputs"]["rows_added"] == {"plays": 30}
    assert record["inputs"]["snapshot_after"] == found["snapshot"] != record["inputs"]["snapshot_before"]
    assert record["live"] == {"before": None, "after": found["live"][0]} and record["chosen"] == "knn"
    assert [s["stage"] for s in record["stages"]] == [s for s in STAGES if s != "record"]
    [row] = found["promotions"]
    assert (row["action"], row["by"], row["why"]) == ("promote", "turn", record["why"])
    assert found["left"] == [f"{record['id']}.json"] and found["report"]


def test_interrupted_at_every_boundary_and_run_again(
    undisturbed: tuple[Path, list[str]], before: Path, tmp_path: Path
) -> None:
    whole, heard = state(undisturbed[0]), undisturbed[1]
    for stage in STAGES:
        folder = copy(before, tmp_path / stage)
        with pytest.raises(Stopped):
            turned(folder, stopping(heard.index(f"after {stage}") + 1))
        turned(folder, at=NOW + timedelta(hours=1))
        assert state(folder) == whole, stage


def test_interrupted_again_and_again_inside_the_stages(
    undisturbed: tuple[Path, list[str]], before: Path, tmp_path: Path
) -> None:
    """Each call comes a few steps further than the one before; the last ends."""
    whole, heard = state(undisturbed[0]), undisturbed[1]
    folder, ends = copy(before, tmp_path / "w"), 0
    for last in range(1, 2 * len(heard), 5):
        try:
            turned(folder, stopping(last))
            ends += 1
            break
        except Stopped:
            pass
    assert ends == 1 and last > 5
    assert state(folder) == whole


def _killed(folder: Path, last: int) -> None:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, turn_world.__file__, str(folder), str(last)], env=env, timeout=120)
    assert done.returncode == -9


@pytest.mark.parametrize("stage", ["compact", "gate"])
def test_killed_and_run_again(
    undisturbed: tuple[Path, list[str]], before: Path, tmp_path: Path, stage: str
) -> None:
    folder = copy(before, tmp_path / "w")
    _killed(folder, undisturbed[1].index(f"after {stage}") + 1)
    turned(folder)
    assert state(folder) == state(undisturbed[0])


@pytest.mark.soak
def test_killed_at_every_step(undisturbed: tuple[Path, list[str]], before: Path, tmp_path: Path) -> None:
    for last in range(1, len(undisturbed[1]) + 1):
        folder = copy(before, tmp_path / str(last))
        _killed(folder, last)
        turned(folder)
        assert state(folder) == state(undisturbed[0]), undisturbed[1][last - 1]


def test_the_same_state_is_not_turned_twice(undisturbed: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder = copy(undisturbed[0], tmp_path / "w")
    whole, report = state(folder), (folder / "report.html").stat().st_mtime_ns
    again = turned(folder)
    assert again.outcome == "nothing new" and again.id == whole["turns"][0]["id"]
    assert again.why.startswith(f"nothing new since turn {again.id[:12]} of 2026-05-01")
    assert state(folder) == whole and (folder / "report.html").stat().st_mtime_ns == report


def test_the_report_says_what_the_record_says(undisturbed: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder = copy(undisturbed[0], tmp_path / "w")
    first = (folder / "report.html").read_text()
    assert "and promoted: " in first and "Promoted: " in first and "kept" not in first
    again = turned(folder, margin=0.05)  # another question about the same data: the same run is chosen
    assert again.outcome == "kept"
    report = (folder / "report.html").read_text()
    assert "and kept, since this very run was live already: " in report and "Kept: " in report
    assert "and promoted" not in report and "Promoted: " not in report


def test_new_plays_make_a_refresh_and_a_rollback_by_hand_stays(
    undisturbed: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder = copy(undisturbed[0], tmp_path / "w")
    first = state(folder)["live"][0]
    studio = Studio(folder)
    studio.append([event(n, 83 + n / 40) for n in range(12)])
    studio.close()
    second = turned(folder, at=NOW + timedelta(days=1))
    # the same recipe on newer data: exactly as good on the same days, so within the margin
    assert second.outcome == "promoted" and "no worse than the margin" in second.why
    assert second.record["live"]["before"] == first != second.record["live"]["after"]
    studio = Studio(folder)
    assert studio.lab.rollback(HOME, by="editor").id == first
    studio.close()
    third = turned(folder, at=NOW + timedelta(days=2))
    assert third.outcome == "nothing new" and state(folder)["live"][0] == first
    assert len(turns(folder)) == 2


def test_other_knobs_of_the_turn_are_another_turn(
    undisturbed: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder = copy(undisturbed[0], tmp_path / "w")
    other = turned(folder, margin=0.05)
    assert other.outcome == "kept" and other.id != turns(undisturbed[0])[0]["id"]
    assert len(state(folder)["promotions"]) == 1


def test_a_refusal_is_an_answer_and_is_not_asked_again(before: Path, tmp_path: Path) -> None:
    """The chosen one against itself as the baseline of a first turn: no interval is above zero."""
    folder = copy(before, tmp_path / "w")
    from cineloop.lab.recipe import make
    from cineloop.play.turn import turn

    def asked() -> Any:
        studio = Studio(folder)
        try:
            # its neighbours weigh the same within a hair: the difference cannot be told from zero
            return turn(
                studio, [make("knn", {"neighbours": 49})], CUT, make("knn", {"neighbours": 50}), at=NOW
            )
        finally:
            studio.close()

    first = asked()
    assert (
        first.outcome == "refused" and "not above zero" in first.why and first.record["live"]["after"] is None
    )
    assert asked().outcome == "nothing new"
    assert [p["action"] for p in state(folder)["promotions"]] == ["refuse"]


def test_a_log_too_short_for_the_protocol_is_said(before: Path, tmp_path: Path) -> None:
    folder = copy(before, tmp_path / "w")
    made = turned(folder, cut=protocol("global-time", {"days": 8, "every_days": 14}))
    assert made.outcome == "nothing judged" and made.record["live"] == {"before": None, "after": None}
    assert "before the log begins" in made.why and "accepted: fewer or closer days" in made.why
    assert made.record["inputs"]["rows_added"] == {"plays": 30}  # the events are in all the same
    assert turned(folder, cut=protocol("global-time", {"days": 8, "every_days": 14})).outcome == "nothing new"
    assert turned(folder).outcome == "promoted"  # fewer days, and it can be judged


def test_an_empty_workspace_is_said(tmp_path: Path) -> None:
    Studio(tmp_path / "w", create=True).close()
    made = turned(tmp_path / "w")
    assert made.outcome == "nothing judged" and "no plays, impressions or feedback yet" in made.why


def test_two_turns_at_once(before: Path, tmp_path: Path) -> None:
    folder = copy(before, tmp_path / "w")
    (folder / "turns").mkdir()
    with (
        writer_lock(folder / "turns" / "lock", "turn"),
        pytest.raises(InputError, match=f"another turn is at work: process {os.getpid()} since") as bad,
    ):
        turned(folder)
    assert "\n" not in str(bad.value)


def test_data_that_came_in_between_makes_a_new_turn(before: Path, tmp_path: Path) -> None:
    """What was begun on other data is not finished on this: the next turn starts from what is there now."""
    import polars as pl

    from cineloop.store import append

    folder, heard = copy(before, tmp_path / "w"), list[str]()
    with pytest.raises(Stopped):
        turned(folder, _stop_after("after judge", heard))
    studio = Studio(folder)
    head = studio.store.head_id()
    append(studio.store, {"plays": pl.DataFrame([play("late", "film-1", 82.5)])}, "more")
    studio.close()
    made = turned(folder)
    assert made.record["inputs"]["snapshot_before"] not in ("", head)
    assert made.record["inputs"]["snapshot_after"] != head and len(turns(folder)) == 1


def test_a_damaged_record_is_named(undisturbed: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder = copy(undisturbed[0], tmp_path / "w")
    [record] = (folder / "turns").glob("*.json")
    record.write_text(json.dumps([1]))
    with pytest.raises(InputError, match="not a readable record of a turn"):
        turned(folder)


def _stop_after(what: str, heard: list[str]) -> Any:
    def hear(said: str) -> None:
        heard.append(said)
        if said == what:
            raise Stopped(said)

    return hear
