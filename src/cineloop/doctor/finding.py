"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `mend` is what to do, a command where there is one; empty where all is well."""

    check: str
    level: Level
    what: str
    mend: str = ""
