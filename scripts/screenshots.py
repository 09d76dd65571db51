"""Screenshots of real pages for the README: `make screenshots` (needs Debian's chromium or another Chromium)."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
]
PITCH = (
    "name=The+Salt+Road&decided=2014-12-31&moment=greenlight&genres=Thriller%2C+Drama&budget=40000000"
    "&release=2016-09-16&country=United+States&companies=Universal+Pictures"
)
# name, address, scheme, width, height; {run} and {pairs} are looked up on the page of runs
PAGES = [
    ("front", "/console", "light", 1280, 800),
    ("home", "/console/profiles/ml-100k:167", "dark", 1280, 900),
    ("title", "/console/titles/ml-100k:100", "light", 1280, 900),
    ("compare", "/console/compare?{pairs}", "light", 1280, 900),
    ("pitch", f"/console/pitch?{PITCH}", "light", 1280, 1180),
    ("phone", "/console/profiles/ml-100k:167", "dark", 380, 800),
]


def main() -> None:
    """Keep two sections of the demo's report as docs/report-SECTION.png, and pages as docs/console-PAGE.png."""
    report = ROOT / "studio" / "report.html"
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or not report.exists():
        sys.exit("needs a Chromium on the path, and the report: make demo")
    with sync_playwright() as started, serving() as base:
        browser = started.chromium.launch(executable_path=chromium, args=QUIET)
        sections(browser, report)
        console(browser, base)
        browser.close()


def sections(browser: Browser, report: Path) -> None:
    """Two sections of the report."""
    page = browser.new_page(viewport={"width": 1120, "height": 1000}, device_scale_factor=1)
    page.goto(report.as_uri())
    for section, height in (("quality", 560), ("home", 900)):
        box = page.locator(f"section[aria-labelledby={section}]").bounding_box()
        assert box is not None, section
        clip = {"x": 0, "y": box["y"] + 48, "width": 1120, "height": height}
        page.screenshot(path=ROOT / "docs" / f"report-{section}.png", clip=clip, full_page=True)
    page.close()


def console(browser: Browser, base: str) -> None:
    """Pages of the console."""
    with urllib.request.urlopen(f"{base}/console/runs") as answer:
        first = answer.read().decode().split("</form>")[1]
    pairs = "&".join(f"e={id}" for id in re.findall(r'name="e" value="(\w+)"', first)[:4])
    for name, address, scheme, width, height in PAGES:
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.goto(base + address.format(pairs=pairs))
        for _ in range(30):  # the forecaster of that day is made once
            if "is being made" not in page.content():
                break
            time.sleep(2)
            page.goto(base + address.format(pairs=pairs))
        page.screenshot(path=ROOT / "docs" / f"console-{name}.png")
        page.close()


@contextmanager
def serving() -> Iterator[str]:
    """`cineloop serve` over ./studio on a free port of this machine; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [
        sys.executable,
        "-c",
        "from cineloop.cli import main; main()",
        "-w",
        str(ROOT / "studio"),
        "serve",
    ]
    told = {**os.environ, "CINELOOP_TOKEN": "screenshots"}
    with subprocess.Popen([*words, "--port", str(port)], env=told, stderr=subprocess.DEVNULL) as server:
        try:
            base = f"http://127.0.0.1:{port}"
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"{base}/readyz").close()
                    break
                except URLError:
                    time.sleep(0.1)
            else:
                sys.exit("the server did not become ready")
            yield base
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
