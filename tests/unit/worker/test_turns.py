"""Which hosts start when, with hosts that become ready when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from headrace.worker.turns import Turns

LONG = 3600.0


class Host:
    """Starts, becomes ready and ends on command."""

    def __init__(self) -> None:
        self.began, self.ready, self.end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        self.began.set()
        await self.end.wait()

    async def warm(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await self.ready.wait()


def started(hosts: Sequence[Host]) -> int:
    return sum(host.began.is_set() for host in hosts)


async def settle() -> None:
    """Let everything happen that can happen now."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_start_at_once_than_there_are_turns() -> None:
    hosts, turns = [Host() for _ in range(5)], Turns(2, LONG)
    async with asyncio.TaskGroup() as group:
        for host in hosts:
            group.create_task(turns.run(host, group))
        await settle()
        assert started(hosts) == 2
        hosts[0].ready.set()
        await settle()
        assert started(hosts) == 3
        hosts[1].end.set()  # it ends before it was ever ready
        await settle()
        assert started(hosts) == 4
        for host in hosts:
            host.end.set()
    assert started(hosts) == 5


async def test_one_that_takes_long_lets_the_others_begin() -> None:
    hosts, turns = [Host() for _ in range(5)], Turns(1, 0.001)
    async with asyncio.TaskGroup() as group:
        for host in hosts:
            group.create_task(turns.run(host, group))
        async with asyncio.timeout(20):
            for host in hosts:
                await host.began.wait()
        for host in hosts:
            host.end.set()


async def test_it_runs_until_the_host_has_ended() -> None:
    host, turns = Host(), Turns(1, LONG)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(turns.run(host, group))
        host.ready.set()
        await settle()
        assert not running.done()
        host.end.set()
    assert running.done()
