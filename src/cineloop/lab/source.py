"""The source of a recipe as one digest: a changed line in what makes the model names another run.

Hashed are the `.py` files of the package that defines the recipe (and of those that define its bases and its
model, within the same distribution or the platform), the modules that feed every recipe, and the modules that
the recipe names in `feeds`. Documentation, tests and everything outside those packages change nothing.
"""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from cineloop.errors import InputError
from cineloop.lab.recipe import Recipe

FEEDS = (
    "cineloop.guard.exclusions",
    "cineloop.lab.histories",
    "cineloop.lab.view",
    "cineloop.store.corrections",
    "cineloop.store.snapshot",
)
"""What stands between every recipe and the tables."""


@cache
def source(kind: type[Recipe]) -> str:
    """SHA-256 of a recipe's source, 64 hex digits; read once a process, for that is the code that runs.

    Nothing is imported for it. InputError where a named module has no source to read.
    """
    h = hashlib.sha256()
    for name, path in sorted(_files(kind).items()):
        # a checkout that turns line ends into CRLF has not changed the recipe
        content = path.read_bytes().replace(b"\r\n", b"\n")
        h.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return h.hexdigest()


def _files(kind: type[Recipe]) -> dict[str, Path]:
    """Every file that counts, by a name that does not depend on where the package is installed."""
    found: dict[str, Path] = {}
    for module in {*_defining(kind), *FEEDS, *getattr(kind, "feeds", ())}:
        spec = _spec(module)
        if spec is not None and spec.submodule_search_locations:
            for root in map(Path, spec.submodule_search_locations):
                for path in root.rglob("*.py"):
                    inner = path.relative_to(root)
                    if not {"tests", "docs"} & set(inner.parts[:-1]):
                        found[f"{module}/{inner.as_posix()}"] = path
        elif spec is not None and spec.origin is not None and Path(spec.origin).is_file():
            found[module] = Path(spec.origin)
        else:
            raise InputError(
                "has no source to name a run by",
                field="module",
                value=module,
                accepted="a .py file or a package",
            )
    return found


def _defining(kind: type[Recipe]) -> set[str]:
    """The packages (a lone module stands for itself) that define the recipe, its bases and its model."""
    ours = {kind.__module__.partition(".")[0], "cineloop"}
    classes = [*kind.__mro__, *getattr(kind, "model", kind).__mro__]
    modules = {c.__module__ for c in classes if c.__module__.partition(".")[0] in ours}
    # the contracts of the lab are no recipe; what of it feeds one is in FEEDS
    modules = {m for m in modules if not m.startswith("cineloop.lab.")}
    return {_package(m) for m in modules}


def _package(module: str) -> str:
    spec = _spec(module)
    is_package = spec is not None and bool(spec.submodule_search_locations)
    return module if is_package else module.rpartition(".")[0] or module


def _spec(module: str) -> ModuleSpec | None:
    """Where a module comes from, walked down from its root so that no parent package is imported."""
    loaded = sys.modules.get(module)
    if loaded is not None and (spec := getattr(loaded, "__spec__", None)) is not None:
        return spec  # type: ignore[no-any-return]
    if loaded is not None and (file := getattr(loaded, "__file__", None)) is not None:
        return ModuleSpec(module, None, origin=file)  # a script: `__main__` has a file and no spec
    parent = module.rpartition(".")[0]
    places: list[str] | None = None
    if parent:
        above = _spec(parent)
        if above is None or above.submodule_search_locations is None:
            return None
        places = list(above.submodule_search_locations)
    for finder in sys.meta_path:
        spec = finder.find_spec(module, places) if hasattr(finder, "find_spec") else None
        if spec is not None:
            return spec
    return None
