from __future__ import annotations

from tests.unit.library.parts import load

from headrace_sdk import Message


def test_the_request_is_one_event_without_pseudo_headers() -> None:
    headers = {":method": "PUT", ":path": "/hooks/orders", ":query": {"page": "2"}, "x-shop": "eu"}
    event = load("webhook", "receive").process(Message({"total": 5}, headers=headers))
    assert event == {
        "body": {"total": 5},
        "headers": {"x-shop": "eu"},
        "query": {"page": "2"},
        "method": "PUT",
        "path": "/hooks/orders",
    }
