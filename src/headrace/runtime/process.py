"""Workers as processes of this machine, forked from a warm template.

    server ──socket──▶ template (imports done, no threads) ──fork──▶ between ──fork──▶ worker
             requests            dies with the server        exits at once     child of init: lives on

Each worker holds a lock on its *claim*, the file ``<flow id>-<epoch>.json``, for as long as it lives, so one
deployment never has two, whatever servers and templates crashed meanwhile. When there can be no template (something
it imports starts a thread), each worker starts cold, which takes a few hundred milliseconds longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from headrace import identity
from headrace.errors import Unavailable
from headrace.identity import Identity
from headrace.runtime.base import RunningWorker, WorkerRef

__all__ = ["ProcessRuntime"]

log = structlog.get_logger(__name__)

ENTRY = "headrace.worker.main:run"
ANSWER_WITHIN = 30.0
"""Seconds; a template has its imports to do first, and machines are busy when everything starts at once."""
CLOSE_WITHIN = 5.0
SECRET_ENVIRONMENT = ("HEADRACE_BROKER_PASSWORD", "HEADRACE_DATABASE_URL", "HEADRACE_TOKEN")


class ProcessRuntime:
    """Starts workers here. ``claims`` is the folder of their claims, ``logs`` that of their output.

    ``bus`` says how they reach the broker: ``{"url": …, "user": …, "password": …}``.
    """

    def __init__(
        self, *, claims: Path, logs: Path, bus: Mapping[str, str], entry: str = ENTRY, warm: bool = True
    ) -> None:
        self._claims = claims
        self._logs = logs
        self._bus = dict(bus)
        self._entry = entry
        self._warm = warm
        self._template: _Template | None = None
        self._one_at_a_time = asyncio.Lock()

    async def start(self, flow_id: str, epoch: int) -> WorkerRef:
        for folder in (self._claims, self._logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        request = {
            "flow_id": flow_id,
            "epoch": epoch,
            "bus": self._bus,
            "claim": str(self._claim(flow_id, epoch)),
            "log": str(self._logs / f"{flow_id}-{epoch}.log"),
        }
        async with self._one_at_a_time:
            answer = await self._ask(request)
        if "pid" not in answer:
            raise Unavailable("worker-start", f"the worker of {flow_id}-{epoch} cannot start: {answer.get('error')}")
        return Identity.from_dict(answer)

    async def alive(self, ref: WorkerRef) -> bool:
        return identity.alive(ref)

    async def gone(self, ref: WorkerRef) -> None:
        await identity.gone(ref)

    async def kill(self, ref: WorkerRef) -> None:
        if identity.send(ref, signal.SIGKILL):
            await identity.gone(ref)

    async def list(self) -> tuple[RunningWorker, ...]:
        found = []
        for claim in sorted(self._claims.glob("*-*.json")):
            flow_id, _, epoch = claim.stem.rpartition("-")
            ref = _holder(claim)
            if ref is not None:
                found.append(RunningWorker(flow_id, int(epoch), ref))
        return tuple(found)

    async def close(self) -> None:
        template, self._template = self._template, None
        if template is not None:
            await template.close()

    def _claim(self, flow_id: str, epoch: int) -> Path:
        return self._claims / f"{flow_id}-{epoch}.json"

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The template's answer, or that of a cold start."""
        if self._warm and (template := await self._ready_template()) is not None:
            try:
                return await template.ask(request)
            except _Silent as error:
                log.warning("template.lost", why=str(error))
            finally:
                if not template.usable:
                    await self.close()
        cold = await _Template.start(self._entry, self._logs / "template.log", cold=True)
        try:
            return await cold.ask(request)
        except _Silent as error:
            return {"error": str(error)}
        finally:
            await cold.close()

    async def _ready_template(self) -> _Template | None:
        if self._template is None:
            template = await _Template.start(self._entry, self._logs / "template.log")
            try:
                greeting = await template.receive()
            except _Silent as error:
                greeting = {"error": str(error)}
            except BaseException:
                await template.close()
                raise
            if "error" in greeting:
                log.warning("template.unusable", why=greeting["error"])
                self._warm = False
                await template.close()
            else:
                self._template = template
        return self._template


class _Silent(Exception):
    """The template ended or does not answer."""


class _Template:
    """A template process and the socket to it; `usable` ends with the first exchange that was not completed."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self.usable = True

    @classmethod
    async def start(cls, entry: str, output: Path, *, cold: bool = False) -> _Template:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "headrace.worker.template", "--entry", entry, "--fd", str(theirs.fileno())]
        environment = {name: value for name, value in os.environ.items() if name not in SECRET_ENVIRONMENT}
        try:
            with theirs, output.open("ab") as log_file:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    *(["--cold"] if cold else []),
                    stdin=DEVNULL,
                    stdout=log_file,
                    stderr=log_file,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    env=environment,
                )
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        return cls(process, reader, writer)

    async def receive(self) -> dict[str, Any]:
        """The next line it says."""
        usable, self.usable = self.usable, False
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                line = await self._reader.readline()
        except (OSError, TimeoutError) as error:
            raise _Silent(f"no answer: {error}") from error
        if not line:
            raise _Silent("it ended; see template.log")
        self.usable = usable
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Its answer to a request."""
        self._writer.write(json.dumps(request).encode() + b"\n")
        return await self.receive()

    async def close(self) -> None:
        """Close the socket, which ends the template, and wait for its end."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def _holder(claim: Path) -> WorkerRef | None:
    """The living worker that holds the claim. A claim that nobody holds is removed."""
    try:
        descriptor = os.open(claim, os.O_RDWR)
    except OSError:
        return None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _written(descriptor)
        # Removed while locked; whoever takes a claim looks, once it has the lock, whether the file is still there.
        claim.unlink(missing_ok=True)
        return None
    finally:
        os.close(descriptor)


def _written(descriptor: int) -> WorkerRef | None:
    try:
        written = Identity.from_dict(json.loads(os.pread(descriptor, 4096, 0)))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a worker that has the lock and is about to write
    return written if identity.alive(written) else None
