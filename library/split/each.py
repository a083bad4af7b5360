"""One message per element of a list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headrace_sdk import Message


def process(_ctx: object, msg: Message, cfg: dict[str, Any]) -> Iterator[Message]:
    """Yield the elements in order, each with ``index`` and ``count`` in its headers."""
    elements = listed(find(msg.body, cfg.get("path") or ""))
    for index, element in enumerate(elements):
        yield Message(element, headers={**msg.headers, "index": index, "count": len(elements)})


def find(body: Any, path: str) -> Any:
    """The value at ``path``; `None` when there is none."""
    for key in path.split(".") if path else ():
        body = body.get(key) if isinstance(body, dict) else None
    return body


def listed(value: Any) -> list[Any]:
    """A list as it is, nothing as an empty one, anything else as its one element."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
