"""The command line: what a person types, what comes out, and what is said when it can't be done."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from said import Said

Run = Callable[..., Said]


def ok(said: Said) -> str:
    assert said.code == 0, said.err
    return said.out


@pytest.fixture
def ready(cineloop: Run, movielens: Path) -> Run:
    """A workspace with the log in it."""
    ok(cineloop("data", "ingest", movielens))
    return cineloop


def test_help_lists_every_command_and_imports_none_of_the_rooms() -> None:
    check = (
        "import sys; sys.argv = ['cineloop', '--help']\n"
        "from cineloop.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'polars', 'numba', 'scipy', 'sqlalchemy', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("data", "train", "evaluate", "runs", "promote", "rollback", "play", "guard", "demo"):
        assert f"\n  {command} " in done.stdout


def test_every_command_explains_itself(cineloop: Run) -> None:
    import click

    from cineloop.cli import COMMANDS, cli

    def walk(command: click.Command, words: list[str]) -> None:
        said = ok(cineloop(*words, "--help"))
        assert said.startswith("Usage: ") and (command.help or "").split("\n")[0][:30] in said
        for name, child in getattr(command, "commands", {}).items():
            walk(child, [*words, name])

    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        walk(command, [name])


def test_the_same_file_twice_changes_nothing(cineloop: Run, movielens: Path) -> None:
    first = json.loads(ok(cineloop("data", "ingest", movielens, "--json")))
    again = json.loads(ok(cineloop("data", "ingest", movielens, "--json")))
    assert first["tables"]["feedback"]["added"] == 90 * 24 and not first["already"]
    assert again["already"] and again["snapshot"] == first["snapshot"]
    assert "nothing to do" in ok(cineloop("data", "ingest", movielens))


def test_a_broken_row_is_fatal_or_set_aside(cineloop: Run, movielens: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    lines = (movielens / "u.data").read_text().splitlines()
    lines[41] = "7\tx\t9\t884000000"
    (bad / "u.data").write_text("\n".join(lines) + "\n")
    (bad / "u.item").write_bytes((movielens / "u.item").read_bytes())
    said = cineloop("data", "ingest", bad)
    assert said.code == 2 and said.err.count("\n") == 1
    assert "u.data:42" in said.err and "accepted" in said.err
    assert cineloop("data", "show").out.count("\n") < 12  # nothing was written
    counts = json.loads(ok(cineloop("data", "ingest", bad, "--on-broken", "quarantine", "--json")))
    assert counts["tables"]["feedback"] == {"added": 90 * 24 - 1, "duplicates": 0, "rejected": 1}
    (row,) = map(json.loads, Path(counts["quarantine"]).read_text().splitlines())
    assert row["line"] == 42


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["data", "show"], "no workspace here"),
        (["data", "ingest", "nowhere.csv"], "nowhere.csv"),
        (["train", "nonesuch"], "recipe 'nonesuch': no such recipe; accepted: als, audience,"),
        (["train", "ease", "-k", "l3=1"], "ease.l3: no such knob; accepted:"),
        (["train", "ease", "-k", "l2=soft"], "ease.l2 'soft'"),
        (["train", "ease", "-k", "l2"], "--knob 'l2': not a knob; accepted: name=value"),
        (["train", "ease", "--as-of", "yesterday"], "--as-of 'yesterday': not a moment"),
        (["evaluate", "--recipe", "audience"], "recipe 'audience': ranks no titles; accepted: als, ease,"),
        (["evaluate", "--protocol", "hope"], "protocol 'hope': no such protocol"),
        (["evaluate", "--external", "lists.csv"], "lists.csv"),
        (["play", "home", "me", "--max-age", "-3"], "max_age -3"),
        (["play", "home", "me", "--territory", "Mars"], "territory 'Mars'"),
        (["play", "recommend"], "name some PROFILES"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(cineloop: Run, words: list[str], expected: str) -> None:
    said = cineloop(*words)
    assert said.code == 2 and expected in said.err
    assert said.err.startswith("error: ") and said.err.count("\n") == 1 and said.out == ""


def test_the_loop_by_hand(ready: Run, tmp_path: Path) -> None:
    made = json.loads(ok(ready("train", "knn", "-k", "neighbours=10", "--json")))
    assert not made["reused"]
    assert json.loads(ok(ready("train", "knn", "-k", "neighbours=10", "--json")))["reused"]
    assert ready("play", "home", "ml-100k:1").code == 2  # nothing is live yet

    rows = json.loads(ok(ready("evaluate", "--protocol", "held-out-members", "-s", "members=15", "--json")))
    means = {r["contender"]: r["mean"] for r in rows[0]["rows"] if r["metric"] == "ndcg@10"}
    assert set(means) == {"als", "ease", "knn", "popularity"} and means["ease"] > means["popularity"]

    cut = ("--protocol", "held-out-members", "-s", "members=15")
    said = json.loads(ok(ready("promote", "play/home", "--recipe", "ease", *cut, "--json")))
    assert said["promoted"] and said["chosen"] == "ease" and said["against"] == "popularity"
    runs = json.loads(ok(ready("runs", "--json")))
    assert [r["id"] for r in runs if r["live"]] == [said["run"]]
    assert "ease" in ok(ready("runs")) and said["run"] in ok(ready("runs", said["run"][:12]))

    page = json.loads(ok(ready("play", "home", "ml-100k:1", "--json")))
    assert page["made_by"][0]["ref"] == said["run"] and page["answer"]["rows"][0]["kind"] == "top-picks"
    assert "Top picks for you" in ok(ready("play", "home", "ml-100k:1"))
    near = json.loads(ok(ready("play", "similar", "film 3", "-k", "4", "--json")))
    assert near["title"]["title"] == "ml-100k:4" and len(near["similar"]) == 4
    assert ready("play", "similar", "film").code == 2

    out = tmp_path / "lists.csv"
    ok(ready("play", "recommend", "--everyone", "-k", "5", "--out", out))
    lists = list(csv.DictReader(out.open()))
    assert len(lists) == 90 * 5 and list(lists[0]) == ["member", "rank", "title", "score"]

    horror = json.loads(
        ok(ready("play", "recommend", "ml-100k:1", "-k", "60", "--genre", "horror", "--json"))
    )
    assert 0 < len(horror) <= 20 and all((int(r["title"].split(":")[1]) - 1) % 3 == 2 for r in horror)

    assert ready("rollback", "play/home").code == 2  # nothing was live before
    assert ready("promote", "play/home", "--recipe", "popularity", *cut).code == 1  # the gate refuses
    ok(ready("data", "verify"))
    ok(ready("data", "collect"))
    assert ok(ready("play", "home", "ml-100k:1"))  # what a run rests on was kept


def test_lists_of_another_system_stand_in_the_same_table(ready: Run, tmp_path: Path) -> None:
    heldout = tmp_path / "heldout.csv"
    cut = ("--protocol", "held-out-members", "-s", "members=15")
    ok(ready("evaluate", "--recipe", "popularity", *cut, "--write-heldout", heldout, "--json"))
    rows = list(csv.DictReader(heldout.open()))
    # an oracle that cheats: it lists each member's targets, and so must score 1
    lists = tmp_path / "oracle.csv"
    with lists.open("w") as out:
        out.write("member,title,rank,as_of\n")
        rank: dict[str, int] = {}
        for row in rows:
            if row["part"] == "target":
                rank[row["member"]] = rank.get(row["member"], 0) + 1
                out.write(f"{row['member']},{row['title']},{rank[row['member']]},{row['as_of']}\n")
    words = ("evaluate", *cut, "--external", lists, "--external-name", "oracle", "--json")
    (table,) = json.loads(ok(ready(*words)))
    mean = {(r["contender"], r["metric"]): r["mean"] for r in table["rows"]}
    assert mean["oracle", "recall@20"] == 1.0 and mean["oracle", "ndcg@100"] == 1.0
    assert mean["popularity", "ndcg@100"] < 1.0


def test_objections_and_the_audit(ready: Run) -> None:
    cut = ("--protocol", "held-out-members", "-s", "members=15")
    ok(ready("promote", "play/home", "--recipe", "ease", *cut))
    ok(ready("guard", "object", "ml-100k:2"))
    denied = ready("play", "home", "ml-100k:2")
    assert denied.code == 3 and "gdpr:21-objection" in denied.err and denied.err.count("\n") == 1
    ok(ready("play", "home", "ml-100k:2", "--profiling", "off"))
    ok(ready("guard", "object", "ml-100k:2", "--withdraw"))
    ok(ready("play", "home", "ml-100k:2"))
    rows = json.loads(ok(ready("guard", "audit", "--json")))
    assert [r["allowed"] for r in rows] == [True, True, False]
    assert "ml-100k:2" not in json.dumps([{k: r[k] for k in r if k != "record"} for r in rows])
    rules = json.loads(ok(ready("guard", "rules", "--json")))
    assert {rule["effect"] for rule in rules} == {"allow", "deny"}


def test_the_demo_says_what_it_reuses(cineloop: Run, movielens: Path, tmp_path: Path) -> None:
    said = ok(cineloop("demo", "--from", movielens))
    assert "promoted: " in said and "Top picks for you" in said and " 0 of before reused" in said
    report = (tmp_path / "studio" / "report.html").read_text()
    assert (
        report.count("<svg") >= 5
        and "Promoted" in report
        and "http://" not in report.replace("http://www.w3.org", "")
    )
    again = ok(cineloop("demo", "--from", movielens))
    assert (
        "0 runs made" in again
        and "ingested before, nothing to do" in again
        and "live under play/home already" in again
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(cineloop: Run, shell: str) -> None:
    assert "_CINELOOP_COMPLETE" in ok(cineloop("completion", shell))


def test_compaction_takes_what_the_service_has_acknowledged(ready: Run, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from cineloop.store.events import Event
    from cineloop.studio import Studio

    assert "no new events" in ok(ready("data", "compact"))
    studio = Studio(tmp_path / "studio")
    payload = {"title": "ml-100k:1", "kind": "like"}
    studio.append([Event("k", "feedback", "ml-100k:1", payload, datetime.now(UTC))])
    studio.close()
    said = json.loads(ok(ready("data", "compact", "--json")))
    assert said["tables"]["feedback"]["added"] == 1
    assert json.loads(ok(ready("data", "compact", "--json"))) is None
