"""Messages that no step will process: kept as error records, so that a person can decide."""

from __future__ import annotations

import time

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.bus.message import ErrorEntry, Failure, Message
from headrace.bus.trace import Batch, Fact, encode_batch
from headrace.flows.deployment import DeploymentSpec
from headrace.ids import derived_id

__all__ = ["park"]


async def park(bus: Bus, spec: DeploymentSpec, step: str, message: Message, failure: Failure) -> None:
    """Store the error record and its fact under deployment ``spec``, which need not have that step.

    A second call changes nothing. Raises what `Bus.store` does, `JournalFull` too.
    """
    now = time.time_ns()
    entry = ErrorEntry(
        id=derived_id("parked", step, message.id, str(message.attempt)),
        message=message,
        step=step,
        failure=failure,
        at=now // 1_000_000,
    )
    subject = subjects.errors(spec.flow_id, spec.epoch, step)
    stored = await bus.store(subject, envelope.encode(entry), msg_id=entry.id)
    fact = Fact(
        kind="failed",
        execution=message.execution,
        step=step,
        message=message.id,
        parent=message.parent or "",
        at=now // 1000,
        opened=-1,
        seq=stored.seq,
        attempt=message.attempt,
        error=entry.id,
        rerun_of=message.rerun_of or "",
    )
    batch = Batch(spec.flow_id, spec.epoch, spec.version, [fact])
    await bus.store(subjects.trace(spec.flow_id), encode_batch(batch), msg_id=f"{entry.id}-fact", wait=True)
