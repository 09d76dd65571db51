"""Reading what installed packages say of themselves, and what they need."""

from __future__ import annotations

import importlib.metadata as packages
import re
from collections.abc import Mapping

PACKAGE = "cineloop"


def metadata() -> Mapping[str, str]:
    """What the installed package says of itself; empty where it is not installed."""
    try:
        said = packages.metadata(PACKAGE)
        return {name: said[name] for name in said}
    except packages.PackageNotFoundError:
        return {}


def version(name: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return packages.version(name)
    except packages.PackageNotFoundError:
        return None


def parsed(requirement: str) -> tuple[str, str, str | None]:
    """Name, range and extra of a requirement as packages state them.

    >>> parsed('uvloop>=0.20; sys_platform != "win32" and extra == "web"')
    ('uvloop', '>=0.20', 'web')
    >>> parsed("psycopg[binary]>=3.1; extra == 'postgres'")
    ('psycopg', '>=3.1', 'postgres')
    """
    said, _, marker = requirement.partition(";")
    name = re.match(r"[A-Za-z0-9._-]+", said.strip())
    range_ = re.sub(r"^[A-Za-z0-9._-]+(\[[^\]]*\])?", "", said.strip()).strip(" ()")
    extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
    return (name.group() if name else said.strip()), range_, extra.group(1) if extra else None


def fits(have: str, range_: str) -> bool:
    """Whether a version is in a range of `>=`, `>`, `<`, `<=`, `==` and `!=` bounds; others count as met.

    >>> fits("2.10.1", ">=2.9,<3"), fits("2.8", ">=2.9"), fits("2.0", "")
    (True, False, True)
    """
    mine = _numbers(have)
    for op, bound in re.findall(r"(>=|<=|==|!=|>|<)\s*([0-9][0-9.]*)", range_):
        other = _numbers(bound)
        a, b = (v + (0,) * (max(len(mine), len(other)) - len(v)) for v in (mine, other))
        met = {">=": a >= b, "<=": a <= b, "==": a == b, "!=": a != b, ">": a > b, "<": a < b}
        if not met[op]:
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    found = re.match(r"[0-9]+(\.[0-9]+)*", text)
    return tuple(int(n) for n in found.group().split(".")) if found else ()
