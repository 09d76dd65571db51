"""A run: one fitting of one recipe, named by everything that decides its bytes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from cineloop.errors import InputError
from cineloop.lab.lock import lock
from cineloop.lab.recipe import Recipe, knobs
from cineloop.lab.source import source
from cineloop.lab.view import TrainingView


@dataclass(frozen=True)
class Run:
    """What was made from what. Two runs of one id hold the same bytes on one machine.

    `exclusions` is their digest; `seconds` is the time to fit and save; `files` maps each file of the model
    to its SHA-256; `reused` says that this call made nothing, since the run was there.
    """

    id: str
    recipe: str
    label: str
    knobs: dict[str, Any]
    source: str
    lock: str
    snapshot: str
    as_of: datetime
    exclusions: str
    seed: int
    made_at: datetime
    seconds: float
    files: dict[str, str]
    reused: bool = field(default=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, as kept beside the model."""
        plain = dataclasses.asdict(self)
        del plain["reused"]
        return plain | {"as_of": moment(self.as_of), "made_at": moment(self.made_at)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Run:
        """What `to_json` wrote; KeyError, TypeError or ValueError where it is something else."""
        times = {key: datetime.fromisoformat(plain[key]) for key in ("as_of", "made_at")}
        return cls(**(plain | times))


def run_id(
    *,
    recipe: str,
    knobs: dict[str, Any],
    source: str,
    lock: str,
    snapshot: str,
    as_of: datetime,
    exclusions: str,
    seed: int,
) -> str:
    """H of all that decides a model's bytes, 32 hex digits."""
    return name_of(
        {
            "recipe": recipe,
            "knobs": knobs,
            "source": source,
            "lock": lock,
            "snapshot": snapshot,
            "as_of": moment(as_of),
            "exclusions": exclusions,
            "seed": seed,
        }
    )


def planned(recipe: Recipe, view: TrainingView, seed: int) -> Run:
    """The run that fitting would make: all of it but its files and time."""
    parts: dict[str, Any] = {
        "recipe": recipe.name,
        "knobs": knobs(recipe),
        "source": source(type(recipe)),
        "lock": lock(type(recipe)),
        "snapshot": view.snapshot.id,
        "as_of": view.as_of.astimezone(UTC),
        "exclusions": view.exclusions.digest(),
        "seed": seed,
    }
    made_at = datetime.now(UTC)
    return Run(id=run_id(**parts), label=label(recipe), made_at=made_at, seconds=0.0, files={}, **parts)


def label(recipe: Recipe) -> str:
    """A recipe for people: its name, and the knobs that stand elsewhere than by default.

    >>> from cineloop.play.signals import Signals
    >>> @dataclass(frozen=True)
    ... class Plain:
    ...     name = "plain"
    ...     l2: float = 1.0
    ...     signals: Signals = Signals()
    >>> label(Plain()), label(Plain(2.0, Signals(like=0.5)))
    ('plain', 'plain(l2=2.0, signals.like=0.5)')
    """
    turned = ", ".join(f"{name}={value}" for name, value in _turned(recipe))
    return f"{recipe.name}({turned})" if turned else recipe.name


def _turned(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for f in dataclasses.fields(value):
        now = getattr(value, f.name)
        default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
        if now == default:
            continue
        if dataclasses.is_dataclass(now):
            found += _turned(now, f"{prefix}{f.name}.")
        else:
            found.append((prefix + f.name, now))
    return found


def moment(at: datetime) -> str:
    """A moment as text, always UTC and to the microsecond, so that equal moments are equal text."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def canonical(value: Any) -> bytes:
    """Plain JSON values as bytes that are the same for the same values; InputError at NaN or infinity."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise InputError(
            "holds a number that is not finite", value=value, accepted="finite numbers"
        ) from None
    return text.encode()


def name_of(value: Any) -> str:
    """The name that plain JSON values give: 32 hex digits of their SHA-256.

    >>> name_of({"a": 1, "b": 2}) == name_of({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(canonical(value)).hexdigest()[:32]


def same_recipe(a: Run, b: Run) -> bool:
    """Whether two runs are fittings of one recipe with the same knobs, on whatever data and day."""
    return (a.recipe, canonical(a.knobs)) == (b.recipe, canonical(b.knobs))


def plain(value: Any) -> dict[str, Any]:
    """A description as it will come back out of JSON (tuples become lists)."""
    return cast(dict[str, Any], json.loads(canonical(value)))
