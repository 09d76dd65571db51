"""`Brief`: the typed question that a wing answers, read from TOML or plain values, refused in one line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from cineloop.errors import InputError


class Brief(BaseModel):
    """A frozen question; a field that it does not have, or a number that is none, is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a TOML file; whatever is wrong in it is an InputError of one line."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as bad:
            raise InputError(f"cannot be read: {bad}", file=path, accepted="TOML in UTF-8") from None
        return cls.checked(values, path)

    @classmethod
    def checked(cls, values: dict[str, Any], file: Path | None = None) -> Self:
        """From plain values; the first thing that is wrong is an InputError with its field and value."""
        try:
            return cls.model_validate(values)
        except ValidationError as bad:
            first = bad.errors()[0]
            unknown, given = first["type"] == "extra_forbidden", first.get("input")
            raise InputError(
                "no such field" if unknown else first["msg"].removeprefix("Value error, "),
                file=file,
                field=".".join(str(part) for part in first["loc"]) or None,
                value=None if isinstance(given, dict) else given,
                accepted=", ".join(cls.model_fields) if unknown and len(first["loc"]) == 1 else None,
            ) from None
