"""A trap for component code: it connects and waits there for a line, so that a test can act at that very moment."""

from __future__ import annotations

import asyncio
from typing import Self

__all__ = ["Trap"]


class Trap:
    """Holds whoever connects until `open`. Use as an async context manager."""

    def __init__(self) -> None:
        self.port = 0
        self.caught = 0
        """How many have come so far."""
        self._opened = asyncio.Event()
        self._held: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self.open()
        if self._server is not None:
            self._server.close()
        if self._held:
            await asyncio.wait(self._held)

    def open(self) -> None:
        """Let go who is held, and who comes later. Safe twice."""
        self._opened.set()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.caught += 1
        task = asyncio.create_task(self._hold(writer))
        self._held.add(task)
        task.add_done_callback(self._held.discard)

    async def _hold(self, writer: asyncio.StreamWriter) -> None:
        await self._opened.wait()
        writer.write(b"go\n")
        writer.close()
