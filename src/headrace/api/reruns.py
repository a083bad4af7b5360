"""Running an error's input again: a new message, in a new execution, in the inbox of the step of the same id.

The message keeps what it carries (passthrough, headers, attachments). With an edited body it is ``mapped``: the body is
the step's input, so its mapper and condition are not applied again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgspec

from headrace.api.parts import Parts
from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.large import shed
from headrace.bus.objects import Objects, reference_headers
from headrace.bus.trace import Fact
from headrace.control.specs import Specs
from headrace.errors import Refused, TooLarge
from headrace.flows.deployment import DeploymentSpec
from headrace.ids import new_id
from headrace.store import deployments, failures, flows

__all__ = ["Rerun", "rerun"]


@dataclass(frozen=True, slots=True)
class Rerun:
    """An error that is run again: the new message and its execution."""

    error: str
    message: str
    execution: str


async def rerun(parts: Parts, error_id: str, *, body: msgspec.Raw | None = None) -> Rerun:
    """Store the failed message anew and note that. A second call runs it once more.

    Raises `NotFound` (``error-not-found``), `Refused` (``error-without-input``, ``flow-stopped``, ``no-such-step``,
    ``not-rerunnable``) and `TooLarge`.
    """
    async with parts.db.read() as conn:
        error = await failures.get(conn, error_id)
        flow = await flows.get_by_id(conn, error.flow_id)
        deployment = await deployments.current(conn, error.flow_id)
    failed = _failed(error)
    if deployment is None:
        told = f"the flow `{flow.name}` is stopped"
        raise Refused("flow-stopped", told, next_step=f"headrace flow start {flow.name}")
    spec = await _spec(parts, flow, deployment.epoch)
    _check_step(spec, error.step)
    message = _again(failed, error.step, body)
    if len(memoryview(message.body)) > spec.message_limit:
        raise TooLarge("message-too-large", f"the body is larger than {spec.message_limit} bytes")
    inbox = subjects.inbox(spec.flow_id, spec.epoch, error.step)
    data, bodies = shed(message, spec.inline_limit)
    objects = Objects(parts.bus, spec.flow_id, spec.object_bytes)
    await objects.put_bodies(((each.object, memoryview(each.data)) for each in bodies), spec.journal_keep)
    stored = await parts.bus.store(inbox, data, message.id, reference_headers(data))
    fact = Fact(
        "accepted",
        message.execution,
        error.step,
        message.id,
        "",
        time.time_ns() // 1000,
        1,
        stored.seq,
        rerun_of=error.execution_id,
    )
    parts.facts.tell(spec.flow_id, spec.epoch, spec.version, fact)
    async with parts.db.begin() as conn:
        await failures.mark_retried(conn, error_id, message.id)
    return Rerun(error_id, message.id, message.execution)


def _failed(error: failures.ErrorRecord) -> envelope.Message:
    try:
        return envelope.decode(error.envelope or b"")
    except msgspec.MsgspecError:
        told = f"the message of error {error.id} is no longer there"
        raise Refused("error-without-input", told, next_step="Send the event again.") from None


async def _spec(parts: Parts, flow: flows.Flow, epoch: int) -> DeploymentSpec:
    spec = await Specs(parts.bus).get(flow.id, epoch)
    if spec is None:
        told = f"the flow `{flow.name}` is starting"
        raise Refused("flow-warming-up", told, next_step="Try again in a moment.")
    return spec


def _check_step(spec: DeploymentSpec, step_id: str) -> None:
    try:
        step = spec.step(step_id)
    except KeyError:
        raise Refused(
            "no-such-step",
            f"version {spec.version} of the flow has no step `{step_id}`",
            next_step="Publish a version that has it.",
        ) from None
    if step.kind == "trigger" and step.trigger_type != "webhook":
        raise Refused(
            "not-rerunnable",
            f"step `{step_id}` is a {step.trigger_type} trigger: it is not called with messages",
            next_step="It reads from its source again by itself.",
        )


def _again(message: envelope.Message, step: str, body: msgspec.Raw | None) -> envelope.Message:
    changes: dict[str, Any] = {} if body is None else {"body": body, "large": None, "stage": "mapped"}
    return msgspec.structs.replace(
        message,
        id=new_id(),
        execution=new_id(),
        step=step,
        parent=None,
        at=time.time_ns() // 1_000_000,
        attempt=1,
        rerun_of=message.id,
        reply_to=None,
        **changes,
    )
