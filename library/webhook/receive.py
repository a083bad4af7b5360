"""The request as one message. The platform stores it before this runs; ``:method`` and the like are its own names."""

from __future__ import annotations

from headrace_sdk import Message


def process(msg: Message) -> dict[str, object]:
    """Emit body, headers, query, method and path."""
    headers = msg.headers
    return {
        "body": msg.body,
        "headers": {name: value for name, value in headers.items() if not name.startswith(":")},
        "query": headers.get(":query", {}),
        "method": headers.get(":method", "POST"),
        "path": headers.get(":path", ""),
    }
