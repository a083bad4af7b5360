"""What waits in a flow's journal, queue by queue: for each step, and each subject it reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.bus.picking import Picked, Picker
from headrace.errors import NotFound

__all__ = ["Place", "Queue", "Reader", "delayed", "queues", "readers", "waiting"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step reads: what ``after`` emitted, or its own inbox."""

    epoch: int
    step: str
    after: str | None
    """`None`: its inbox, for requests, reruns, and what was taken over."""

    def subject(self, flow_id: str) -> str:
        """Where these messages are stored."""
        if self.after is None:
            return subjects.inbox(flow_id, self.epoch, self.step)
        return subjects.output(flow_id, self.epoch, self.after)


@dataclass(frozen=True, slots=True)
class Queue:
    """How many messages of a place the step has still to process, those at work too, and since when the oldest is there
    (milliseconds since the epoch)."""

    place: Place
    waiting: int
    oldest_at: int | None


@dataclass(frozen=True, slots=True)
class Reader:
    """A step as the broker knows it. Everything up to ``floor`` is dealt with, nothing above ``delivered`` was handed
    out; ``waiting`` are those above, ``held`` those between that are not acknowledged."""

    epoch: int
    step: str
    places: tuple[Place, ...]
    waiting: int
    held: int
    floor: int
    delivered: int


async def readers(bus: Bus, flow_id: str) -> list[Reader]:
    """Every step, of whatever deployment, that has a queue; none without a journal."""
    return [_reader(info) async for info in _consumers(bus, subjects.stream(flow_id))]


async def queues(bus: Bus, flow_id: str) -> list[Queue]:
    """Every queue there is, empty ones too. Of a step that reads several places, those that are at work are told to the
    place they seem to come from: it is a matter of moments."""
    stream = subjects.stream(flow_id)
    async with Picker(bus) as picker:

        async def look(reader: Reader) -> list[Queue]:
            if not reader.waiting + reader.held:
                return [Queue(place, 0, None) for place in reader.places]
            ends = (reader.floor, reader.delivered)
            looks = [(place.subject(flow_id), seq) for place in reader.places for seq in ends]
            found = await asyncio.gather(*(picker.pick(stream, subject, seq + 1, 1) for subject, seq in looks))
            return _split(reader, found[::2], found[1::2])

        found = await asyncio.gather(*(look(reader) for reader in await readers(bus, flow_id)))
    return [queue for each in found for queue in each]


def _split(reader: Reader, above_floor: list[Picked], above_delivered: list[Picked]) -> list[Queue]:
    held = reader.held
    queues = []
    for place, low, high in zip(reader.places, above_floor, above_delivered, strict=True):
        mine = min(held, low.total - high.total)
        held -= mine
        count = high.total + mine
        entries = low.entries if mine else high.entries
        queues.append(Queue(place, count, entries[0].at if count and entries else None))
    return queues


async def delayed(bus: Bus, flow_id: str) -> dict[str, int]:
    """Messages that wait for their next attempt, by step; steps without any are left out."""
    found: dict[str, int] = {}
    for prefix in ("delay", "due"):
        info = await bus.api(f"STREAM.INFO.{subjects.DELAYS}", {"subjects_filter": f"{prefix}.{flow_id}.>"})
        for subject, count in (info["state"].get("subjects") or {}).items():
            step = subject.split(".")[3]
            found[step] = found.get(step, 0) + count
    return found


async def waiting(bus: Bus, flow_id: str) -> int:
    """Messages a flow has not finished: queued, in progress or delayed, in all its deployments; 0 without a journal."""
    found = await readers(bus, flow_id)
    return sum(each.waiting + each.held for each in found) + sum((await delayed(bus, flow_id)).values())


def _reader(info: dict[str, Any]) -> Reader:
    config = info["config"]
    epoch, _, step = str(info["name"]).partition("_")
    filters = config.get("filter_subjects") or [config["filter_subject"]]
    return Reader(
        epoch=int(epoch),
        step=step,
        places=tuple(_place(int(epoch), step, subject) for subject in filters),
        waiting=int(info["num_pending"]),
        held=int(info["num_ack_pending"]),
        floor=int(info["ack_floor"]["stream_seq"]),
        delivered=int(info["delivered"]["stream_seq"]),
    )


def _place(epoch: int, step: str, subject: str) -> Place:
    tokens = subject.split(".")
    return Place(epoch, step, None if len(tokens) > 4 else tokens[3])


async def _consumers(bus: Bus, stream: str) -> AsyncIterator[dict[str, Any]]:
    """Durable ones: the others are people who read along."""
    offset = 0
    while True:
        try:
            answer = await bus.api(f"CONSUMER.LIST.{stream}", {"offset": offset})
        except NotFound:
            return
        consumers = answer["consumers"] or []
        for consumer in consumers:
            if "durable_name" in consumer["config"]:
                yield consumer
        offset += len(consumers)
        if not consumers or offset >= int(answer["total"]):
            return
