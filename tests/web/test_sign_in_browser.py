"""Signing in at a server that others can reach, in a real browser; and what editors and turns add to pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from service_log import NOW
from serving import TOKEN, server, workspace

from cineloop.play.edits import Act, act_id, write

pytestmark = pytest.mark.browser
WORST = ("serious", "critical")
STAGES = [
    {"stage": "compact", "outcome": "done", "what": "30 plays"},
    {"stage": "judge", "outcome": "done", "what": "ease chosen among 2, by ndcg@100"},
    {"stage": "gate", "outcome": "refused", "what": "the interval holds zero"},
    {"stage": "report", "outcome": "done", "what": "report.html"},
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server that listens everywhere; film-3 is blocked, film-0 pinned, and a turn was refused."""
    folder: Path = tmp_path_factory.mktemp("guarded") / "studio"
    studio = workspace(folder)
    until = {"ends_at": NOW + timedelta(days=30)}
    acts = [
        Act(act_id("block", "film-3", None, None), "block", "Ada", "film-3"),
        Act(act_id("pin", "film-0", None, "DE"), "pin", "Ada", "film-0", position=1, territory="DE", **until),
    ]
    write(studio, acts, NOW)
    live = studio.lab.live("play/home")
    assert live is not None
    record = {"began_at": "2026-04-12T06:00:00+00:00", "outcome": "refused", "why": "no better", "run": live.id,
              "stages": STAGES, "live": {"before": live.id, "after": live.id},
              "inputs": {"rows_added": {"plays": 30}}}  # fmt: skip
    (folder / "turns").mkdir()
    (folder / "turns" / f"{'a' * 64}.json").write_text(json.dumps(record))
    studio.close()
    with server(folder, "--host", "0.0.0.0") as (client, _):
        yield client


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_the_way_in_and_out(browser: Any, site: httpx.Client, scheme: str, width: int) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed"
    ).Axe()
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    base = str(site.base_url).rstrip("/")

    def sound(place: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), place
        found = axe.run(page).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in WORST] == [], place

    page.goto(f"{base}/console/titles/film-3")
    assert "/console/sign-in" in page.url
    sound("sign-in")
    page.locator("#token").fill("wrong")
    page.locator("#token").press("Enter")
    page.wait_for_selector("[role=alert]")
    sound("refused")
    page.locator("#token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console/titles/film-3")
    assert "blocked" in page.locator("h1").inner_text() and page.locator("#editors").is_visible()
    sound("blocked")
    (cookie,) = context.cookies(f"{base}/console")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and TOKEN not in cookie["value"]
    page.goto(f"{base}/console/titles/film-0")
    assert "pinned at place 1" in page.locator("main").inner_text()
    page.goto(f"{base}/console")
    stages = page.locator(".stages li").all_inner_texts()
    assert len(stages) == len(STAGES) and stages[2].startswith("Asked the gate") and "refused" in stages[2]
    sound("front")
    page.goto(f"{base}/console/search")
    page.locator("#find").press_sequentially("film 3")  # the page's own script asks with the session too
    page.wait_for_selector("#found .poster", timeout=10_000)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/console/sign-in")
    page.goto(f"{base}/console")
    assert "/console/sign-in" in page.url
    context.close()
