"""Made-up requests, by the thousand and by the OpenAPI file: nothing they say makes the server fail."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import hypothesis
import hypothesis.errors
import pytest
import schemathesis
import uvicorn
from schemathesis import GenerationMode, checks
from tests.deployed import component, deploy
from tests.integration.api.conftest import Served

from headrace.api import openapi
from headrace.api.application import routes

EXAMPLES = 10
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
ENDLESS = {"streamEvents", "watchFlow"}


@pytest.fixture
async def url(served: Served) -> AsyncIterator[str]:
    """The server at a real address, with something in it."""
    await component(served.parts.db)
    await deploy(served.parts.db, served.parts.bus, "orders")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(served.app, lifespan="off", log_config=None, ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stops here: control does not run."""
    monkeypatch.setattr("headrace.api.wishes.STOP_MARGIN", -20.0)
    monkeypatch.setattr("headrace.api.webhook_target.WARM_WAIT", 0.0)


async def test_no_request_makes_the_server_fail(served: Served, url: str) -> None:
    schema = schemathesis.openapi.from_dict(openapi.schema(routes()))
    headers = {"Authorization": f"Bearer {served.token}"}
    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]
        if operation.definition.raw["operationId"] in ENDLESS:
            continue
        await asyncio.to_thread(_try, operation, GenerationMode.POSITIVE, url, headers)
        if operation.definition.raw.get("parameters") or operation.definition.raw.get("requestBody"):
            await asyncio.to_thread(_try, operation, GenerationMode.NEGATIVE, url, headers)


def _try(operation: Any, mode: GenerationMode, url: str, headers: dict[str, str]) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        if case.query:
            case.query.pop("follow", None)
        response = case.call(base_url=url, headers=headers, timeout=20)
        assert response.status_code < 500 or response.status_code == 503, response.text
        case.validate_response(response, checks=CHECKS)

    with contextlib.suppress(hypothesis.errors.Unsatisfiable):  # nothing wrong can be said there
        run()
