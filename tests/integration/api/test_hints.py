"""The command line hears of changes over a real connection."""

from __future__ import annotations

import asyncio
import time

from tests.integration.api.conftest import Served, serving

from headrace.cli.client import Client
from headrace.cli.hints import Hints
from headrace.testing.plane import until

LONG = 5.0


async def test_a_hint_ends_the_wait_and_others_do_not(served: Served) -> None:
    async with serving(served.app) as url:
        with Client(url, served.token) as client, Hints(client) as hints:

            async def woken(kind: str, within: float) -> bool:
                served.parts.announce(kind, {"flow": "orders"})
                begun = time.monotonic()
                await asyncio.to_thread(hints.wait, within)
                return time.monotonic() - begun < within

            await until(lambda: woken("flow", 1.0), what="the stream is open")
            assert await woken("flow", LONG)
            assert not await woken("component", 0.3)
            served.parts.stopping.set()  # ends the stream; a command ends it by ending


async def test_without_a_server_it_just_waits(served: Served) -> None:
    with Client("http://127.0.0.1:9", served.token) as client, Hints(client) as hints:
        begun = time.monotonic()
        await asyncio.to_thread(hints.wait, 0.2)
        assert time.monotonic() - begun >= 0.2
