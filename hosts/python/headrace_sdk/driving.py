"""Running generators: what they yield is delivered, and they go on when it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

__all__ = ["drive", "drive_blocking"]


async def drive(generator: AsyncGenerator[Any, None], deliver: Callable[[Any], Awaitable[None]]) -> None:
    """Deliver each item; what delivery raises (a refusal, a cancellation) is raised at the generator's `yield`.

    A bare ``yield`` (`None`) delivers nothing. Raises what the generator raises.
    """
    step = generator.__anext__()
    while True:
        try:
            item = await step
        except StopAsyncIteration:
            return
        try:
            if item is not None:
                await deliver(item)
        except BaseException as refusal:
            step = generator.athrow(refusal)
        else:
            step = generator.__anext__()


def drive_blocking(generator: Generator[Any, Any, Any], deliver: Callable[[Any], None]) -> None:
    """`drive` for an ordinary generator."""
    step: Callable[[Any], Any] = generator.send
    argument: Any = None
    while True:
        try:
            item = step(argument)
        except StopIteration:
            return
        try:
            if item is not None:
                deliver(item)
        except BaseException as refusal:
            step, argument = generator.throw, refusal
        else:
            step, argument = generator.send, None
