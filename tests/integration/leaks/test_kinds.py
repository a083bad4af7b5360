"""Each kind of leak is told at the tenth call at the latest, each innocent pattern is silent over two hundred."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path

import pytest
from tests.integration.leaks.guarded import Guarded

CARELESS = {
    "look.py": {
        "TCP server": (
            "servers",
            """
            kept = []
            async def process(ctx):
                kept.append(await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0))
            """,
        ),
        "HTTP server": (
            "servers",
            """
            def process(ctx):
                server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
                threading.Thread(target=server.serve_forever, daemon=True).start()
            """,
        ),
        "TCP client": (
            "sockets",
            """
            kept, server = [], socket.create_server(("127.0.0.1", 0))
            async def process(ctx):
                kept.append(await asyncio.open_connection(*server.getsockname()))
            """,
        ),
        "HTTP client": (
            "sockets",
            """
            kept, server = [], ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            def process(ctx):
                client = HTTPConnection(*server.server_address)
                client.connect()
                kept.append(client)
            """,
        ),
        "UDP socket": (
            "sockets",
            """
            kept = []
            def process(ctx):
                kept.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            """,
        ),
        "timer": ("timers", "async def process(ctx):\n    asyncio.get_running_loop().call_later(3600, print)"),
        "interval": (
            "timers",
            """
            def again():
                asyncio.get_running_loop().call_later(0.01, again)
            async def process(ctx):
                again()
            """,
        ),
        "interval on a thread": (
            "threads",
            """
            def again():
                timer = threading.Timer(5, again)
                timer.daemon = True
                timer.start()
            def process(ctx):
                again()
            """,
        ),
        "child process": (
            "processes",
            """
            kept = []
            def process(ctx):
                kept.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE))
            """,
        ),
        "child process of asyncio": (
            "processes",
            """
            kept = []
            async def process(ctx):
                kept.append(await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE))
            """,
        ),
        "file watcher": ("watchers", "def process(ctx):\n    ctypes.CDLL(None).inotify_init1(0)"),
        "database": (
            "files",
            """
            kept = []
            def process(ctx):
                client = sqlite3.connect("orders.db", check_same_thread=False)
                client.execute("CREATE TABLE IF NOT EXISTS orders (number)")
                kept.append(client)
            """,
        ),
        "task": (
            "tasks",
            """
            kept = []
            async def process(ctx):
                kept.append(asyncio.create_task(asyncio.Event().wait()))
            """,
        ),
        "thread": (
            "threads",
            "def process(ctx):\n    threading.Thread(target=threading.Event().wait, daemon=True).start()",
        ),
        "asynchronous generator": (
            "generators",
            """
            kept = []
            async def numbers():
                yield 1
                yield 2
            async def process(ctx):
                kept.append(numbers())
                await anext(kept[-1])
            """,
        ),
        "generator": (
            "generators",
            """
            kept = []
            def numbers():
                yield 1
                yield 2
            def process(ctx):
                kept.append(numbers())
                next(kept[-1])
            """,
        ),
        "listener of an emitter": (
            "events",
            """
            listeners = []
            async def tell():
                while True:
                    await asyncio.sleep(0.02)
                    for listener in listeners:
                        listener({"event": "same"})
            async def process(ctx):
                listeners.append(ctx.emit)
                if len(listeners) == 1:
                    asyncio.get_running_loop().keep = asyncio.create_task(tell())
                await asyncio.sleep(0.05)
            """,
        ),
    },
    "look.js": {
        "TCP server": ("servers", "exports.process = async () => { net.createServer().listen(0, '127.0.0.1'); };"),
        "HTTP server": ("servers", "exports.process = async () => { http.createServer().listen(0, '127.0.0.1'); };"),
        "TCP client": (
            "sockets",
            """
            const server = net.createServer().listen(0, '127.0.0.1');
            exports.process = async () => { net.connect(server.address().port, '127.0.0.1'); };
            """,
        ),
        "HTTP client": (
            "sockets",
            """
            const server = http.createServer((request, response) => response.write('x')).listen(0, '127.0.0.1');
            exports.process = async () => {
              const [answer] = await events.once(http.get({ port: server.address().port }), 'response');
              answer.on('data', () => {});
            };
            """,
        ),
        "UDP socket": ("sockets", "exports.process = async () => { dgram.createSocket('udp4').bind(0); };"),
        "interval": ("timers", "exports.process = async () => { setInterval(() => {}, 10); };"),
        "timer": (
            "timers",
            "const again = () => setTimeout(again, 10);\nexports.process = async () => { again(); };",
        ),
        "child process": ("processes", "exports.process = async () => { child_process.spawn('cat'); };"),
        "file watcher": ("watchers", "exports.process = async () => { fs.watch(__dirname, () => {}); };"),
        "file watcher that polls": (
            "listeners",
            "exports.process = async () => { fs.watchFile(__filename, () => {}); };",
        ),
        "worker": (
            "threads",
            """
            exports.process = async () => {
              new worker_threads.Worker('setInterval(() => {}, 1000)', { eval: true });
            };
            """,
        ),
        "listener of one emitter": (
            "listeners",
            """
            const source = new events.EventEmitter();
            exports.process = async function () {
              source.on('event', (event) => this.emit('data', { body: event }));
            };
            """,
        ),
        "emitter of its own": (
            "emitters",
            """
            const sources = new Set();
            function createListener() {
              const source = new events.EventEmitter();
              sources.add(source);
              return source;
            }
            exports.process = async function () {
              const listener = createListener();
              listener.on('event', (event) => this.emit('data', { body: event }));
            };
            """,
        ),
        "listener that no emitter knows": (
            "events",
            """
            const listeners = [];
            setInterval(() => { for (const listener of listeners) listener({ event: 'same' }); }, 20);
            exports.process = async function () {
              listeners.push((event) => this.emit('data', { body: event }));
              await timers.setTimeout(50);
            };
            """,
        ),
    },
}
CALM = {
    "look.py": {
        "keep-alive": """
            server = ThreadingHTTPServer(("127.0.0.1", 0), Alive)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            client = HTTPConnection(*server.server_address)
            def process(ctx):
                client.request("GET", "/")
                assert client.getresponse().read() == b"alive"
            """,
        "keep-alive to many": """
            servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(40)]
            kept = {}
            async def process(ctx):
                name = servers[len(kept) % len(servers)].getsockname()
                kept[name] = kept.get(name) or await asyncio.open_connection(*name)
            """,
        "pool that grows and is stable": """
            pool, server = [], socket.create_server(("127.0.0.1", 0))
            async def process(ctx):
                if len(pool) < 9:
                    pool.append(await asyncio.open_connection(*server.getsockname()))
            """,
        "pool of threads": """
            pool = ThreadPoolExecutor(40)
            def process(ctx):
                list(pool.map(time.sleep, [0.001, 0.001]))
            """,
        "cache": """
            cache = {}
            def process(ctx):
                cache[len(cache)] = {"name": str(len(cache)), "orders": [object()] * 100}
            """,
        "reconnect": """
            kept, calls, server = None, 0, socket.create_server(("127.0.0.1", 0))
            async def process(ctx):
                global kept, calls
                calls += 1
                if kept is None or calls == 60:
                    kept = await asyncio.open_connection(*server.getsockname())
            """,
        "work that goes on for a while": """
            async def process(ctx):
                asyncio.get_running_loop().call_later(0.15, asyncio.create_task(asyncio.sleep(0.15)).done)
            """,
        "garbage in cycles": """
            class Client:
                def __init__(self):
                    self.me, self.socket, self.numbers = self, socket.socket(), iter(number for number in range(3))
            def process(ctx):
                next(Client().numbers)
            """,
        "generator that is given up": """
            async def numbers():
                yield 1
                yield 2
            async def process(ctx):
                next(iter(number for number in range(3)))
                async for _ in numbers():
                    break
            """,
    },
    "look.js": {
        "keep-alive": """
            const agent = new http.Agent({ keepAlive: true });
            const server = http.createServer((request, response) => response.end('x')).listen(0, '127.0.0.1');
            exports.process = async () => {
              const [answer] = await events.once(http.get({ port: server.address().port, agent }), 'response');
              await events.once(answer.resume(), 'end');
            };
            """,
        "keep-alive to many": """
            const servers = Array.from({ length: 40 }, () => net.createServer().listen(0, '127.0.0.1'));
            const kept = new Map();
            exports.process = async () => {
              const { port } = servers[kept.size % servers.length].address();
              if (!kept.has(port)) kept.set(port, net.connect(port, '127.0.0.1'));
            };
            """,
        "fetch": """
            const server = http.createServer((request, response) => response.end('x')).listen(0, '127.0.0.1');
            exports.process = async () => {
              const address = `http://127.0.0.1:${server.address().port}`;
              await (await fetch(address, { signal: AbortSignal.timeout(60000) })).text();
            };
            """,
        "pool that grows and is stable": """
            const pool = [];
            const server = net.createServer().listen(0, '127.0.0.1');
            exports.process = async () => {
              if (pool.length < 9) pool.push(net.connect(server.address().port, '127.0.0.1'));
            };
            """,
        "cache": """
            const cache = new Map();
            exports.process = async () => { cache.set(cache.size, { orders: Array(100).fill({}) }); };
            """,
        "reconnect": """
            let kept;
            let calls = 0;
            const server = net.createServer().listen(0, '127.0.0.1');
            exports.process = async function () {
              calls += 1;
              if (kept && calls !== 60) return;
              kept = net.connect(server.address().port, '127.0.0.1');
              kept.on('data', () => this.emit('data', { body: {} }));
            };
            """,
        "work that goes on for a while": "exports.process = async () => { setTimeout(() => {}, 150); };",
        "client of each call": """
            class Client extends events.EventEmitter {}
            exports.process = async () => {
              const client = new Client();
              client.on('error', () => {});
              const child = child_process.spawn('true');
              child.on('error', () => {});
              await events.once(child, 'close');
            };
            """,
    },
}
HEADS = {
    "look.py": """
        import asyncio, ctypes, socket, sqlite3, subprocess, threading, time
        from concurrent.futures import ThreadPoolExecutor
        from http.client import HTTPConnection
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        class Alive(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"alive")
            def log_message(self, *_):
                pass
        """,
    "look.js": "\n".join(
        f"const {name} = require('node:{name}');"
        for name in ("child_process", "dgram", "events", "fs", "http", "net", "worker_threads")
    )
    + "\nconst timers = require('node:timers/promises');",
}
CURES = {"look.py": "async def listen", "look.js": "exports.listen"}


def write(folder: Path, main: str, code: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / main).write_text(f"{textwrap.dedent(HEADS[main])}\n{textwrap.dedent(code)}")


LANGUAGES = [pytest.param("look.py", id="python"), pytest.param("look.js", id="node", marks=pytest.mark.needs("node"))]


async def guard(main: str, folder: Path, code: str, calls: int) -> Guarded:
    """Call it so often, or until there is a leak."""
    write(folder, main, code)
    async with Guarded.start(folder, main) as guarded:
        await guarded.calls(calls)
    return guarded


@pytest.mark.parametrize("main", LANGUAGES)
async def test_careless(main: str, tmp_path: Path) -> None:
    """All beside each other, as most of their time passes between calls."""
    cases = CARELESS[main]
    waits = (guard(main, tmp_path / name.replace(" ", "-"), code, 12) for name, (_, code) in cases.items())
    found = dict(zip(cases, await asyncio.gather(*waits), strict=True))
    assert {name: one.leak and one.leak.kind for name, one in found.items()} == {
        name: kind for name, (kind, _) in cases.items()
    }
    assert {name: one.made for name, one in found.items() if one.made > 10} == {}
    assert {name: one.errors for name, one in found.items() if one.errors} == {}
    leaks = [one.leak for one in found.values() if one.leak]
    assert all(leak.growth >= 1 and CURES[main] in leak.cure for leak in leaks)


@pytest.mark.parametrize("main", LANGUAGES)
async def test_careful(main: str, tmp_path: Path) -> None:
    cases = CALM[main]
    waits = (guard(main, tmp_path / name.replace(" ", "-"), code, 200) for name, code in cases.items())
    found = dict(zip(cases, await asyncio.gather(*waits), strict=True))
    assert {name: one.leak for name, one in found.items() if one.leak} == {}
    assert {name: one.errors for name, one in found.items() if one.errors} == {}
    assert {len(one.counted) for one in found.values()} == {200}


SERVERS = {
    "look.py": """
        server = None
        async def serve(reader, writer):
            await reader.read()
        async def process(ctx):
            global server
            if server is None:
                server = await asyncio.start_server(serve, "127.0.0.1", 0)
                await ctx.emit(server.sockets[0].getsockname()[1])
        """,
    "look.js": """
        let server;
        exports.process = async function () {
          if (server) return;
          server = net.createServer((client) => client.on('data', () => {}));
          server.on('connection', () => setTimeout(() => {}, 3600000));
          await events.once(server.listen(0, '127.0.0.1'), 'listening');
          await this.emit('data', { body: server.address().port });
        };
        """,
}


@pytest.mark.parametrize("main", LANGUAGES)
async def test_a_server_whose_clients_come_and_stay_is_careful(main: str, tmp_path: Path) -> None:
    write(tmp_path, main, SERVERS[main])
    async with Guarded.start(tmp_path, main) as guarded:
        await guarded.calls(1)
        (port,) = guarded.emitted
        kept = []
        for call in range(2, 40):
            kept.append(await asyncio.open_connection("127.0.0.1", port))
            await guarded.calls(1)
            assert guarded.made == call
        assert (guarded.leak, guarded.errors) == (None, [])
        busiest = max(guarded.counted[-1], key=lambda kind: guarded.counted[-1][kind])
        assert busiest in ("clients", "tasks", "timers"), guarded.counted[-1]
        for _, writer in kept:
            writer.close()
