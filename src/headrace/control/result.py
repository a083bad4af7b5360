"""What came out of a test, step by step: input, outputs, error, log and times.

Read from the test deployment's journal, from what the recorder wrote and from its log, before all that is deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.bus.large import lacking
from headrace.bus.message import Message
from headrace.bus.trace import LogLine
from headrace.bus.visible import context, outputs
from headrace.control.entry import Content
from headrace.errors import HeadraceError
from headrace.flows.clip import clipped
from headrace.flows.deployment import DeploymentSpec, StepSpec
from headrace.flows.mapping import EMPTY_BODY, Expression, MappingError
from headrace.store import executions, failures
from headrace.store.database import Database
from headrace.store.deployments import Deployment
from headrace.store.executions import Processed
from headrace.store.failures import ErrorRecord

__all__ = ["Result", "gather", "not_ready"]

MOST_CALLS = 20
"""Calls of a step that are kept; how many there were is told."""
MOST_LINES = 100
SHOWN = 256 * 1024
"""Bytes of a body's JSON that are kept."""
ENDINGS = {"done": "done", "skipped": "skipped", "failed": "failed", "delayed": "failed"}

_log_line = msgspec.json.Decoder(LogLine).decode


@dataclass(frozen=True, slots=True)
class Result:
    """``steps`` are as `headrace.api.tests.StepResult` has them; ``first`` holds the first output of each step."""

    steps: list[dict[str, Any]]
    first: Mapping[str, Content]

    @property
    def failed(self) -> list[str]:
        """Ids of steps that failed."""
        return [step["id"] for step in self.steps if step["state"] == "failed"]


async def gather(
    db: Database, bus: Bus, spec: DeploymentSpec, *, execution: str, only: Collection[str], since: int
) -> Result:
    """Everything about one execution; log lines from ``since`` (ms) on."""
    async with db.read() as conn:
        _, processed = await executions.get(conn, execution)
        errors = {each.id: each for each in await failures.list_(conn, flow_id=spec.flow_id, execution_id=execution)}
    messages = await _messages(bus, spec.flow_id, execution)
    lines = await _lines(bus, spec.flow_id, since)
    found = _Found(processed, messages, errors, lines)
    return await asyncio.to_thread(_result, spec, only, found)


def not_ready(row: Deployment, order: Sequence[str]) -> Result:
    """Of a deployment that failed before anything could be tried."""
    steps = []
    for id_ in order:
        told: Mapping[str, Any] = row.steps.get(id_) or {}
        failed = told.get("host") == "failed"
        error = {"name": "NotReady", "message": told.get("reason") or row.reason, "stack": "", "reason": "not-ready"}
        calls = [_call("failed", error=error)] if failed else []
        log = [{"at": row.created_at, "level": "error", "text": text} for text in row.log or ()] if failed else []
        state = "failed" if failed else "unreached"
        steps.append({"id": id_, "state": state, "calls": calls, "count": len(calls), "log": log})
    return Result(steps, {})


async def _messages(bus: Bus, key: str, execution: str) -> dict[str, Message]:
    """Messages of the execution by id, in the order of the journal."""
    found: dict[str, Message] = {}
    entries = cast(Any, bus.read(subjects.stream(key), f"flow.{key}.>"))
    async with aclosing(entries):
        async for entry in entries:
            if entry.subject.endswith(".errors"):
                continue
            with suppress(msgspec.MsgspecError):
                message = envelope.decode(entry.data)
                if message.execution == execution:
                    found.setdefault(message.id, message)
    return found


