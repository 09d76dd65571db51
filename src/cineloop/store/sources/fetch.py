"""Data sets that need no address: MovieLens 100k, by the first way that is open.

The ways hold the same 100,000 ratings in the same order, under the same ids. The owner's archive has them in
the 100k layout (`u.data`, `u.item`), the RecBole wheel as `ml-100k.inter` and `ml-100k.item`. The two lists
of titles differ in a few names and years, so a snapshot of all tables may differ with the way, a model of the
ratings not; what is in the cache is kept, so that one workspace stays with one way.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from cineloop.engine.progress import Progress, silent
from cineloop.errors import InputError
from cineloop.store.durable import commit_folder
from cineloop.store.sources.download import PATIENCE, Pin, UnreachableError, digest, download
from cineloop.store.sources.movielens import LICENCE, MovieLens
from cineloop.store.sources.package_client import download_wheel

__all__ = ["LICENCE", "MIRROR", "cache_folder", "fetch_movielens_100k"]

MIRROR = "CINELOOP_MIRROR"
"""Environment variable: a folder or an http(s) address that is asked before the owner."""

OWNER = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
_WHEEL = "recbole==1.2.1"
_WHEEL_FILE = "recbole-1.2.1-py3-none-any.whl"
_WHEEL_FOLDER = "recbole/dataset_example/ml-100k"

PINS: Mapping[str, Pin] = {
    "ml-100k.zip": Pin(4_924_029, "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229"),
    _WHEEL_FILE: Pin(2_130_151, "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"),
    "u.data": Pin(1_979_173, "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"),
    "u.item": Pin(236_344, "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701"),
    "ml-100k.inter": Pin(1_979_230, "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff"),
    "ml-100k.item": Pin(66_632, "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532"),
}
"""Size and SHA-256 of every artefact."""

_LAYOUTS = (("u.data", "u.item"), ("ml-100k.inter", "ml-100k.item"))
_MIRRORED = ("", "ml-100k", "plays/ml-100k", "movielens")  # folders of a mirror that may hold the files


def cache_folder() -> Path:
    """Where this user's downloads lie: `cineloop` in `XDG_CACHE_HOME`, or else in `.cache` at home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "cineloop"


def fetch_movielens_100k(
    cache: Path,
    progress: Progress = silent,
    *,
    given: Path | None = None,
    mirror: str | None = None,
    owner: str = OWNER,
    pins: Mapping[str, Pin] = PINS,
    client: Callable[[Path], Path] | None = None,
    patience: float = PATIENCE,
) -> Path:
    """A folder with MovieLens 100k that `MovieLens` reads: `given` itself, or `cache / "ml-100k"`.

    Asked in this order: `given` (a folder the user has, taken as it is if it is in a MovieLens layout), the
    cache, `mirror` (a folder or address; by default the variable `CINELOOP_MIRROR`), the owner's archive, the
    `recbole` wheel through the package client. All but `given` must fit the SHA-256 pinned here. An owner
    that cannot be reached costs at most `patience` seconds. Show `LICENCE` with it: research only, no
    redistribution, no commercial use without permission.

    Raises `InputError` when `given` is no MovieLens folder, when a file is not the pinned one, or, with a
    word on each way, when none is open.
    """
    if given is not None:
        return MovieLens(given).path
    folder = cache / "ml-100k"
    if _layout(folder, pins) is not None:
        return folder
    closed: list[str] = []
    mirror = mirror if mirror is not None else os.environ.get(MIRROR)
    ways: list[tuple[str, Callable[[Path], dict[str, bytes]]]] = []
    if mirror:
        ways.append(("mirror", lambda draft: _from_mirror(mirror, cache, draft, pins, progress, patience)))
    ways.append(("owner", lambda draft: _from_archive(owner, cache, pins, progress, patience)))
    ways.append(
        ("package client", lambda draft: _from_wheel(draft, client or _package_client, pins, progress))
    )
    cache.mkdir(parents=True, exist_ok=True)
    for name, way in ways:
        with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as draft:
            try:
                content = way(Path(draft))
            except UnreachableError as error:
                closed.append(f"{name}: {error}")
                continue
        return _commit(content, folder, pins)
    accepted = f"a folder that holds it, the variable {MIRROR}, or a way to the owner or the package index"
    raise InputError(f"cannot be fetched ({'; '.join(closed)})", file="MovieLens 100k", accepted=accepted)


