"""The lock as one digest: the Python and the installed versions that a model was made with."""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from cineloop.lab.recipe import Recipe


def lock(kind: type[Recipe]) -> str:
    """SHA-256 over the Python minor version and the required packages' versions, 64 hex digits.

    They are those of the platform and, for a third party's recipe, of the distribution that offers it. The
    platform's own version is not among them: what counts of it is in the recipe's source.
    """
    top = kind.__module__.partition(".")[0]
    if top == "cineloop":
        return _digest(("cineloop",))
    return _digest(("cineloop", *sorted(_offered_by().get(top, ()))))


@cache
def _offered_by() -> Mapping[str, list[str]]:
    """The distributions of each installed top-level package; reading them takes a tenth of a second."""
    return packages_distributions()


@cache
def _digest(roots: tuple[str, ...]) -> str:
    h = hashlib.sha256(f"python {sys.version_info.major}.{sys.version_info.minor}\0".encode())
    for name, version in sorted(versions(roots).items()):
        h.update(f"{name} {version}\0".encode())
    return h.hexdigest()


def versions(roots: tuple[str, ...] = ("cineloop",)) -> dict[str, str]:
    """Installed versions of what the roots require, transitively, without extras.

    >>> "numpy" in versions() and "cineloop" not in versions()
    True
    """
    found: dict[str, str] = {}
    waiting = [name for root in roots for name in _required(root)]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name).version
        except PackageNotFoundError:  # its marker (another system or Python) does not hold here
            continue
        waiting += _required(name)
    return found


def _required(name: str) -> list[str]:
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        if name != "cineloop":
            return []
        lines = _of_checkout()
    return [_normal(line) for line in lines if "extra ==" not in line.replace("extra==", "extra ==")]


def _of_checkout() -> list[str]:
    """The platform's requirements where it runs from a checkout that was never installed."""
    project = Path(__file__).resolve().parents[3] / "pyproject.toml"
    if not project.is_file():
        raise RuntimeError("cineloop is neither installed nor run from a checkout: its lock can't be read")
    return list(tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"])


def _normal(requirement: str) -> str:
    """The distribution's name in a requirement line, as PEP 503 writes it.

    >>> _normal("Foo_Bar.baz[fast]>=1.2; python_version < '3.13'")
    'foo-bar-baz'
    """
    name = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", name[1]).lower() if name else ""
