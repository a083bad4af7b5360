"""What a step still has to process: how many messages, and exactly which of those that were handed out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.flows.deployment import DeploymentSpec, StepSpec

__all__ = ["ACK_WAIT", "Depth", "Left", "deliver", "depth", "floors", "inputs", "left", "rewind"]

SECOND = 1_000_000_000
ACK_WAIT = 30.0
"""Seconds a message may stay unacknowledged without a sign of progress."""
ASKING_WAIT = 0.1
"""The same while we ask which messages are unacknowledged: then each of them is sent again at once."""
ASK_WITHIN = 3.0


def inputs(spec: DeploymentSpec, step: StepSpec) -> list[str]:
    """Subjects a step reads: the outputs of the steps it comes after, and its inbox."""
    read = [subjects.output(spec.flow_id, spec.epoch, before) for before in step.after]
    return [*read, subjects.inbox(spec.flow_id, spec.epoch, step.id)]


def deliver(spec: DeploymentSpec, step: StepSpec) -> str:
    """Subject on which the broker hands the step its messages."""
    return f"deliver.{spec.flow_id}.{spec.epoch}.{step.id}"


@dataclass(frozen=True, slots=True)
class Depth:
    """Messages of one step: ``waiting`` still to be delivered, ``held`` delivered and not acknowledged.

    ``floor``: everything up to this sequence number is acknowledged. ``delivered``: the last one handed out."""

    waiting: int
    held: int
    floor: int
    delivered: int

    @property
    def total(self) -> int:
        """Messages the step still has to process."""
        return self.waiting + self.held


async def depth(bus: Bus, flow_id: str, epoch: int, step: str) -> Depth:
    """How many messages a step still has to process; `NotFound` when it has no consumer."""
    return _depth(await _info(bus, flow_id, epoch, step))


def _depth(info: dict[str, Any]) -> Depth:
    return Depth(
        int(info["num_pending"]),
        int(info["num_ack_pending"]),
        int(info["ack_floor"]["stream_seq"]),
        int(info["delivered"]["stream_seq"]),
    )


async def _info(bus: Bus, flow_id: str, epoch: int, step: str) -> dict[str, Any]:
    return await bus.api(f"CONSUMER.INFO.{subjects.stream(flow_id)}.{subjects.consumer(epoch, step)}")


@dataclass(frozen=True, slots=True)
class Left:
    """What a worker that has ended left of one step's messages."""

    depth: Depth
    unacknowledged: frozenset[int] | None
    """Which of the messages above the floor that were handed out; `None`: all of them."""

    def acknowledged(self, seq: int) -> bool:
        """Whether the message was dealt with: those behind one that takes long may be, before it."""
        if seq <= self.depth.floor:
            return True
        return self.unacknowledged is not None and seq <= self.depth.delivered and seq not in self.unacknowledged


async def left(bus: Bus, spec: DeploymentSpec, step: StepSpec) -> Left:
    """What the step's last worker left behind; nobody else may read the step now. `NotFound` without a consumer.

    The broker's numbers tell when acknowledged messages lie between others, but not which: it is then made to send
    what is unacknowledged, which takes a tenth of a second. Resetting the consumer would bring back all.
    """
    info = await _info(bus, spec.flow_id, spec.epoch, step.id)
    found = _depth(info)
    unacknowledged: frozenset[int] | None = None
    if found.held == 0:
        unacknowledged = frozenset()
    elif _has_gaps(info):
        unacknowledged = await _ask(bus, spec, step, info)
    elif int(info["config"]["ack_wait"]) != int(ACK_WAIT * SECOND):  # someone ended while asking
        await _set_wait(bus, info, ACK_WAIT)
    return Left(found, unacknowledged)


def _has_gaps(info: dict[str, Any]) -> bool:
    handed_out = int(info["delivered"]["consumer_seq"]) - int(info["ack_floor"]["consumer_seq"])
    return bool(info["num_redelivered"]) or handed_out != int(info["num_ack_pending"])


async def _ask(bus: Bus, spec: DeploymentSpec, step: StepSpec, info: dict[str, Any]) -> frozenset[int] | None:
    """The messages that come again when hardly any time is left to acknowledge them; `None` when not all do."""
    delivered, wanted = int(info["delivered"]["stream_seq"]), int(info["num_ack_pending"])
    found: set[int] = set()
    complete = asyncio.Event()

    def heard(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        seq = int(reply.split(b".")[5])
        if seq <= delivered:
            found.add(seq)
        if len(found) >= wanted:
            complete.set()

    undo = await bus.on_message(deliver(spec, step), heard)
    try:
        await _set_wait(bus, info, ASKING_WAIT)
        async with asyncio.timeout(ASK_WITHIN):
            await complete.wait()
    except TimeoutError:
        return None  # rather a repeat than a loss
    finally:
        await undo()
        await _set_wait(bus, info, ACK_WAIT)
    return frozenset(found)


async def _set_wait(bus: Bus, info: dict[str, Any], seconds: float) -> None:
    stream, name = info["stream_name"], info["name"]
    config = info["config"] | {"ack_wait": int(seconds * SECOND)}
    await bus.api(f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": config, "action": "update"})


async def rewind(bus: Bus, spec: DeploymentSpec, step: StepSpec) -> int:
    """Hand out again, in order, everything above the acknowledgement floor; how much that is.

    Deliveries are numbered from 1 again. Needs nats-server 2.14.
    """
    consumer = subjects.consumer(spec.epoch, step.id)
    answer = await bus.api(f"CONSUMER.RESET.{subjects.stream(spec.flow_id)}.{consumer}", {})
    return int(answer["num_pending"]) + int(answer["num_ack_pending"])


async def floors(bus: Bus, flow_id: str) -> dict[str, int]:
    """For each subject that steps read, of whatever deployment: up to where all of them have acknowledged it.

    A reader with nothing left to process sets no limit; a subject all of whose readers are such is left out.
    """
    found: dict[str, int] = {}
    offset = 0
    while True:
        answer = await bus.api(f"CONSUMER.LIST.{subjects.stream(flow_id)}", {"offset": offset})
        consumers = answer["consumers"] or []
        for info in consumers:
            reader = _depth(info)
            if reader.total and info["config"]["ack_policy"] != "none":  # the others are people who read along
                config = info["config"]
                for subject in config.get("filter_subjects") or [config.get("filter_subject", "")]:
                    found[subject] = min(found.get(subject, reader.floor), reader.floor)
        offset += len(consumers)
        if not consumers or offset >= int(answer["total"]):
            return found
