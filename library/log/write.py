"""Messages in the step's log."""

from __future__ import annotations

import json
from typing import Any

from headrace_sdk import Context, Message

LEVELS = ("trace", "debug", "info", "warn", "error")


def init(_ctx: Context, cfg: dict[str, Any]) -> None:
    """Refuse a wrong level before the flow goes live."""
    if level(cfg) not in LEVELS:
        raise ValueError(f"`level` is {cfg.get('level')!r}: write one of {', '.join(LEVELS)}")


async def process(ctx: Context, msg: Message, cfg: dict[str, Any]) -> Any:
    """Log the body and pass it on."""
    text, fields = line(msg.body)
    getattr(ctx.logger, level(cfg))("%s", text, **fields)
    return msg.body


def level(cfg: dict[str, Any]) -> str:
    """The wanted level."""
    return str(cfg.get("level") or "info")


def line(body: Any) -> tuple[str, dict[str, Any]]:
    """The text and the fields beside it."""
    if isinstance(body, str):
        return body, {}
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return body["message"], {key: value for key, value in body.items() if key not in ("message", "text", "self")}
    return json.dumps(body, ensure_ascii=False), {}
