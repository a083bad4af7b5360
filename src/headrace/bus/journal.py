"""The journal of a flow: its stream, the consumers of its steps, and what becomes of messages left behind."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Any

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus, Entry
from headrace.bus.trace import Batch, Fact, encode_batch
from headrace.errors import NotFound
from headrace.flows.deployment import DeploymentSpec, StepSpec
from headrace.ids import derived_id

__all__ = [
    "ACK_WAIT",
    "Depth",
    "TakenOver",
    "admit",
    "deliver",
    "depth",
    "drop_waiting",
    "due_consumer",
    "inputs",
    "prepare",
    "purge_below",
    "reads_messages",
    "remove",
    "setup",
    "switch",
    "take_over",
]

SECOND = 1_000_000_000
ACK_WAIT = 30.0
"""Seconds a message may stay unacknowledged without a sign of progress."""
DUPLICATE_WINDOW = 600
"""Seconds for which the broker remembers message ids: longer than the longest recovery it has to cover."""


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
    for bucket in (subjects.DEPLOYMENTS, subjects.SNAPSHOTS, subjects.LEASES, subjects.POISON):
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


def inputs(spec: DeploymentSpec, step: StepSpec) -> list[str]:
    """Subjects a step reads: the outputs of the steps it comes after, and its inbox."""
    read = [subjects.output(spec.flow_id, spec.epoch, before) for before in step.after]
    return [*read, subjects.inbox(spec.flow_id, spec.epoch, step.id)]


def deliver(spec: DeploymentSpec, step: StepSpec) -> str:
    """Subject on which the broker hands the step its messages."""
    return f"deliver.{spec.flow_id}.{spec.epoch}.{step.id}"


def reads_messages(step: StepSpec) -> bool:
    """Whether the step takes messages from the journal: every action, and triggers called per request."""
    return step.kind == "action" or step.trigger_type == "webhook"


def _subjects(spec: DeploymentSpec) -> list[str]:
    found = []
    for step in spec.steps:
        own = subjects.output(spec.flow_id, spec.epoch, step.id)
        found += [own, f"{own}.*"]
    return found


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
    info = await bus.api(f"CONSUMER.INFO.{subjects.stream(flow_id)}.{subjects.consumer(epoch, step)}")
    return Depth(
        int(info["num_pending"]),
        int(info["num_ack_pending"]),
        int(info["ack_floor"]["stream_seq"]),
        int(info["delivered"]["stream_seq"]),
    )


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What became of the messages an ended deployment left: moved to a step of the same id, or parked as errors."""

    moved: int = 0
    parked: int = 0


async def take_over(bus: Bus, old: DeploymentSpec, new: DeploymentSpec | None) -> TakenOver:
    """Move what ``old`` left unacknowledged into ``new``'s inboxes; without a successor step, park it as an error.

    The worker of ``old`` must be gone. Interrupted and called again it moves the rest: what is moved twice has one
    id. Afterwards the old deployment's consumers and subjects are gone; its messages stay readable by number.
    New events are refused under the old epoch from the start, so none can come in behind the reading.
    """
    await switch(bus, None, [old])
    moved = parked = 0
    for step in old.steps:
        if not reads_messages(step):
            continue
        heir = _heir(new, step)
        async for entry in _left(bus, old, step):
            if heir is not None and new is not None:
                await _move(bus, new, heir, entry)
                moved += 1
            else:
                await _park(bus, old, step, entry)
                parked += 1
    await _retire(bus, old)
    return TakenOver(moved, parked)


def _heir(new: DeploymentSpec | None, step: StepSpec) -> StepSpec | None:
    if new is None:
        return None
    for candidate in new.steps:
        if candidate.id == step.id and reads_messages(candidate):
            return candidate
    return None


async def _left(bus: Bus, spec: DeploymentSpec, step: StepSpec) -> AsyncIterator[Entry]:
    """Messages above the step's acknowledgement floor, in order."""
    try:
        left = await depth(bus, spec.flow_id, spec.epoch, step.id)
    except NotFound:
        return
    if left.total == 0:
        return
    async for entry in bus.read(subjects.stream(spec.flow_id), inputs(spec, step), start_seq=left.floor + 1):
        yield entry


