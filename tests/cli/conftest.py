"""The command line in this process, and a small MovieLens 100k made up for it in the published layout."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from said import Said

from cineloop.cli import main


@pytest.fixture
def cineloop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run a command in the workspace tmp_path/studio; without a screen, so without bars."""
    monkeypatch.setenv("CINELOOP_WORKSPACE", str(tmp_path / "studio"))

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["cineloop", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return Said(int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def movielens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`u.data` and `u.item` with 90 members, 60 films and tastes by genre; 18 weeks from January 1998."""
    folder = tmp_path_factory.mktemp("ml") / "ml-100k"
    folder.mkdir()
    rng = np.random.default_rng(7)
    start, week = 884_000_000, 7 * 86_400
    lines = []
    for member in range(1, 91):
        likes = member % 3
        seen = rng.choice(60, size=24, replace=False)
        begun = start + int(rng.integers(0, 14 * week))
        for n, film in enumerate(seen):
            stars = 5 if film % 3 == likes else int(rng.integers(1, 4))
            lines.append(f"{member}\t{film + 1}\t{stars}\t{begun + n * week // 6}")
    (folder / "u.data").write_text("\n".join(lines) + "\n")
    flags = {0: 5, 1: 8, 2: 11}  # Comedy, Drama, Horror in the layout's nineteen flags
    items = []
    for film in range(60):
        row = [str(film + 1), f"Film {film} (1997)", "01-Jan-1997", "", ""]
        items.append("|".join([*row, *("1" if i == flags[film % 3] else "0" for i in range(19))]))
    (folder / "u.item").write_text("\n".join(items) + "\n", encoding="latin-1")
    return folder
