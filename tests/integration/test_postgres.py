"""What only a real PostgreSQL server can show. The store's own tests run on it as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text
from tests.postgres import postgres_server

from headrace.errors import Unavailable
from headrace.store import components, deployments, flows
from headrace.store.database import Database
from headrace.testing.plane import until

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgres_server() as address:
        yield address


@pytest.fixture
async def servers(url: str) -> AsyncIterator[tuple[Database, Database]]:
    """Two servers that start at the same moment on one empty database."""
    one, other = Database(url), Database(url)
    async with one.begin() as conn:
        await conn.execute(text("DROP SCHEMA public CASCADE"))
        await conn.execute(text("CREATE SCHEMA public"))
    await asyncio.gather(one.migrate(), other.migrate())
    yield one, other
    await one.close()
    await other.close()


async def test_servers_that_start_together_migrate_once(servers: tuple[Database, Database]) -> None:
    async with servers[0].read() as conn:
        assert (await conn.execute(text("SELECT count(*) FROM alembic_version"))).scalar_one() == 1


async def test_epochs_are_given_once_across_servers(servers: tuple[Database, Database]) -> None:
    async with servers[0].begin() as conn:
        flow = await flows.create(conn, "orders")

    async def ask(db: Database) -> int:
        async with db.begin() as conn:
            return await flows.next_epoch(conn, flow.id)

    assert sorted(await asyncio.gather(*(ask(db) for db in servers * 4))) == list(range(1, 9))


async def test_a_switch_sees_a_wish_that_another_server_is_writing(servers: tuple[Database, Database]) -> None:
    async with servers[0].begin() as conn:
        flow = await flows.create(conn, "orders")
        for state in ("live", "ready"):
            epoch = await flows.next_epoch(conn, flow.id)
            await deployments.create(conn, flow.id, epoch, 1, {})
            await deployments.update(conn, flow.id, epoch, state=state)

    async def switch() -> deployments.Deployment | None:
        async with servers[1].begin() as conn:
            return await deployments.silence(conn, flow.id, 1, successor=2)

    async with servers[0].begin() as conn:
        await deployments.hold(conn, flow.id)
        switching = asyncio.create_task(switch())
        await until(lambda: _waits_for_a_lock(servers[1]))
        await deployments.create(conn, flow.id, await flows.next_epoch(conn, flow.id), 2, {})
        assert not switching.done()
    assert await switching is None, "the third deployment is the newest now"


async def _waits_for_a_lock(db: Database) -> bool:
    async with db.read() as conn:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return bool((await conn.execute(text(waiting))).scalar_one())


async def test_builders_of_two_servers_claim_different_versions(servers: tuple[Database, Database]) -> None:
    async with servers[0].begin() as conn:
        await components.create(conn, "shop")
        for commit in ("aaa", "bbb"):
            await components.add_version(conn, "shop", commit, descriptor={})
    async with servers[0].begin() as one, servers[1].begin() as other:
        claims = [await components.next_to_build(conn) for conn in (one, other)]
    assert [claim and claim.commit for claim in claims] == ["aaa", "bbb"]


async def test_a_lock_that_is_held_too_long_is_busy(servers: tuple[Database, Database]) -> None:
    async with servers[0].begin() as conn:
        flow = await flows.create(conn, "orders")
    async with servers[0].begin() as conn:
        await flows.next_epoch(conn, flow.id)
        with pytest.raises(Unavailable) as caught:
            async with servers[1].begin() as other:
                await other.execute(text("SET LOCAL lock_timeout = '50ms'"))
                await flows.next_epoch(other, flow.id)
    assert caught.value.reason == "store-busy"


async def test_a_lost_connection_is_told_once_and_taken_up_again(servers: tuple[Database, Database]) -> None:
    one, other = servers
    with pytest.raises(Unavailable) as caught:
        async with one.begin() as conn:
            pid = (await conn.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with other.begin() as killer:
                await killer.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            await flows.create(conn, "orders")
    assert caught.value.reason == "store-unreachable"
    async with one.begin() as conn:
        assert await flows.list_(conn) == []
