"""The journal of a flow: its stream, the consumers of its steps, and what becomes of messages left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Any

import msgspec

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.backlog import ACK_WAIT, Depth, Left, deliver, depth, floors, inputs, left, rewind
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus, Entry, JournalFull
from headrace.bus.message import Failure, Message
from headrace.bus.objects import reference_headers
from headrace.bus.parking import leave_out, park
from headrace.errors import NotFound
from headrace.flows.deployment import CARRY_ALL, DeploymentSpec, StepSpec
from headrace.flows.graph import Graph
from headrace.flows.mapping import Expression
from headrace.ids import derived_id

__all__ = [
    "ACK_WAIT",
    "Depth",
    "Left",
    "State",
    "TakenOver",
    "admit",
    "deliver",
    "depth",
    "drop_waiting",
    "due_consumer",
    "floors",
    "inputs",
    "left",
    "prepare",
    "purge_below",
    "reads_messages",
    "remove",
    "rewind",
    "setup",
    "state",
    "switch",
    "take_over",
]

SECOND = 1_000_000_000
DUPLICATE_WINDOW = 600
"""Seconds for which the broker remembers message ids: longer than the longest recovery it has to cover."""

FULL_PAUSE = 0.5
_EVERYTHING = 1 << 62

_log = logging.getLogger(__name__)


async def setup(bus: Bus, *, log_bytes: int, log_keep: float, trace_bytes: int = 512 * 1024 * 1024) -> None:
    """Make the streams and buckets all flows share. A second call only applies changed sizes."""
    await _stream(bus, {"name": subjects.DELAYS, "subjects": ["delay.>", "due.>"], "allow_msg_schedules": True})
    await _stream(bus, {"name": subjects.TRACE, "subjects": ["trace.>"], "max_bytes": trace_bytes})
    await _stream(
        bus,
        {
            "name": subjects.LOGS,
            "subjects": ["logs.>"],
            "max_bytes": log_bytes,
            "max_age": int(log_keep * SECOND),
            "max_msgs_per_subject": 50_000,
        },
    )
    for bucket in (subjects.DEPLOYMENTS, subjects.SNAPSHOTS, subjects.LEASES, subjects.POISON, subjects.CREDENTIALS):
        await Bucket(bus, bucket).setup()


async def _stream(bus: Bus, config: dict[str, Any]) -> None:
    whole: dict[str, Any] = {
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "allow_direct": True,
        "num_replicas": 1,
        "duplicate_window": DUPLICATE_WINDOW * SECOND,
        "allow_rollup_hdrs": bool(config.get("allow_msg_schedules")),
    } | config
    name = whole["name"]
    if await _exists(bus, name):
        await bus.api(f"STREAM.UPDATE.{name}", whole)
    else:
        await bus.api(f"STREAM.CREATE.{name}", whole)


async def _exists(bus: Bus, name: str) -> bool:
    try:
        await bus.api(f"STREAM.INFO.{name}")
    except NotFound:
        return False
    return True


def reads_messages(step: StepSpec) -> bool:
    """Whether the step takes messages from the journal: every action, and triggers called per request."""
    return step.kind == "action" or step.trigger_type == "webhook"


def _subjects(spec: DeploymentSpec) -> list[str]:
    """What is stored under the deployment; errors also of steps it does not have, for what had to be parked."""
    found = [subjects.errors(spec.flow_id, spec.epoch, "*")]
    for step in spec.steps:
        found += _own(spec, step)
    return found


def _own(spec: DeploymentSpec, step: StepSpec) -> list[str]:
    return [subjects.output(spec.flow_id, spec.epoch, step.id), subjects.inbox(spec.flow_id, spec.epoch, step.id)]


def _entries(spec: DeploymentSpec) -> list[str]:
    """Where events come in."""
    trigger = spec.trigger
    return [subjects.inbox(spec.flow_id, spec.epoch, trigger.id)] if reads_messages(trigger) else _own(spec, trigger)


async def prepare(bus: Bus, spec: DeploymentSpec) -> None:
    """Make the flow's stream and this deployment's consumers. A second call changes nothing."""
    name = subjects.stream(spec.flow_id)
    present = await _present_subjects(bus, name)
    wanted = list(dict.fromkeys([*present, *_subjects(spec)]))
    await _stream(bus, {"name": name, "subjects": wanted, "discard": "new", "max_bytes": spec.journal_bytes})
    for step in spec.steps:
        if reads_messages(step):
            await _consumer(bus, spec, step)
    await _due_consumer(bus, spec)


async def _present_subjects(bus: Bus, name: str) -> list[str]:
    try:
        info = await bus.api(f"STREAM.INFO.{name}")
    except NotFound:
        return []
    return list(info["config"]["subjects"])


async def _consumer(bus: Bus, spec: DeploymentSpec, step: StepSpec) -> None:
    stream, name = subjects.stream(spec.flow_id), subjects.consumer(spec.epoch, step.id)
    config = {
        "durable_name": name,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": int(ACK_WAIT * SECOND),
        "max_ack_pending": max(256, 4 * step.concurrency),
        "filter_subjects": inputs(spec, step),
        "deliver_subject": deliver(spec, step),
    }
    await _create_consumer(bus, stream, name, config)


async def _due_consumer(bus: Bus, spec: DeploymentSpec) -> None:
    name = due_consumer(spec.flow_id)
    config = {
        "durable_name": name,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": int(ACK_WAIT * SECOND),
        "max_ack_pending": 256,
        "filter_subjects": [f"due.{spec.flow_id}.>"],
        "deliver_subject": f"deliver.{spec.flow_id}.due",
    }
    await _create_consumer(bus, subjects.DELAYS, name, config)


def due_consumer(flow_id: str) -> str:
    """The one consumer of a flow's due messages, whatever deployment they were delayed under."""
    return f"due_{flow_id}"


