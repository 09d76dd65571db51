"""The shell of a report: one HTML file that needs nothing else, in the house's type and colours.

A wing writes its section; a face puts sections together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from cineloop.store.durable import write_atomic


@dataclass(frozen=True)
class Section:
    """One part of a report: its heading, and its body as HTML that a wing's template has escaped."""

    anchor: str
    heading: str
    body: Markup


@cache
def templates(package: str) -> Environment:
    """The templates of a room; everything put into them is escaped unless it says that it is markup."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_report(path: Path, title: str, summary: str, sections: Sequence[Section]) -> None:
    """Write the report in one step; the same content gives the same bytes."""
    page = templates("cineloop.lab").get_template("report.html")
    write_atomic(path, page.render(title=title, summary=summary, sections=sections).encode())