async def _lines(bus: Bus, key: str, since: int) -> list[LogLine]:
    found = []
    entries = cast(Any, bus.read(subjects.LOGS, subjects.logs(key, "*")))
    with suppress(HeadraceError):
        async with aclosing(entries):
            async for entry in entries:
                with suppress(msgspec.MsgspecError):
                    line = _log_line(entry.data)
                    if line.at >= since:
                        found.append(line)
    return found


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is of one execution: messages and errors by their ids."""

    processed: Sequence[Processed]
    messages: Mapping[str, Message]
    errors: Mapping[str, ErrorRecord]
    lines: Sequence[LogLine]


def _result(spec: DeploymentSpec, only: Collection[str], found: _Found) -> Result:
    steps, first = [], {}
    entered = {
        each.message_id for each in found.processed if each.kind == "accepted"
    }  # put into an inbox, by nobody's call
    for step in spec.steps:
        emitted = [each for each in found.messages.values() if each.step == step.id and each.id not in entered]
        if emitted and emitted[0].large is None:
            first[step.id] = Content(msgspec.json.decode(emitted[0].body), emitted[0].headers)
        mine = (
            [each for each in found.processed if each.step == step.id and each.kind in ENDINGS]
            if step.id in only
            else []
        )
        calls = [_called(step, each, found.messages, found.errors) for each in mine[:MOST_CALLS]]
        if not mine and emitted:  # a trigger, which finds its events by itself, or is taken to have emitted one
            calls = [_call("done", outputs=[_shown(each) for each in emitted[:MOST_CALLS]])]
        log = [{"at": line.at, "level": line.level, "text": line.text} for line in found.lines if line.step == step.id][
            -MOST_LINES:
        ]
        count = len(mine) or len(calls)
        steps.append({"id": step.id, "state": _state(calls), "calls": calls, "count": count, "log": log})
    return Result(steps, first)


def _state(calls: Sequence[Mapping[str, Any]]) -> str:
    states = {call["state"] for call in calls}
    return next((state for state in ("failed", "done", "skipped") if state in states), "unreached")


def _called(
    step: StepSpec, entry: Processed, messages: Mapping[str, Message], errors: Mapping[str, ErrorRecord]
) -> dict[str, Any]:
    message = messages.get(entry.message_id)
    emitted = [each for each in messages.values() if each.parent == entry.message_id and each.step == step.id]
    return _call(
        ENDINGS[entry.kind],
        input=None if message is None or entry.kind == "skipped" else _input(step, message),
        outputs=[_shown(each) for each in emitted[:MOST_CALLS]],
        error=_error(entry, errors),
        at=entry.at,
        wait_us=entry.wait_us,
        map_us=entry.map_us if entry.map_us >= 0 else None,
        call_us=entry.call_us,
    )


def _call(state: str, **known: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "input": None,
        "outputs": [],
        "error": None,
        "at": None,
        "wait_us": 0,
        "map_us": None,
        "call_us": 0,
    }
    return {"state": state, **nothing, **known}


def _error(entry: Processed, errors: Mapping[str, ErrorRecord]) -> dict[str, Any] | None:
    if ENDINGS[entry.kind] != "failed":
        return None
    found = errors.get(entry.error)
    if found is None:
        return {"name": "Error", "message": entry.error, "stack": "", "reason": "exception"}
    return {"name": found.name, "message": found.message, "stack": found.stack, "reason": found.reason}


def _input(step: StepSpec, message: Message) -> dict[str, Any] | None:
    """What the step was called with; `None` when its mapping failed."""
    if message.stage == "mapped" or step.input is None:
        return _shown(message)
    if lacking(message):
        return {"body": None, "headers": message.headers, "large": 0}
    expression = Expression(step.input)
    try:
        body = expression.evaluate(context(message), outputs(message, expression.references))
    except MappingError:
        return None
    return _content(body or EMPTY_BODY, message.headers)


def _shown(message: Message) -> dict[str, Any]:
    if message.large is not None:
        return {"body": None, "headers": message.headers, "large": message.large.size}
    return _content(bytes(message.body), message.headers)


def _content(body: bytes, headers: Mapping[str, Any]) -> dict[str, Any]:
    """``large``: how many bytes it has, where they are too many to keep."""
    large = len(body) if len(body) > SHOWN else None
    return {"body": None if large else clipped(msgspec.json.decode(body)), "headers": dict(headers), "large": large}
