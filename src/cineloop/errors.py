"""The basement: the one error a user can cause, said in one line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(eq=False)
class InputError(ValueError):
    """Bad input: where it stands, what it is and what would be accepted.

    >>> print(InputError("not a number", file="ratings.csv", line=7, field="rating", value="abc",
    ...                  accepted="a number from 0.5 to 5"))
    ratings.csv:7: rating 'abc': not a number; accepted: a number from 0.5 to 5
    """

    what: str
    file: str | Path | None = None
    line: int | None = None
    field: str | None = None
    value: object = None
    accepted: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}" if self.file is not None else ""
        if self.line is not None:
            place += f":{self.line}"
        subject = self.field or ""
        if self.value is not None:
            shown = repr(self.value)
            subject += f" {shown if len(shown) <= 80 else shown[:76] + '…' + shown[-1]}"
        parts = [p for p in (place, subject.strip()) if p]
        said = ": ".join([*parts, self.what])
        said = said if self.accepted is None else f"{said}; accepted: {self.accepted}"
        return " ".join(said.split())


class MissingExtra(ImportError):  # noqa: N818 - it is an import that failed, named for its cure
    """An optional dependency is not installed; the message says what to install.

    >>> print(MissingExtra("matplotlib", extra="report", why="plots"))
    plots need matplotlib, which is not installed: pip install 'cineloop[report]'
    """

    def __init__(self, module: str, *, extra: str, why: str) -> None:
        super().__init__(f"{why} need {module}, which is not installed: pip install 'cineloop[{extra}]'")
