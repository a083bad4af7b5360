"""``/events``: hints for open browsers, as server-sent events.

Each is a message from the broker's subject ``live.<kind>``: ``event`` is the kind, ``data`` its JSON. Events are hints:
after a reconnect the client reads what it shows afresh, so none are replayed, and a slow reader may miss some.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter
from sse_starlette import EventSourceResponse, ServerSentEvent

from headrace.api.parts import Parts, PartsOf

__all__ = ["HEARTBEAT", "beat", "router"]

HEARTBEAT = 15
"""Seconds between events ``beat``, which keep the connection open: who hears none for long has lost it."""
BACKLOG = 1000
"""Events kept for a reader that is slow."""

router = APIRouter(tags=["live"])


@router.get(
    "/events",
    operation_id="streamEvents",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Events"}},
)
async def stream_events(parts: PartsOf) -> EventSourceResponse:
    """Follow what happens. The first event, ``hello``, comes at once: from then on nothing is missed.

    Every 15 seconds an event ``beat`` says that the connection is there.
    """
    return EventSourceResponse(
        _events(parts), ping=HEARTBEAT, ping_message_factory=beat, headers={"Cache-Control": "no-store"}
    )


def beat() -> ServerSentEvent:
    """A sign of life."""
    return ServerSentEvent("{}", event="beat")


async def _events(parts: Parts) -> AsyncIterator[ServerSentEvent]:
    queue: asyncio.Queue[ServerSentEvent | None] = asyncio.Queue(BACKLOG)

    async def on_message(subject: str, data: bytes, reply: str) -> None:
        if queue.full():
            queue.get_nowait()
        kind = subject.partition(".")[2]
        queue.put_nowait(ServerSentEvent(data.decode(errors="replace"), event=kind))

    async def on_stopping() -> None:
        await parts.stopping.wait()
        await queue.put(None)

    undo = await parts.bus.subscribe("live.>", on_message)
    stopping = asyncio.create_task(on_stopping(), name="events-stopping")
    try:
        yield ServerSentEvent("{}", event="hello", retry=1000)
        while (event := await queue.get()) is not None:
            yield event
    finally:
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        await undo()
