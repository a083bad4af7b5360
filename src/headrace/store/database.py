"""The database: one object for SQLite and PostgreSQL, and the one place that translates their errors."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from headrace.errors import HeadraceError, Invalid, Unavailable

__all__ = ["Database"]

BUSY_TIMEOUT = 10.0
"""Seconds a SQLite statement waits for another process that writes."""
_MIGRATION_LOCK = 0x4845_4144  # any number of our own, for pg_advisory_xact_lock


class Database:
    """A pool of connections to the store.

    ``url`` is ``sqlite:///path`` or ``postgresql://…``, else `Invalid` (``settings-invalid``). Nothing connects before
    the first use. ``durable`` makes SQLite flush at every commit, so that a power cut loses nothing.
    """

    def __init__(self, url: str, *, durable: bool = False) -> None:
        target = _with_driver(url)
        self.sqlite = target.get_backend_name() == "sqlite"
        self._where = str(target.database) if self.sqlite else target.render_as_string(hide_password=True)
        arguments: dict[str, Any] = {"timeout": BUSY_TIMEOUT} if self.sqlite else {"connect_timeout": 10}
        self._engine = create_async_engine(
            target,
            connect_args=arguments,
            pool_size=5,
            max_overflow=5,
            pool_timeout=BUSY_TIMEOUT,
            pool_pre_ping=not self.sqlite,
        )
        # SQLite has one writer at a time; a fair queue in this process beats its busy loop.
        self._writing = asyncio.Lock() if self.sqlite else nullcontext()
        self._writer: asyncio.Task[Any] | None = None
        if self.sqlite:
            _listen(self._engine.sync_engine, durable)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes: committed at the end of the block, rolled back on an exception.

        Raises `Unavailable` (``store-full``, ``store-busy``, ``store-unreachable``, ``store-broken``) and `Invalid`
        (``store-value``: a number too large, or for PostgreSQL a text with a zero character). `RuntimeError` inside
        another `begin`.
        """
        if self._writer is not None and self._writer is asyncio.current_task():
            raise RuntimeError("a writing transaction inside another would wait for itself for ever")
        with self._translated():
            async with self._writing, self._engine.execution_options(write=True).begin() as conn:
                self._writer = asyncio.current_task() if self.sqlite else None
                try:
                    yield conn
                finally:
                    self._writer = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read from: on SQLite one unchanging view of the data. Raises as `begin`."""
        with self._translated():
            async with self._engine.connect() as conn:
                yield conn

    async def migrate(self) -> None:
        """Bring the tables to what this version of Headrace needs; nothing happens when they are.

        Raises `Unavailable` (``store-newer``) when a newer version of Headrace has been here, and as `begin`.
        """
        async with self.begin() as conn:
            if not self.sqlite:
                await conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            await conn.run_sync(_upgrade)

    async def close(self) -> None:
        """Close all connections; a second call does nothing."""
        await self._engine.dispose()

    def _translated(self) -> _Translated:
        return _Translated(self._where)


class _Translated:
    """A block in which database errors that are no mistake of ours become `Unavailable` or `Invalid`."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and (known := _translate(error, self._where)) is not None:
            raise known from error


_TELL = {
    "store-full": ("the disk of the database {where} is full", "free disk space"),
    "store-busy": ("the database {where} is busy with another writer", "try again"),
    "store-unreachable": ("the database {where} does not answer: {error}", "check that it is there and lets us in"),
    "store-broken": ("the database {where} is damaged: {error}", "restore it from a backup"),
}


def _translate(error: BaseException, where: str) -> HeadraceError | None:
    if isinstance(error, PoolTimeout):
        return Unavailable("store-busy", "all connections to the database are in use", next_step="try again")
    if isinstance(error, DataError) or (isinstance(error, OverflowError) and "SQLite" in str(error)):
        text = str(getattr(error, "orig", error)).strip()
        return Invalid("store-value", f"the database cannot hold a value: {text}")
    reason = _reason(error) if isinstance(error, DBAPIError) else None
    if reason is None:
        return None
    told, next_step = _TELL[reason]
    return Unavailable(reason, told.format(where=where, error=getattr(error, "orig", error)), next_step=next_step)


# Prefixes of SQLite result code names and of PostgreSQL's SQLSTATE:
# https://www.sqlite.org/rescode.html, https://www.postgresql.org/docs/current/errcodes-appendix.html
_REASONS = {
    "SQLITE_FULL": "store-full",
    "SQLITE_BUSY": "store-busy",
    "SQLITE_LOCKED": "store-busy",
    "SQLITE_CANTOPEN": "store-unreachable",
    "SQLITE_READONLY": "store-unreachable",
    "SQLITE_IOERR": "store-unreachable",
    "SQLITE_CORRUPT": "store-broken",
    "SQLITE_NOTADB": "store-broken",
    "53100": "store-full",
    "40001": "store-busy",
    "40P01": "store-busy",
    "53300": "store-busy",
    "55P03": "store-busy",
    "08": "store-unreachable",
    "57P": "store-unreachable",
    "XX001": "store-broken",
    "XX002": "store-broken",
}


def _reason(error: DBAPIError) -> str | None:
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", "")
    if code:
        return next((reason for prefix, reason in _REASONS.items() if code.startswith(prefix)), None)
    # A lost or refused connection has no code.
    return "store-unreachable" if isinstance(error, OperationalError) else None


_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def _with_driver(url: str) -> URL:
    try:
        target = make_url(url)
        return target.set(drivername=_DRIVERS[target.drivername.partition("+")[0]])
    except (ArgumentError, KeyError):
        told = "database_url is not one of sqlite:///path and postgresql://user:password@host/name"
        raise Invalid("settings-invalid", told) from None


def _listen(engine: Any, durable: bool) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions begin below, not where the driver thinks
        cursor = connection.cursor()
        with suppress(sqlite3.OperationalError):  # locked: another connection does it, for the file
            cursor.execute("PRAGMA journal_mode = WAL")
        for pragma in (
            f"synchronous = {'FULL' if durable else 'NORMAL'}",
            "foreign_keys = ON",
            f"busy_timeout = {int(BUSY_TIMEOUT * 1000)}",
            "journal_size_limit = 67108864",
            "cache_size = -16000",
            "temp_store = MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        # A writer takes the lock at once: a reader that turns into a writer late fails with SQLITE_BUSY.
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "headrace.store:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        if "locate revision" not in str(error):
            raise
        raise Unavailable(
            "store-newer",
            "the database was written by a newer version of Headrace",
            next_step="install that version, or use another data folder",
        ) from error
