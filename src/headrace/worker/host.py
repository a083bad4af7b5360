"""The process that holds one step's component code: started, watched, started again, stopped.

starting ──ready──▶ ready ──exit──▶ backoff ──▶ starting
    │                  └──stop──▶ stopping ──▶ stopped
    └──fatal, exit or deadline: failed when it never was ready, else backoff
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from headrace import sandbox
from headrace.errors import HeadraceError, Refused, Unavailable
from headrace.flows.deployment import DeploymentSpec, StepSpec
from headrace.flows.environment import of_step
from headrace.worker import frames
from headrace.worker.config import Config
from headrace.worker.trace import StepLog

__all__ = ["Host", "HostState", "Owner"]

HostState = Literal["starting", "ready", "backoff", "stopping", "stopped", "failed"]
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
HEALTHY_AFTER = 60.0
"""A host that lived this long starts again without a pause."""
READ_WITHIN = 1.0
"""Seconds for what a host said before it ended; a child of it may hold its socket open. Also how long a host may go on
after it has closed the socket."""
STARTING_STOP_WITHIN = 2.0
"""Seconds a host that is not ready has to stop by itself."""
OUTPUT_WITHIN = 1.0
"""Seconds for the last lines of a host that has ended."""
HOOK_CALLS = 1 << 40
"""Hooks are numbered from here, so that they never meet the numbers of calls."""
HOSTS = Path(__file__).parents[3] / "hosts"


class Owner(Protocol):
    """Who a host reports to. All are called from the event loop and must not raise."""

    def host_ready(self, ready: frames.Frame) -> None:
        """The component is loaded; calls may be sent."""

    def host_frame(self, frame: frames.Frame) -> None:
        """An ``emit``, ``end`` or ``census`` frame arrived."""

    def host_gone(self) -> None:
        """The host ended; every open call is lost."""

    def about(self, call: int) -> tuple[str, str]:
        """Execution and message of a call that is open, for the log; empty for others."""


def command(step: StepSpec) -> tuple[list[str], list[str]]:
    """Arguments that start the step's host, and the folder with its program (which the sandbox must show)."""
    arguments, folder = step.code.host(str(HOSTS), step.memory)
    return arguments, [folder]


