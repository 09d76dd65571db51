"""Screenshots of real pages for the README: `make screenshots` (needs Debian's chromium or another Chromium)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
]


def main() -> None:
    """Open the demo's report and keep two of its sections as docs/report-SECTION.png."""
    report = ROOT / "studio" / "report.html"
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or not report.exists():
        sys.exit("needs a Chromium on the path, and the report: make demo")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport={"width": 1120, "height": 1000}, device_scale_factor=1)
        page.goto(report.as_uri())
        for section, height in (("quality", 560), ("home", 900)):
            box = page.locator(f"section[aria-labelledby={section}]").bounding_box()
            assert box is not None, section
            clip = {"x": 0, "y": box["y"] + 48, "width": 1120, "height": height}
            page.screenshot(path=ROOT / "docs" / f"report-{section}.png", clip=clip, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
