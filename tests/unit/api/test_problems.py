"""Errors as HTTP answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from headrace.api import problems
from headrace.api.edge import BODY_LIMIT, Edge
from headrace.api.shapes import FlowName, Request
from headrace.errors import (
    Busy,
    HeadraceError,
    Invalid,
    NotFound,
    Problem,
    Refused,
    TooLarge,
    Unauthorized,
    Unavailable,
)


class Order(Request):
    number: int
    lines: tuple[int, ...] = ()


app = FastAPI()
problems.install(app)


@app.get("/raise/{name}")
async def raise_it(name: str) -> None:
    raise ERRORS[name]


@app.put("/orders/{flow}")
async def put_order(flow: FlowName, order: Order) -> int:
    return order.number


@app.get("/late")
async def fail() -> None:
    raise RuntimeError("secret detail")


ERRORS: dict[str, HeadraceError] = {
    "invalid": Invalid("bad", "wrong", problems=[Problem("a[0]", "x", "y", "z")], next_step="do"),
    "unauthorized": Unauthorized("no-token"),
    "not-found": NotFound("unknown-flow", "none"),
    "refused": Refused("in-use"),
    "too-large": TooLarge("message-too-large"),
    "busy": Busy("queue-full", retry_after=1.2),
    "unavailable": Unavailable("no-answer"),
}


async def no_hooks(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError(scope["path"])


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    edge = Edge(app, no_hooks, no_hooks)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://localhost") as made:
        yield made


def document(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == problems.MEDIA_TYPE
    found = problems.ProblemDocument.model_validate(response.json())
    assert found.status == response.status_code
    assert found.type.endswith(found.reason)
    return found.model_dump()


@pytest.mark.parametrize("name", ERRORS)
async def test_every_kind_of_error_becomes_its_status_and_reason(client: httpx.AsyncClient, name: str) -> None:
    response = await client.get(f"/raise/{name}")
    assert response.status_code == ERRORS[name].status
    assert document(response)["reason"] == ERRORS[name].reason


async def test_problems_of_an_invalid_input_are_all_there(client: httpx.AsyncClient) -> None:
    found = document(await client.get("/raise/invalid"))
    assert found["problems"] == [
        {"path": "a[0]", "reason": "x", "message": "y", "suggestion": "z", "severity": "error"}
    ]
    assert found["next_step"] == "do"


async def test_who_should_wait_is_told_how_long(client: httpx.AsyncClient) -> None:
    assert (await client.get("/raise/busy")).headers["retry-after"] == "2"
    assert (await client.get("/raise/unavailable")).headers["retry-after"] == "1"


async def test_validation_lists_every_mistake_with_its_path(client: httpx.AsyncClient) -> None:
    response = await client.put("/orders/Bad%20Name", json={"number": "x", "lines": [1, "y"], "colour": "red"})
    found = document(response)
    assert (found["status"], found["reason"]) == (422, "invalid-request")
    assert {each["path"] for each in found["problems"]} == {
        "path.flow",
        "body.number",
        "body.lines[1]",
        "body.colour",
    }
    [name] = [each for each in found["problems"] if each["path"] == "path.flow"]
    [colour] = [each for each in found["problems"] if each["path"] == "body.colour"]
    assert colour["message"] == "is not known here"
    assert (name["reason"], name["message"][:35]) == ("bad-name", "`Bad Name` is no name of a flow: le")


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_is_a_mistake(client: httpx.AsyncClient, content: bytes) -> None:
    response = await client.put("/orders/a", content=content, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)
    document(response)


async def test_unknown_paths_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    missing = await client.get("/nowhere")
    assert (missing.status_code, document(missing)["reason"]) == (404, "no-such-route")
    method = await client.post("/late")
    assert (method.status_code, document(method)["reason"]) == (405, "method-not-allowed")
    assert method.headers["allow"] == "GET"


async def test_an_unexpected_error_is_logged_and_told_by_its_incident_only(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        response = await client.get("/late")
    found = document(response)
    assert (found["status"], found["reason"]) == (500, "unexpected")
    assert "secret" not in response.text
    [logged] = [entry for entry in logs if entry["log_level"] == "error"]
    assert logged["incident"] == found["incident"]


async def test_a_body_beyond_reason_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.put("/orders/a", content=b" " * (BODY_LIMIT + 1))
    assert (response.status_code, document(response)["reason"]) == (413, "too-large")
