"""One file over HTTP(S): resumed where it broke off, checked against its SHA-256, whole or absent."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cineloop.engine.progress import Progress, silent
from cineloop.errors import InputError
from cineloop.store.durable import sync_file, sync_folder

PATIENCE = 4.0  # seconds without a name, a connection or a byte
_PIECE = 1 << 16
_TRIES = 5  # tries in a row that bring not a byte more


class UnreachableError(OSError):
    """The file is not to be had at this address now; another address may have it."""


@dataclass(frozen=True)
class Pin:
    """What a file must be: its size in bytes and its SHA-256 in hex."""

    size: int
    sha256: str

    def fits(self, path: Path) -> bool:
        """Whether the file is there and is the pinned one."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        return digest(path) == self.sha256


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def download(
    url: str,
    target: Path,
    pin: Pin,
    progress: Progress = silent,
    *,
    patience: float = PATIENCE,
) -> Path:
    """Fetch `url` into `target`, which then exists only if it fits the pin; progress is in bytes.

    What has come so far waits in `target` + `.part`: a break, or a later call, asks for the rest with a Range
    request. Raises `UnreachableError` when nothing answers within `patience` seconds, when the answer is no
    file, or when five tries in a row bring no byte more; `InputError` when what came is not the pinned file.
    """
    if pin.fits(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    resumed = part.is_file() and part.stat().st_size > 0
    while True:
        _fill(url, part, pin, progress, patience)
        found = digest(part)
        if found == pin.sha256:
            break
        size = part.stat().st_size
        part.unlink()
        if not resumed:  # else the part may have been another version's: once more, from its first byte
            what = f"not the expected file: {size} bytes with SHA-256 {found}"
            raise InputError(what, file=url, accepted=f"{pin.size} bytes with SHA-256 {pin.sha256}")
        resumed = False
    sync_file(part)
    part.replace(target)
    sync_folder(target.parent)
    return target


def _fill(url: str, part: Path, pin: Pin, progress: Progress, patience: float) -> None:
    """Append to the part until it is as long as the pinned file, or the server has no more."""
    idle = 0
    while True:
        have = part.stat().st_size if part.is_file() else 0
        if have > pin.size:
            part.unlink()
            continue
        if have == pin.size:
            return
        told: Exception | None = None
        try:
            whole = _append(url, part, have, pin, progress, patience)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, UnreachableError) and have == 0:
                raise
            whole, told = False, error
        grown = part.stat().st_size if part.is_file() else 0
        if whole:
            return
        idle = 0 if grown > have else idle + 1
        if idle >= _TRIES or (grown == 0 and told is not None):
            raise UnreachableError(
                f"{url}: broke off at {grown} of {pin.size} bytes ({told or 'no more came'})"
            )


def _append(url: str, part: Path, have: int, pin: Pin, progress: Progress, patience: float) -> bool:
    """One request; True when the server sent all it has."""
    headers = {"User-Agent": "cineloop", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    answer = _open(urllib.request.Request(url, headers=headers), patience)
    with contextlib.closing(answer):
        resumes = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        if have and not resumes:
            part.unlink()  # the server cannot resume: begin again
            have = 0
            if answer.status != 200:
                return False
        length = answer.headers.get("Content-Length", "")
        expected = have + int(length) if length.isdigit() else None
        with part.open("ab") as out:
            # one byte beyond the pinned size shows that the file is another one; more is not taken
            while have <= pin.size and (piece := answer.read(min(_PIECE, pin.size + 1 - have))):
                out.write(piece)
                have += len(piece)
                progress(part.name.removesuffix(".part"), min(have, pin.size), pin.size)
        return have > pin.size or (expected is None or have >= expected)


def _open(request: urllib.request.Request, patience: float) -> Any:
    """The answer to a request, within `patience` also where looking up the host's name hangs."""
    if urllib.parse.urlsplit(request.full_url).scheme not in ("http", "https"):
        raise UnreachableError(f"{request.full_url}: not an address of http or https")
    try:
        return _within(patience, lambda: urllib.request.urlopen(request, timeout=patience))
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            if error.code == 416 and request.has_header("Range"):
                return _Nothing()
            raise UnreachableError(f"{request.full_url}: HTTP {error.code}") from error
    except (TimeoutError, socket.gaierror, urllib.error.URLError, ValueError) as error:
        told = getattr(error, "reason", None) or error
        raise UnreachableError(f"{request.full_url}: {told}") from error


class _Nothing:
    """The answer to a Range that is past the file's end: begin again."""

    status = 416

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    def close(self) -> None:
        pass


def _within(seconds: float, work: Callable[[], Any]) -> Any:
    """What `work` gives, or `TimeoutError`; a thread left waiting for a name server holds up no exit."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((work(), None))
        except Exception as error:
            outcome.extend((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer within {seconds:g} seconds")
    value, error = outcome
    if error is not None:
        raise error
    return value
