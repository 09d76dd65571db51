"""Protocols by name and settings, for faces and configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cineloop.errors import InputError
from cineloop.lab.splits import GlobalTime, HeldOutMembers, LeaveLastOut

Cut = GlobalTime | HeldOutMembers | LeaveLastOut
PROTOCOLS: dict[str, type[Cut]] = {kind.name: kind for kind in (GlobalTime, HeldOutMembers, LeaveLastOut)}


def protocol(name: str, settings: Mapping[str, Any] | None = None) -> Cut:
    """A protocol with some settings turned; InputError names an unknown one, or what a setting accepts.

    >>> protocol("held-out-members", {"members": 500}).members
    500
    """
    if name not in PROTOCOLS:
        raise InputError("no such protocol", field="protocol", value=name, accepted=", ".join(PROTOCOLS))
    kind, given = PROTOCOLS[name], dict(settings or {})
    known = {f.name for f in fields(kind)}
    for key in given:
        if key not in known:
            raise InputError("no such setting", field=f"{name}.{key}", accepted=", ".join(sorted(known)))
    try:
        return TypeAdapter(kind).validate_python(given)
    except ValidationError as bad:
        first = bad.errors()[0]
        where = ".".join([name, *map(str, first["loc"])])
        raise InputError(first["msg"], field=where, value=first.get("input")) from None
