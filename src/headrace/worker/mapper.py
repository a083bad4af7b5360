"""The mapper before a step: its condition and its mapping, compiled once."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from headrace.bus.message import Message, Output
from headrace.flows.deployment import CARRY_ALL, StepSpec
from headrace.flows.mapping import EMPTY_BODY, Expression

__all__ = ["Mapped", "Mapper", "carried"]

_encode = msgspec.json.encode
_decode = msgspec.json.decode


class Mapped:
    """A step's input. ``body`` is `None` when the condition was false; ``us`` is -1 when there was nothing to do."""

    __slots__ = ("body", "us")

    def __init__(self, body: bytes | None, us: int) -> None:
        self.body = body
        self.us = us


class Mapper:
    """Applies a step's ``when`` and ``input``. `MappingError` from either is the message's failure."""

    def __init__(self, step: StepSpec) -> None:
        self._when = Expression(step.when) if step.when else None
        self._input = Expression(step.input) if step.input else None
        self._idle = self._when is None and self._input is None
        compiled = [each for each in (self._when, self._input) if each is not None]
        self._reads_steps = any(each.reads_steps for each in compiled)
        references = [each.references for each in compiled]
        self._needed: frozenset[str] | None = (
            None if None in references else frozenset().union(*(names for names in references if names))
        )
        """Steps whose outputs the expressions read; `None`: perhaps any."""

    def apply(self, message: Message) -> Mapped:
        """Map one message, which has all its bodies."""
        if self._idle or message.stage == "mapped":
            return Mapped(bytes(message.body), -1)
        began = time.perf_counter_ns()
        context = _context(message)
        steps = _steps(message, self._needed) if self._reads_steps else None
        body: bytes | None = bytes(message.body)
        if self._when is not None and not self._when.test(context, steps):
            body = None
        elif self._input is not None:
            body = self._input.evaluate(context, steps) or EMPTY_BODY
        return Mapped(body, (time.perf_counter_ns() - began) // 1000)


def _context(message: Message) -> bytes:
    headers = _encode(message.headers) if message.headers else b"{}"
    attachments = _encode(message.attachments) if message.attachments else b"{}"
    return b'{"body":%b,"headers":%b,"attachments":%b}' % (bytes(message.body), headers, attachments)


def _steps(message: Message, needed: frozenset[str] | None) -> dict[str, Any]:
    """What ``$steps`` holds: the outputs carried along, and the step just before; decoded where they are read."""
    outputs = dict(message.passthrough)
    outputs[message.step] = _as_output(message)
    return {
        step: {"body": _decode(output.body), "headers": output.headers, "attachments": output.attachments}
        for step, output in outputs.items()
        if needed is None or step in needed
    }


def _as_output(message: Message) -> Output:
    return Output(body=message.body, large=message.large, headers=message.headers, attachments=message.attachments)


def carried(step: StepSpec, message: Message) -> dict[str, Output]:
    """Outputs of earlier steps that ``step`` passes on with what it emits for ``message``."""
    if not step.carry:
        return {}
    before = dict(message.passthrough)
    if message.step != step.id and message.stage == "raw":
        before[message.step] = _as_output(message)
    if CARRY_ALL in step.carry:
        return before
    return {name: before[name] for name in step.carry if name in before}
