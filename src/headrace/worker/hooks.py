"""``startup`` and ``shutdown`` of a trigger: once per flow start and stop, not per deployment or host.

What ``startup`` returns is kept by the platform and given to ``shutdown``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.errors import Refused
from headrace.flows.deployment import DeploymentSpec
from headrace.worker import frames
from headrace.worker.config import Config
from headrace.worker.host import Host
from headrace.worker.trace import StepLog

__all__ = ["Hooks"]

DEADLINE = 60.0
"""Seconds a hook may take."""


class Hooks:
    """The hooks of one flow's trigger."""

    def __init__(self, bus: Bus, spec: DeploymentSpec, config: Config) -> None:
        self._bus = bus
        self._config = config
        self._spec = spec
        self._bucket = Bucket(bus, subjects.SNAPSHOTS)
        self._key = f"{spec.flow_id}.{spec.trigger.id}.startup"
        self._result: bytes | None = None
        self.took_us = 0
        """Time that hooks have taken, in microseconds, failed ones too; whoever reads it sets it back."""

    async def startup(self, host: Host) -> None:
        """Run ``startup`` unless the flow has been started already. `Refused` (``hook-failed``) when it raises.

        After `Unavailable` it can be called again: the hook itself is not run twice.
        """
        if self._result is None:
            if await self._bucket.get(self._key) is not None:
                return
            with self._timed():
                self._result = await host.hook("startup", DEADLINE)
        await self._bucket.put(self._key, self._result if self._result != b"null" else b"{}")
        self._result = None

    async def shutdown(self, known: list[str] | None) -> None:
        """Run ``shutdown`` in a host of its own, for the trigger's host is gone by now; then forget the data.

        ``known``: the hooks the component has; `None` when its host never got ready, and so nothing was started unless
        by an earlier worker. Raises `Refused` (``hook-failed``); the data is forgotten all the same, so that the next
        start is a real one.
        """
        kept = await self._bucket.get(self._key)
        try:
            if kept is not None if known is None else "shutdown" in known:
                with self._timed():
                    await self._run(kept.data if kept is not None and kept.data is not None else b"{}")
        finally:
            if kept is not None:
                await self._bucket.delete(self._key)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.monotonic_ns()
        try:
            yield
        finally:
            self.took_us += (time.monotonic_ns() - began) // 1000

    async def _run(self, data: bytes) -> None:
        step = self._spec.trigger
        owner = _Waiting()
        log = StepLog(self._bus, self._spec, step.id, step.log_level)
        host = Host(self._spec, step, owner, log, self._config)
        running = asyncio.create_task(host.run(), name="host of the shutdown hook")
        try:
            ready = await owner.wait(self._spec.ready_within)
            if "shutdown" in ready.hooks:
                await host.hook("shutdown", DEADLINE, data)
        finally:
            host.stop()
            await running


class _Waiting:
    """Waits for a host to be ready."""

    def __init__(self) -> None:
        self._ready: asyncio.Future[frames.Frame] = asyncio.get_running_loop().create_future()

    def host_ready(self, ready: frames.Frame) -> None:
        if not self._ready.done():
            self._ready.set_result(ready)

    def host_frame(self, frame: frames.Frame) -> None:
        """Hooks cannot emit."""

    def about(self, call: int) -> tuple[str, str]:
        """A hook belongs to no message."""
        return "", ""

    def host_gone(self) -> None:
        if not self._ready.done():
            self._ready.set_exception(Refused("hook-failed", "the host for the shutdown hook did not start"))

    async def wait(self, seconds: float) -> frames.Frame:
        try:
            async with asyncio.timeout(seconds):
                return await self._ready
        except TimeoutError:
            raise Refused("hook-failed", "the host for the shutdown hook was not ready in time") from None
