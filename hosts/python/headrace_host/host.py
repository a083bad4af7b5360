"""The host: takes the worker's frames, runs calls, answers, and stops when told.

starting ──load──▶ ready ──stop, SIGTERM──▶ stopping ──all has ended, or the deadline──▶ exit 0, or 1
    └── load or init failed ──▶ fatal, exit 1              worker gone, at any time ──▶ exit
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import headrace_sdk
from headrace_host import process
from headrace_host.call import Call
from headrace_host.census import Census
from headrace_host.context import data_keys
from headrace_host.emission import Emission
from headrace_host.failure import failure
from headrace_host.frames import frame, parse
from headrace_host.loading import Component, load
from headrace_host.log import Log, take_over_logging
from headrace_host.outbox import Outbox
from headrace_host.threads import Threads
from headrace_host.transport import Transport
from headrace_sdk import BodyError, EmitError, Rebound
from headrace_sdk.encoding import to_json
from headrace_sdk.outputs import outputs

__all__ = ["Host"]

_STOP_WITHIN = 10.0
_CANCELLED = ("CancelledError", "GeneratorExit")


class Host:
    """One step's host. Made on the main thread, it lives on ``loop`` until it ends the process itself."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, folder: str) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.flow = self.flow_id = self.step = ""
        self.cfg: dict[str, Any] = {}
        self._folder = folder
        self._component: Component | None = None
        self._repeats = False
        """Its function is called again and again, with no message: a trigger that polls or listens."""
        self._calls: dict[int, Call] = {}
        self._threads, self._turns = Threads(1), asyncio.Semaphore(1)
        self._hook_threads = 0
        self._stopping: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._transport = Transport(sock, loop, self._on_line, self._on_lost)
        self._send = self._transport.send
        self.log = Log(lambda **keys: self._send(frame(**keys)), lambda: self._transport.congested)
        self._outbox = Outbox(loop, self._transport, self.log)
        self._census = Census(loop)
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "load": self._on_load,
            "call": self._on_call,
            "hook": self._on_hook,
            "emitted": self._on_emitted,
            "cancel": self._on_cancel,
            "stop": lambda frame: self.stop(float(frame.get("within", _STOP_WITHIN))),
        }

    # -- the worker's frames

    def _on_line(self, line: bytes) -> None:
        received = parse(line)
        handler = self._handlers.get(received.get("type", ""))
        if handler is not None:
            try:
                handler(received)
            except Exception as problem:  # a frame without a key it must have: the others still count
                self.log.write("error", f"the host could not handle a frame: {line[:200]!r}", fields={"error": problem})
        elif self.log.threshold <= 10:
            self.log.write("debug", f"a frame of unknown type {received.get('type')!r} was ignored")

    def _on_load(self, received: dict[str, Any]) -> None:
        self.flow, self.flow_id = received.get("flow") or "", received.get("flow_id") or ""
        self.step, self.cfg = received.get("step") or "", received.get("cfg") or {}
        self._repeats = received.get("kind") == "trigger" and received.get("trigger_type") != "webhook"
        concurrency = max(1, received.get("concurrency") or 1)
        self._threads, self._turns = Threads(concurrency), asyncio.Semaphore(concurrency)
        take_over_logging(self.log, received.get("log_level") or "info")
        try:
            component = load(self._folder, received["main"], received["kind"], received.get("trigger_type"))
        except BaseException as problem:  # SystemExit too: nothing but this process must end
            self._fatal(problem)
        if "init" in component.hooks and not received.get("check"):
            self._run_hook(Call(self, {"call": 0}, component.hooks["init"], "init", lambda: self._ready(component)))
        else:
            self._ready(component)

    def _on_call(self, received: dict[str, Any]) -> None:
        component = self._component
        if component is None or self._stopping is not None:
            return
        call = Call(self, received, component.main, component.shape)
        self._calls[call.number] = call
        if not component.main.is_async:
            self._threads.run(call.run_blocking)
        elif component.shape == "listen":
            call.task = self.loop.create_task(call.run())
        else:
            call.task = self.loop.create_task(self._in_turn(call))

    def _on_hook(self, received: dict[str, Any]) -> None:
        component, number = self._component, received["call"]
        if component is None or self._stopping is not None:
            return
        try:
            function = component.hook(received.get("hook") or "", received.get("name"))
        except Exception as problem:
            self._send(frame(type="end", call=number, error=failure(problem)))
            return
        if function is None:
            self._send(b'{"type":"end","call":%d,"result":null}\n' % number)
        else:
            self._run_hook(Call(self, received, function, "hook"))

    def _on_emitted(self, received: dict[str, Any]) -> None:
        self._outbox.settle(received)
        if self._stopping is not None:
            self._notice_idle()

    def _on_cancel(self, received: dict[str, Any]) -> None:
        call = self._calls.get(received.get("call", 0))
        if call is not None:
            self._cancel(call)

    def _on_lost(self, why: str) -> None:
        if self._stopping is None:
            with contextlib.suppress(OSError, ValueError):  # the worker that read stderr may be gone too
                print(f"host: {why}", file=sys.stderr)  # noqa: T201
        process.end(0 if self._stopping is not None and not self._calls else 1)

    # -- running calls

    async def _in_turn(self, call: Call) -> None:
        """Run a call when fewer than `concurrency` others run, in the order of arrival.

        The semaphore is free more often than not: then nothing suspends, and a whole batch of short calls runs
        in one turn of the loop. What the others said leaves before: this one's code may hold the loop for long.
        """
        try:
            await self._turns.acquire()
        except asyncio.CancelledError as cancelled:
            self.finish(call, None, cancelled)
            return
        self._transport.flush()
        try:
            await call.run()
        finally:
            self._turns.release()

    def _cancel(self, call: Call) -> None:
        # Not at once: a task that has not taken its first step would vanish without a trace, and one that has
        # just been answered gets to see the answer first.
        self.loop.call_soon(call.cancel)

    def _run_hook(self, call: Call) -> None:
        """Run a hook beside the calls, whatever their number."""
        self._calls[call.number] = call
        if call.function.is_async:
            call.task = self.loop.create_task(call.run())
        else:
            self._hook_threads += 1
            threading.Thread(target=call.run_blocking, name="headrace-hook", daemon=True).start()

    def emit(self, call: Call, event: str, keys: bytes) -> Emission:
        """Send an emission of ``call``; any thread. Raises `EmitError` when nobody would take it."""
        if call.shape == "init":
            raise EmitError("no-call", "init belongs to no message and cannot emit")
        if self._stopping is not None and call.number not in self._calls:
            raise EmitError("stopping", "the host is stopping and this call has ended")
        return self._outbox.emit(call, event, keys)

    def finish(self, call: Call, returned: Any, error: BaseException | None) -> None:
        """The function has returned or raised: send its outputs and the end. From any thread."""
        us = call.microseconds
        if call.number not in self._calls:  # dropped by a stop
            return
        if call.shape in ("hook", "init"):
            self._on_loop(lambda: self._end_hook(call, returned, error, us))
            return
        # Sent here, not on the loop: a thread may begin the next call in a moment, and this one's end comes first.
        self._end(call, returned, error, us)
        del self._calls[call.number]
        if self._repeats or self._stopping is not None:
            self._on_loop(lambda: self._after(call))

    def _on_loop(self, action: Callable[[], None]) -> None:
        if threading.get_ident() == self.thread:
            action()
        else:
            self.loop.call_soon_threadsafe(action)

    def _after(self, call: Call) -> None:
        if self._repeats and self._census.due():
            self._send(frame(type="census", call=call.number, open=self._open_now()))
        if self._stopping is not None:
            self._notice_idle()

    def _end(self, call: Call, returned: Any, error: BaseException | None, us: int) -> None:
        if error is None:
            try:
                for keys in [data_keys(item) for item in outputs(returned)]:
                    self._outbox.post(call, "data", keys)
            except BodyError as problem:
                error = problem
        elif isinstance(error, Rebound):
            self._outbox.post_rebound(call, error.reason)
            error = None
        elif call.shape == "listen" and call.cancelled and type(error).__name__ in _CANCELLED:
            error = None
        if error is None:
            self._send(b'{"type":"end","call":%d,"us":%d}\n' % (call.number, us))
        else:
            self._send(frame(type="end", call=call.number, error=failure(error), us=us))

    def _end_hook(self, call: Call, returned: Any, error: BaseException | None, us: int) -> None:
        del self._calls[call.number]
        self._hook_threads -= not call.function.is_async
        if call.then is not None:
            self._initialised(call.then, error)
        else:
            self._send(_hook_end(call.number, returned, error, us))
        if self._stopping is not None:
            self._notice_idle()

    def _open_now(self) -> dict[str, int]:
        own_tasks = sum(call.task is not None for call in list(self._calls.values()))
        own_tasks += asyncio.current_task() is not None
        return self._census.count(self._threads.started + self._hook_threads, own_tasks)

    # -- becoming ready, or not

    def _initialised(self, then: Callable[[], None], error: BaseException | None) -> None:
        if self._stopping is not None:
            return
        if error is not None:
            self._fatal(error, "init")
        then()

    def _ready(self, component: Component) -> None:
        self._component = component
        process.on_terminate(self.loop, self.stop)
        gc.freeze()  # what loading made stays; the collector need not look at it again
        hooks, version = sorted(component.hooks), headrace_sdk.__version__
        self._send(frame(type="ready", shape=component.shape, hooks=hooks, language="python", sdk=version))

    def _fatal(self, problem: BaseException, hook: str | None = None) -> NoReturn:
        self._send(frame(type="fatal", error=failure(problem), hook=hook))
        self._exit(1)

    # -- stopping

    def stop(self, within: float = _STOP_WITHIN) -> None:
        """Begin to stop; what has not ended by nine tenths of ``within`` seconds is abandoned. Safe twice."""
        if self._stopping is not None:
            return
        process.end_by(within)
        self._stopping = self.loop.create_task(self._stop(within * 0.9))
        self._threads.forget()
        for call in list(self._calls.values()):
            if not call.begun:
                self._drop(call)
            elif call.shape in ("listen", "init"):
                self._cancel(call)

    async def _stop(self, within: float) -> None:
        self._notice_idle()
        try:
            async with asyncio.timeout(within):
                await self._idle.wait()
                await asyncio.sleep(0)  # whoever has just been answered gets to act on it
                await process.tidy(within / 4)
        except TimeoutError:
            self._tell_what_remains(within)
            self._exit(1)
        self._exit(0)

    def _drop(self, call: Call) -> None:
        """Forget a call whose code has not begun; it gets no ``end``."""
        self._calls.pop(call.number, None)
        if call.task is not None:
            call.task.cancel()

    def _notice_idle(self) -> None:
        if not self._calls and not self._outbox:
            self._idle.set()

    def _tell_what_remains(self, within: float) -> None:
        for call in self._calls.values():
            self.log.write("error", f"this call did not end within {within:.1f} s of the stop", call.number)
        if self._outbox:
            self.log.write("error", f"{len(self._outbox)} emissions were not answered before the host had to stop")

    def _exit(self, code: int) -> NoReturn:
        self._transport.drain()
        process.end(code)


def _hook_end(call: int, returned: Any, error: BaseException | None, us: int) -> bytes:
    if error is None:
        try:
            return b'{"type":"end","call":%d,"us":%d,"result":%b}\n' % (call, us, to_json(returned, "result"))
        except BodyError as problem:
            error = problem
    return frame(type="end", call=call, error=failure(error), us=us)
