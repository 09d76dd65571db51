"""The floors of the house: a room imports only rooms below it, wings never each other, faces hold no logic."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "cineloop"
# top to bottom, as drawn in docs/architecture.md; rooms of one floor never import each other
FLOORS = [
    {"cli"},
    {"web"},
    {"pitch", "shoot", "release", "play", "screen"},
    {"titles"},
    {"oversight", "doctor"},
    {"studio"},
    {"lab"},
    {"guard"},
    {"store"},
    {"engine"},
    {"errors"},
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
FACE = "__init__"  # the public face may import what it shows


def room_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "cineloop" else [module]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("cineloop.")}
    return found - {"__version__"}


MODULES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_room_imports_only_rooms_below_it(path: Path) -> None:
    room = room_of(path)
    if room == FACE:
        return
    assert room in FLOOR, f"{room} has no floor: add it to the design first"
    for other in imported_rooms(path) - {room}:
        assert FLOOR[other] > FLOOR[room], f"{path.name} in {room} imports {other}, which is not below it"


def test_the_rule_finds_an_upward_import(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "from cineloop.play.home import Home\nimport cineloop.cli.show\nfrom cineloop import studio\n"
    )
    assert imported_rooms(bad) == {"play", "cli", "studio"}


def test_no_empty_rooms_and_no_rooms_without_an_idea() -> None:
    for folder in {path.parent for path in MODULES}:
        code = [p for p in folder.glob("*.py") if p.name != "__init__.py"]
        assert code or list(folder.glob("*/*.py")), f"{folder} is empty"
    for path in MODULES:
        assert path.stem not in {"utils", "helpers", "common", "misc"}, path
        assert "manager" not in path.stem and "handler" not in path.stem, path


def test_only_the_studio_makes_decisions() -> None:
    makers = [
        path.relative_to(SOURCE).as_posix()
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Decision"
    ]
    assert set(makers) == {"studio.py"}


def test_nothing_is_pickled_and_no_data_is_run() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [a.name for a in node.names] + [getattr(node, "module", "") or ""]
                assert not {"pickle", "cloudpickle", "dill", "joblib", "marshal"} & set(names), path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "compile"}, path
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, path
