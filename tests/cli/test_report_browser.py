"""The demo's report in a real browser: it reads well wide and narrow, light and dark, and asks for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from said import Said

pytestmark = pytest.mark.browser


@pytest.fixture
def report(cineloop: Callable[..., Said], movielens: Path, tmp_path: Path) -> str:
    said = cineloop("demo", "--from", movielens)
    assert said.code == 0, said.err
    return (tmp_path / "studio" / "report.html").as_uri()


def test_the_report_reads_well_on_any_screen(browser: Any, report: str) -> None:
    backgrounds = set()
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 380)):
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        page = context.new_page()
        asked: list[str] = []
        wrong: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda message, wrong=wrong: wrong.append(message.text))
        page.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
        page.goto(report)
        assert asked == [report] and wrong == []
        # the page itself never scrolls sideways; wide tables and shelves do so within themselves
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (scheme, width)
        assert page.locator("h1").inner_text() == "The loop's first turn"
        assert page.locator(".poster").count() >= 10 and page.locator(".why").count() >= 10
        plots = page.locator("figure svg").all()
        assert len(plots) >= 5 and all(plot.bounding_box()["height"] > 60 for plot in plots)
        sizes = "[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height)"
        assert min(page.evaluate(sizes)) > 8  # pixels: also on a phone a plot's text can be read
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        named = [i for i in ids if not i.startswith("m")]  # plots share the definitions of equal markers
        assert len(named) == len(set(named))
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        context.close()
    assert len(backgrounds) == 2


def test_the_report_can_be_read_by_keyboard_and_by_ear(browser: Any, report: str) -> None:
    page = browser.new_page()
    page.goto(report)
    for plot in page.locator("figure svg").all():
        assert plot.get_attribute("role") == "img" and len(plot.get_attribute("aria-label") or "") > 20
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.className || document.activeElement.hash || ''"))
    assert "#gate" in reached and any("shelf" in name for name in reached)
    page.close()
