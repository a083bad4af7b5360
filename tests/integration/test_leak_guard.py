"""The leak guard on real hosts: careless triggers are told within ten calls, careful ones never."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.integration.test_worker import action, logged, step_state

from headrace.flows.deployment import StepSpec
from headrace.testing.plane import Plane, RunningWorker, until

INTERVAL = 0.03
"""More than what two censuses are apart at least."""

PYTHON = {
    "sockets": "import socket\nkept = []\ndef process(ctx):\n    kept.append(socket.socketpair()[0])\n",
    "servers": """
        import asyncio
        kept = []
        async def process(ctx):
            kept.append(await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0))
        """,
    "tasks": """
        import asyncio
        kept = []
        async def process(ctx):
            kept.append(asyncio.create_task(asyncio.Event().wait()))
        """,
    "threads": """
        import threading
        async def process(ctx):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        """,
    "timers": """
        import asyncio
        async def process(ctx):
            asyncio.get_running_loop().call_later(3600, print)
        """,
    "generators": """
        kept = []
        async def numbers():
            yield 1
            yield 2
        async def process(ctx):
            generator = numbers()
            await anext(generator)
            kept.append(generator)
        """,
    "processes": """
        import asyncio, sys
        kept = []
        async def process(ctx):
            pipe = asyncio.subprocess.PIPE
            kept.append(await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=pipe))
        """,
}
NODE = {
    "sockets": """
        const net = require('node:net');
        const server = net.createServer(() => {});
        const up = new Promise((done) => server.listen(0, '127.0.0.1', done));
        exports.process = async () => { await up; net.connect(server.address().port, '127.0.0.1'); };
        """,
    "servers": "exports.process = async () => { require('node:http').createServer().listen(0, '127.0.0.1'); };",
    "timers": "exports.process = async () => { setInterval(() => {}, 3600000); };",
    "processes": "exports.process = async () => { require('node:child_process').spawn('sleep', ['600']); };",
    "watchers": "exports.process = async () => { require('node:fs').watch(__dirname, () => {}); };",
    "listeners": """
        const source = new (require('node:events').EventEmitter)();
        exports.process = async function () { source.on('event', () => this.emit('data', { body: {} })); };
        """,
}
CALM_PYTHON = """
import asyncio
pool, cache, listener = [], {}, None
calls = 0
async def process(ctx):
    global calls, listener
    calls += 1
    listener = listener or await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    if len(pool) < 8:
        pool.append(asyncio.create_task(asyncio.Event().wait()))
    if calls == 60:  # one reconnect
        listener.close()
        listener = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    cache[calls] = bytes(1000)
"""
CALM_NODE = """
const http = require('node:http');
const agent = new http.Agent({ keepAlive: true });
const server = http.createServer((request, response) => response.end('x')).listen(0, '127.0.0.1');
const pool = [];
exports.process = async () => {
  if (pool.length < 8) pool.push(setInterval(() => {}, 3600000));
  await new Promise((done) => {
    http.get({ port: server.address().port, agent }, (answer) => answer.resume().on('end', done));
  });
};
"""


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        yield running


async def running(plane: Plane, file: str, source: str, **options: Any) -> RunningWorker:
    files = {file: textwrap.dedent(source)} | ({"package.json": "{}"} if file.endswith(".js") else {})
    trigger = StepSpec(
        id="source",
        kind="trigger",
        function="look",
        main=file,
        code=plane.component("source", files),
        trigger_type="polling",
        poll_interval=INTERVAL,
    )
    return await plane.live(plane.chain(trigger, action(plane, "last"), **options))


async def leak(worker: RunningWorker) -> Any:
    async def told() -> Any:
        state = await step_state(worker, "source")
        return state if state.leak is not None else None

    return await until(told, within=15.0, what="a leak")


async def check_told(plane: Plane, file: str, source: str) -> Any:
    """It is stopped, so what it has received is the number of its calls."""
    worker = await running(plane, file, source, leak_guard="stop")
    state = await leak(worker)
    assert state.received <= 10
    assert state.leak.growth >= 1
    assert state.reason.startswith("stopped by the leak guard")
    return state.leak


@pytest.mark.parametrize("kind", PYTHON)
async def test_careless_python_is_stopped_within_ten_calls(plane: Plane, kind: str) -> None:
    found = await check_told(plane, "look.py", PYTHON[kind])
    assert "async def listen" in found.cure


@pytest.mark.needs("node")
@pytest.mark.parametrize("kind", NODE)
async def test_careless_node_is_stopped_within_ten_calls(plane: Plane, kind: str) -> None:
    found = await check_told(plane, "look.js", NODE[kind])
    assert "exports.listen" in found.cure


async def test_a_stopped_trigger_is_handed_over_and_begins_anew_when_it_is_activated(plane: Plane) -> None:
    worker = await running(plane, "look.py", PYTHON["timers"], leak_guard="stop")
    state = await leak(worker)
    assert state.received <= 10
    await until(lambda: _host_is(worker, "stopped"), what="the end of the host")
    await worker.tell("quiesce")
    await worker.reach("drained")
    await until(lambda: _host_is(worker, "ready"), what="a fresh host")
    await worker.tell("activate")
    await worker.reach("live")
    await until(lambda: _called(worker, state.received + 10), what="ten more calls")
    assert (await leak(worker)).received == 2 * state.received


async def _host_is(worker: RunningWorker, host: str) -> bool:
    return bool((await step_state(worker, "source")).host == host)


LISTENERS = """
import asyncio
listeners, kept = [], []
async def tell():
    while True:
        await asyncio.sleep(0.05)
        for listener in listeners:
            listener({"event": "same"})
async def process(ctx):
    listeners.append(ctx.emit)
    if not kept:
        kept.append(asyncio.create_task(tell()))
"""


async def test_listeners_that_no_census_sees_are_told_by_the_events_they_repeat(plane: Plane) -> None:
    worker = await running(plane, "look.py", LISTENERS, leak_guard="stop")
    state = await leak(worker)
    assert state.leak.kind == "events"
    assert state.received <= 10


async def test_without_stop_it_is_told_once_and_goes_on(plane: Plane) -> None:
    worker = await running(plane, "look.py", PYTHON["sockets"])
    await leak(worker)
    await until(lambda: _called(worker, 40), within=15.0, what="40 calls")
    await logged(plane, worker.spec, "source", "leaks sockets")
    lines = [line for line in await plane.log(worker.spec, "source") if "leaks" in line.text]
    assert len(lines) == 1


async def _called(worker: RunningWorker, times: int) -> bool:
    return bool((await step_state(worker, "source")).received >= times)


@pytest.mark.parametrize(
    ("file", "source"), [("look.py", CALM_PYTHON), pytest.param("look.js", CALM_NODE, marks=pytest.mark.needs("node"))]
)
async def test_pools_caches_and_a_reconnect_are_silent_over_two_hundred_calls(
    plane: Plane, file: str, source: str
) -> None:
    worker = await running(plane, file, source)
    await until(lambda: _called(worker, 200), within=60.0, what="200 calls")
    assert (await step_state(worker, "source")).leak is None
