"""The mapper before a step: its condition and its mapping, compiled once."""

from __future__ import annotations

import time

from headrace.bus.message import Message, Output
from headrace.bus.visible import as_output, context, outputs
from headrace.flows.deployment import CARRY_ALL, StepSpec
from headrace.flows.mapping import EMPTY_BODY, Expression

__all__ = ["Mapped", "Mapper", "carried"]


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
        seen = context(message)
        steps = outputs(message, self._needed) if self._reads_steps else None
        body: bytes | None = bytes(message.body)
        if self._when is not None and not self._when.test(seen, steps):
            body = None
        elif self._input is not None:
            body = self._input.evaluate(seen, steps) or EMPTY_BODY
        return Mapped(body, (time.perf_counter_ns() - began) // 1000)


def carried(step: StepSpec, message: Message) -> dict[str, Output]:
    """Outputs of earlier steps that ``step`` passes on with what it emits for ``message``."""
    if not step.carry:
        return {}
    before = dict(message.passthrough)
    if message.step != step.id and message.stage == "raw":
        before[message.step] = as_output(message)
    if CARRY_ALL in step.carry:
        return before
    return {name: before[name] for name in step.carry if name in before}
