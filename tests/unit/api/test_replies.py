from __future__ import annotations

import json
from typing import Any

import pytest

from headrace.api.replies import response_of


async def test_a_caller_learns_which_step_failed_and_nothing_of_why() -> None:
    response = await response_of(b'{"failed":"invoice","execution":"e1"}')
    problem = json.loads(bytes(response.body))
    assert (response.status_code, problem["reason"]) == (500, "step-failed")
    assert problem["detail"] == "step `invoice` failed; the execution of this event is e1"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"X-A": "b"}, {"x-a": "b"}),
        ({"x-n": 5}, {"x-n": "5"}),
        ({"x-list": ["1", 2]}, {"x-list": "1, 2"}),
        ({"x-line": "a\r\nset-cookie: b", "x y": "1", "connection": "close", "x-ok": "1"}, {"x-ok": "1"}),
    ],
)
async def test_headers_are_sent_as_far_as_they_can_be(given: dict[str, Any], sent: dict[str, str]) -> None:
    response = await response_of(json.dumps({"status": 201, "headers": given, "body": "b"}).encode())
    headers = dict(response.headers)
    assert (headers.pop("content-length"), headers.pop("content-type")) == ("1", "text/plain; charset=utf-8")
    assert headers == sent
