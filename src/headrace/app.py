"""The composition root: settings become parts, parts become a server. ``python -m headrace.app --data DIR``.

    lock the data folder ─▶ listen ─▶ store ─▶ broker ─▶ bus ─▶ runtime ─▶ loops and HTTP, until asked to stop

Only this module chooses implementations. Everything that was started is on one `AsyncExitStack`, every loop in one
`TaskGroup`. Workers and the embedded broker are nobody's children: they outlive a server that ends or crashes, unless
it is asked to stop everything (``POST /api/v1/shutdown``).
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp

from headrace import claim, server_log
from headrace.api import git
from headrace.api.application import application
from headrace.api.auth import CheckToken, Identities
from headrace.api.facts import Facts
from headrace.api.heartbeats import Heartbeats
from headrace.api.metrics import Metrics
from headrace.api.object_storage import ObjectStorage
from headrace.api.parts import Parts
from headrace.api.replies import Replies
from headrace.api.webhook_target import Targets
from headrace.api.webhooks import Webhooks
from headrace.bus import journal
from headrace.bus.client import Bus
from headrace.bus.embedded import EmbeddedBroker
from headrace.bus.greeting import Access
from headrace.bus.program import require_version
from headrace.bus.queues import waiting
from headrace.bus.secrets import Secrets
from headrace.components.build import Builder
from headrace.components.descriptor import Language
from headrace.components.hosts import Hosts
from headrace.components.node_builder import NodeBuilder
from headrace.components.python_builder import PythonBuilder
from headrace.components.repositories import Repositories
from headrace.control.builds import Builds
from headrace.control.credentials import Credentials
from headrace.control.design import Design
from headrace.control.object_token import ObjectTokens
from headrace.control.reconcile import Reconciler
from headrace.control.recorder import Drained, Recorder
from headrace.control.redeploys import Redeploys
from headrace.control.sweep import Sweep
from headrace.control.tests import Tests
from headrace.control.tokens import CALLBACK, Tokens
from headrace.control.variables import Variables
from headrace.errors import HeadraceError, NotFound, Unavailable
from headrace.keyring import Keyring
from headrace.loops import Loops
from headrace.runtime.base import Runtime
from headrace.runtime.process import ProcessRuntime
from headrace.settings import Settings, ignored_variables, load
from headrace.store import components, tokens
from headrace.store.clock import now_ms
from headrace.store.database import Database

__all__ = ["main", "serve", "token_check"]

HOSTS = Path(__file__).parents[2] / "hosts"
CLI_TOKEN = "command line"
WORKERS_MARGIN = 10.0
"""Seconds beyond the hosts' own deadlines after which workers are killed when everything stops."""
TOUCH_EVERY_MS = 60_000
"""How exactly the last use of a token is noted."""
BACKLOG = 2048
"""Connections that wait to be accepted."""
FINISH_WITHIN = 5
"""Seconds that requests in progress get when the server stops."""

log = structlog.get_logger("server")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until a signal or a request stops it; the exit code."""
    parser = argparse.ArgumentParser(prog="headrace.app", description="The Headrace server.")
    parser.add_argument("--data", type=Path, help="the data folder")
    parser.add_argument("--host", help="the address to listen on")
    parser.add_argument("--port", type=int, help="the port to listen on; 0 picks a free one")
    options = parser.parse_args(arguments)
    server_log.configure()
    try:
        settings = load(data=options.data, host=options.host, port=options.port)
        settings.prepare()
        server_log.trim(settings.server_log)
        for problem in ignored_variables(os.environ):
            log.warning("a variable is ignored", detail=str(problem))
        uvloop.run(serve(settings))
    except HeadraceError as error:
        log.error("cannot run", reason=error.reason, detail=error.message, next_step=error.next_step)
        return 1
    except OSError as error:
        log.error("cannot run", reason="data-folder", detail=str(error))
        return 1
    return 0


async def serve(settings: Settings) -> None:
    """Put the parts together and serve until stopped. Raises `HeadraceError` when it cannot start."""
    ending = Ending()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(claim.claimed(settings.server_file))
        listener = stack.enter_context(_listen(settings.host, settings.port))
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        stack.enter_context(ending.on_signals())
        server = await _assembled(settings, ending, stack)
        await stack.enter_async_context(claim.write_down(settings.server_file, server.parts.url))
        await server.run(listener)


class Ending:
    """Whether the server is to stop, and what with it. `stop` only asks."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.everything = False

    def stop(self, everything: bool = False) -> None:
        """Have the server stop; a second call can only make it more."""
        self.everything = self.everything or everything
        self.asked.set()

    def on_signals(self) -> ExitStack:
        """Stop on SIGTERM and SIGINT, until the block is left."""
        loop = asyncio.get_running_loop()
        undo = ExitStack()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
            undo.callback(loop.remove_signal_handler, number)
        return undo


