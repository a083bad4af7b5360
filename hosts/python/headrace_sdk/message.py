"""A message, as component code sees it and returns it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Message"]


@dataclass(slots=True)
class Message:
    """What a step receives, or emits when a bare body is not enough. It is the call's own copy: change it freely.

    ``body`` is any JSON value. On the way out ``id`` names the message for duplicate removal (two emissions of one
    call with the same id are one message); without it the platform derives one. ``metadata`` says
    something about the message and goes to the next steps as it is. ``passthrough`` is only read.
    """

    body: Any = None
    headers: dict[str, Any] = field(default_factory=dict)
    attachments: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    passthrough: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
