"""Trying whether a component loads: its real host imports every module the descriptor names, and no more."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.components.build_log import BuildLog
from headrace.components.program import end, finished, log_lines, status
from headrace.errors import Invalid
from headrace.flows.catalog import Offer
from headrace.sandbox import Command, resident

__all__ = ["LOAD_WITHIN", "check"]

LOAD_WITHIN = 60.0
LARGEST_FRAME = 16 * 1024 * 1024
MEMORY = 512 * 1024 * 1024
LOOK_AGAIN = 0.1


@dataclass(frozen=True, slots=True)
class _Failure:
    name: str
    message: str
    stack: str
    of: str = ""
    """What failed, when it was not the offer's own module."""


_ENDED = _Failure("", "", "")


async def check(
    offers: Iterable[Offer], command: Callable[[Offer], Command], log: BuildLog, *, memory: int = MEMORY
) -> None:
    """Load each offer in a host of its own, started by ``command`` (made with ``socket=True``).

    A host that takes more than ``memory`` bytes is killed, as one in a flow would be. ``init`` hooks do not run. Raises
    `Invalid` (``load-failed``) when something does not load, after all were tried; the component's own tracebacks are
    in the log then.
    """
    problems: list[str] = []
    for offer in offers:
        called = f"{offer.kind} {offer.name} ({offer.main})"
        log.stage(f"loading {called}")
        failure = await _load(offer, command(offer), log, memory)
        if failure is not None:
            _log_failure(failure, log)
            problems.append(f"{failure.of or called} does not load: {_named(failure)}")
            if failure.of:  # which every other offer would meet as well
                break
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise Invalid("load-failed", problems[0] + more, next_step="the tracebacks are in the build log")


async def _load(offer: Offer, command: Command, log: BuildLog, memory: int) -> _Failure | None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        try:
            process = await asyncio.create_subprocess_exec(
                *command.argv,
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                **command.options,
            )
        except BaseException:
            ours.close()
            raise
    assert process.stdout is not None
    printing = asyncio.create_task(log_lines(process.stdout, log))
    reader, writer = await asyncio.open_connection(sock=ours, limit=LARGEST_FRAME)
    try:
        writer.write(_load_frame(offer))
        async with asyncio.timeout(LOAD_WITHIN):
            failure = await _within(memory, process, _answer(reader, log))
            if failure is not None and not failure.name:  # it ended: say how, after all it printed
                code = await status(process)
                return _Failure("the host ended", f"exit status {code}, before it was ready", "")
            return failure
    except TimeoutError:
        return _Failure("no answer", f"nothing after {LOAD_WITHIN:g} s; does the module do work when imported?", "")
    finally:
        await end(process)
        await finished([printing], process)  # before the socket is closed, which a dying host would complain about
        writer.close()


async def _within(
    memory: int, process: asyncio.subprocess.Process, answer: Coroutine[Any, Any, _Failure | None]
) -> _Failure | None:
    """The answer, unless the host takes more memory than it may, or ends, before it comes."""
    answering = asyncio.create_task(answer)
    try:
        while not (await asyncio.wait((answering,), timeout=LOOK_AGAIN))[0]:
            if process.returncode is not None:  # and something it left running holds the socket open
                return _ENDED
            taken = await asyncio.to_thread(resident, process.pid)
            if taken > memory:
                return _Failure("memory", f"{taken >> 20} MB, over the limit of {memory >> 20} MB", "")
        return answering.result()
    finally:
        answering.cancel()


def _load_frame(offer: Offer) -> bytes:
    frame = {
        "type": "load", "check": True, "main": offer.main, "function": offer.name, "kind": offer.kind,
        "trigger_type": offer.trigger_type, "flow": "", "flow_id": "", "step": "check", "concurrency": 1,
        "log_level": "info", "cfg": {}, "quiet_after": 10.0, "call_max": 30.0, "timeout": LOAD_WITHIN,
    }  # fmt: skip
    return json.dumps(frame).encode() + b"\n"


async def _answer(reader: asyncio.StreamReader, log: BuildLog) -> _Failure | None:
    """`None` for ``ready``; a failure without a name when the host ended."""
    while True:
        try:
            line = await reader.readline()
        except (ConnectionError, ValueError):
            line = b""
        if not line.endswith(b"\n"):
            return _ENDED
        frame = _frame(line)
        if frame.get("type") == "ready":
            return None
        if frame.get("type") == "fatal":
            error = frame.get("error")
            told = error if isinstance(error, dict) else {}
            of = "verifyCredentials" if frame.get("hook") == "verify_credentials" else ""
            name, message, stack = (str(told.get(key) or default) for key, default in _PARTS)
            return _Failure(name, message, stack, of)
        if frame.get("type") == "log":
            log.output(str(frame.get("text", "")))


_PARTS: Sequence[tuple[str, str]] = (("name", "Error"), ("message", ""), ("stack", ""))


def _frame(line: bytes) -> dict[str, Any]:
    try:
        frame = json.loads(line)
    except ValueError:
        return {}
    return frame if isinstance(frame, dict) else {}


def _log_failure(failure: _Failure, log: BuildLog) -> None:
    for line in (failure.stack or _named(failure)).splitlines():
        log.output(line)


def _named(failure: _Failure) -> str:
    return f"{failure.name}: {failure.message}" if failure.message else failure.name
