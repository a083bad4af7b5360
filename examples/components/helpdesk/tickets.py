import json
from typing import Any

from headrace_sdk import Context, Message
from helpdesk_api import Cfg, call


def listen(ctx: Context, cfg: Cfg, snapshot: dict[str, Any]) -> None:
    """Called once, and again after a pause when the stream ends or breaks. Empty lines say that it is still there."""
    with call(cfg, f"/tickets?after={snapshot.get('last', 0)}") as stream:
        for line in stream:
            if ctx.stopping:
                return
            if not line.strip():
                continue
            ticket = json.loads(line)
            ctx.emit(Message(ticket, id=f"ticket-{ticket['number']}")).result()
            ctx.update_snapshot({"last": ticket["number"]}).result()
