"""Order across a switch: which steps wait until the deployment before has drained, and for how long.

A step that runs one call at a time keeps the journal's order. Behind a switch it takes its first message when, in the
old deployment, the step of the same id and all steps before that one have nothing left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from headrace.bus import journal, subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.errors import HeadraceError, NotFound
from headrace.flows.deployment import DeploymentSpec, StepSpec
from headrace.flows.graph import Graph

__all__ = ["Gates"]

LOOK_EVERY, LOOK_SELDOM = 0.004, 0.25
"""Seconds between looks, at first and after a while."""


class Gates:
    """The steps of a deployment that wait for those of the one before."""

    def __init__(self, bus: Bus, old: DeploymentSpec, closed: frozenset[str], drain_within: float) -> None:
        self._bus = bus
        self._old = old
        self._order = Graph.of({step.id: step.after for step in old.steps}).order
        self._closed = closed
        self._within = drain_within
        self.order_kept = True
        """False when a step was let through before its predecessor had drained."""

    @classmethod
    async def behind(cls, bus: Bus, spec: DeploymentSpec, epoch: int) -> Gates | None:
        """The gates of ``spec`` behind deployment ``epoch``; `None` when the broker knows no such deployment."""
        stored = await Bucket(bus, subjects.DEPLOYMENTS).get(f"{spec.flow_id}.{epoch}")
        if stored is None or stored.data is None:
            return None
        old = msgspec.json.decode(stored.data, type=DeploymentSpec)
        common = {step.id for step in old.steps if journal.reads_messages(step)}
        ordered = {step.id for step in spec.steps if step.concurrency == 1 and journal.reads_messages(step)}
        return cls(bus, old, frozenset(common & ordered), spec.drain_within)

    def closed(self, step: StepSpec) -> bool:
        """Whether the step has to wait."""
        return step.id in self._closed

    async def opening(self) -> AsyncIterator[str]:
        """The waiting steps, each as soon as it may take messages."""
        left = set(self._closed)
        loop = asyncio.get_running_loop()
        end = loop.time() + self._within
        pause = LOOK_EVERY
        while left:
            late = loop.time() >= end
            for step in sorted(left):
                if late or await self._drained(step):
                    left.discard(step)
                    yield step
            if late:
                self.order_kept = False
                return
            if left:
                await asyncio.sleep(pause)
                pause = min(pause * 1.2, LOOK_SELDOM)

    async def _drained(self, step: str) -> bool:
        """Whether nothing can reach the old step of that id any more.

        One after another, from the trigger on: asked at once, a message might be on its way from one to the next.
        """
        before = self._upstream(step)
        try:
            for each in self._order:
                if each in before and await self._depth(each):
                    return False
        except HeadraceError:
            return False  # the broker is away; ask again
        return True

    async def _depth(self, step: str) -> int:
        try:
            return (await journal.depth(self._bus, self._old.flow_id, self._old.epoch, step)).total
        except NotFound:
            return 0  # taken over already

    def _upstream(self, step: str) -> set[str]:
        """The old step and all before it that read messages."""
        found: set[str] = set()
        todo = [step]
        while todo:
            each = todo.pop()
            if each not in found:
                found.add(each)
                todo += self._old.step(each).after
        return {each for each in found if journal.reads_messages(self._old.step(each))}
