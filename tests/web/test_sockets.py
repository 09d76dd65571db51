"""One address, a socket for every worker."""

from __future__ import annotations

import socket

import pytest

from cineloop.errors import InputError
from cineloop.web.sockets import EVENLY, Address, address


def handed_on(held: Address) -> Address:
    """As multiprocessing hands an object to a worker."""
    make, values = held.__reduce__()
    made: Address = make(*values)
    return made


def test_a_socket_handed_on_is_another_one_of_the_same_address() -> None:
    with address("127.0.0.1", 0) as held:
        if not EVENLY:
            pytest.skip("this system does not deal connections out among sockets")
        with handed_on(held) as other:
            assert other.getsockname() == held.getsockname() and other.fileno() != held.fileno()
            other.listen()
            with socket.create_connection(other.getsockname(), timeout=5) as client:
                taken, _ = other.accept()
                with taken:
                    client.sendall(b"x")
                    assert taken.recv(1) == b"x"


def test_connections_are_dealt_out_among_the_workers() -> None:
    """400 connections to four sockets: each gets some (by chance alone none would miss out in 1 of 10^49 runs)."""
    with address("127.0.0.1", 0) as held:
        if not EVENLY:
            pytest.skip("this system does not deal connections out among sockets")
        workers = [handed_on(held) for _ in range(4)]
        counts = [0] * 4
        for each in workers:
            each.listen(1024)
            each.setblocking(False)
        clients = [socket.create_connection(held.getsockname(), timeout=5) for _ in range(400)]
        for i, each in enumerate(workers):
            while True:
                try:
                    each.accept()[0].close()
                except BlockingIOError:
                    break
                counts[i] += 1
        for each in [*clients, *workers]:
            each.close()
        assert sum(counts) == 400 and min(counts) > 40


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"127.0.0.1:{port}.*can't listen there"):
            address("127.0.0.1", port)
    with pytest.raises(InputError, match="can't listen there"):
        address("no-such-host.invalid", 0)


def test_two_servers_do_not_share_an_address() -> None:
    with address("127.0.0.1", 0) as held:
        held.listen()
        with pytest.raises(InputError, match="can't listen there"):
            address("127.0.0.1", held.getsockname()[1])
