"""Film facts that need no address: `movies.db` out of the `bokeh_sampledata` wheel, by the first way that is open."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from cineloop.engine.progress import Progress, silent
from cineloop.errors import InputError
from cineloop.store.durable import write_atomic
from cineloop.store.sources.download import Pin, UnreachableError, digest
from cineloop.store.sources.fetch import MIRROR, cache_folder
from cineloop.store.sources.film_facts import LICENCE, FilmFacts, is_film_facts
from cineloop.store.sources.package_client import download_wheel

__all__ = ["LICENCE", "FilmFacts", "cache_folder", "fetch_film_facts"]

DATABASE = "movies.db"
_WHEEL = "bokeh_sampledata==2026.1"
_WHEEL_FILE = "bokeh_sampledata-2026.1-py3-none-any.whl"
_INSIDE = "bokeh_sampledata/_data/movies.db"

PINS: Mapping[str, Pin] = {
    _WHEEL_FILE: Pin(12_835_603, "f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f"),
    DATABASE: Pin(8_011_776, "1d9c6a02e488d0354b2309e16130c58820a91ac2ce417e814c5964f9579a65ac"),
}
"""Size and SHA-256 of the wheel and of the file in it."""

_MIRRORED = ("", "films", "titles", "bokeh_sampledata")  # folders of a mirror that may hold either


def fetch_film_facts(
    cache: Path,
    progress: Progress = silent,
    *,
    given: Path | None = None,
    mirror: str | None = None,
    pins: Mapping[str, Pin] = PINS,
    client: Callable[[Path], Path] | None = None,
) -> Path:
    """A `movies.db` that `FilmFacts` reads: `given` itself (or in that folder), or `cache / "films" / "movies.db"`.

    Asked in this order: `given`, the cache, `mirror` (a folder; by default the variable `CINELOOP_MIRROR`), the package
    client. All but `given` must fit the SHA-256 pinned here. InputError when `given` is no such file, when a file is
    not the pinned one, or, with a word on each way, when none is open.
    """
    if given is not None:
        found = given / DATABASE if given.is_dir() else given
        if not is_film_facts(found):
            raise InputError(
                "no such file of film facts", file=found, accepted="movies.db of bokeh_sampledata"
            )
        return found
    target = cache / "films" / DATABASE
    if pins[DATABASE].fits(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    closed: list[str] = []
    mirror = mirror if mirror is not None else os.environ.get(MIRROR)
    if mirror and "://" not in mirror:
        for place in _MIRRORED:
            plain, wheel = Path(mirror) / place / DATABASE, Path(mirror) / place / _WHEEL_FILE
            if plain.is_file():
                _check(plain, pins[DATABASE])
                return _kept(plain.read_bytes(), target, pins)
            if wheel.is_file():
                return _kept(_unpacked(wheel, pins), target, pins)
        closed.append(f"mirror: {mirror} holds neither {DATABASE} nor {_WHEEL_FILE}")
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as draft:
        size = pins[_WHEEL_FILE].size
        progress(_WHEEL_FILE, 0, size)
        try:
            wheel = (client or _client)(Path(draft))
        except UnreachableError as error:
            closed.append(f"package client: {error}")
            accepted = f"a file that holds it, the variable {MIRROR}, or a way to the package index"
            raise InputError(
                f"cannot be fetched ({'; '.join(closed)})", file="film facts", accepted=accepted
            ) from error
        progress(_WHEEL_FILE, size, size)
        return _kept(_unpacked(wheel, pins), target, pins)


def _client(folder: Path) -> Path:
    return download_wheel(_WHEEL, _WHEEL_FILE, folder)


def _unpacked(wheel: Path, pins: Mapping[str, Pin]) -> bytes:
    _check(wheel, pins[_WHEEL_FILE])
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(_INSIDE)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise InputError(f"broken archive ({error})", file=wheel) from error


def _kept(content: bytes, target: Path, pins: Mapping[str, Pin]) -> Path:
    write_atomic(target, content)
    try:
        _check(target, pins[DATABASE])
    except InputError:
        target.unlink()
        raise
    return target


def _check(file: Path, pin: Pin) -> None:
    if not pin.fits(file):
        what = f"not the expected file: {file.stat().st_size} bytes with SHA-256 {digest(file)}"
        raise InputError(what, file=file, accepted=f"{pin.size} bytes with SHA-256 {pin.sha256}")
