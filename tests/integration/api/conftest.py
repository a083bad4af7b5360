"""A broker for all API tests of a run, a database for each."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from headrace.bus import journal
from headrace.bus.client import Bus
from headrace.bus.embedded import EmbeddedBroker
from headrace.bus.greeting import Access
from headrace.store.database import Database


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """A real broker; flows have ids of their own, so tests do not meet in it."""
    embedded = EmbeddedBroker(tmp_path_factory.mktemp("broker"))
    yield asyncio.run(embedded.start())
    asyncio.run(embedded.stop())


@pytest.fixture
async def bus(broker: Access) -> AsyncIterator[Bus]:
    async with await Bus.connect(broker.url, broker.user, broker.password) as connection:
        await journal.setup(connection, log_bytes=16 * 1024**2, log_keep=3600)
        yield connection


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("store") / "empty.sqlite3"

    async def make() -> None:
        db = Database(f"sqlite:///{path}")
        await db.migrate()
        await db.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def db(tmp_path: Path, empty_store: Path) -> AsyncIterator[Database]:
    """A migrated, empty database."""
    path = tmp_path / "headrace.sqlite3"
    shutil.copy(empty_store, path)
    database = Database(f"sqlite:///{path}")
    yield database
    await database.close()
