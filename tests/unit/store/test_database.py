from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from headrace.errors import Invalid, Unavailable
from headrace.store import database, deployments, flows, tokens
from headrace.store.database import Database
from headrace.store.tables import metadata


async def scalar(db: Database, query: str) -> object:
    async with db.read() as conn:
        return (await conn.execute(text(query))).scalar_one()


def sqlite_schema(connection: Connection) -> set[frozenset[str]]:
    """Each statement as its parts: columns that were added later come after the constraints."""
    found = connection.execute(
        text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'")
    )
    return {parts(sql) for (sql,) in found}


def parts(sql: str) -> frozenset[str]:
    """What stands before, between and after the commas that are in no inner parentheses."""
    head, _, body = sql.partition("(")
    depth, found = 0, [""]
    for character in body.rpartition(")")[0]:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            found.append("")
        else:
            found[-1] += character
    return frozenset(" ".join(part.split()) for part in (head, *found, body.rpartition(")")[2]))


def postgres_schema(connection: Connection, schema: str) -> set[str]:
    columns = "table_name, column_name, data_type, is_nullable, column_default"
    found = connection.execute(
        text(
            f"SELECT concat_ws(' ', {columns}) FROM information_schema.columns WHERE table_schema = '{schema}' "
            f"UNION SELECT indexdef FROM pg_indexes WHERE schemaname = '{schema}' "
            "UNION SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint "
            f"WHERE connamespace = '{schema}'::regnamespace"
        )
    )
    return {line.replace(f"{schema}.", "") for (line,) in found if "alembic_version" not in line}


async def test_migrations_make_exactly_the_tables(db: Database, tmp_path: Path) -> None:
    async with db.begin() as conn:
        context = await conn.run_sync(lambda sync: MigrationContext.configure(sync, opts={"compare_type": True}))
        assert await conn.run_sync(lambda _: compare_metadata(context, metadata)) == []
        if not db.sqlite:
            columns = await conn.run_sync(postgres_schema, "public")
            await conn.execute(text("CREATE SCHEMA fresh"))
            await conn.execute(text("SET LOCAL search_path = fresh"))
            await conn.run_sync(metadata.create_all)
            assert columns == await conn.run_sync(postgres_schema, "fresh")
            await conn.execute(text("DROP SCHEMA fresh CASCADE"))
            return
        migrated = await conn.run_sync(sqlite_schema)
    fresh = Database(f"sqlite:///{tmp_path / 'fresh.sqlite3'}")
    async with fresh.begin() as conn:
        await conn.run_sync(metadata.create_all)
        made = await conn.run_sync(sqlite_schema)
    await fresh.close()
    assert migrated == made


async def test_migrating_again_changes_nothing(db: Database) -> None:
    async with db.begin() as conn:
        await flows.create(conn, "orders")
    await db.migrate()
    async with db.read() as conn:
        assert [flow.name for flow in await flows.list_(conn)] == ["orders"]


async def test_deployments_of_an_older_server_are_kept(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    config = Config()
    config.set_main_option("script_location", "headrace.store:migrations")
    async with db.begin() as conn:
        await conn.run_sync(lambda sync: config.attributes.update(connection=sync))
        await conn.run_sync(lambda _: command.upgrade(config, "0001"))
        flow = "'f', 'orders', 'default', 'real-time', 'running', 0, 1, 0"
        await conn.execute(
            text(f"INSERT INTO flows (id, name, workspace, type, wish, draft_tag, epoch, created_at) VALUES ({flow})")
        )
        row = "'f', 1, 1, '{}', 'live', '', 0, '{}', 0"
        known = "flow_id, epoch, version, resolved, state, reason, created_at, steps, restarts"
        await conn.execute(text(f"INSERT INTO deployments ({known}) VALUES ({row})"))
    await db.migrate()
    async with db.read() as conn:
        found = await deployments.get(conn, "f", 1)
    assert (found.state, found.strategy, found.cause, found.handover) == ("live", "handover", "", None)
    await db.close()


async def test_servers_that_start_together_migrate_once(tmp_path: Path) -> None:
    servers = [Database(f"sqlite:///{tmp_path / 'store.sqlite3'}") for _ in range(3)]
    await asyncio.gather(*(server.migrate() for server in servers))
    assert await scalar(servers[0], "SELECT count(*) FROM alembic_version") == 1
    for server in servers:
        await server.close()


async def test_a_database_of_a_newer_version_is_left_alone(db: Database) -> None:
    known = await scalar(db, "SELECT version_num FROM alembic_version")
    async with db.begin() as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unavailable) as caught:
        await db.migrate()
    assert caught.value.reason == "store-newer"
    assert await scalar(db, "SELECT version_num FROM alembic_version") == "9999"
    async with db.begin() as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = :known"), {"known": known})