class Host:
    """One step's host. `run` keeps it alive until `stop` is called."""

    def __init__(self, spec: DeploymentSpec, step: StepSpec, owner: Owner, log: StepLog, config: Config) -> None:
        self._spec = spec
        self._config = config
        self._step = step
        self._owner = owner
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[bytes] = []
        self._exited = False
        self._held = self._broken = False
        self._gone = asyncio.Event()
        self._ready = asyncio.Event()
        self._stop = asyncio.Event()
        self._again = asyncio.Event()
        self._ended = asyncio.Event()
        self._within = spec.stop_within
        self._hook = HOOK_CALLS
        self._hooks: dict[int, asyncio.Future[frames.Frame]] = {}
        self._was_ready = False
        self.state: HostState = "starting"
        self.reason = ""
        self.restarts = 0
        self.ready_ms = 0
        self._began = self._loop.time()
        """When its present life began."""
        self.memory = 0

    @property
    def pid(self) -> int:
        """Process id of the sandbox, or of the host where there is none; 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    # -- life -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start the host and start it again whenever it ends; return when stopped, or failed before the first ready."""
        pause = FIRST_PAUSE
        self._ended.clear()
        try:
            while not self._stop.is_set():
                began = self._loop.time()
                await self._live()
                if self._stop.is_set():
                    break
                if self._again.is_set():
                    continue
                if not self._was_ready:
                    self.state = "failed"
                    return
                pause = FIRST_PAUSE if self._loop.time() - began > HEALTHY_AFTER else pause
                self.state = "backoff"
                self._log.platform("error", f"the host ended ({self.reason}); it starts again in {pause:.1f} s")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stop.wait()
                pause = min(pause * 2, LONGEST_PAUSE)
                self.restarts += 1
            self.state = "stopped"
        finally:
            self.kill()
            self._ended.set()

    async def _live(self) -> None:
        """One life of the process."""
        self.state, self.reason = "starting", ""
        self._gone.clear()
        self._ready.clear()
        self._again.clear()
        self._exited = self._held = self._broken = False
        self._began = self._loop.time()
        output: list[asyncio.Task[None]] = []
        try:
            output = await self._start()
        except (OSError, HeadraceError) as error:
            self.reason = f"the host did not start: {_with_next_step(error)}"
            self._log.platform("error", self.reason)
            return
        try:
            await self._first(self._ready, self._gone, self._stop, timeout=self._spec.ready_within)
            if self._ready.is_set() and not self._gone.is_set():
                await self._first(self._gone, self._stop, self._again)
                if not self._gone.is_set():
                    await self._end(self._within)
            elif self._stop.is_set() and not self._gone.is_set():
                await self._end(min(self._within, STARTING_STOP_WITHIN))
            elif not self._gone.is_set():
                self.reason = f"not ready within {self._spec.ready_within:g} s: loading it, or its `init`, did not end"
        finally:
            self.kill()
            await self._gone.wait()
            self._lost()
            self._owner.host_gone()
            await _ended(output, OUTPUT_WITHIN)

    async def _first(self, *events: asyncio.Event, timeout: float | None = None) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _end(self, within: float) -> None:
        """Ask, then terminate, then kill: each with its deadline."""
        self.state = "stopping"
        self.send(b'{"type":"stop","within":%.3f}\n' % within)
        if await self._gone_within(within):
            return
        self._log.platform("warn", f"the host ignored stop for {within:g} s and is terminated")
        if self._process is not None:
            self._process.terminate()
        if not await self._gone_within(min(within, 2.0)):
            self._log.platform("warn", "the host ignored its termination and is killed")

    async def _gone_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        except TimeoutError:
            return False
        return True

    async def end(self) -> None:
        """Stop, and return when `run` has returned, so that it can be run again. Needs `run` to be running."""
        self._stop.set()
        await self._ended.wait()
        self._stop.clear()

    async def warm(self, seconds: float) -> None:
        """Return when the component is loaded; `Unavailable` (``not-ready``) when that takes too many ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            raise Unavailable("not-ready", f"step `{self._step.id}` was not ready within {seconds:g} s") from None

    def stop(self, within: float | None = None) -> None:
        """Ask the host to end; `run` returns when it has. Safe twice, safe early."""
        if within is not None:
            self._within = within
        self._stop.set()

    def renew(self) -> None:
        """Stop the process and start it again at once, with the configuration of then. Safe at any time."""
        self._again.set()

    def kill(self) -> None:
        """End the process now, and those it started. Safe twice, and without one."""
        if self._process is not None and not self._gone.is_set():
            _kill_session(self._process)

    # -- process --------------------------------------------------------------------------------------------

    async def _start(self) -> list[asyncio.Task[None]]:
        load = self._load()
        await self._config.refresh()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        try:
            process = self._process = self._spawn(theirs.fileno(), out_write, err_write)
        except BaseException:
            ours.close()
            os.close(out_read)
            os.close(err_read)
            raise
        finally:
            theirs.close()
            os.close(out_write)
            os.close(err_write)
        wire = _Wire(self._received, self._unplugged)
        try:
            self._transport, _ = await self._loop.create_connection(lambda: wire, sock=ours)
        finally:
            self._watch(process)  # not before: what it says is read even when it ends at once
        self._outgoing.clear()
        self.send(load)
        return [
            asyncio.create_task(self._copy(out_read, "stdout")),
            asyncio.create_task(self._copy(err_read, "stderr")),
        ]

    def _spawn(self, wire: int, out: int, err: int) -> subprocess.Popen[bytes]:
        argv, program = command(self._step)
        code, grants = self._step.code, self._step.grants
        sandbox.grant(grants.read, grants.write, uid=code.uid, private=self._spec.private)
        boxed = sandbox.command(
            argv,
            cwd=code.root,
            read=[code.root, *code.visible, *program, *grants.read],
            write=grants.write,
            uid=code.uid,
            env={**self._config.variables, **of_step(self._spec, self._step)},
            mode=self._spec.sandbox,
            socket=True,
        )
        # What a component writes is for others to read; the worker's own files are not.
        return subprocess.Popen(boxed.argv, stdin=wire, stdout=out, stderr=err, umask=0o022, **boxed.options)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Notice the end of the process, without a thread or a signal handler."""
        handle = os.pidfd_open(process.pid)

        def ended() -> None:
            self._loop.remove_reader(handle)
            os.close(handle)
            _kill_session(process)  # what it left behind; while it is not reaped, its number is nobody else's
            code = process.wait()
            if not self.reason:
                self.reason = _ending(code)
            self._exited = True
            self._lost()
            if self._transport is None:
                self._gone.set()
            else:  # what it said last is still to be read
                self.hold(False)
                self._loop.call_later(READ_WITHIN, self._transport.abort)

        self._loop.add_reader(handle, ended)

    def _unplugged(self) -> None:
        """The socket was read to its end."""
        self._transport = None
        self._lost()
        process = self._process
        if self._exited:
            self._gone.set()
        elif process is not None:
            self._loop.call_later(READ_WITHIN, self._silent, process)

    def _silent(self, process: subprocess.Popen[bytes]) -> None:
        if self._process is process and not self._exited and not self._stop.is_set():
            self.reason = "the host closed its connection"
            self.kill()

    def _lost(self) -> None:
        """Nothing can be sent to the process any more."""
        self.state = "stopping" if self._stop.is_set() else "backoff"
        self._ready.clear()
        for answer in self._hooks.values():
            if not answer.done():
                answer.set_exception(Refused("hook-failed", f"the host ended during the hook ({self.reason})"))

    async def _copy(self, descriptor: int, source: str) -> None:
        """Write what the process prints to the step's log, line by line, until it closes the pipe."""
        lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        pipe, _ = await self._loop.connect_read_pipe(lambda: _Pipe(lines), os.fdopen(descriptor, "rb", 0))
        level = "info" if source == "stdout" else "warn"
        try:
            while (line := await lines.get()) is not None:
                self._log.write(level, self._config.redaction.text(line.decode(errors="replace")), source=source)
        finally:
            pipe.close()

    # -- frames ---------------------------------------------------------------------------------------------

    def _load(self) -> bytes:
        step = self._step
        load: dict[str, Any] = {
            "type": "load",
            "main": step.main,
            "function": step.function,
            "kind": step.kind,
            "trigger_type": step.trigger_type,
            "flow": self._spec.flow,
            "flow_id": self._spec.flow_id,
            "step": step.id,
            "concurrency": step.concurrency,
            "log_level": step.log_level,
            "cfg": self._config.value,
            "quiet_after": step.quiet_after,
            "call_max": step.call_max,
            "timeout": step.timeout,
        }
        return msgspec.json.encode(load) + b"\n"

    def send(self, frame: bytes) -> None:
        """Send a frame; those of one turn of the event loop leave together. Lost when the host is not there."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(frame)

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    async def hook(self, name: str, seconds: float, data: bytes = b"{}") -> bytes:
        """Run a hook and return its result as JSON; `Refused` (``hook-failed``) when it raises, takes too long, or ends
        with the host."""
        if self.state != "ready":
            raise Refused("hook-failed", f"`{name}` cannot run: the host is {self.state}")
        self._hook += 1
        answer: asyncio.Future[frames.Frame] = self._loop.create_future()
        self._hooks[self._hook] = answer
        self.send(frames.hook_frame(self._hook, name, self._config.value, data))
        try:
            async with asyncio.timeout(seconds):
                end = await answer
        except TimeoutError:
            raise Refused("hook-failed", f"`{name}` did not end within {seconds:g} s") from None
        finally:
            del self._hooks[self._hook]
        if end.error is not None:
            self._log.platform("error", end.error.stack)
            raise Refused("hook-failed", f"`{name}` failed: {end.error.name}: {end.error.message}")
        return bytes(end.result)

    def hold(self, much: bool) -> None:
        """Stop reading from the host, so that what it emits waits on its side; or read again. Safe twice."""
        if self._transport is not None and much != self._held and not self._transport.is_closing():
            self._held = much
            if much:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _received(self, line: bytes) -> None:
        if self._broken:
            return
        try:
            frame = frames.decode(line)
        except msgspec.MsgspecError as error:
            self._broken = True  # there is no telling what was lost: nothing that follows counts
            self.reason = f"the host sent a frame that is not one: {error}"
            self._log.platform("error", self.reason)
            self.kill()
            return
        kind = frame.type
        if self._config.redacts and (frame.error is not None or frame.text or frame.reason):
            frame = self._without_secrets(frame)
        if kind == "end" and frame.call in self._hooks:
            if not self._hooks[frame.call].done():
                self._hooks[frame.call].set_result(frame)
        elif kind in ("emit", "end", "census"):
            self._owner.host_frame(frame)
        elif kind == "log":
            execution, message = self._owner.about(frame.call)
            self._log.write(frame.level, frame.text, fields=frame.fields, execution=execution, message=message)
        elif kind == "ready":
            self._was_ready = True
            if self.state == "starting":
                self.state = "ready"
                self.ready_ms = int((self._loop.time() - self._began) * 1000)
                self._ready.set()
                self._owner.host_ready(frame)
        elif kind == "fatal":
            fatal = frame.error or frames.HostError()
            failed = f"`{frame.hook}` failed: " if frame.hook else ""
            self.reason = f"{failed}{fatal.name}: {fatal.message}"
            self._log.platform("fatal", fatal.stack or self.reason)
        else:
            self._log.platform("debug", f"the host sent a frame of unknown type {kind!r}")

    def _without_secrets(self, frame: frames.Frame) -> frames.Frame:
        """What the component says in words; the messages it emits are its own affair."""
        clean, error = self._config.redaction, frame.error
        if error is not None:
            error = frames.HostError(clean.text(error.name), clean.text(error.message), clean.text(error.stack))
        changed = {"text": clean.text(frame.text), "reason": clean.text(frame.reason)}
        return msgspec.structs.replace(frame, error=error, fields=clean.value(frame.fields), **changed)

    def measure(self) -> None:
        """Update `memory`, and end a host that holds more than its step allows."""
        if self._process is None or self._gone.is_set():
            self.memory = 0
            return
        self.memory = sandbox.resident(self._process.pid)
        if self.memory > self._step.memory:
            self.reason = f"memory: {self.memory >> 20} MB, over the limit of {self._step.memory >> 20} MB"
            self._log.platform("error", f"the host is killed: {self.reason}")
            self.kill()


class _Wire(asyncio.Protocol):
    """Cuts the host's socket into frames."""

    def __init__(self, received: Callable[[bytes], None], unplugged: Callable[[], None]) -> None:
        self._received = received
        self._unplugged = unplugged
        self._lines = frames.Lines()

    def data_received(self, data: bytes) -> None:
        try:
            lines = self._lines.feed(data)
        except ValueError:
            lines = [b"{"]
        for line in lines:
            self._received(line)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unplugged()


class _Pipe(asyncio.Protocol):
    """Cuts stdout or stderr into lines; `None` ends the queue."""

    def __init__(self, lines: asyncio.Queue[bytes | None]) -> None:
        self._queue = lines
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._queue.put_nowait(line)
        if len(self._rest) > 65_536:
            self._queue.put_nowait(self._rest)
            self._rest = b""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._rest:
            self._queue.put_nowait(self._rest)
        self._queue.put_nowait(None)


async def _ended(tasks: list[asyncio.Task[None]], seconds: float) -> None:
    """Wait for ``tasks``; cancel those that are not done by then (a child of the host may hold its output open)."""
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all it started: it leads a session of its own (`headrace.sandbox.Command.options`)."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _ending(code: int) -> str:
    """How a process ended. bubblewrap, like a shell, tells of a signal by 128 and its number."""
    number = -code if code < 0 else code - 128
    try:
        return f"killed by {signal.Signals(number).name}"
    except ValueError:
        return f"exit code {code}"


def _with_next_step(error: Exception) -> str:
    next_step = error.next_step if isinstance(error, HeadraceError) else ""
    return f"{error} ({next_step})" if next_step else str(error)


def now_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000
