"""Every store test runs on SQLite and, where it is installed, on PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.postgres import postgres_server

from headrace.store.database import Database
from headrace.store.tables import metadata


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        asyncio.run(_migrate(url))
        yield url


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("store") / "empty.sqlite3"
    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


async def _migrate(url: str) -> None:
    db = Database(url)
    await db.migrate()
    await db.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def store_url(request: pytest.FixtureRequest, tmp_path: Path, empty_sqlite: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    shutil.copy(empty_sqlite, tmp_path / "store.sqlite3")
    return f"sqlite:///{tmp_path / 'store.sqlite3'}"


@pytest.fixture
async def db(store_url: str) -> AsyncIterator[Database]:
    """A migrated, empty database."""
    database = Database(store_url)
    if not database.sqlite:
        async with database.begin() as conn:
            await conn.execute(text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"))
    yield database
    await database.close()


@pytest.fixture
async def conn(db: Database) -> AsyncIterator[AsyncConnection]:
    """A transaction that writes."""
    async with db.begin() as connection:
        yield connection


@pytest.fixture(autouse=True)
async def sqlite_threads_end() -> AsyncIterator[None]:
    """aiosqlite does not wait for the thread of a connection that failed; the event loop must not end before it."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 10)
