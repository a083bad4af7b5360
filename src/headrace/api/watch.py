"""``/flows/{name}/watch``: production messages as they pass, sampled, for somebody who looks at the canvas.

Read out of the journal twice a second, by whoever watches and only as long as they do: workers know nothing of it, and
no consumer is made. At most `SHOWN` messages a look are shown. Without a filter that many are looked at, shared between
the steps; with one up to `LOOKED`, for `BUDGET` seconds. How many were not looked at is said every time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from headrace.api.executions import MessageView, message_view
from headrace.api.live import HEARTBEAT, beat
from headrace.api.masks import mask_of
from headrace.api.parts import Parts, PartsOf
from headrace.api.shapes import Answer, FlowName, Moment, Request, StepName, Text
from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.client import Entry
from headrace.bus.picking import Picked, Picker
from headrace.errors import HeadraceError
from headrace.flows.mapping import Expression, MappingError
from headrace.flows.redaction import Redaction
from headrace.store import flows

__all__ = ["router"]

EVERY = 0.5
"""Seconds between two looks."""
SHOWN, LOOKED = 10, 200
BUDGET = 0.2
"""Seconds that one look's conditions may take together."""
MASK_EVERY = 30.0
"""Seconds after which credentials are read again: somebody may have edited one."""
PREVIEW = 2_000
"""Characters of a body's JSON that are sent along."""
LONGEST = 10_000

router = APIRouter(prefix="/flows", tags=["live"])


class WatchFilter(Request):
    """Which messages are wanted."""

    step: StepName | None = Field(default=None, description="Only those that this step emits.")
    to: StepName | None = Field(default=None, description="Only those that go to this step after it.")
    text: Annotated[Text | None, Field(max_length=LONGEST, description="Only those with this text in the body.")] = None
    where: Annotated[
        Text | None, Field(max_length=LONGEST, description="Only those for which this JSONata condition is true.")
    ] = None


class Seen(Answer):
    """A message that passed, as far as it may be shown."""

    seq: int = Field(description="`GET /flows/{name}/messages/{seq}` has all of it.")
    at: Moment
    step: str = Field(description="The step that emitted it.")
    to: str | None = Field(description="The only step it goes to; null: every step that comes after.")
    id: str
    execution: str
    size: int = Field(description="Bytes of its body.")
    body: str = Field(description=f"The beginning of its JSON, at most {PREVIEW} characters.")
    whole: bool = Field(description="Whether that is all of it.")
    masked: bool


class Passing(Answer):
    """One look: what is shown, and what is not."""

    passed: int = Field(description="Messages since the last look, of the steps that are watched.")
    unmatched: int = Field(description="Those that were looked at and are none of those wanted.")
    left_out: int = Field(description="Those that are not shown as there were too many.")
    trouble: str = Field(description="Why the condition cannot be applied to a message, for one of them.")
    items: list[Seen]


@router.get(
    "/{name}/watch",
    operation_id="watchFlow",
    response_class=EventSourceResponse,
    responses={200: {"model": Passing, "description": "Events; this is the data of `passing`"}},
)
async def watch_flow(parts: PartsOf, name: FlowName, wanted: Annotated[WatchFilter, Query()]) -> EventSourceResponse:
    """Follow messages as they pass: an event ``hello``, then ``passing``, each a `Passing`, whenever something did."""
    async with parts.db.read() as conn:
        flow = await flows.get(conn, name)
    watch = _Watch(parts, flow, wanted, Expression(wanted.where) if wanted.where else None)
    return EventSourceResponse(
        watch.events(), ping=HEARTBEAT, ping_message_factory=beat, headers={"Cache-Control": "no-store"}
    )


@dataclass(slots=True)
class _Look:
    """What one look has found, and how much there was."""

    passed: int
    entries: list[Entry]


