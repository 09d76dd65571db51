"""Protocols by name and settings, for faces and configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cineloop.errors import InputError
from cineloop.lab.recipe import configured
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
    return configured(PROTOCOLS[name], name, settings or {})
