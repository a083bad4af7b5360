"""What a flow still has to process: how much, where, since when, and the messages themselves, read and not taken."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import Field

from headrace.api.executions import MessageView, message_view
from headrace.api.flow_views import deployment_of
from headrace.api.masks import mask_of
from headrace.api.parts import Parts, PartsOf
from headrace.api.shapes import Answer, FlowName, Moment, Page, Paging, StepName, bad_cursor
from headrace.bus import message as envelope
from headrace.bus import queues, subjects
from headrace.bus.client import Bus, Entry
from headrace.bus.message import Message
from headrace.bus.picking import Picker
from headrace.bus.queues import Place, Reader
from headrace.errors import NotFound
from headrace.store import executions, flows

__all__ = ["router"]

MOST = 200
"""Messages on one page."""
LONGEST_NUMBER = 18
"""Digits."""

router = APIRouter(prefix="/flows", tags=["flows"])
Epoch = Annotated[int | None, Field(ge=1, le=2**31 - 1, description="The deployment; what runs by default.")]


class QueueView(Answer):
    """One queue of a step."""

    step: str
    after: str | None = Field(description="The step whose messages these are; null: requests, reruns, take-over.")
    epoch: int = Field(description="The deployment whose step has to process them.")
    waiting: int = Field(description="Messages the step has still to process, those at work too.")
    oldest_at: Moment | None = Field(description="When the oldest of them was stored.")


class DelayedView(Answer):
    step: str
    count: int = Field(description="Messages that wait for their next attempt.")


class Queues(Answer):
    """What a flow has still to process."""

    at: Moment = Field(description="When this was so.")
    waiting: int = Field(description="In all, with what is delayed.")
    queues: list[QueueView]
    delayed: list[DelayedView]


class QueuedView(Answer):
    """A message in a queue, without its content."""

    seq: int = Field(description="Where it is in the journal: `GET /flows/{name}/messages/{seq}` has its content.")
    at: Moment = Field(description="When it was stored.")
    id: str
    execution: str
    step: str = Field(description="The step that emitted it, or, in an inbox, whose it is.")
    size: int = Field(description="Bytes of its body.")
    state: Literal["waiting", "taken", "done"] = Field(
        description="`taken`: handed to the step, which has it in its line or works on it."
    )
    attempt: int
    rerun: bool = Field(description="Whether a person ran it again.")


class QueueFilter(Paging):
    """Which messages are wanted."""

    after: StepName | None = Field(default=None, description="Those that this step emitted; else those of its inbox.")
    which: Literal["waiting", "recent"] = Field(
        default="waiting",
        description="`waiting`: still to be processed, oldest first. `recent`: whatever became of them, newest first.",
    )
    epoch: Epoch = None


@router.get("/{name}/queues", operation_id="listQueues")
async def list_queues(parts: PartsOf, name: FlowName) -> Queues:
    """How much waits for each step and for each that comes before it, and since when."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
    found = await queues.queues(parts.bus, flow.id)
    delayed = await queues.delayed(parts.bus, flow.id)
    return Queues(
        at=_now_ms(),
        waiting=sum(each.waiting for each in found) + sum(delayed.values()),
        queues=[
            QueueView(
                step=each.place.step,
                after=each.place.after,
                epoch=each.place.epoch,
                waiting=each.waiting,
                oldest_at=each.oldest_at,
            )
            for each in found
        ],
        delayed=[DelayedView(step=step, count=count) for step, count in sorted(delayed.items())],
    )


