"""Logs without anyone in them: one JSON line a request, with the route's template and never its path."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

_requests = logging.getLogger("cineloop.web.requests")


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "what": record.getMessage(),
            "worker": os.getpid(),
        }
        said |= getattr(record, "about", {})
        if record.exc_info and record.exc_info[0] is not None:
            said["error"] = record.exc_info[0].__name__  # its message may hold what a member sent
            last = record.exc_info[2]
            while last is not None and last.tb_next is not None:
                last = last.tb_next
            if last is not None:
                said["place"] = f"{last.tb_frame.f_code.co_filename.rpartition('/')[2]}:{last.tb_lineno}"
        return json.dumps(said)


def configure() -> None:
    """Send the server's logs to stderr, a JSON object a line; the server library's own are left out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    for name in ("cineloop.web", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "cineloop.web" else logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True


def request(method: str, route: str, status: int, seconds: float) -> None:
    """One answered request."""
    about = {"method": method, "route": route, "status": status, "ms": round(1000 * seconds, 2)}
    _requests.info("request", extra={"about": about})
