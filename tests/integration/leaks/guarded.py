"""A trigger's real host and the real leak guard, without worker and broker, so that 200 calls take five seconds."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from tests.contract.frame_schema import complete

from headrace.bus.control import Leak
from headrace.worker import frames
from headrace.worker.guard import Guard

__all__ = ["Guarded"]

HOSTS = Path(__file__).parents[3] / "hosts"
APART = 0.021
"""Seconds between two calls: a host makes one census in 20 ms."""


class Guarded:
    """The host of one trigger in ``folder``, whose main file is ``look.py`` or ``look.js``."""

    def __init__(self, main: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: Path) -> None:
        self._guard = Guard("node" if main.endswith(".js") else "python")
        self._reader, self._writer, self._log = reader, writer, log
        self.made = 0
        """Calls."""
        self._running = False
        self.errors: list[str] = []
        """What calls failed with."""
        self.emitted: list[Any] = []
        self.counted: list[dict[str, int]] = []
        """Each census."""
        self.leak: Leak | None = None

    @classmethod
    @asynccontextmanager
    async def start(
        cls, folder: Path, main: str, cfg: Mapping[str, Any] | None = None, python: str = sys.executable
    ) -> AsyncIterator[Guarded]:
        """Its host, ready; killed in the end."""
        command = [python, "-I", str(HOSTS / "python/headrace_host")]
        if main.endswith(".js"):
            command = [str(shutil.which("node")), str(HOSTS / "node/host.js")]
        ours, theirs = socket.socketpair()
        log = folder / "output.txt"
        with log.open("wb") as output, theirs:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=folder,
                env=os.environ | {"NO_COLOR": "1"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(3,),
                preexec_fn=lambda: os.dup2(theirs.fileno(), 3),
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=1 << 24)
        try:
            guarded = cls(main, reader, writer, log)
            guarded._send(type="load", kind="trigger", trigger_type="polling", main=main, cfg=dict(cfg or {}))
            ready = await guarded._receive()
            assert ready.type == "ready", ready
            yield guarded
        finally:
            process.kill()
            await process.wait()
            writer.close()

    def _send(self, **frame: Any) -> None:
        self._writer.write(json.dumps(complete(frame)).encode() + b"\n")

    async def calls(self, most: int) -> None:
        """Call until the guard tells of a leak, ``most`` times at most."""
        for _ in range(most):
            if self.leak is not None:
                break
            self.made += 1
            self._running = True
            self._send(type="call", call=self.made)
            while self._running or len(self.counted) < self.made:
                self._heard(await self._receive())
            await self._hear_for(APART)

    async def _hear_for(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    self._heard(await self._receive())

    def _heard(self, frame: frames.Frame) -> None:
        if frame.type == "emit":
            if frame.event == "data":
                self.emitted.append(msgspec.json.decode(frame.body))
                if frame.call != self.made or not self._running:
                    self._told(self._guard.late(frame.call, bytes(frame.body), time.monotonic()))
            self._writer.write(frames.emitted_frame(frame.call, frame.emit))
        elif frame.type == "end":
            self._running = False
            if frame.error is not None:
                self.errors.append(frame.error.message)
        elif frame.type == "census":
            self.counted.append(frame.open)
            self._told(self._guard.census(frame.call, frame.open))
        elif frame.type == "log":
            self.errors.append(frame.text)

    def _told(self, leak: Leak | None) -> None:
        self.leak = self.leak or leak

    async def _receive(self) -> frames.Frame:
        async with asyncio.timeout(20):
            line = await self._reader.readline()
        assert line, f"the host has gone: {self._log.read_text()}"
        return frames.decode(line)
