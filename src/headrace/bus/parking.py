"""Messages that no step will process: kept as error records, so that a person can decide."""

from __future__ import annotations

import time

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.bus.message import ErrorEntry, Failure, Message
from headrace.bus.trace import Batch, Fact, FactKind, encode_batch
from headrace.flows.deployment import DeploymentSpec
from headrace.ids import derived_id

__all__ = ["leave_out", "park"]


async def park(bus: Bus, spec: DeploymentSpec, step: str, message: Message, failure: Failure) -> None:
    """Store the error record and its fact under deployment ``spec``, which need not have that step.

    A second call changes nothing. Raises what `Bus.store` does, `JournalFull` too.
    """
    entry = ErrorEntry(
        id=derived_id("parked", step, message.id, str(message.attempt)),
        message=message,
        step=step,
        failure=failure,
        at=time.time_ns() // 1_000_000,
    )
    subject = subjects.errors(spec.flow_id, spec.epoch, step)
    stored = await bus.store(subject, envelope.encode(entry), msg_id=entry.id)
    await _note(bus, spec, f"{entry.id}-fact", _fact("failed", step, message, seq=stored.seq, error=entry.id))


async def leave_out(bus: Bus, spec: DeploymentSpec, step: str, message: Message) -> None:
    """Note that the step, which is not there, need not process the message: it is for another. Safe twice."""
    fact = _fact("skipped", step, message)
    await _note(bus, spec, derived_id("left-out", step, message.id), fact)


def _fact(kind: FactKind, step: str, message: Message, *, seq: int = 0, error: str = "") -> Fact:
    return Fact(
        kind=kind,
        execution=message.execution,
        step=step,
        message=message.id,
        parent=message.parent or "",
        at=time.time_ns() // 1000,
        opened=-1,
        seq=seq,
        attempt=message.attempt,
        error=error,
        rerun_of=message.rerun_of or "",
    )


async def _note(bus: Bus, spec: DeploymentSpec, id_: str, fact: Fact) -> None:
    batch = Batch(spec.flow_id, spec.epoch, spec.version, [fact])
    await bus.store(subjects.trace(spec.flow_id), encode_batch(batch), msg_id=id_, wait=True)