@router.get("/{name}/queues/{step}/messages", operation_id="listQueueMessages")
async def list_queue_messages(
    parts: PartsOf, name: FlowName, step: StepName, wanted: Annotated[QueueFilter, Query()]
) -> Page[QueuedView]:
    """Messages on their way to a step. Looking takes none of them."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
        deployment = await deployment_of(conn, flow)
    epoch = wanted.epoch or (deployment.epoch if deployment is not None else 0)
    place = Place(epoch, step, wanted.after)
    reader = await _reader(parts.bus, flow, place)
    seen = _Seen(parts, subjects.stream(flow.id), place.subject(flow.id), place, reader)
    look = seen.waiting if wanted.which == "waiting" else seen.recent
    return await look(_place_of(wanted.cursor), min(wanted.limit, MOST))


@router.get("/{name}/messages/{seq}", operation_id="getQueuedMessage")
async def get_queued_message(parts: PartsOf, name: FlowName, seq: Annotated[int, Path(ge=1, le=2**53)]) -> MessageView:
    """The content of a message in the flow's journal, as long as that keeps it."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
    entry = await parts.bus.get(subjects.stream(flow.id), seq)
    message = None if entry is None or entry.subject.endswith(".errors") else _decoded(entry)
    if entry is None or message is None:
        raise NotFound("message-not-found", f"the journal of flow `{name}` has no message {seq}, or no longer")
    return message_view(entry.data, await mask_of(parts, flow))


async def _reader(bus: Bus, flow: flows.Flow, place: Place) -> Reader:
    for reader in await queues.readers(bus, flow.id):
        if place in reader.places:
            return reader
    source = "its inbox" if place.after is None else f"step `{place.after}`"
    told = f"no step `{place.step}` of flow `{flow.name}` reads from {source}"
    raise NotFound("no-such-queue", told, next_step=f"see `headrace flow queue {flow.name}`")


@dataclass(frozen=True, slots=True)
class _Seen:
    """One queue, and who reads it."""

    parts: Parts
    stream: str
    subject: str
    place: Place
    reader: Reader

    async def waiting(self, cursor: int | None, limit: int) -> Page[QueuedView]:
        """Above the floor; those that are dealt with all the same are left out."""
        start = max(self.reader.floor + 1, cursor or 0)
        async with Picker(self.parts.bus) as picker:
            found = await picker.pick(self.stream, self.subject, start, limit)
        views = await self._views(found.entries)
        following = str(found.entries[-1].seq + 1) if found.left and found.entries else None
        return Page(items=[each for each in views if each.state != "done"], next=following)

    async def recent(self, cursor: int | None, limit: int) -> Page[QueuedView]:
        async with Picker(self.parts.bus) as picker:
            entries = await picker.newest(self.stream, self.subject, limit, before=cursor)
            first = await picker.pick(self.stream, self.subject, 1, 1)
        more = entries and first.entries and first.entries[0].seq < entries[-1].seq
        return Page(items=await self._views(entries), next=str(entries[-1].seq) if more else None)

    async def _views(self, entries: Sequence[Entry]) -> list[QueuedView]:
        """Those that are for the step; one with several after it may send a message to one of them alone."""
        reader, step = self.reader, self.place.step
        pairs = [(entry, message) for entry in entries if (message := _decoded(entry)) is not None]
        mine = [(entry, message) for entry, message in pairs if message.to in ("", step)]
        between = [message for entry, message in mine if reader.floor < entry.seq <= reader.delivered]
        async with self.parts.db.read() as conn:
            done = await executions.processed(conn, step, [(each.execution, each.id) for each in between])
        return [_view(entry, message, _state(reader, entry, message.id in done)) for entry, message in mine]


def _state(reader: Reader, entry: Entry, recorded: bool) -> Literal["waiting", "taken", "done"]:
    if entry.seq <= reader.floor or recorded:
        return "done"
    return "taken" if entry.seq <= reader.delivered else "waiting"


def _view(entry: Entry, message: Message, state: Literal["waiting", "taken", "done"]) -> QueuedView:
    return QueuedView(
        seq=entry.seq,
        at=entry.at,
        id=message.id,
        execution=message.execution,
        step=message.step,
        size=message.large.size if message.large is not None else len(memoryview(message.body)),
        state=state,
        attempt=message.attempt,
        rerun=message.rerun_of is not None,
    )


def _decoded(entry: Entry) -> Message | None:
    try:
        return envelope.decode(entry.data)
    except msgspec.MsgspecError:
        return None


def _place_of(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not cursor.isdecimal() or len(cursor) > LONGEST_NUMBER:
        raise bad_cursor()
    return int(cursor)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
