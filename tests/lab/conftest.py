"""A lab on either database, and a third party's package."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_doubles import RECIPE, Package

from cineloop.lab import Lab


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    made = Package(tmp_path / "third", "acme_counting")
    made.write("__init__.py", "")
    made.write("recipes.py", RECIPE)
    monkeypatch.syspath_prepend(str(made.folder))
    # an edited file of the same size and second must not be run from its old bytecode
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield made
    for module in [m for m in sys.modules if m.partition(".")[0] == made.name]:
        del sys.modules[module]


@pytest.fixture(params=["sqlite", "postgresql"])
def open_lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Lab]]:
    """Opens a lab again and again on one workspace, with its registry on either database."""
    url = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    opened: list[Lab] = []

    def again() -> Lab:
        opened.append(Lab(tmp_path / "studio", url))
        return opened[-1]

    yield again
    for lab in opened:
        lab.close()


@pytest.fixture
def lab(open_lab: Callable[[], Lab]) -> Lab:
    return open_lab()
