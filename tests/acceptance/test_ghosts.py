"""After fifty publishes there is as much of everything as one live deployment needs, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import psutil
import pytest
from tests.acceptance.cast import Cast
from tests.acceptance.test_ledger import perfect

from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.testing.plane import until
from headrace.testing.platform import Platform, platform
from headrace.testing.trial import Trial

pytestmark = [pytest.mark.needs("git"), pytest.mark.timeout(180)]

PUBLISHES = 50
EVENTS = 15
"""Events that come in while it is published, each time."""
DATABASE_POOL = 10
GROWTH = 1.25
"""Memory after fifty publishes, at most, as a multiple of that after ten."""


@pytest.fixture(scope="module")
def hasty() -> Iterator[Platform]:
    """A platform that watches new deployments for a moment only, and so has nothing standing by."""
    with platform(environment={"HEADRACE_WATCH_FOR": "100ms", "HEADRACE_STOP_WITHIN": "1s"}) as started:
        yield started


class Count:
    """What there is: see the keys of `now`."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._platform = trial.platform

    async def now(self) -> dict[str, Any]:
        broker = self._platform.access()
        flow_id = (await self._trial.api.get(f"/flows/{self._trial.name}"))["id"]
        async with await Bus.connect(broker["url"], broker["user"], broker["password"], name="ghosts") as bus:
            consumers = (await bus.api(f"CONSUMER.LIST.{subjects.stream(flow_id)}"))["consumers"]
            delays = (await bus.api(f"CONSUMER.LIST.{subjects.DELAYS}"))["consumers"]
            stream = await bus.api(f"STREAM.INFO.{subjects.stream(flow_id)}")
        server = psutil.Process(self._platform.pid("server"))
        return {
            "connections to the source": self._trial.ledger.sources,
            "workers": len(await self._platform.workers()),
            "hosts": len(self._platform.hosts()),
            "consumers": len(consumers),
            "consumers with a subscription": sum(bool(each.get("push_bound")) for each in consumers),
            "consumers of delayed messages": len(delays),
            "subjects": len(stream["config"]["subjects"]),
            "connections to the broker": self._connections(),
            "children of the server": len(server.children(recursive=True)),
        }

    async def comes_back_to(self, before: Mapping[str, Any]) -> None:
        """Return when there is as much of everything as there was; fail with what there is more or less of."""
        after: dict[str, Any] = {}

        async def same() -> bool:
            nonlocal after
            after = await self.now()
            return after == before

        try:
            await until(same, within=20)
        except AssertionError:
            pytest.fail(f"{ {what: (before[what], after[what]) for what in before if before[what] != after[what]} }")

    def _connections(self) -> int:
        broker = psutil.Process(self._platform.pid("broker"))
        return sum(each.status == psutil.CONN_ESTABLISHED for each in broker.net_connections("tcp"))

    def handles(self) -> dict[str, int]:
        """Open files and threads of the server; its database connections come and go."""
        server = psutil.Process(self._platform.pid("server"))
        return {"files": server.num_fds(), "threads": server.num_threads()}

    def memory(self) -> dict[str, float]:
        """Resident memory of what outlives publishes, in MB."""
        parts = {part: psutil.Process(self._platform.pid(part)) for part in ("server", "broker")}
        return {part: process.memory_info().rss / 1e6 for part, process in parts.items()}


async def events(trial: Trial) -> None:
    """As many at every publish: the broker remembers what passed within two minutes, however long these take."""
    for _ in range(EVENTS):
        trial.ledger.send()
        await asyncio.sleep(0.02)


async def test_fifty_publishes_leave_one_of_everything_and_no_memory(hasty: Platform) -> None:
    cast = Cast(hasty)
    first, second = cast.use(), cast.use(source="2", middle="2", sink="2")
    async with Trial(hasty, use=first) as trial:
        count = Count(trial)
        await trial.live()
        memory: dict[int, dict[str, float]] = {}
        handles: dict[int, dict[str, int]] = {}
        before: dict[str, Any] = {}
        for number in range(1, PUBLISHES + 1):
            _, epoch = await asyncio.gather(events(trial), trial.live(use=second if number % 2 else first))
            if number == 1:
                await trial.alone(epoch)
                before = await count.now()
            if number in (10, PUBLISHES):
                await trial.alone(epoch)
                memory[number], handles[number] = count.memory(), count.handles()
        perfect(await trial.settled())
        assert (before["connections to the source"], before["workers"], before["hosts"]) == (1, 1, 3)
        assert before["consumers"] == before["consumers with a subscription"] == 2
        await count.comes_back_to(before)
        for part, held in memory[PUBLISHES].items():
            assert held < memory[10][part] * GROWTH, memory
        for what, number in handles[PUBLISHES].items():
            assert number <= handles[10][what] + DATABASE_POOL, handles


async def test_what_was_removed_leaves_nothing(hasty: Platform) -> None:
    cast = Cast(hasty)
    async with Trial(hasty, use=cast.use()) as trial:
        await trial.live()
        await trial.live(use=cast.use(sink="2"))
        flow_id = (await trial.api.get(f"/flows/{trial.name}"))["id"]
        await trial.remove()
        await asyncio.sleep(0)
        assert await hasty.workers() == []
        assert hasty.hosts() == []
        broker = hasty.access()
        async with await Bus.connect(broker["url"], broker["user"], broker["password"], name="ghosts") as bus:
            streams = (await bus.api("STREAM.NAMES"))["streams"]
            assert subjects.stream(flow_id) not in streams
            keys = [key for name in (subjects.DEPLOYMENTS, subjects.LEASES) for key in await _keys(bus, name)]
        assert not [key for key in keys if key.startswith(flow_id)]


async def _keys(bus: Bus, bucket: str) -> list[str]:
    from headrace.bus.buckets import Bucket

    return list(await Bucket(bus, bucket).keys())
