"""Wheels through the package client, as it is configured here: without dependencies and without installing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cineloop.store.sources.download import UnreachableError


def download_wheel(wanted: str, file: str, folder: Path) -> Path:
    """Put the wheel `file` of the requirement `wanted` into `folder`; `UnreachableError` where it does not come."""
    quiet = ("--no-input", "--quiet", "--disable-pip-version-check", "--timeout", "10", "--retries", "2")
    what = ("--no-deps", "--only-binary=:all:", "-d", str(folder), wanted)
    command = [sys.executable, "-m", "pip", "download", *quiet, *what]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnreachableError(f"pip download {wanted}: {error}") from error
    if done.returncode or not (folder / file).is_file():
        last = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise UnreachableError(f"pip download {wanted}: {last}")
    return folder / file
