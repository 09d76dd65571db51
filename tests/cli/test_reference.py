"""docs/cli.md is what `make docs` writes."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_reference_is_the_code_s_own(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "scripts" / "reference.py"), run_name="__main__")
    assert capsys.readouterr().out == (ROOT / "docs" / "cli.md").read_text(), "make docs"
