from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest
from lab_doubles import RECIPE, Package, log, view_of

from cineloop.errors import InputError
from cineloop.guard.exclusions import Exclusions
from cineloop.lab import Lab, lock
from cineloop.lab.run import Run, planned
from cineloop.lab.source import source
from cineloop.lab.training import train
from cineloop.lab.view import TrainingView
from cineloop.store.ingest import append
from cineloop.store.workspace import Store

SNAPSHOT = log([("ann", "heat", 1), ("ann", "alien", 2), ("bob", "heat", 3)])
VIEW = view_of(SNAPSHOT)


def files(lab: Lab, run: Run) -> dict[str, bytes]:
    model = lab.folder / "lab" / "runs" / run.id / "model"
    return {p.name: p.read_bytes() for p in model.iterdir()}


def test_a_run_is_made_once_and_found_after(open_lab: Callable[[], Lab], package: Package) -> None:
    lab = open_lab()
    made = lab.train(package.recipe(), VIEW)
    assert not made.reused and files(lab, made) == {"counts.txt": b"alien 1.0 0\nheat 2.0 0\n"}
    assert lab.load(made).text == "alien 1.0 0\nheat 2.0 0\n"  # type: ignore[attr-defined]
    again = open_lab().train(package.recipe(), VIEW)
    assert again.reused and again == made  # the very row: made when and in what time, too
    assert lab.runs() == [made] and lab.run(made.id[:9]) == made
    assert (
        made.label == "counting" and lab.train(package.recipe(power=2.0), VIEW).label == "counting(power=2.0)"
    )


def test_the_same_inputs_give_the_same_id_and_bytes(tmp_path: Path, package: Package) -> None:
    runs = []
    for name in ("one", "two"):
        with Lab(tmp_path / name) as lab:
            run = lab.train(package.recipe(), VIEW, seed=3)
            runs.append((run.id, run.files, files(lab, run)))
    assert runs[0] == runs[1]


def test_every_input_is_in_the_name(package: Package) -> None:
    recipe = package.recipe()
    ids = [
        planned(recipe, VIEW, 0).id,
        planned(package.recipe(power=2.0), VIEW, 0).id,
        planned(recipe, VIEW, 1).id,
        planned(recipe, view_of(SNAPSHOT, day=999), 0).id,
        planned(recipe, view_of(log([("ann", "heat", 1)])), 0).id,
        planned(recipe, VIEW.without(Exclusions(frozenset({"ann"}))), 0).id,
        planned(recipe, VIEW.without(Exclusions(pairs=frozenset({("ann", "heat")}))), 0).id,
    ]
    assert len(set(ids)) == len(ids)
    assert planned(package.recipe(), VIEW, 0).id == ids[0]
    # the same moment in another zone is the same moment
    elsewhere = view_of(SNAPSHOT).as_of.astimezone(timezone(timedelta(hours=9)))
    assert planned(recipe, type(VIEW)(VIEW.snapshot, elsewhere), 0).id == ids[0]


def test_recipe_source_remakes_and_documentation_does_not(package: Package) -> None:
    before = source(type(package.recipe()))
    package.write("README.md", "# How often each title was played\n")
    package.write("docs/conf.py", "project = 'acme'\n")
    package.write("tests/test_counting.py", "def test(): ...\n")
    assert source(type(package.recipe())) == before
    package.write("weights.py", "# beside the recipe, so part of it\n")
    beside = source(type(package.recipe()))
    assert beside != before
    package.write("weights.py", "# beside the recipe, so part of it\r\n")  # a checkout with other line ends
    assert source(type(package.recipe())) == beside
    package.write("recipes.py", RECIPE.replace("n ** self.power", "n * self.power"))
    assert source(type(package.recipe())) not in (before, beside)


def test_what_feeds_a_recipe_is_found_without_importing_it(package: Package) -> None:
    feeding = RECIPE.replace(
        "power: float", 'feeds: ClassVar[tuple] = ("acme_signals.stars",)\n    power: float'
    )
    package.write("recipes.py", feeding)
    signals = package.folder / "acme_signals"
    signals.mkdir()
    (signals / "__init__.py").write_text("raise RuntimeError('imported')")
    (signals / "stars.py").write_text("LEAST = 4")
    before = source(type(package.recipe()))
    (signals / "stars.py").write_text("LEAST = 5")
    assert source(type(package.recipe())) != before
    (signals / "stars.py").unlink()
    with pytest.raises(InputError, match=r"module 'acme_signals\.stars': has no source"):
        source(type(package.recipe()))