async def _assembled(settings: Settings, ending: Ending, stack: AsyncExitStack) -> Server:
    """Every part, started in order; ``stack`` stops them in the opposite one."""
    db = Database(settings.store_url, durable=settings.durability == "fsync")
    stack.push_async_callback(db.close)
    await db.migrate()
    await _keep_cli_token(db, settings)
    broker = _embedded_broker(settings)
    access = _configured_broker(settings) if broker is None else await broker.start()
    if broker is not None:
        stack.push_async_callback(_end_broker, broker, ending)
    bus = await stack.enter_async_context(await Bus.connect(access.url, access.user, access.password, name="server"))
    require_version(bus.server_version, access.url)
    await journal.setup(bus, log_bytes=settings.log_keep_bytes, log_keep=settings.log_keep_days * 86_400)
    runtime = _runtime(settings, access)
    stack.push_async_callback(runtime.close)
    loops = Loops(ending.asked)
    repositories = Repositories(settings.repos_dir)
    secrets = Secrets(bus, Keyring(settings.credential_keys))
    variables = Variables(db, secrets)
    hosts = Hosts(HOSTS, settings.sandbox, settings.host_uid_base, settings.step_memory)
    design = Design(settings, hosts, variables)
    tokens_ = Tokens(db, secrets, settings.outside_url + CALLBACK)
    reconciler = Reconciler(db, bus, runtime, settings)
    parts = Parts(
        settings=settings,
        db=db,
        bus=bus,
        identities=Identities(token_check(db)),
        heartbeats=Heartbeats(),
        targets=Targets(db, bus),
        facts=Facts(bus),
        metrics=Metrics(),
        reconciler=reconciler,
        tests=Tests(db, bus, settings, reconciler),
        recorder=Recorder(db, bus, settings, _drained(bus)),
        builds=Builds(db, settings, repositories, _builders(settings, hosts), bus.publish, variables=variables.values),
        credentials=Credentials(db, secrets, design, tokens_),
        variables=variables,
        design=design,
        repositories=repositories,
        troubles=loops.troubles,
        stop=ending.stop,
        stopping=ending.asked,
        url=settings.url,
        broker_url=access.url,
        started_at=now_ms(),
    )
    stack.push_async_callback(parts.facts.close)
    stack.push_async_callback(await parts.heartbeats.start(bus))
    replies = Replies(bus)
    stack.push_async_callback(await replies.start())
    hooks = Webhooks(bus, parts.targets, parts.facts, replies, parts.metrics)
    pushes = git.router(repositories, parts.identities.of, _component_exists(db), hook_url=parts.url)
    storage = ObjectStorage(bus, settings, ObjectTokens.kept_in(settings.object_key_file))
    app = application(parts, hooks, storage, pushes)
    redeploys = Redeploys(db, bus, parts.changed)
    sweep = Sweep(db, bus, settings)
    return Server(
        parts=parts,
        redeploys=redeploys,
        sweep=sweep,
        tokens=tokens_,
        app=app,
        loops=loops,
        ending=ending,
        runtime=runtime,
        broker=broker,
    )


