"""One shape for every error: application/problem+json (RFC 9457) with what was wrong and what would be accepted."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from cineloop.errors import InputError
from cineloop.guard import Denied

MEDIA = "application/problem+json"


class Problem(BaseModel):
    """What went wrong, in one line, and how to mend it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    field: str | None = None
    value: str | None = None
    accepted: str | None = None
    rules: list[str] | None = Field(default=None, description="The rules that denied the request.")
    decision: str | None = Field(default=None, description="The audited refusal.")


def problem(status: int, title: str, detail: str = "", **more: Any) -> Response:
    """A problem as a response."""
    said = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    said |= {key: value for key, value in more.items() if value is not None}
    return Response(json.dumps(said, ensure_ascii=False), status, media_type=MEDIA)


def documented(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The problems that an operation may answer with, for its OpenAPI entry."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    titles = {
        400: "Not understood",
        401: "No token",
        403: "Denied by a rule",
        404: "Not found",
        409: "Conflict",
        413: "Too large",
        422: "Not accepted",
        503: "Not ready",
    }
    return {code: {"description": titles[code], "content": {MEDIA: schema}} for code in codes}


def install(app: FastAPI) -> None:
    """Turn what is raised into problems."""
    app.add_exception_handler(InputError, _input)
    app.add_exception_handler(Denied, _denied)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _input(request: Request, bad: Exception) -> Response:
    assert isinstance(bad, InputError)
    value = None if bad.value is None else str(bad.value)[:200]
    status = 422
    if bad.field == "play/home":
        status = 503
    elif "does not answer" in bad.what:
        # nothing is wrong with the request: it is to be sent again; where the database lies is nobody's business
        answer = problem(
            503, "nothing can be kept at the moment", bad.what, accepted="the same, a little later"
        )
        answer.headers["Retry-After"] = "5"
        return answer
    elif bad.what.startswith(("no such", "unknown")):
        status = 404
    elif "used before" in bad.what:
        status = 409
    return problem(status, bad.what, str(bad), field=bad.field, value=value, accepted=bad.accepted)


def _denied(request: Request, bad: Exception) -> Response:
    assert isinstance(bad, Denied)
    verdict = bad.verdict
    return problem(
        403,
        verdict.why,
        str(bad),
        rules=list(verdict.rules),
        accepted=verdict.cure or None,
        decision=bad.decision,
    )


def _invalid(request: Request, bad: Exception) -> Response:
    assert isinstance(bad, (RequestValidationError, ValidationError))
    first = bad.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    value = first.get("input")
    shown = None if isinstance(value, (dict, list)) else str(value)[:200]
    return problem(
        422, "not accepted", f"{field}: {first['msg']}", field=field, value=shown, accepted=first["msg"]
    )


def _http(request: Request, bad: Exception) -> Response:
    assert isinstance(bad, HTTPException)
    made = problem(bad.status_code, str(bad.detail))
    made.headers.update(bad.headers or {})
    return made