async def test_what_raises_is_undone(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.begin() as conn:
            await flows.create(conn, "orders")
            1 / 0  # noqa: B018
    async with db.read() as conn:
        assert await flows.list_(conn) == []


async def test_mistakes_of_ours_are_not_hidden(db: Database) -> None:
    with pytest.raises(IntegrityError):
        async with db.begin() as conn:
            await conn.execute(text("INSERT INTO flow_versions VALUES ('no-flow', 1, '', '', '', 0, '')"))


async def test_a_writer_inside_a_writer_is_our_mistake(db: Database) -> None:
    if not db.sqlite:
        pytest.skip("PostgreSQL has several writers")
    async with db.begin():
        with pytest.raises(RuntimeError, match="inside another"):
            async with db.begin():
                pass


async def test_a_cancelled_writer_lets_the_next_one_in(db: Database) -> None:
    begun = asyncio.Event()

    async def write() -> None:
        async with db.begin() as conn:
            await flows.create(conn, "orders")
            begun.set()
            await asyncio.Event().wait()

    writing, waiting = asyncio.create_task(write()), asyncio.create_task(write())
    await begun.wait()
    writing.cancel()
    waiting.cancel()
    await asyncio.gather(writing, waiting, return_exceptions=True)
    async with db.begin() as conn:
        await flows.create(conn, "orders")


async def test_a_value_no_database_takes_is_refused(db: Database) -> None:
    with pytest.raises(Invalid) as caught:
        async with db.begin() as conn:
            await deployments.create(conn, "orders", 2**70, 1, {})
    assert caught.value.reason == "store-value"


async def test_readers_see_one_state_while_others_write(db: Database) -> None:
    if not db.sqlite:
        pytest.skip("promised for SQLite only: PostgreSQL reads what is committed")
    async with db.read() as reader:
        assert await flows.list_(reader) == []
        async with db.begin() as writer:
            await flows.create(writer, "orders")
        assert await flows.list_(reader) == []
    async with db.read() as reader:
        assert len(await flows.list_(reader)) == 1


@pytest.mark.parametrize(("durable", "synchronous"), [(False, 1), (True, 2)])
async def test_sqlite_is_set_up_for_writing_beside_reading(tmp_path: Path, durable: bool, synchronous: int) -> None:
    db = Database(f"sqlite:///{tmp_path / 'store.sqlite3'}", durable=durable)
    assert await scalar(db, "PRAGMA journal_mode") == "wal"
    assert await scalar(db, "PRAGMA foreign_keys") == 1
    assert await scalar(db, "PRAGMA synchronous") == synchronous
    await db.close()
    await db.close()


async def test_a_full_disk_says_so(db: Database) -> None:
    if not db.sqlite:
        pytest.skip("a full disk is played with SQLite's max_page_count")
    with pytest.raises(Unavailable, match="is full") as caught:
        async with db.begin() as conn:
            await conn.execute(text("PRAGMA max_page_count = 1"))
            for number in range(1000):
                await tokens.create(conn, f"{number}" * 100)
    assert caught.value.reason == "store-full"
    async with db.read() as conn:
        assert await tokens.list_(conn) == []


async def test_a_database_that_another_process_holds_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.05)
    mine, other = (Database(f"sqlite:///{tmp_path / 'store.sqlite3'}") for _ in range(2))
    await mine.migrate()
    async with other.begin():
        with pytest.raises(Unavailable) as caught:
            async with mine.begin():
                pass
    assert caught.value.reason == "store-busy"
    async with mine.begin() as conn:
        await flows.create(conn, "orders")
    for each in (mine, other):
        await each.close()


@pytest.mark.parametrize("url", ["sqlite:////no/such/folder/db", "postgresql://headrace@/none?host=/no/such/folder"])
async def test_a_database_that_cannot_be_reached_says_so(url: str) -> None:
    db = Database(url)
    with pytest.raises(Unavailable) as caught:
        await db.migrate()
    assert caught.value.reason == "store-unreachable"
    await db.close()


async def test_a_damaged_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite3").write_bytes(b"no database at all" * 1000)
    db = Database(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    with pytest.raises(Unavailable, match="is damaged") as caught:
        await db.migrate()
    assert caught.value.reason == "store-broken"
    await db.close()


@pytest.mark.parametrize("url", ["mysql://a:secret@b/c", "store.sqlite3", "://"])
def test_a_url_of_no_known_kind_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="postgresql://") as caught:
        Database(url)
    assert caught.value.reason == "settings-invalid"
    assert "secret" not in caught.value.message


async def test_passwords_are_not_told() -> None:
    db = Database("postgres://headrace:secret@127.0.0.1:1/none")
    with pytest.raises(Unavailable) as caught:
        await db.migrate()
    assert "127.0.0.1" in caught.value.message
    assert "secret" not in caught.value.message
    await db.close()
