"""A broker for all API tests of a run; for each test a database and a server without its loops."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from headrace.api.application import application
from headrace.api.auth import Identities
from headrace.api.facts import Facts
from headrace.api.heartbeats import Heartbeats
from headrace.api.metrics import Metrics
from headrace.api.object_storage import ObjectStorage
from headrace.api.parts import Parts
from headrace.api.replies import Replies
from headrace.api.webhook_target import Targets
from headrace.api.webhooks import Webhooks
from headrace.app import HOSTS, token_check
from headrace.bus import journal
from headrace.bus.client import Bus
from headrace.bus.embedded import EmbeddedBroker
from headrace.bus.greeting import Access
from headrace.bus.secrets import Secrets
from headrace.components.hosts import Hosts
from headrace.components.repositories import Repositories
from headrace.control.builds import Builds
from headrace.control.credentials import Credentials
from headrace.control.design import Design
from headrace.control.object_token import ObjectTokens
from headrace.control.reconcile import Reconciler
from headrace.control.recorder import Recorder
from headrace.control.tests import Tests
from headrace.control.tokens import CALLBACK, Tokens
from headrace.control.variables import Variables
from headrace.keyring import Keyring
from headrace.runtime.process import ProcessRuntime
from headrace.settings import Settings
from headrace.store import tokens
from headrace.store.clock import now_ms
from headrace.store.database import Database

URL = "http://127.0.0.1:7475"


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
def settings(tmp_path: Path, empty_store: Path) -> Settings:
    """A prepared data folder with an empty database."""
    made = Settings(data=tmp_path / "data", stop_within=1, object_limit=8 * 1024**2, object_bytes=64 * 1024**2)
    made.prepare()
    shutil.copy(empty_store, made.db_dir / "headrace.sqlite3")
    return made


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Database]:
    """A migrated, empty database."""
    database = Database(settings.store_url)
    yield database
    await database.close()


@dataclass
class Served:
    """A server without its loops, and a client with a token."""

    parts: Parts
    app: ASGIApp
    token: str
    client: httpx.AsyncClient
    stopped: list[bool] = field(default_factory=list)
    hinted: list[str | None] = field(default_factory=list)

    async def get(self, path: str, **query: Any) -> Any:
        """The answer of a request that must succeed."""
        return self._good(await self.client.get(f"/api/v1{path}", params=query))

    async def post(self, path: str, body: Any = None) -> Any:
        return self._good(await self.client.post(f"/api/v1{path}", json=body or {}))

    async def put(self, path: str, body: Any) -> Any:
        return self._good(await self.client.put(f"/api/v1{path}", json=body))

    async def delete(self, path: str, **query: Any) -> Any:
        return self._good(await self.client.delete(f"/api/v1{path}", params=query))

    async def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str]:
        """Status and reason of a request that must be refused."""
        response = await self.client.request(method, f"/api/v1{path}", json=body, params=query)
        assert response.headers["content-type"] == "application/problem+json", response.text
        return response.status_code, response.json()["reason"]

    def _good(self, response: httpx.Response) -> Any:
        assert response.is_success, response.text
        return response.json() if response.content else None


class _Hinted(Reconciler):
    """Control that only notes what it is told; its loop does not run."""

    def __init__(self, served: list[str | None], *parts: Any) -> None:
        super().__init__(*parts)
        self._noted = served

    def hint(self, flow_id: str | None = None) -> None:
        self._noted.append(flow_id)

    async def idle(self, flow_id: str) -> None:
        return


@pytest.fixture
async def served(settings: Settings, db: Database, bus: Bus, broker: Access) -> AsyncIterator[Served]:
    async with db.begin() as conn:
        _, token = await tokens.create(conn, "ada")
    stopped: list[bool] = []
    hinted: list[str | None] = []
    access = {"url": broker.url, "user": broker.user, "password": broker.password}
    runtime = ProcessRuntime(claims=settings.run_dir / "workers", logs=settings.logs_dir, bus=access)
    repositories = Repositories(settings.repos_dir)
    heartbeats = Heartbeats()
    replies = Replies(bus)
    facts = Facts(bus)

    async def drained(flow_id: str) -> bool:
        return True

    secrets = Secrets(bus, Keyring(settings.credential_keys))
    variables = Variables(db, secrets)
    design = Design(settings, Hosts(HOSTS, settings.sandbox, settings.host_uid_base, settings.step_memory), variables)
    tokens_ = Tokens(db, secrets, URL + CALLBACK)
    loops = [asyncio.create_task(loop.run()) for loop in (design, tokens_)]
    reconciler = _Hinted(hinted, db, bus, runtime, settings)
    parts = Parts(
        settings=settings,
        db=db,
        bus=bus,
        identities=Identities(token_check(db)),
        heartbeats=heartbeats,
        targets=Targets(db, bus),
        facts=facts,
        metrics=Metrics(),
        reconciler=reconciler,
        tests=Tests(db, bus, settings, reconciler),
        recorder=Recorder(db, bus, settings, drained),
        builds=Builds(db, settings, repositories, {}, bus.publish, variables=variables.values),
        credentials=Credentials(db, secrets, design, tokens_),
        variables=variables,
        design=design,
        repositories=repositories,
        troubles=tuple,
        stop=stopped.append,
        stopping=asyncio.Event(),
        url=URL,
        broker_url=broker.url,
        started_at=now_ms(),
    )
    undo = [await heartbeats.start(bus), await replies.start()]
    storage = ObjectStorage(bus, settings, ObjectTokens.kept_in(settings.object_key_file))
    app = application(parts, Webhooks(bus, parts.targets, facts, replies, parts.metrics), storage)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL, headers=headers) as client:
        yield Served(parts, app, token, client, stopped, hinted)
    for loop in (design, tokens_):
        loop.stop()
    await asyncio.gather(*loops)
    await facts.close()
    for each in undo:
        await each()


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """The server at a real address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, ws="none"))
        running = asyncio.create_task(server._serve([listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await running