def test_two_processes_that_make_one_run_end_with_the_same(
    open_lab: Callable[[], Lab], package: Package, tmp_path: Path
) -> None:
    lab = open_lab()
    # each waits inside its fit until the other is in there too, so neither can find the other's run
    meet = """
        import os, time
        from pathlib import Path
        meeting = Path(os.environ["MEETING"])
        (meeting / str(os.getpid())).touch()
        deadline = time.monotonic() + 60
        while len(list(meeting.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        rows ="""
    package.write("recipes.py", RECIPE.replace("        rows =", meet[1:]))
    script = tmp_path / "make.py"
    script.write_text(
        "import json, sys\n"
        f"sys.path[:0] = [{str(package.folder)!r}, {str(Path(__file__).parent)!r}]\n"
        "from lab_doubles import log, view_of\n"
        "from acme_counting.recipes import Counting\n"
        "from cineloop.lab import Lab\n"
        "if __name__ == '__main__':\n"
        "    lab = Lab(sys.argv[1], sys.argv[2] or None)\n"
        "    view = view_of(log([('ann', 'heat', 1), ('ann', 'alien', 2), ('bob', 'heat', 3)]))\n"
        "    print(json.dumps(lab.train(Counting(), view).to_json(), sort_keys=True))\n"
        "    lab.close()\n"
    )
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    url = lab.registry.engine.url
    where = url.render_as_string(hide_password=False) if url.get_backend_name() == "postgresql" else ""
    both = [
        subprocess.Popen(
            [sys.executable, str(script), str(lab.folder), where],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "MEETING": str(meeting)},
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len(list(meeting.iterdir())) == 2  # both did fit
    assert said[0] == said[1] and len(lab.runs()) == 1
    assert json.loads(said[0]) == lab.runs()[0].to_json()
    assert not list((lab.folder / "lab" / "drafts").iterdir())


def test_a_folder_without_its_row_is_adopted_and_a_broken_one_made_anew(
    open_lab: Callable[[], Lab], package: Package, tmp_path: Path
) -> None:
    lab = open_lab()
    run = lab.train(package.recipe(), VIEW)
    with Lab(tmp_path / "other") as other:  # a registry that never heard of it
        shutil.copytree(lab.folder / "lab", other.folder / "lab")
        adopted = other.train(package.recipe(), VIEW)
        assert adopted.reused and adopted == run
    with Lab(tmp_path / "third-lab") as third:
        shutil.copytree(lab.folder / "lab", third.folder / "lab")
        (third.folder / "lab" / "runs" / run.id / "model" / "counts.txt").write_text("half")
        anew = third.train(package.recipe(), VIEW)
        assert not anew.reused and anew.files == run.files
        assert third.load(anew).text == "alien 1.0 0\nheat 2.0 0\n"  # type: ignore[attr-defined]
        assert not list((third.folder / "lab" / "drafts").iterdir())


def test_a_lost_or_changed_file_is_one_line(lab: Lab, package: Package) -> None:
    run = lab.train(package.recipe(), VIEW)
    file = lab.folder / "lab" / "runs" / run.id / "model" / "counts.txt"
    file.write_text("tampered")
    with pytest.raises(InputError, match=r"counts\.txt: is not what the run made") as bad:
        lab.load(run)
    assert "\n" not in str(bad.value)
    file.unlink()
    with pytest.raises(InputError, match=r"counts\.txt: is missing"):
        lab.load(run)
    assert not lab.train(package.recipe(), VIEW).reused
    assert lab.load(run).text == "alien 1.0 0\nheat 2.0 0\n"  # type: ignore[attr-defined]


def test_a_recipe_that_is_not_installed_is_one_line(open_lab: Callable[[], Lab], package: Package) -> None:
    run = open_lab().train(package.recipe(), VIEW)
    with pytest.raises(InputError, match="recipe 'counting': not installed"):
        open_lab().load(run)


def test_a_fit_that_fails_leaves_nothing(lab: Lab, package: Package) -> None:
    package.write(
        "recipes.py",
        RECIPE.replace("return cls((folder", "raise OSError('lost')\n        return cls((folder"),
    )
    with pytest.raises(InputError, match=r"recipe 'counting': its model does not load what it saved"):
        lab.train(package.recipe(), VIEW)
    assert lab.runs() == [] and not list((lab.folder / "lab" / "drafts").iterdir())
    assert not (lab.folder / "lab" / "runs").exists()


def test_drafts_of_killed_processes_are_cleared(lab: Lab, package: Package) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    drafts = lab.folder / "lab" / "drafts"
    dead = drafts / f"{socket.gethostname()}.{gone.pid}.0"
    alive = drafts / f"{socket.gethostname()}.{os.getppid()}.0"
    elsewhere = drafts / f"another-machine.{gone.pid}.0"
    for folder in (dead, alive, elsewhere):
        folder.mkdir(parents=True)
    lab.train(package.recipe(), VIEW)
    assert sorted(drafts.iterdir()) == sorted([alive, elsewhere])


def test_the_fit_gets_the_threads_that_the_recipe_declares(lab: Lab, package: Package) -> None:
    asked = []

    class Watching:
        def map(self, fn, jobs, resources, progress):  # type: ignore[no-untyped-def]
            asked.append(resources.threads)
            return map(fn, jobs)

    declared = RECIPE.replace("    power:", "    threads: ClassVar[int] = 2\n    power:")
    for text in (RECIPE, declared):
        package.write("recipes.py", text)
        train(lab.registry, lab.folder, package.recipe(), VIEW, engine=Watching())
    assert asked == [1, 2]


def test_a_planted_future_row_changes_no_model(tmp_path: Path, package: Package) -> None:
    rows: list[tuple[str, str, float | None]] = [("ann", "heat", 1), ("bob", "heat", 3)]
    made = []
    for name, plays in (("bare", rows), ("planted", [*rows, *[(f"m{i}", "hit", 50.0) for i in range(99)]])):
        with Lab(tmp_path / name) as lab:
            run = lab.train(package.recipe(), view_of(log(plays), day=10))
            made.append(run.files)
    assert made[0] == made[1]


def test_a_row_of_the_future_in_the_real_store_changes_no_model(tmp_path: Path, package: Package) -> None:
    store = Store.open(tmp_path / "studio", create=True)
    append(store, {"plays": log([("ann", "heat", 1), ("bob", "heat", 3)]).tables["plays"]}, "before")
    with Lab(store.folder) as lab:
        before = lab.train(package.recipe(), TrainingView(store.head(), VIEW.as_of - timedelta(days=990)))
        append(store, {"plays": log([(f"m{i}", "hit", 50.0) for i in range(99)]).tables["plays"]}, "after")
        view = TrainingView(store.head(), VIEW.as_of - timedelta(days=990))
        after = lab.train(package.recipe(), view)
        assert (before.id != after.id) and before.files == after.files
        # the same rows brought in at once make the same snapshot, so the run is there already
        other = Store.open(tmp_path / "other", create=True)
        both = [("ann", "heat", 1.0), ("bob", "heat", 3.0), *[(f"m{i}", "hit", 50.0) for i in range(99)]]
        seq = [0, 1, *range(99)]
        append(other, {"plays": log(both).tables["plays"].with_columns(seq=pl.Series(seq))}, "at once")
        assert lab.train(package.recipe(), TrainingView(other.head(), view.as_of)).reused


def test_the_lock_is_of_what_is_required_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lock.versions()
    assert found["numpy"] == version("numpy")
    assert found["markupsafe"] == version("markupsafe")  # required by jinja2, which is required here
    assert "cineloop" not in found and "psycopg" not in found and "pytest" not in found  # extras
    lock._digest.cache_clear()
    before = lock._digest(("cineloop",))
    lock._digest.cache_clear()
    monkeypatch.setattr(lock, "versions", lambda roots: found | {"numpy": "0.0"})
    assert lock._digest(("cineloop",)) != before
    lock._digest.cache_clear()
