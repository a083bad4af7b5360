"""One call of component code, from its frame to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Generator
from contextvars import copy_context
from threading import get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Any

from headrace_host.context import HostContext, data_keys
from headrace_host.emission import Emission
from headrace_host.loading import Function
from headrace_host.log import current_call
from headrace_host.snapshot import Snapshot, copied
from headrace_sdk import Message
from headrace_sdk.driving import drive, drive_blocking

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from headrace_host.host import Host

__all__ = ["Call"]


class Call:
    """A ``call`` or ``hook`` frame being worked on.

    Its code runs on the event loop (`run`) or on a thread (`run_blocking`); both end in `Host.finish`.
    ``emissions`` counts what it has emitted; a trigger's call may emit after its end.
    """

    __slots__ = (
        "_snapshot", "begun", "cancelled", "emissions", "frame", "function", "home", "number", "paused",
        "shape", "started", "task", "then",
    )  # fmt: skip

    def __init__(
        self,
        home: Host,
        frame: dict[str, Any],
        function: Function,
        shape: str,
        then: Callable[[], None] | None = None,
    ) -> None:
        self.home, self.frame, self.function, self.shape = home, frame, function, shape
        self.then = then
        self.number: int = frame["call"]
        self.emissions = 0
        self.task: asyncio.Task[None] | Future[Any] | None = None
        self.begun = False
        self.cancelled = False
        self.started = self.paused = 0.0
        self._snapshot: Snapshot | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The step's snapshot as the call knows it."""
        if self._snapshot is None:
            self._snapshot = Snapshot(self.frame.get("snapshot") or {})
        return self._snapshot

    @property
    def microseconds(self) -> int:
        """Time spent in component code so far, without waiting for what it yielded to be durable."""
        if not self.begun:
            return 0
        return int((perf_counter() - self.started - self.paused) * 1e6)

    def emit(self, event: str, keys: bytes) -> Emission:
        """Send an emission. On a thread whose call was cancelled this raises `asyncio.CancelledError`."""
        if self.cancelled and get_ident() != self.home.thread:
            raise asyncio.CancelledError("the platform cancelled this call")
        return self.home.emit(self, event, keys)

    async def run(self) -> None:
        """Run async code; never raises."""
        self.begin()
        current_call.set(self.number or None)
        returned, error = None, None
        try:
            made = self.function.call(*self.arguments())
            if self.function.style == "coroutine":
                returned = await made
            else:
                await drive(made, self._deliver)
        except BaseException as raised:  # component code may raise anything; the host lives on
            error = raised
        self.home.finish(self, returned, error)

    def run_blocking(self) -> None:
        """Run blocking code on this thread; never raises."""
        self.begin()
        returned, error = None, None
        try:
            returned = copy_context().run(self._blocking)
        except BaseException as raised:
            error = raised
        self.home.finish(self, returned, error)

    def arguments(self) -> tuple[Any, ...]:
        """What the function is called with."""
        takes = self.function.takes
        if takes.count == 0:
            return ()
        context = HostContext(self)
        if takes.count == 1 and takes.lone is None:
            return (context,)
        if self.shape == "process":
            everything: tuple[Any, ...] = (context, self._message(), self._cfg(), self.snapshot.copy())
        elif self.shape == "listen":
            everything = (context, self._cfg(), self.snapshot.copy())
        else:
            everything = (context, self._cfg(), self.frame.get("data"))
        return takes.pick(everything)

    def cancel(self) -> None:
        """Ask the code to end. Async code is cancelled, once; blocking code learns of it when it next emits."""
        if not self.cancelled:
            self.cancelled = True
            if self.task is not None:
                self.task.cancel()

    def begin(self) -> None:
        """The function is about to be called."""
        self.begun = True
        self.started = perf_counter()

    def _blocking(self) -> Any:
        current_call.set(self.number or None)
        returned: Any = self.function.call(*self.arguments())
        if isinstance(returned, Generator):
            return drive_blocking(returned, self._deliver_blocking)
        if isinstance(returned, AsyncGenerator):  # a decorator hid what kind of function it is
            return self._on_loop(drive(returned, self._deliver))
        if isinstance(returned, Awaitable):
            return self._on_loop(_awaited(returned))
        return returned

    def _deliver_blocking(self, item: Any) -> None:
        emission = self.emit("data", data_keys(item))
        paused = perf_counter()
        try:
            emission.result()
        finally:
            self.paused += perf_counter() - paused

    async def _deliver(self, item: Any) -> None:
        emission = self.emit("data", data_keys(item))
        paused = perf_counter()
        try:
            await emission
        finally:
            self.paused += perf_counter() - paused

    def _on_loop(self, work: Coroutine[Any, Any, Any]) -> Any:
        bridge = self.task = asyncio.run_coroutine_threadsafe(work, self.home.loop)
        return bridge.result()

    def _message(self) -> Message:
        msg = self.frame.get("msg") or {}
        return Message(
            msg.get("body"),
            msg.get("headers") or {},
            msg.get("attachments") or {},
            msg.get("id"),
            msg.get("passthrough") or {},
            msg.get("metadata") or {},
        )

    def _cfg(self) -> dict[str, Any]:
        cfg: dict[str, Any] | None = self.frame.get("cfg")
        return copied(self.home.cfg) if cfg is None else cfg


async def _awaited(something: Any) -> Any:
    return await something