@dataclass(frozen=True, kw_only=True)
class Server:
    """The assembled server: its loops and its HTTP."""

    parts: Parts
    redeploys: Redeploys
    sweep: Sweep
    tokens: Tokens
    app: ASGIApp
    loops: Loops
    ending: Ending
    runtime: Runtime
    broker: EmbeddedBroker | None

    async def run(self, listener: socket.socket) -> None:
        """Serve until asked to stop; then stop HTTP, the loops and, with ``everything``, workers and broker."""
        parts = self.parts
        http = _Http(self.app)
        async with asyncio.TaskGroup() as group:
            loops: dict[str, Recorder | Builds | Reconciler | Redeploys | Sweep | Tokens | Design | Tests] = {
                "recorder": parts.recorder,
                "builds": parts.builds,
                "reconciler": parts.reconciler,
                "tests": parts.tests,
                "redeploys": self.redeploys,
                "sweep": self.sweep,
                "tokens": self.tokens,
                "design": parts.design,
            }
            for name, part in loops.items():
                group.create_task(self.loops.keep(name, part.run), name=name)
            keeping = group.create_task(self.broker.keep(), name="broker") if self.broker is not None else None
            serving = group.create_task(http.serve([listener]), name="http")
            log.info("serving", url=parts.url, data=str(parts.settings.data))
            await self.ending.asked.wait()
            log.info("stopping", everything=self.ending.everything)
            http.should_exit = True
            await serving
            if self.ending.everything:
                await self._end_workers()
            for part in loops.values():
                part.stop()
            if keeping is not None:
                keeping.cancel()

    async def _end_workers(self) -> None:
        """End all workers: gracefully while there is time."""
        limit = 2 * self.parts.settings.stop_within + WORKERS_MARGIN
        try:
            await asyncio.wait_for(self.parts.reconciler.rest(), limit)
        except TimeoutError:
            log.warning("workers did not stop in time", seconds=limit)
        for worker in await self.runtime.list():
            await self.runtime.kill(worker.ref)


class _Http(uvicorn.Server):
    """uvicorn, told to stop by us alone."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=FINISH_WITHIN,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are `Ending`'s."""
        yield


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, made before anything is started; `Unavailable` (``port-taken``, ``bad-address``).

    It listens at once: what is bound only can be bound by others, too. Requests that come early wait.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            told = f"port {port} on {host} is taken by another program"
            raise Unavailable("port-taken", told, next_step="choose another --port") from error
        raise Unavailable("bad-address", f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


def _embedded_broker(settings: Settings) -> EmbeddedBroker | None:
    if settings.broker_url is not None:
        return None
    return EmbeddedBroker(
        settings.data,
        sync_interval="always" if settings.durability == "fsync" else settings.sync_interval,
        max_file_store=settings.max_file_store,
    )


async def _end_broker(broker: EmbeddedBroker, ending: Ending) -> None:
    """Last of all, and only when everything is to stop."""
    if ending.everything:
        await broker.stop()


def _configured_broker(settings: Settings) -> Access:
    assert settings.broker_url is not None
    return Access(settings.broker_url, settings.broker_user or "", settings.broker_password or "")


def _runtime(settings: Settings, access: Access) -> ProcessRuntime:
    keys = settings.credential_keys
    return ProcessRuntime(
        claims=settings.run_dir / "workers",
        logs=settings.logs_dir / "workers",
        bus={"url": access.url, "user": access.user, "password": access.password, "keys": str(keys)},
    )


def _builders(settings: Settings, hosts: Hosts) -> dict[Language, Builder]:
    return {
        "python": PythonBuilder(envs=settings.envs_dir, cache=settings.uv_cache_dir, hosts=hosts),
        "node": NodeBuilder(envs=settings.envs_dir, cache=settings.npm_cache_dir, hosts=hosts),
    }


async def _keep_cli_token(db: Database, settings: Settings) -> None:
    """See that the command line of this machine has a token that counts."""
    path = settings.cli_token_file
    with suppress(FileNotFoundError):
        async with db.read() as conn:
            if await tokens.check(conn, path.read_text().strip()) is not None:
                return
    async with db.begin() as conn:
        _, plaintext = await tokens.create(conn, CLI_TOKEN)
        claim.write_private(path, f"{plaintext}\n")


def token_check(db: Database) -> CheckToken:
    async def check(plaintext: str) -> str | None:
        async with db.read() as conn:
            token = await tokens.check(conn, plaintext)
        if token is None:
            return None
        if token.last_used_at is None or now_ms() - token.last_used_at > TOUCH_EVERY_MS:
            async with db.begin() as conn:
                await tokens.touch(conn, token.id)
        return token.name

    return check


def _component_exists(db: Database) -> git.Exists:
    async def exists(name: str) -> bool:
        async with db.read() as conn:
            try:
                await components.get(conn, name)
            except NotFound:
                return False
        return True

    return exists


def _drained(bus: Bus) -> Drained:
    async def drained(flow_id: str) -> bool:
        return await waiting(bus, flow_id) == 0

    return drained


if __name__ == "__main__":
    sys.exit(main())
