"""Control over real workers and hosts: forked from the template, replaced under load, killed, adopted, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.integration.control.stage import DESCRIPTOR, DOCUMENT

from headrace import identity
from headrace.bus import subjects
from headrace.control import desire
from headrace.control.deploy import ask
from headrace.control.reconcile import Reconciler
from headrace.control.specs import Specs
from headrace.flows.deployment import DeploymentSpec
from headrace.identity import Identity
from headrace.runtime.process import ProcessRuntime
from headrace.settings import Settings
from headrace.store import components, deployments, flows
from headrace.store.database import Database
from headrace.store.deployments import Deployment
from headrace.testing.plane import Plane, until

ORDER = "def process(msg):\n    return msg.body\n"
WORK = "def process(msg):\n    return {{'n': msg.body['n'], 'by': {revision}}}\n"


class Server:
    """A reconciler over real parts, and the flow it runs."""

    def __init__(self, plane: Plane, db: Database, folder: Path) -> None:
        self.plane = plane
        self.db = db
        self.settings = Settings(data=folder, stop_within=5, watch_for=0.5)
        self.flow_id = ""
        self.begin()

    def begin(self) -> None:
        self.runtime = ProcessRuntime(
            claims=self.settings.data / "claims", logs=self.settings.data / "logs", bus=self.plane.access
        )
        self.reconciler = Reconciler(self.db, self.plane.bus, self.runtime, self.settings)
        self._running = asyncio.create_task(self.reconciler.run())

    async def stop(self) -> None:
        self.reconciler.stop()
        await asyncio.wait_for(self._running, 10)
        await self.runtime.close()

    async def push(self, revision: int, work: str = WORK) -> None:
        files = {"order.py": ORDER, "work.py": work.format(revision=revision)}
        code = self.plane.component(f"shop-{revision}", files)
        code = msgspec.structs.replace(code, component="shop", revision=revision, commit=f"{revision:040x}")
        async with self.db.begin() as conn:
            if revision == 1:
                await components.create(conn, "shop")
            await components.add_version(conn, "shop", code.commit, descriptor=DESCRIPTOR)
            await components.built(conn, "shop", revision, msgspec.to_builtins(code))

    async def publish(self, note: str = "x") -> Deployment:
        async with self.db.begin() as conn:
            with contextlib.suppress(Exception):
                self.flow_id = self.flow_id or (await flows.create(conn, "orders")).id
            text = DOCUMENT.format(name="orders", step="work", note=note)
            await flows.save_draft(conn, "orders", text, None, "ada")
        deployment = (await desire.publish(self.db, "orders", start=True)).deployment
        assert deployment is not None
        self.reconciler.hint(self.flow_id)
        return deployment

    async def row(self, epoch: int) -> Deployment:
        async with self.db.read() as conn:
            return await deployments.get(conn, self.flow_id, epoch)

    async def reaches(self, epoch: int, state: str) -> Deployment:
        async def there() -> bool:
            if (await self.row(epoch)).state != state:
                return False
            # A webhook is open before its worker begins.
            return state != "live" or (await ask(self.plane.bus, (self.flow_id, epoch), "status")).phase == "live"

        try:
            await until(there, within=30)
        except AssertionError:
            raise AssertionError(f"{await self.row(epoch)}, not {state}: {self.logs()}") from None
        return await self.row(epoch)

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in (self.settings.data / "logs").glob("*"))

    async def send(self, epoch: int, numbers: range) -> None:
        spec = await self.spec(epoch)
        for number in numbers:
            await self.plane.send(spec, {"n": number})

    async def spec(self, epoch: int) -> DeploymentSpec:
        found = await Specs(self.plane.bus).get(self.flow_id, epoch)
        assert found is not None
        return found

    async def results(self) -> list[Any]:
        """What the last step emitted, under any deployment."""
        entries = self.plane.bus.read(subjects.stream(self.flow_id), f"flow.{self.flow_id}.*.work")
        return [json.loads(entry.data)["body"] async for entry in entries]

    async def all_arrive(self, count: int) -> list[Any]:
        async def enough() -> bool:
            return len(await self.results()) >= count

        await until(enough, within=30, what=f"{count} results")
        found = await self.results()
        assert Counter(body["n"] for body in found) == Counter(range(count)), "each once"
        return found


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with Plane.start() as plane:
        db = Database(f"sqlite:///{tmp_path / 'headrace.sqlite3'}")
        await db.migrate()
        running = Server(plane, db, tmp_path)
        yield running
        await running.stop()
        for worker in await running.runtime.list():
            await running.runtime.kill(worker.ref)
        await db.close()


async def test_a_flow_moves_to_new_code_under_load_and_every_event_arrives_once(server: Server) -> None:
    await server.push(1)
    await server.publish()
    row = await server.reaches(1, "live")
    assert row.ready_ms
    assert row.steps["work"]["ready_ms"] > 0
    await server.send(1, range(50))
    await server.push(2)
    await server.publish("two")
    await server.send(1, range(50, 100))
    await server.reaches(2, "live")
    await server.reaches(1, "stopped")
    await server.send(2, range(100, 150))
    found = await server.all_arrive(150)
    assert found[0]["by"] == 1
    assert found[-1] == {"n": 149, "by": 2}
    assert [body["n"] for body in found] == list(range(150)), "in order"
    assert [worker.epoch for worker in await server.runtime.list()] == [2]


async def test_code_that_does_not_import_leaves_the_old_running(server: Server) -> None:
    await server.push(1)
    await server.publish()
    await server.reaches(1, "live")
    await server.push(2, "import nowhere\n")
    await server.publish("two")
    row = await server.reaches(2, "failed")
    assert "nowhere" in row.reason
    assert "nowhere" in row.steps["work"]["reason"]
    await server.send(1, range(10))
    await server.all_arrive(10)
    assert (await server.row(1)).state == "live"


async def test_a_publish_cancelled_while_it_warms_up_ends_its_worker_and_what_runs_goes_on(server: Server) -> None:
    await server.push(1)
    await server.publish()
    await server.reaches(1, "live")
    await server.send(1, range(5))
    await server.push(2, "import time\n\n\ndef init(cfg):\n    time.sleep(60)\n\n\n" + WORK)
    await server.publish("two")

    async def both() -> bool:
        return [worker.epoch for worker in await server.runtime.list()] == [1, 2]

    await until(both, within=10, what="the new one warms up")
    done = await desire.cancel(server.db, "orders", author="ada")
    server.reconciler.hint(server.flow_id)
    assert done.runs == 1
    row = await server.reaches(2, "stopped")
    assert (row.reason, row.live_at, row.worker) == ("cancelled by ada", None, None)
    await server.send(1, range(5, 10))
    found = await server.all_arrive(10)
    assert {body["by"] for body in found} == {1}
    assert (await server.row(1)).state == "live"
    assert [worker.epoch for worker in await server.runtime.list()] == [1]


async def test_a_killed_worker_is_replaced_at_once(server: Server) -> None:
    await server.push(1)
    await server.publish()
    worker = Identity.from_dict((await server.reaches(1, "live")).worker or {})
    await server.send(1, range(50))
    identity.send(worker, signal.SIGKILL)
    await server.send(1, range(50, 100))
    await server.all_arrive(100)
    row = await server.row(1)
    assert (row.state, row.restarts) == ("live", 1)


async def test_workers_outlive_the_server_and_end_when_it_is_told_to_rest(server: Server) -> None:
    await server.push(1)
    await server.publish()
    before = (await server.reaches(1, "live")).worker
    await server.stop()
    await server.send(1, range(20))
    await server.all_arrive(20)
    server.begin()
    await server.publish("two")
    await server.reaches(2, "live")
    await server.reaches(1, "stopped")
    assert (await server.row(1)).worker is None
    await asyncio.wait_for(server.reconciler.rest(), 20)
    assert await server.runtime.list() == ()
    assert before is not None
    assert not identity.alive(Identity.from_dict(before))
    assert (await server.row(2)).state == "live"
    await server.stop()
    await server.send(2, range(20, 40))
    server.begin()
    await server.all_arrive(40)


async def test_a_broker_that_dies_and_comes_back_changes_nothing(server: Server) -> None:
    await server.push(1)
    await server.publish()
    row = await server.reaches(1, "live")
    await server.send(1, range(20))
    process = server.plane.broker.process
    assert process is not None
    identity.send(process, signal.SIGKILL)
    await server.plane.broker.died()
    await server.plane.broker.start()
    await server.send(1, range(20, 40))
    await server.all_arrive(40)
    assert (await server.row(1)).worker == row.worker
    await server.push(2)
    await server.publish("two")
    await server.reaches(2, "live")
