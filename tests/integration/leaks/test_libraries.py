"""The leak guard has no code for any library. Real ones, with real servers: careless use is told at the tenth call at
the latest, careful use never, pools among it (docs/decisions/0019-leaks-by-growth.md)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uv
from tests.integration.leaks.guarded import Guarded
from tests.postgres import postgres_server

NPM = ("aedes@1.2.0", "chokidar@5.0.0", "mqtt@5.16.0", "pg@8.23.1", "ws@8.23.0")
PYPI = ("aiohttp==3.14.5", "asyncpg==0.32.0", "psycopg[binary,pool]==3.3.9", "watchdog==7.1.0", "websockets==17.4")

SERVERS = {
    "servers.js": """
        const http = require('node:http');
        const net = require('node:net');
        const { Aedes } = require('aedes');
        const { WebSocketServer } = require('ws');
        (async () => {
          const web = http.createServer((request, response) => response.end('ok'));
          new WebSocketServer({ server: web }).on('connection', (client) => {
            client.on('error', () => {});
            client.on('message', (text) => client.send(String(text)));
          });
          const broker = await Aedes.createBroker();
          const mqtt = net.createServer({ noDelay: true }, broker.handle);
          await new Promise((done) => web.listen(0, '127.0.0.1', done));
          await new Promise((done) => mqtt.listen(0, '127.0.0.1', done));
          console.log(JSON.stringify({ web: web.address().port, mqtt: mqtt.address().port }));
        })();
        """,
    "servers.py": """
        import asyncio, json
        from aiohttp import web

        async def echo(request):
            client = web.WebSocketResponse()
            await client.prepare(request)
            async for message in client:
                await client.send_str(message.data)
            return client

        async def main():
            app = web.Application()
            app.router.add_get("/ws", echo)
            app.router.add_get("/", lambda request: web.Response(text="ok"))
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            print(json.dumps({"web": runner.addresses[0][1]}), flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
        """,
}

CARELESS = {
    "look.js": {
        "ws client": (
            "sockets",
            """
            const WebSocket = require('ws');
            exports.process = async function (msg, cfg) {
              const socket = new WebSocket(`ws://127.0.0.1:${cfg.web}`);
              socket.on('message', (text) => this.emit('data', { body: String(text) }));
            };
            """,
        ),
        "ws server": (
            "servers",
            """
            const { WebSocketServer } = require('ws');
            exports.process = async function () {
              const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
              server.on('connection', (client) => client.on('message', (text) => this.emit('data', { body: text })));
            };
            """,
        ),
        "pg": (
            "pipes",
            """
            const { Client } = require('pg');
            exports.process = async function (msg, cfg) {
              const client = new Client({ host: cfg.pg, user: 'headrace', database: 'postgres' });
              client.on('notification', (event) => this.emit('data', { body: event.payload }));
              await client.connect();
              await client.query('LISTEN orders');
            };
            """,
        ),
        "pg pool, by calls that do not wait": (
            "pipes",
            """
            const { Pool } = require('pg');
            let pool;
            exports.process = async function (msg, cfg) {
              pool ??= new Pool({ host: cfg.pg, user: 'headrace', database: 'postgres' });
              pool.query('SELECT pg_sleep(60)').catch(() => {});
            };
            """,
        ),
        "mqtt": (
            "sockets",
            """
            const mqtt = require('mqtt');
            exports.process = async function (msg, cfg) {
              const client = mqtt.connect(`mqtt://127.0.0.1:${cfg.mqtt}`);
              client.on('connect', () => client.subscribe('orders'));
              client.on('message', (topic, text) => this.emit('data', { body: String(text) }));
            };
            """,
        ),
        "chokidar": (
            "emitters",
            """
            const chokidar = require('chokidar');
            exports.process = async function (msg, cfg) {
              const watcher = chokidar.watch(cfg.inbox);
              watcher.on('add', (path) => this.emit('data', { body: path }));
            };
            """,
        ),
    },
    "look.py": {
        "aiohttp client": (
            "sockets",
            """
            import aiohttp
            kept = []
            async def process(ctx, msg, cfg):
                session = aiohttp.ClientSession()
                kept.append((session, await session.ws_connect(f"http://127.0.0.1:{cfg['web']}/ws")))
            """,
        ),
        "aiohttp server": (
            "servers",
            """
            from aiohttp import web
            kept = []
            async def process(ctx):
                runner = web.AppRunner(web.Application())
                await runner.setup()
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                kept.append(runner)
            """,
        ),
        "websockets": (
            "sockets",
            """
            import asyncio, websockets
            kept = []
            async def listen_to(source, ctx):
                async for text in source:
                    ctx.emit(text)
            async def process(ctx, msg, cfg):
                source = await websockets.connect(f"ws://127.0.0.1:{cfg['web']}/ws")
                kept.append(asyncio.create_task(listen_to(source, ctx)))
            """,
        ),
        "asyncpg": (
            "sockets",
            """
            import asyncpg
            kept = []
            async def process(ctx, msg, cfg):
                client = await asyncpg.connect(host=cfg["pg"], user="headrace", database="postgres")
                await client.add_listener("orders", lambda *event: ctx.emit(event[-1]))
                kept.append(client)
            """,
        ),
        "psycopg": (
            "sockets",
            """
            import psycopg
            kept = []
            def process(ctx, msg, cfg):
                client = psycopg.connect(host=cfg["pg"], user="headrace", dbname="postgres", autocommit=True)
                client.execute("LISTEN orders")
                kept.append(client)
            """,
        ),
        "watchdog": (
            "watchers",
            """
            from watchdog.events import FileSystemEventHandler
            from watchdog.observers import Observer
            def process(ctx, msg, cfg):
                observer = Observer()
                observer.schedule(FileSystemEventHandler(), cfg["inbox"])
                observer.start()
            """,
        ),
    },
}

CALM = {
    "look.js": {
        "ws client": """
            const WebSocket = require('ws');
            let socket;
            exports.process = async function (msg, cfg) {
              if (!socket) {
                socket = new WebSocket(`ws://127.0.0.1:${cfg.web}`);
                socket.on('message', (text) => this.emit('data', { body: String(text) }));
                await new Promise((done) => socket.once('open', done));
              }
              socket.send('same');
            };
            """,
        "ws client of each call": """
            const WebSocket = require('ws');
            exports.process = async function (msg, cfg) {
              const socket = new WebSocket(`ws://127.0.0.1:${cfg.web}`);
              socket.on('error', () => {});
              await new Promise((done) => socket.once('open', done));
              socket.close();
              await new Promise((done) => socket.once('close', done));
            };
            """,
        "pg pool": """
            const { Pool } = require('pg');
            let pool;
            exports.process = async function (msg, cfg) {
              pool ??= new Pool({ host: cfg.pg, user: 'headrace', database: 'postgres' });
              const { rows } = await pool.query('SELECT 1 AS one');
              if (rows[0].one !== 1) throw new Error('no answer');
            };
            """,
        "pg pool in overlapping calls": """
            const { Pool } = require('pg');
            let pool;
            exports.process = async function (msg, cfg) {
              pool ??= new Pool({ host: cfg.pg, user: 'headrace', database: 'postgres' });
              pool.query('SELECT pg_sleep(0.1)');
            };
            """,
        "mqtt": """
            const mqtt = require('mqtt');
            let client;
            exports.process = async function (msg, cfg) {
              if (!client) {
                client = await mqtt.connectAsync(`mqtt://127.0.0.1:${cfg.mqtt}`);
                client.on('message', (topic, text) => this.emit('data', { body: String(text) }));
                await client.subscribeAsync('orders');
              }
              await client.publishAsync('orders', 'same', { qos: 1 });
            };
            """,
        "chokidar": """
            const chokidar = require('chokidar');
            const fs = require('node:fs');
            let watcher;
            exports.process = async function (msg, cfg) {
              watcher ??= chokidar.watch(cfg.inbox).on('all', (event) => this.emit('data', { body: event }));
              fs.writeFileSync(`${cfg.inbox}/order`, 'x');
            };
            """,
    },
    "look.py": {
        "aiohttp session": """
            import aiohttp
            session = None
            async def process(ctx, msg, cfg):
                global session
                session = session or aiohttp.ClientSession()
                async with session.get(f"http://127.0.0.1:{cfg['web']}/") as answer:
                    assert await answer.text() == "ok"
            """,
        "aiohttp session of each call": """
            import aiohttp
            async def process(ctx, msg, cfg):
                async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{cfg['web']}/") as answer:
                    assert await answer.text() == "ok"
            """,
        "aiohttp client": """
            import aiohttp
            source = None
            async def process(ctx, msg, cfg):
                global source
                source = source or await aiohttp.ClientSession().ws_connect(f"http://127.0.0.1:{cfg['web']}/ws")
                await source.send_str("same")
                ctx.emit(await source.receive_str())
            """,
        "websockets": """
            import websockets
            source = None
            async def process(ctx, msg, cfg):
                global source
                source = source or await websockets.connect(f"ws://127.0.0.1:{cfg['web']}/ws")
                await source.send("same")
                ctx.emit(await source.recv())
            """,
        "asyncpg pool": """
            import asyncpg
            pool = None
            async def process(ctx, msg, cfg):
                global pool
                where = {"host": cfg["pg"], "user": "headrace", "database": "postgres"}
                pool = pool or await asyncpg.create_pool(**where, min_size=9)
                assert await pool.fetchval("SELECT 1") == 1
            """,
        "asyncpg pool that begins empty": """
            import asyncpg
            pool = None
            async def process(ctx, msg, cfg):
                global pool
                where = {"host": cfg["pg"], "user": "headrace", "database": "postgres"}
                pool = pool or await asyncpg.create_pool(**where, min_size=0)
                assert await pool.fetchval("SELECT 1") == 1
            """,
        "psycopg pool": """
            from psycopg_pool import ConnectionPool
            pool = None
            def process(ctx, msg, cfg):
                global pool
                pool = pool or ConnectionPool(f"host={cfg['pg']} user=headrace dbname=postgres", max_size=6, open=True)
                with pool.connection() as client:
                    client.execute("SELECT 1")
            """,
        "watchdog": """
            from watchdog.events import FileSystemEventHandler
            from watchdog.observers import Observer
            observer = None
            def process(ctx, msg, cfg):
                global observer
                if observer is None:
                    observer = Observer()
                    observer.schedule(FileSystemEventHandler(), cfg["inbox"])
                    observer.start()
            """,
    },
}


@dataclass(frozen=True)
class World:
    """A folder with packages, the interpreter that finds them, and where servers are, as ``cfg`` of components."""

    folder: Path
    python: str
    cfg: dict[str, Any]

    async def guard(self, main: str, name: str, code: str, calls: int) -> Guarded:
        """Call it so often, or until there is a leak."""
        folder = self.folder / name.replace(" ", "-")
        inbox = folder / "inbox"
        inbox.mkdir(parents=True)
        (folder / main).write_text(textwrap.dedent(code))
        async with Guarded.start(folder, main, self.cfg | {"inbox": str(inbox)}, python=self.python) as guarded:
            await guarded.calls(calls)
        return guarded


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres_server() as url:
        yield url.partition("host=")[2]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text("{}")
    run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *NPM, folder=folder)
    with served(["node", "servers.js"], folder) as ports:
        yield World(folder, sys.executable, ports | {"pg": database})


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("python")
    interpreter = str(folder / "venv/bin/python")
    run(uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, "venv", folder=folder)
    run(uv.find_uv_bin(), "pip", "install", "--quiet", "--python", interpreter, *PYPI, folder=folder)
    with served([interpreter, "servers.py"], folder) as ports:
        yield World(folder, interpreter, ports | {"pg": database})


@pytest.fixture
def world(main: str, request: pytest.FixtureRequest) -> World:
    made: World = request.getfixturevalue("node" if main == "look.js" else "python")
    return made


def run(*command: str, folder: Path) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@contextmanager
def served(command: list[str], folder: Path) -> Iterator[dict[str, Any]]:
    (folder / command[-1]).write_text(textwrap.dedent(SERVERS[command[-1]]))
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


LANGUAGES = [
    pytest.param("look.py", id="python", marks=pytest.mark.needs("pypi", "postgres")),
    pytest.param("look.js", id="node", marks=pytest.mark.needs("node", "npm", "npm-registry", "postgres")),
]


@pytest.mark.parametrize("main", LANGUAGES)
async def test_careless(world: World, main: str) -> None:
    """All beside each other, as most of their time passes between calls."""
    cases = CARELESS[main]
    waits = (world.guard(main, f"careless {name}", code, 12) for name, (_, code) in cases.items())
    found = dict(zip(cases, await asyncio.gather(*waits), strict=True))
    assert {name: one.leak and one.leak.kind for name, one in found.items()} == {
        name: kind for name, (kind, _) in cases.items()
    }
    assert {name: one.made for name, one in found.items() if one.made > 10} == {}
    assert {name: one.errors for name, one in found.items() if one.errors} == {}


@pytest.mark.parametrize("main", LANGUAGES)
async def test_careful(world: World, main: str) -> None:
    cases = CALM[main]
    waits = (world.guard(main, name, code, 200) for name, code in cases.items())
    found = dict(zip(cases, await asyncio.gather(*waits), strict=True))
    assert {name: one.leak for name, one in found.items() if one.leak} == {}
    assert {name: one.errors for name, one in found.items() if one.errors} == {}
    assert {one.made for one in found.values()} == {200}
