"""The OpenAPI is true: schemathesis asks everything it promises, and finds no 500 and no broken schema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from serving import AUTH, TOKEN, workspace

from cineloop.web.app import create_app
from cineloop.web.live import Live
from cineloop.web.settings import Settings

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("api") / "studio"
    workspace(folder).close()
    live = Live(Settings(folder, TOKEN))
    live.look()
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(live.settings, live))


def test_every_operation_keeps_its_promise(api: Any) -> None:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    asked: dict[str, int] = {}
    for found in api.get_all_operations():
        operation = found.ok()

        case_of = operation.as_strategy()
        asked[operation.label] = 0

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=case_of)
        def keeps(case: Any) -> None:
            asked[case.operation.label] += 1
            case.validate_response(case.call(headers=AUTH), checks=checks)

        keeps()
    assert len(asked) >= 10 and "POST /v1/events" in asked


def test_every_operation_has_its_problems_documented(api: Any) -> None:
    for path, operations in api.raw_schema["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/v1"):
                assert "422" in operation["responses"], (method, path)
                assert operation["summary"] and operation["description"], (method, path)
