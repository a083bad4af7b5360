"""Flows on a real broker and a real store, run by actors under a reconciler that can be ended and begun again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.bus.greeting import Access
from headrace.control import desire
from headrace.control.reconcile import Reconciler
from headrace.control.specs import Specs
from headrace.control.view import Strategy
from headrace.errors import NotFound
from headrace.flows.deployment import Code
from headrace.settings import Settings
from headrace.store import components, deployments, flows
from headrace.store.database import Database
from headrace.store.deployments import Deployment
from headrace.testing.acting import ActingRuntime
from headrace.testing.plane import until

__all__ = ["Stage", "push"]

DESCRIPTOR = {
    "title": "Shop",
    "triggers": {"order": {"title": "Order", "main": "./order.py", "type": "webhook"}},
    "actions": {"work": {"title": "Work", "main": "./work.py"}},
}
DOCUMENT = """
flow: {name}
type: real-time
steps:
  - id: order
    trigger: shop/order
  - id: {step}
    after: order
    action: shop/work
    note: {note}
"""


async def push(db: Database, *, component: str = "shop", descriptor: dict[str, Any] = DESCRIPTOR) -> int:
    """A new built revision of the component, which becomes the latest."""
    async with db.begin() as conn:
        try:
            number = len(await components.list_versions(conn, component)) + 1
        except NotFound:
            await components.create(conn, component)
            number = 1
        commit = f"{number:040x}"
        await components.add_version(conn, component, commit, descriptor=descriptor)
        code = Code(component=component, revision=number, commit=commit, root="/nowhere", interpreter="/bin/false")
        await components.built(conn, component, number, msgspec.to_builtins(code))
    return number


class Stage:
    """See the module."""

    def __init__(self, db: Database, bus: Bus, settings: Settings, access: Access) -> None:
        self.db = db
        self.bus = bus
        self.settings = settings
        self._access = access
        self._servers_bus: Bus | None = None
        self.runtime = ActingRuntime(bus)
        self.strategy: Strategy = "handover"
        self.reconciler: Reconciler | None = None
        self._running: asyncio.Task[None] | None = None

    # -- the server's life

    async def begin(self) -> Reconciler:
        """A server starts."""
        access = self._access
        bus = self._servers_bus = await Bus.connect(access.url, access.user, access.password)
        self.reconciler = Reconciler(self.db, bus, self.runtime, self.settings)
        self._running = asyncio.create_task(self.reconciler.run())
        return self.reconciler

    async def stop(self) -> None:
        """The server ends in good order; workers live on."""
        assert self.reconciler is not None
        assert self._running is not None
        self.reconciler.stop()
        await asyncio.wait_for(self._running, 5)
        await self._disconnect()

    async def crash(self) -> None:
        """The server dies in the middle of whatever it does."""
        assert self._running is not None
        while not self._running.done():  # before Python 3.12 a cancellation may be swallowed by `asyncio.wait_for`
            self._running.cancel()
            await asyncio.wait([self._running], timeout=3)
        await self._disconnect()

    async def _disconnect(self) -> None:
        if self._servers_bus is not None:
            await self._servers_bus.close()

    async def end(self) -> None:
        await self.crash()
        await self.runtime.end()

    # -- what people do

    async def draft(self, name: str = "orders", *, step: str = "work", note: str = "x") -> str:
        """Save a draft, making the flow when it is new; its id."""
        async with self.db.begin() as conn:
            try:
                flow = await flows.get(conn, name)
            except NotFound:
                flow = await flows.create(conn, name)
            text = DOCUMENT.format(name=name, step=step, note=note)
            await flows.save_draft(conn, name, text, None, "ada")
        return flow.id

    async def publish(self, name: str = "orders", *, step: str = "work", note: str = "x") -> str:
        """Draft, publish and start; the flow's id."""
        flow_id = await self.draft(name, step=step, note=note)
        published = await desire.publish(self.db, name, start=True)
        assert published.deployment is not None
        async with self.db.begin() as conn:
            await deployments.update(conn, flow_id, published.deployment.epoch, strategy=self.strategy)
        self.hint(flow_id)
        return flow_id

    async def start(self, name: str = "orders") -> Deployment:
        deployment = await desire.start(self.db, name)
        self.hint(deployment.flow_id)
        return deployment

    async def stop_flow(self, name: str = "orders") -> None:
        self.hint((await desire.stop(self.db, name)).id)

    def hint(self, flow_id: str) -> None:
        if self.reconciler is not None:
            self.reconciler.hint(flow_id)

    # -- what is seen

    async def rows(self, flow_id: str) -> dict[int, Deployment]:
        async with self.db.read() as conn:
            return {row.epoch: row for row in reversed(await deployments.list_(conn, flow_id))}

    async def states(self, flow_id: str) -> dict[int, str]:
        return {epoch: row.state for epoch, row in (await self.rows(flow_id)).items()}

    async def reaches(self, flow_id: str, *states: str) -> dict[int, Deployment]:
        """Wait until the flow's deployments, from the first on, are in these states."""
        wanted = dict(enumerate(states, 1))

        async def there() -> bool:
            return (await self.states(flow_id)) == wanted

        try:
            await until(there)
        except AssertionError:
            raise AssertionError(f"{await self.states(flow_id)}, not {wanted}") from None
        return await self.rows(flow_id)

    async def workers(self, flow_id: str) -> list[int]:
        """Epochs with a worker."""
        return [worker.epoch for worker in await self.runtime.list() if worker.flow_id == flow_id]

    async def has_workers(self, flow_id: str, *epochs: int) -> None:
        """Wait until exactly these epochs have a worker."""

        async def there() -> bool:
            return await self.workers(flow_id) == list(epochs)

        await until(there, what=f"workers {epochs}")

    async def queues(self, flow_id: str) -> list[int]:
        """Epochs that have queues."""
        return sorted(epoch for owner, epoch in await Specs(self.bus).keys() if owner == flow_id)

    async def has_queues(self, flow_id: str, *epochs: int) -> None:
        """Wait until exactly these epochs have queues, in the bucket and as consumers and subjects of the journal."""

        async def there() -> bool:
            return await self.queues(flow_id) == list(epochs) == await self.read(flow_id)

        await until(there, what=f"queues {epochs}")

    async def read(self, flow_id: str) -> list[int]:
        """Epochs that have consumers at the flow's journal."""
        try:
            answer = await self.bus.api(f"CONSUMER.LIST.{subjects.stream(flow_id)}")
        except NotFound:
            return []
        return sorted({int(each["name"].split("_")[0]) for each in answer["consumers"]})

    async def lease(self, flow_id: str) -> int:
        held = await Bucket(self.bus, subjects.LEASES).get(flow_id)
        return int(held.data) if held is not None and held.data else 0

    async def eventually(self, condition: Callable[[], bool | Awaitable[bool]], what: str = "") -> None:
        await until(condition, what=what)