async def _move(bus: Bus, new: DeploymentSpec, step: StepSpec, entry: Entry) -> None:
    message = envelope.decode(entry.data)
    await bus.store(
        subjects.inbox(new.flow_id, new.epoch, step.id),
        entry.data,
        msg_id=derived_id("take-over", str(new.epoch), step.id, message.id),
    )


async def _park(bus: Bus, old: DeploymentSpec, step: StepSpec, entry: Entry) -> None:
    now = time.time_ns()
    parked = envelope.ErrorEntry(
        id=derived_id("parked", step.id, entry.subject, str(entry.seq)),
        message=envelope.decode(entry.data),
        step=step.id,
        failure=envelope.Failure(
            name="NoSuccessor",
            message=f"the new deployment has no step {step.id} to take this message over",
            reason="no-successor",
        ),
        at=now // 1_000_000,
    )
    subject = subjects.errors(old.flow_id, old.epoch, step.id)
    stored = await bus.store(subject, envelope.encode(parked), msg_id=parked.id)
    fact = Fact(
        kind="failed",
        execution=parked.message.execution,
        step=step.id,
        message=parked.message.id,
        parent=parked.message.parent or "",
        at=now // 1000,
        opened=-1,
        seq=stored.seq,
        error=parked.id,
    )
    batch = Batch(old.flow_id, old.epoch, old.version, [fact])
    await bus.store(subjects.trace(old.flow_id), encode_batch(batch), msg_id=f"{parked.id}-fact")


async def _retire(bus: Bus, spec: DeploymentSpec) -> None:
    stream = subjects.stream(spec.flow_id)
    for step in spec.steps:
        with contextlib.suppress(NotFound):
            await bus.api(f"CONSUMER.DELETE.{stream}.{subjects.consumer(spec.epoch, step.id)}")
    trigger_errors = subjects.errors(spec.flow_id, spec.epoch, spec.trigger.id)
    await _change_subjects(bus, stream, {*_subjects(spec), trigger_errors}, ())


async def admit(bus: Bus, spec: DeploymentSpec) -> None:
    """Let events of this deployment in (again). A second call changes nothing."""
    await switch(bus, spec, [])


async def switch(bus: Bus, new: DeploymentSpec | None, old: Collection[DeploymentSpec]) -> None:
    """Let events in under ``new`` only: what the triggers of ``old`` emit, or is sent to them, is refused from now on.

    Their other steps go on, and error records of what is left are still taken.
    """
    gone, kept = set(), []
    for spec in old:
        trigger = subjects.output(spec.flow_id, spec.epoch, spec.trigger.id)
        gone |= {trigger, f"{trigger}.*"}
        kept.append(f"{trigger}.errors")
    flow_id = (new or next(iter(old))).flow_id
    await _change_subjects(bus, subjects.stream(flow_id), gone, [*kept, *(_subjects(new) if new else ())])


async def _change_subjects(bus: Bus, stream: str, gone: Collection[str], added: Collection[str]) -> None:
    config = (await bus.api(f"STREAM.INFO.{stream}"))["config"]
    present: list[str] = config["subjects"]
    wanted = list(dict.fromkeys([*(subject for subject in present if subject not in gone), *added]))
    wanted = [subject for subject in wanted if not _covered(subject, wanted)]
    if wanted != present:
        await bus.api(f"STREAM.UPDATE.{stream}", config | {"subjects": wanted})


def _covered(subject: str, listed: Collection[str]) -> bool:
    """Whether ``….errors`` is listed already as part of ``….*``; the broker refuses subjects that overlap."""
    parent, _, last = subject.rpartition(".")
    return last != "*" and f"{parent}.*" in listed


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
    """Delete the flow's journal with all it holds. Nothing happens when there is none."""
    for waiting in (f"delay.{flow_id}.>", f"due.{flow_id}.>"):
        await bus.api(f"STREAM.PURGE.{subjects.DELAYS}", {"filter": waiting})
    with contextlib.suppress(NotFound):
        await bus.api(f"CONSUMER.DELETE.{subjects.DELAYS}.{due_consumer(flow_id)}")
    with contextlib.suppress(NotFound):
        await bus.api(f"STREAM.DELETE.{subjects.stream(flow_id)}")
