"""One emission on its way, waited for by async code or by a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from headrace_sdk import Emission as BaseEmission
from headrace_sdk import EmitError

__all__ = ["Emission"]


class Emission(BaseEmission):
    """See `headrace_sdk.Emission`. `settle` or `refuse` is called once, on the host's event loop."""

    __slots__ = ("_alarm", "_done", "_loop", "_refusal", "_steps", "_waiters")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done = False
        self._refusal: tuple[str, str] | None = None
        self._waiters: list[Callable[[], Any]] = []
        self._steps: Generator[Any, Any, None] | None = None
        self._alarm: _Alarm | None = None

    def settle(self) -> None:
        """The worker has it, durably."""
        self._done = True
        self._wake()

    def refuse(self, reason: str, message: str, unheard: Callable[[], None]) -> None:
        """The worker did not accept it. ``unheard`` runs if nobody ever waits to hear so."""
        self._refusal = (reason, message)
        self._alarm = _Alarm(unheard)
        self.settle()

    def __await__(self) -> Generator[Any, Any, None]:
        if not self._done:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            wake = partial(_finish, future)
            self._when_done(wake if loop is self._loop else partial(loop.call_soon_threadsafe, wake))
            yield from future
        self._report()

    def result(self, timeout: float | None = None) -> None:
        if not self._done:
            if asyncio._get_running_loop() is not None:
                raise RuntimeError("write `await ctx.emit(…)` in async code; result() would block the event loop")
            answered = threading.Lock()
            answered.acquire()
            self._when_done(answered.release)
            if not answered.acquire(timeout=-1 if timeout is None else timeout):
                raise TimeoutError(f"the platform has not answered within {timeout} s")
        self._report()

    def send(self, value: Any) -> Any:
        return self._started().send(value)

    def throw(self, *error: Any) -> Any:
        return self._started().throw(*error)

    def close(self) -> None:
        self._started().close()

    def _started(self) -> Generator[Any, Any, None]:
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps

    def _report(self) -> None:
        if self._refusal is not None:
            if self._alarm is not None:
                self._alarm.silence()
            raise EmitError(*self._refusal)

    def _when_done(self, wake: Callable[[], Any]) -> None:
        self._waiters.append(wake)
        if self._done:  # settled meanwhile, by another thread: whoever pops a waiter wakes it
            self._wake()

    def _wake(self) -> None:
        while self._waiters:
            try:
                wake = self._waiters.pop(0)
            except IndexError:
                return
            wake()


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _Alarm:
    """Goes off when it is thrown away before anybody has heard of the refusal."""

    __slots__ = ("_ring",)

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring: Callable[[], None] | None = ring

    def silence(self) -> None:
        self._ring = None

    def __del__(self) -> None:
        if self._ring is not None:
            self._ring()
