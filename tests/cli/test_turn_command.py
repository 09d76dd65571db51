"""`cineloop turn` at the command line, and the examples that schedule it."""

from __future__ import annotations

import configparser
import json
from collections.abc import Callable
from pathlib import Path

from said import Said

from cineloop.store.lock import writer_lock

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORT = ("--recipe", "popularity", "--recipe", "knn", "-s", "days=2")


def test_a_turn_and_the_same_again(cineloop: Callable[..., Said], movielens: Path, tmp_path: Path) -> None:
    assert cineloop("data", "ingest", movielens).code == 0
    first = cineloop("turn", *SHORT)
    assert first.code == 0 and first.out.splitlines()[0].startswith("turn ")
    assert "promoted" in first.out and "gate: promoted, ndcg@100 of" in first.out
    again = json.loads(cineloop("turn", *SHORT, "--json").out)
    assert again["outcome"] == "nothing new" and again["why"].startswith("nothing new since turn ")
    assert again["record"] == json.loads((tmp_path / "studio" / "turns" / f"{again['id']}.json").read_text())
    assert "<h2" in (tmp_path / "studio" / "report.html").read_text()
    short = cineloop("turn", "--recipe", "popularity", "-s", "days=20")
    assert short.code == 0 and "nothing judged" in short.out and "before the log begins" in short.out
    with writer_lock(tmp_path / "studio" / "turns" / "lock", "turn"):
        busy = cineloop("turn", *SHORT)
    assert busy.code == 2 and "another turn is at work: process" in busy.err and busy.err.count("\n") == 1


def test_what_a_turn_refuses(cineloop: Callable[..., Said], movielens: Path) -> None:
    assert cineloop("data", "ingest", movielens).code == 0
    for words, said in (
        (("--metric", "recall@5"), "metric 'recall@5': no metric to choose by"),
        (("--margin", "1"), "--margin"),
        (("--protocol", "none"), "no such protocol"),
        (("--knob", "a=1"), "--knob goes with a single --recipe"),
    ):
        refused = cineloop("turn", *words)
        assert refused.code == 2 and said in refused.err and refused.err.count("\n") == 1


def test_the_examples_call_commands_that_there_are() -> None:
    dag = EXAMPLES / "airflow" / "cineloop_turn.py"
    compile(dag.read_text(), str(dag), "exec")
    assert "cineloop turn --json" in dag.read_text()
    units = {}
    for name in ("service", "timer"):
        units[name] = configparser.ConfigParser(interpolation=None)
        units[name].optionxform = str  # type: ignore[assignment,method-assign]
        units[name].read(EXAMPLES / "systemd" / f"cineloop-turn.{name}")
    assert units["service"]["Service"]["ExecStart"].endswith("cineloop turn")
    assert units["service"]["Service"]["Type"] == "oneshot"
    assert units["timer"]["Timer"]["OnCalendar"] and units["timer"]["Install"]["WantedBy"] == "timers.target"
