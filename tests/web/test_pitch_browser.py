"""The pitch page in a real browser: from the empty form to an answer, by keyboard, on a phone, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from pitch_service import FORM, films, ready
from serving import server, workspace

from cineloop.store import ingest
from cineloop.store.sources.imdb_stats import ImdbStats
from cineloop.studio import Studio

pytestmark = pytest.mark.browser
WORST = ("moderate", "serious", "critical")
ANSWER = "/console/pitch?" + urlencode([*FORM.items(), ("change", "budget"), ("to", "60M")])
PAGES = (
    "/console/pitch",
    ANSWER,
    "/console/pitch?" + urlencode(FORM | {"name": "", "budget": "lots", "runtime": "x"}),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with members and films; its first answer is there."""
    place: Path = tmp_path_factory.mktemp("pitch-browser")
    films(place).close()
    workspace(place / "live").close()  # a server is ready only when something is live
    studio = Studio(place / "live")
    ingest(studio.store, ImdbStats(place / "films.csv"), "fatal")
    studio.close()
    with server(place / "live") as (client, _):
        ready(client, ANSWER, "Judged on", "The same recipe")
        yield client


def at(site: httpx.Client, page: str) -> str:
    return str(site.base_url).rstrip("/") + page


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360), ("dark", 380)]
)
def test_every_page_is_sound(browser: Any, site: httpx.Client, scheme: str, width: int) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed"
    ).Axe()
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "422" not in said.text else None)
    for place in PAGES:
        page.goto(at(site, place))
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), place
        found = axe.run(page).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in WORST] == [], place
    assert wrong == []
    context.close()


def test_only_the_drawing_that_fits_is_shown(browser: Any, site: httpx.Client) -> None:
    for width, shown, hidden in ((1280, "broad", "narrow"), (360, "narrow", "broad")):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(at(site, ANSWER))
        assert page.locator(f"svg.{shown}").first.is_visible()
        assert not page.locator(f"svg.{hidden}").first.is_visible()
        # no word of a drawing runs over its edge
        over = page.evaluate(
            """(kind) => [...document.querySelectorAll(`svg.${kind}`)].flatMap((svg) => {
                 const edge = svg.getBoundingClientRect();
                 return [...svg.querySelectorAll("text")].filter((word) => {
                   const box = word.getBoundingClientRect();
                   return box.left < edge.left - 1 || box.right > edge.right + 1;
                 }).map((word) => word.textContent);
               })""",
            shown,
        )
        assert over == []
        page.close()


def test_from_the_form_to_the_answer_by_keyboard_and_without_scripts(
    browser: Any, site: httpx.Client
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1000, "height": 900})
    page = context.new_page()
    page.goto(at(site, "/console/pitch"))
    page.locator("#name").focus()
    for field in ("name", "genres", "budget"):
        assert page.locator(f"#{field}").evaluate("e => e === document.activeElement"), field
        page.keyboard.type(FORM[field])
        page.keyboard.press("Tab")
    page.locator("#decided").fill(FORM["decided"])
    page.locator("#release").fill(FORM["release"])
    page.locator("#companies").fill(FORM["companies"])
    page.locator("#companies").press("Enter")
    page.wait_for_url("**/console/pitch?name=**")
    assert page.locator("h1").inner_text() == FORM["name"]
    assert "Eight in ten take between" in page.locator(".spoken").inner_text()
    page.locator("#to-1").fill("60M")
    page.locator("#to-1").press("Enter")
    page.wait_for_url("**to=60M**")
    assert "budget $60M" in page.locator("section[aria-labelledby=if] table").inner_text()
    assert page.locator("#budget").input_value() == FORM["budget"]  # the pitch itself stays
    context.close()
