"""Endless answers that end when the server does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

__all__ = ["until"]

Item = TypeVar("Item")


async def until(stopping: asyncio.Event, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
    """The items until there are no more or ``stopping`` is set; ``items`` is closed in any case."""
    stop = asyncio.ensure_future(stopping.wait())
    try:
        while True:
            following = asyncio.ensure_future(anext(items))
            try:
                await asyncio.wait((following, stop), return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not following.done():
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
            if following.cancelled():
                return
            try:
                item = following.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        stop.cancel()
        await asyncio.gather(stop, return_exceptions=True)
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()
