"""Hosts start in turns, so that those of a live deployment get on while its next version warms up."""

from __future__ import annotations

import asyncio
import os
from typing import Protocol

__all__ = ["Turns"]

AT_ONCE = os.cpu_count() or 1
PATIENCE = 0.25


class Starting(Protocol):
    """What `Turns` needs of a host."""

    async def run(self) -> None:
        """Live until stopped."""

    async def warm(self, seconds: float) -> None:
        """Return when it is ready; raise when that takes too long."""


class Turns:
    """As many hosts start at the same time as there are cores.

    One that takes long (a slow ``init``) gives its turn away after ``patience`` seconds, and goes on starting.
    """

    def __init__(self, at_once: int = AT_ONCE, patience: float = PATIENCE) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._patience = patience

    async def run(self, host: Starting, group: asyncio.TaskGroup) -> None:
        """Run the host, in ``group``, from its turn on; returns when it has ended."""
        async with self._free:
            life = group.create_task(host.run())
            ready = asyncio.ensure_future(host.warm(self._patience))
            await asyncio.wait((life, ready), return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)
        await life