def _layout(folder: Path, pins: Mapping[str, Pin]) -> tuple[str, ...] | None:
    """The files of the layout that a folder holds whole, as pinned."""
    return next((names for names in _LAYOUTS if all(pins[n].fits(folder / n) for n in names)), None)


def _commit(content: dict[str, bytes], folder: Path, pins: Mapping[str, Pin]) -> Path:
    """Check the files and put them in the cache in one step; what was there unfit is replaced."""
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".draft-"))
    try:
        for name, data in content.items():
            (draft / name).write_bytes(data)
            if not pins[name].fits(draft / name):
                what = f"not the expected file: SHA-256 {digest(draft / name)}"
                raise InputError(what, file=name, accepted=f"SHA-256 {pins[name].sha256}")
        if folder.exists():
            shutil.rmtree(folder)
        draft.chmod(0o755)
        commit_folder(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _unzipped(archive: Path, inside: str, names: tuple[str, ...]) -> dict[str, bytes]:
    """Some files of an archive that fits its pin, by name and nothing else."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return {name: opened.read(f"{inside}/{name}") for name in names}
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise InputError(f"broken archive ({error})", file=archive) from error


def _from_archive(
    url: str, cache: Path, pins: Mapping[str, Pin], progress: Progress, patience: float
) -> dict[str, bytes]:
    archive = download(url, cache / "ml-100k.zip", pins["ml-100k.zip"], progress, patience=patience)
    content = _unzipped(archive, "ml-100k", _LAYOUTS[0])
    archive.unlink()
    return content


def _from_mirror(
    mirror: str, cache: Path, draft: Path, pins: Mapping[str, Pin], progress: Progress, patience: float
) -> dict[str, bytes]:
    if "://" in mirror:
        return _from_address(mirror.rstrip("/"), cache, draft, pins, progress, patience)
    base = Path(mirror)
    if not base.is_dir():
        raise InputError(
            "no such folder", field=MIRROR, value=mirror, accepted="a folder, or an http(s) address"
        )
    for place in _MIRRORED:
        archive = base / place / "ml-100k.zip"
        if archive.is_file():
            _check(archive, pins["ml-100k.zip"])
            return _unzipped(archive, "ml-100k", _LAYOUTS[0])
        for names in _LAYOUTS:
            files = [base / place / name for name in names]
            if all(file.is_file() for file in files):
                for file in files:
                    _check(file, pins[file.name])
                return {file.name: file.read_bytes() for file in files}
    if (base / _WHEEL_FILE).is_file():
        _check(base / _WHEEL_FILE, pins[_WHEEL_FILE])
        return _unzipped(base / _WHEEL_FILE, _WHEEL_FOLDER, _LAYOUTS[1])
    raise UnreachableError(f"{mirror} holds neither ml-100k.zip nor ml-100k/ml-100k.inter")


def _check(file: Path, pin: Pin) -> None:
    if not pin.fits(file):
        what = f"not the expected file: {file.stat().st_size} bytes with SHA-256 {digest(file)}"
        raise InputError(what, file=file, accepted=f"{pin.size} bytes with SHA-256 {pin.sha256}")


def _from_address(
    base: str, cache: Path, draft: Path, pins: Mapping[str, Pin], progress: Progress, patience: float
) -> dict[str, bytes]:
    for place in _MIRRORED:
        at = str(PurePosixPath(place)).removeprefix(".")
        start = f"{base}/{at}".rstrip("/")
        try:
            return _from_archive(f"{start}/ml-100k.zip", cache, pins, progress, patience)
        except UnreachableError as error:
            if "HTTP" not in str(error):  # nobody answers: the other names will not be answered either
                raise
        for names in _LAYOUTS:
            try:
                files = [
                    download(f"{start}/{n}", draft / n, pins[n], progress, patience=patience) for n in names
                ]
            except UnreachableError:
                continue
            return {file.name: file.read_bytes() for file in files}
    raise UnreachableError(f"{base} holds neither ml-100k.zip nor ml-100k/ml-100k.inter")


def _from_wheel(
    draft: Path, client: Callable[[Path], Path], pins: Mapping[str, Pin], progress: Progress
) -> dict[str, bytes]:
    pin = pins[_WHEEL_FILE]
    progress(_WHEEL_FILE, 0, pin.size)
    wheel = client(draft)
    _check(wheel, pin)
    progress(_WHEEL_FILE, pin.size, pin.size)
    return _unzipped(wheel, _WHEEL_FOLDER, _LAYOUTS[1])


def _package_client(folder: Path) -> Path:
    return download_wheel(_WHEEL, _WHEEL_FILE, folder)
