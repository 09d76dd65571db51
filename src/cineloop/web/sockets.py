"""One address, a socket for every worker.

Workers that share one listening socket take connections whenever they are awake: the first takes all that wait, and
keep-alive binds them to it for good, so that one works while the others idle. With a socket each (SO_REUSEPORT) Linux
deals new connections out evenly.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import Any

from cineloop.errors import InputError

EVENLY = sys.platform == "linux" and hasattr(socket, "SO_REUSEPORT")
"""Whether this system deals connections out among the sockets of one address."""


class Address(socket.socket):
    """A bound socket that never listens: it holds the address. Handed to another process, it becomes one of its own."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return bound, (int(self.family), self.getsockname())


def bound(family: int, address: tuple[Any, ...]) -> Address:
    """A socket of the address, beside others. OSError where another program has it."""
    made = Address(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if EVENLY:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    made.set_inheritable(True)
    return made


def address(host: str, port: int) -> Address:
    """The address that a server is to listen on; port 0 takes a free one. InputError where it can't be had."""
    try:
        family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            # asked for alone first: sockets that share would let a second server take half of the first one's members
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(found)
        return bound(family, found)
    except OSError as refused:
        said = refused.strerror or str(refused)
        raise InputError(
            f"can't listen there: {said}",
            field="host and port",
            value=f"{host}:{port}",
            accepted="a free port",
        ) from refused
