"""A made-up service with a run live, and an app or a real server over it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from service_log import crowd, play, studio_of

from cineloop.lab.recipe import make
from cineloop.studio import Studio

TOKEN = "a token for tests"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
ME = [play("me", f"film-{i}", 60 + i) for i in (0, 3, 6, 9)]


def workspace(folder: Path, recipe: str = "ease") -> Studio:
    return studio_of(folder, [*crowd(), *ME], make(recipe))


@contextmanager
def server(folder: Path, *options: str) -> Iterator[tuple[httpx.Client, Path]]:
    """`cineloop serve` as a process of its own, on a free port of this machine; a client, and the file of its log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-c", "from cineloop.cli import main; main()", "-w", str(folder), "serve"]
    told = {**os.environ, "CINELOOP_TOKEN": TOKEN}
    log = folder.with_name("server.log")
    with (
        log.open("w") as said,
        subprocess.Popen([*words, "--port", str(port), *options], env=told, stderr=said) as run,
    ):
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
                _wait(client, run, log)
                yield client, log
        finally:
            run.terminate()
            try:
                run.wait(20)
            except subprocess.TimeoutExpired:
                run.kill()


def _wait(client: httpx.Client, run: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        if run.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(log.read_text())
