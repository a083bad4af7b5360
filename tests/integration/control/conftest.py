"""A broker for all control tests of a run; a store, actors for workers and a reconciler for each."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.integration.control.stage import Stage

from headrace.bus import journal
from headrace.bus.client import Bus
from headrace.bus.embedded import EmbeddedBroker
from headrace.bus.greeting import Access
from headrace.settings import Settings
from headrace.store.database import Database


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    embedded = EmbeddedBroker(tmp_path_factory.mktemp("broker"))
    yield asyncio.run(embedded.start())
    asyncio.run(embedded.stop())


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
    shutil.copy(empty_store, tmp_path / "headrace.sqlite3")
    database = Database(f"sqlite:///{tmp_path / 'headrace.sqlite3'}")
    yield database
    await database.close()


@pytest.fixture
async def bus(broker: Access) -> AsyncIterator[Bus]:
    async with await Bus.connect(broker.url, broker.user, broker.password) as connection:
        await journal.setup(connection, log_bytes=16 * 1024**2, log_keep=3600)
        yield connection


@pytest.fixture
async def stage(db: Database, bus: Bus, broker: Access, tmp_path: Path) -> AsyncIterator[Stage]:
    settings = Settings(
        data=tmp_path, reconcile_interval=0.5, ready_within=1, stop_within=0.1, watch_for=0.05, journal_bytes=2**20
    )
    running = Stage(db, bus, settings, broker)
    await running.begin()
    yield running
    await running.end()