class _Watch:
    """One person watching one flow."""

    def __init__(self, parts: Parts, flow: flows.Flow, wanted: WatchFilter, where: Expression | None) -> None:
        self._parts = parts
        self._flow = flow
        self._wanted = wanted
        self._where = where
        self._stream = subjects.stream(flow.id)
        self._most = LOOKED if where is not None or wanted.text else SHOWN
        self._mask = Redaction()
        self._masked_at = 0.0

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Until the watcher or the server goes."""
        stopping = self._parts.stopping
        async with Picker(self._parts.bus) as picker:
            following, look = await self._look(picker, 0)
            yield ServerSentEvent("{}", event="hello", retry=1000)
            while not stopping.is_set():
                following, look = await self._look(picker, following)
                if look.passed:
                    yield ServerSentEvent((await self._passing(look)).model_dump_json(), event="passing")
                try:
                    await asyncio.wait_for(stopping.wait(), EVERY)
                except TimeoutError:
                    continue

    async def _end(self) -> int:
        return int((await self._parts.bus.api(f"STREAM.INFO.{self._stream}"))["state"]["last_seq"])

    async def _look(self, picker: Picker, start: int) -> tuple[int, _Look]:
        """What was stored since, and where the next look begins; with 0, and after trouble, from the present end on."""
        try:
            end = await self._end()
            return end + 1, await self._between(picker, start, end) if 0 < start <= end else _Look(0, [])
        except HeadraceError:
            return 0, _Look(0, [])  # the broker is away, or the flow never ran

    async def _between(self, picker: Picker, start: int, end: int) -> _Look:
        subject = self._subject(self._wanted.step or "*")
        found, later = await asyncio.gather(
            picker.pick(self._stream, subject, start, self._most), picker.pick(self._stream, subject, end + 1, 1)
        )
        passed = found.total - later.total
        entries = found.entries
        if found.left and self._wanted.step is None:
            entries = await self._shared_out(picker, start, found)
        entries = [each for each in entries if each.seq <= end]
        return _Look(max(passed, len(entries)), entries)

    async def _shared_out(self, picker: Picker, start: int, found: Picked) -> list[Entry]:
        """There is too much to look at everything: some of every step that emits, not all of the first one."""
        said = self._parts.heartbeats.all()
        steps = {step.id for state in said if state.flow_id == self._flow.id for step in state.steps if step.emitted}
        names = sorted(steps | {each.subject.split(".")[3] for each in found.entries})
        share = max(1, self._most // len(names))
        looks = [picker.pick(self._stream, self._subject(name), start, share) for name in names[: self._most]]
        entries = [entry for each in await asyncio.gather(*looks) for entry in each.entries]
        return sorted(entries, key=lambda entry: entry.seq)

    def _subject(self, step: str) -> str:
        return f"flow.{self._flow.id}.*.{step}"

    async def _passing(self, look: _Look) -> Passing:
        mask = await self._current_mask()
        return await asyncio.to_thread(_chosen, look, self._wanted, self._where, mask)

    async def _current_mask(self) -> Redaction:
        if not self._masked_at or time.monotonic() - self._masked_at > MASK_EVERY:
            self._mask, self._masked_at = await mask_of(self._parts, self._flow), time.monotonic()
        return self._mask


def _chosen(look: _Look, wanted: WatchFilter, where: Expression | None, mask: Redaction) -> Passing:
    """Those that are wanted, newest first; conditions see what the watcher may see."""
    items: list[Seen] = []
    unmatched = looked = 0
    trouble = ""
    until = time.monotonic() + BUDGET
    for entry in reversed(look.entries):
        if time.monotonic() > until:
            break
        looked += 1
        try:
            message, view = envelope.decode(entry.data), message_view(entry.data, mask)
        except msgspec.MsgspecError:
            unmatched += 1
            continue
        matches = (not wanted.to or message.to in ("", wanted.to)) and _has(wanted.text, view)
        if matches and where is not None:
            try:
                matches = where.test(_context(view))
            except MappingError as error:
                matches, trouble = False, error.message
        if not matches:
            unmatched += 1
        elif len(items) < SHOWN:
            items.append(_seen(entry, message, view))
    left_out = look.passed - unmatched - len(items)
    return Passing(passed=look.passed, unmatched=unmatched, left_out=left_out, trouble=trouble, items=items)


def _has(text: str | None, view: MessageView) -> bool:
    return not text or text.lower() in _text(view.body).lower()


def _context(view: MessageView) -> bytes:
    return msgspec.json.encode({"body": view.body, "headers": view.headers, "attachments": {}})


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _seen(entry: Entry, message: envelope.Message, view: MessageView) -> Seen:
    body = _text(view.body)
    return Seen(
        seq=entry.seq,
        at=entry.at,
        step=entry.subject.split(".")[3],
        to=message.to or None,
        id=message.id,
        execution=message.execution,
        size=message.large.size if message.large is not None else len(memoryview(message.body)),
        body=body[:PREVIEW],
        whole=message.large is None and len(body) <= PREVIEW,
        masked=view.masked,
    )
