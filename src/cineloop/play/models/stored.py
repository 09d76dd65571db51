"""How a model lies in its folder: `model.json`, `titles.json` and one `.npy` an array; never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.lab.histories import Strings

FORMAT = 1


def write(
    folder: Path,
    kind: str,
    titles: Strings,
    arrays: Mapping[str, NDArray[Any]],
    numbers: Mapping[str, float] | None = None,
) -> None:
    """Write into an existing folder; the same model gives the same bytes."""
    head = {"format": FORMAT, "kind": kind, "arrays": sorted(arrays), "numbers": dict(numbers or {})}
    (folder / "model.json").write_text(json.dumps(head, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    names = json.dumps([str(t) for t in titles], ensure_ascii=False, indent=0)
    (folder / "titles.json").write_text(names + "\n", encoding="utf-8")
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)


def read(folder: Path, kind: str) -> tuple[Strings, dict[str, NDArray[Any]], dict[str, float]]:
    """(titles, arrays, numbers) as written; arrays are memory-mapped, so that workers share their pages."""
    head_file = folder / "model.json"
    try:
        head = json.loads(head_file.read_text(encoding="utf-8"))
        found = (head["kind"], head["format"])
        if found != (kind, FORMAT):
            raise InputError(
                "not a model of this kind and format",
                file=head_file,
                field="kind, format",
                value=found,
                accepted=f"{kind}, {FORMAT}",
            )
        names = json.loads((folder / "titles.json").read_text(encoding="utf-8"))
        titles = np.array([str(t) for t in names], dtype=object)
        arrays = {str(name): _mapped(folder / f"{name}.npy") for name in head["arrays"]}
        return titles, arrays, {str(k): float(v) for k, v in head["numbers"].items()}
    except (OSError, KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as bad:
        raise InputError(f"not a saved model: {bad}", file=folder) from None


def _mapped(path: Path) -> NDArray[Any]:
    try:
        # an empty array can't be mapped; a plain view of the map is what compiled kernels take
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except ValueError:
        return np.asarray(np.load(path, allow_pickle=False))
