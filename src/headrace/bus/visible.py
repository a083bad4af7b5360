"""What the expressions before a step see of a message that has all its bodies."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from headrace.bus.message import Message, Output

__all__ = ["as_output", "context", "outputs"]

_encode = msgspec.json.encode
_decode = msgspec.json.decode


def context(message: Message) -> bytes:
    """``body``, ``headers`` and ``attachments``, as JSON."""
    headers = _encode(message.headers) if message.headers else b"{}"
    attachments = _encode(message.attachments) if message.attachments else b"{}"
    return b'{"body":%b,"headers":%b,"attachments":%b}' % (bytes(message.body), headers, attachments)


def outputs(message: Message, needed: Collection[str] | None) -> dict[str, Any]:
    """What ``$steps`` holds: the outputs carried along, and the step just before; of ``needed`` ones (`None`: all)."""
    present = dict(message.passthrough)
    present[message.step] = as_output(message)
    return {
        step: {"body": _decode(output.body), "headers": output.headers, "attachments": output.attachments}
        for step, output in present.items()
        if needed is None or step in needed
    }


def as_output(message: Message) -> Output:
    """The message as later steps may see it."""
    return Output(body=message.body, large=message.large, headers=message.headers, attachments=message.attachments)
