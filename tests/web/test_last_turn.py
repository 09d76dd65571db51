"""The front page's last turn: a real turn's record in words, and records that someone has had in hand."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import TOKEN
from turn_world import NOW, build, turned

from cineloop.web.app import create_app
from cineloop.web.console.last_turn import SAID, last_turn
from cineloop.web.console.pages import templates
from cineloop.web.settings import Settings


def test_a_real_turn_is_told_stage_by_stage(tmp_path: Path) -> None:
    folder = build(tmp_path / "studio")
    assert last_turn(folder) is None
    made = turned(folder)
    found = last_turn(folder)
    assert found is not None and found.record == made.id and found.why == made.why
    assert found.outcome == "Another run went live" and found.added == (("plays", 30),)
    assert [stage.name for stage in found.stages] == list(SAID.values())
    assert [stage.tone for stage in found.stages] == ["good"] * len(SAID)
    assert found.before == "" and found.after == found.run == made.record["run"]
    with TestClient(create_app(Settings(folder, TOKEN, look_every=60))) as web:
        page = web.get("/console").text
    assert page.count("<li><b>") == len(SAID) and "Asked the gate" in page and "30 plays" in page
    assert "1 May 2026, 00:00 UTC" in page and f'href="/console/runs/{found.run}"' in page
    assert turned(folder, margin=0.05, at=NOW + timedelta(hours=1)).outcome == "kept"
    found = last_turn(folder)
    assert (
        found is not None
        and found.outcome == "The chosen run was live already"
        and found.before == found.after
    )


@pytest.mark.parametrize("name", ["begun.json", "torn.json"])
def test_a_turn_at_work_and_a_torn_record_are_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "turns").mkdir()
    (tmp_path / "turns" / name).write_text(
        '{"began_at": "2026-01-01"' + ("}" if name == "begun.json" else "")
    )
    assert last_turn(tmp_path) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["stage", "outcome", "what", "before", "after", "rows_added"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.dictionaries(
        st.sampled_from(["began_at", "outcome", "why", "stages", "live", "inputs", "run"]), anything
    )
)
def test_no_record_breaks_the_page(tmp_path: Path, said: dict[str, object]) -> None:
    (tmp_path / "turns").mkdir(exist_ok=True)
    (tmp_path / "turns" / "a.json").write_text(json.dumps(said))
    found = last_turn(tmp_path)
    assert found is not None
    empty = dict.fromkeys(("live", "last", "first", "since", "standing"))
    made = templates().get_template("front.html")
    page = made.render(
        turn=found, snapshot={"id": "s" * 64}, labels={}, history=[], runs=[], ingestions=[], rows=0, titles=0,
        name="studio", here="front", title="Overview", **empty,
    )  # fmt: skip
    assert page.count("<ol") <= 2 and "Last turn" in page