async def _create_consumer(bus: Bus, stream: str, name: str, config: dict[str, Any]) -> None:
    await bus.api(f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": config, "action": ""})


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What became of the messages an ended deployment left: moved to a step of the same id, or parked as errors."""

    moved: int = 0
    parked: int = 0


async def take_over(bus: Bus, old: DeploymentSpec, new: DeploymentSpec | None) -> TakenOver:
    """Move what ``old`` left unacknowledged into ``new``'s inboxes; what cannot go on there is parked as an error.

    That is what has no step of its id there, and what does not carry an earlier output that is read there. The worker
    of ``old`` must be gone. Interrupted and called again it moves the rest: what is moved twice has one id. Afterwards
    the old deployment's consumers and subjects are gone; its messages stay readable by number. New events are refused
    under the old epoch from the start, so none can come in behind the reading.
    """
    await switch(bus, None, [old])
    readers = [step for step in old.steps if reads_messages(step)]
    passed = {step.id: await _floor(bus, old, step) for step in readers}
    moved = parked = 0
    for step in readers:
        heir = _heir(new, step)
        needed = _needed(new, heir) if new is not None and heir is not None else None
        async for entry in _left_over(bus, old, step):
            message = _readable(entry)
            if message is None:
                continue
            if heir is None and message.to not in ("", step.id):
                await leave_out(bus, old, step.id, message)
                continue
            failure = _hindrance(step.id, needed, message)
            while True:
                try:
                    if failure is not None:
                        await park(bus, old, step.id, message, failure)
                    elif new is not None:
                        await _move(bus, new, step, entry, message)
                    break
                except JournalFull:
                    await _make_room(bus, old, readers, passed)
            moved, parked = moved + (failure is None), parked + (failure is not None)
            passed[step.id] = entry.seq
        passed[step.id] = _EVERYTHING
    await _retire(bus, old)
    return TakenOver(moved, parked)


async def _floor(bus: Bus, spec: DeploymentSpec, step: StepSpec) -> int:
    try:
        found = await depth(bus, spec.flow_id, spec.epoch, step.id)
    except NotFound:
        return _EVERYTHING
    return found.floor if found.total else _EVERYTHING


async def _make_room(bus: Bus, spec: DeploymentSpec, readers: list[StepSpec], passed: dict[str, int]) -> None:
    """Delete what has been moved for all who read it: perhaps nobody works yet who would make room."""
    limits: dict[str, int] = {}
    for step in readers:
        for subject in inputs(spec, step):
            limits[subject] = min(limits.get(subject, _EVERYTHING), passed[step.id])
    purged = 0
    for subject, seq in limits.items():
        purged += await purge_below(bus, spec.flow_id, subject, seq + 1) if seq else 0
    if not purged:
        await asyncio.sleep(FULL_PAUSE)


def _heir(new: DeploymentSpec | None, step: StepSpec) -> StepSpec | None:
    if new is None:
        return None
    for candidate in new.steps:
        if candidate.id == step.id and reads_messages(candidate):
            return candidate
    return None


@dataclass(frozen=True, slots=True)
class _Needed:
    """Earlier outputs that every message of a step carries in its deployment, because an expression reads them."""

    here: frozenset[str] = frozenset()
    """Read by the step's own condition or mapping."""
    later: frozenset[str] = frozenset()

    def missing(self, message: Message) -> list[str]:
        needed = self.later if message.stage == "mapped" else self.here | self.later
        present = set(message.passthrough) if message.stage == "mapped" else {*message.passthrough, message.step}
        return sorted(needed - present)


def _needed(spec: DeploymentSpec, step: StepSpec) -> _Needed:
    always = Graph.of({each.id: each.after for each in spec.steps}).always[step.id]
    here: set[str] = set()
    for source in (step.when, step.input):
        if source is not None:
            references = Expression(source).references
            here |= always if references is None else references
    later = always if CARRY_ALL in step.carry else always & set(step.carry)
    return _Needed(always & here, later)


def _hindrance(step: str, needed: _Needed | None, message: Message) -> Failure | None:
    """Why the message cannot go on in the new deployment. ``needed`` is `None` when the step is not there."""
    if needed is None:
        text = f"the new deployment has no step {step} to take this message over"
        return Failure(name="NoSuccessor", message=text, reason="no-successor")
    missing = needed.missing(message)
    if not missing:
        return None
    names = ", ".join(f"$steps.{name}" for name in missing)
    text = f"step {step} of the new deployment, or one after it, reads {names}, which this message does not carry"
    return Failure(name="NotCarried", message=text, reason="not-carried")


async def _left_over(bus: Bus, spec: DeploymentSpec, step: StepSpec) -> AsyncIterator[Entry]:
    """The step's unacknowledged messages, in order."""
    try:
        rest = await left(bus, spec, step)
    except NotFound:
        return
    if rest.depth.total == 0:
        return
    start = rest.depth.floor + 1
    async for entry in bus.read(subjects.stream(spec.flow_id), inputs(spec, step), start_seq=start):
        if not rest.acknowledged(entry.seq):
            yield entry


def _readable(entry: Entry) -> Message | None:
    try:
        return envelope.decode(entry.data)
    except msgspec.MsgspecError as error:
        _log.warning("journal entry %s of %s is no message and is left out: %s", entry.seq, entry.subject, error)
        return None


async def _move(bus: Bus, new: DeploymentSpec, step: StepSpec, entry: Entry, message: Message) -> None:
    inbox = subjects.inbox(new.flow_id, new.epoch, step.id)
    msg_id = derived_id("take-over", str(new.epoch), step.id, message.id)
    await bus.store(inbox, entry.data, msg_id=msg_id, headers=reference_headers(entry.data))


async def _retire(bus: Bus, spec: DeploymentSpec) -> None:
    stream = subjects.stream(spec.flow_id)
    for step in spec.steps:
        with contextlib.suppress(NotFound):
            await bus.api(f"CONSUMER.DELETE.{stream}.{subjects.consumer(spec.epoch, step.id)}")
    await _change_subjects(bus, stream, _subjects(spec), ())


async def admit(bus: Bus, spec: DeploymentSpec) -> None:
    """Let events of this deployment in (again). A second call changes nothing."""
    await switch(bus, spec, [])


async def switch(bus: Bus, new: DeploymentSpec | None, old: Collection[DeploymentSpec]) -> None:
    """Let events in under ``new`` only: what the triggers of ``old`` emit, or is sent to them, is refused from now on.

    Their other steps go on, and error records of what is left are still taken. So does a trigger that is called per
    request: what it emits is of requests that were accepted before.
    """
    gone = [subject for spec in old for subject in _entries(spec)]
    flow_id = (new or next(iter(old))).flow_id
    await _change_subjects(bus, subjects.stream(flow_id), gone, _subjects(new) if new else ())


async def _change_subjects(bus: Bus, stream: str, gone: Collection[str], added: Collection[str]) -> None:
    config = (await bus.api(f"STREAM.INFO.{stream}"))["config"]
    present: list[str] = config["subjects"]
    wanted = list(dict.fromkeys([*(subject for subject in present if subject not in gone), *added]))
    if wanted != present:
        await bus.api(f"STREAM.UPDATE.{stream}", config | {"subjects": wanted})


@dataclass(frozen=True, slots=True)
class State:
    """What a flow's journal holds. ``subjects`` is only filled when asked for."""

    bytes: int
    first: int
    last: int
    subjects: tuple[str, ...] = ()


async def state(bus: Bus, flow_id: str, *, with_subjects: bool = False) -> State:
    """The size and bounds of the journal; `NotFound` when there is none."""
    found: set[str] = set()
    offset = 0
    while True:
        wanted = {"subjects_filter": ">", "offset": offset} if with_subjects else {}
        answer = await bus.api(f"STREAM.INFO.{subjects.stream(flow_id)}", wanted)
        size = answer["state"]
        page = size.get("subjects") or {}
        found |= page.keys()
        offset += len(page)
        if not page or offset >= int(answer.get("total", 0)):
            return State(int(size["bytes"]), int(size["first_seq"]), int(size["last_seq"]), tuple(sorted(found)))


async def purge_below(bus: Bus, flow_id: str, subject: str, seq: int) -> int:
    """Delete messages of ``subject`` whose sequence number is below ``seq``; how many went."""
    answer = await bus.api(f"STREAM.PURGE.{subjects.stream(flow_id)}", {"filter": subject, "seq": seq})
    return int(answer.get("purged", 0))


async def drop_waiting(bus: Bus, spec: DeploymentSpec) -> int:
    """Delete everything the deployment still had to process, delayed messages too; how many messages that was."""
    dropped = 0
    stream = subjects.stream(spec.flow_id)
    for step in spec.steps:
        if not reads_messages(step):
            continue
        left = await depth(bus, spec.flow_id, spec.epoch, step.id)
        dropped += left.total
        for subject in inputs(spec, step):
            await bus.api(f"STREAM.PURGE.{stream}", {"filter": subject})
    for waiting in (f"delay.{spec.flow_id}.>", f"due.{spec.flow_id}.>"):
        answer = await bus.api(f"STREAM.PURGE.{subjects.DELAYS}", {"filter": waiting})
        dropped += int(answer.get("purged", 0))
    return dropped


async def remove(bus: Bus, flow_id: str) -> None:
    """Delete the flow's journal with all it holds, and its objects. Nothing happens when there is none."""
    for waiting in (f"delay.{flow_id}.>", f"due.{flow_id}.>"):
        await bus.api(f"STREAM.PURGE.{subjects.DELAYS}", {"filter": waiting})
    with contextlib.suppress(NotFound):
        await bus.api(f"CONSUMER.DELETE.{subjects.DELAYS}.{due_consumer(flow_id)}")
    for name in (subjects.stream(flow_id), subjects.objects(flow_id)):
        with contextlib.suppress(NotFound):
            await bus.api(f"STREAM.DELETE.{name}")
