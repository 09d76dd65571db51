"""Every page of the console in a real browser: light and dark, wide and narrow, by keyboard, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import server, workspace

pytestmark = pytest.mark.browser
PAGES = (
    "",
    "/profiles",
    "/profiles/me",
    "/titles",
    "/titles/film-3",
    "/runs",
    "/data",
    "/search?q=film",
    "/decisions",
)
WORST = ("serious", "critical")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("browser") / "studio"
    workspace(folder).close()
    with server(folder) as (client, _):
        yield client


def pages(site: httpx.Client) -> list[str]:
    """The places, and one run's and one decision's page."""
    assert site.get("/console/profiles/me").status_code == 200  # a decision to look at
    found = [re.search(r"/console/runs/\w+", site.get("/console/runs").text)]
    found.append(re.search(r"/console/decisions/d-\w+", site.get("/console/decisions").text))
    return [f"/console{page}" for page in PAGES] + [each[0] for each in found if each is not None]


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360), ("dark", 380)]
)
def test_every_page_is_sound(browser: Any, site: httpx.Client, scheme: str, width: int) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed"
    ).Axe()
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    places = pages(site)
    assert len(places) == len(PAGES) + 2
    for place in places:
        page.goto(f"{site.base_url}".rstrip("/") + place)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), place
        found = axe.run(page).response["violations"]
        bad = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in WORST]
        assert bad == [], place
    assert wrong == []
    assert all(url.startswith(str(site.base_url)) for url in asked)
    context.close()


def test_the_keyboard_reaches_everything(browser: Any, site: httpx.Client) -> None:
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto(str(site.base_url).rstrip("/") + "/console/profiles/me")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.className || ''"))
        if reached[-1] == "shelf":
            break
    assert {"profiling", "territory", "max_age", "shelf"} <= set(reached)
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0", timeout=5000)
    page.close()


def test_the_chosen_scheme_is_remembered_without_a_cookie(browser: Any, site: httpx.Client) -> None:
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    page.goto(str(site.base_url).rstrip("/") + "/console")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.goto(str(site.base_url).rstrip("/") + "/console/data")
    assert before != after == page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert context.cookies() == []
    context.close()


def test_search_follows_the_typing_and_works_without_scripts(browser: Any, site: httpx.Client) -> None:
    page = browser.new_page()
    page.goto(str(site.base_url).rstrip("/") + "/console/search")
    page.locator("#find").press_sequentially("the sho")
    page.wait_for_selector("#found .poster", timeout=10_000)
    assert page.locator("#found .poster b").first.inner_text() == "The Show"
    page.close()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(str(site.base_url).rstrip("/") + "/console")
    page.locator("#find").fill("the shw")
    page.locator("#find").press("Enter")
    assert page.locator("#found .poster b").first.inner_text() == "The Show"
    assert not page.locator("#theme").is_visible()  # what needs a script isn't offered without one
    page.goto(str(site.base_url).rstrip("/") + "/console/profiles/me")
    assert page.locator(".poster").count() >= 10
    context.close()
