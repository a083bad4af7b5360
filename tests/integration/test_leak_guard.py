"""The leak guard on real hosts: careless triggers are told within ten calls, careful ones never."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from tests.integration.test_worker import action, logged, step_state

from headrace.flows.deployment import StepSpec
from headrace.testing.plane import Plane, RunningWorker, until

INTERVAL = 0.03
"""More than what two censuses are apart at least."""

TIMERS = {
    "look.py": "import asyncio\nasync def process(ctx):\n    asyncio.get_running_loop().call_later(3600, print)\n",
    "look.js": "exports.process = async () => { setInterval(() => {}, 3600000); };",
}


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        yield running


async def running(
    plane: Plane,
    file: str,
    source: str,
    *,
    last: StepSpec | None = None,
    quiet_after: float = 10.0,
    call_max: float = 30.0,
    **options: Any,
) -> RunningWorker:
    files = {file: textwrap.dedent(source)} | ({"package.json": "{}"} if file.endswith(".js") else {})
    trigger = StepSpec(
        id="source",
        kind="trigger",
        function="look",
        main=file,
        code=plane.component("source", files),
        trigger_type="polling",
        poll_interval=INTERVAL,
        quiet_after=quiet_after,
        call_max=call_max,
    )
    return await plane.live(plane.chain(trigger, last or action(plane, "last"), **options))


async def leak(worker: RunningWorker) -> Any:
    async def told() -> Any:
        state = await step_state(worker, "source")
        return state if state.leak is not None else None

    return await until(told, within=15.0, what="a leak")


@pytest.mark.parametrize(
    ("file", "cure"),
    [("look.py", "async def listen"), pytest.param("look.js", "exports.listen", marks=pytest.mark.needs("node"))],
)
async def test_a_careless_trigger_is_stopped_within_ten_calls(plane: Plane, file: str, cure: str) -> None:
    """It is stopped, so what it has received is the number of its calls."""
    worker = await running(plane, file, TIMERS[file], leak_guard="stop")
    state = await leak(worker)
    assert state.received <= 10
    assert (state.leak.kind, state.leak.growth) == ("timers", 1)
    assert cure in state.leak.cure
    assert state.leak.stopped
    assert state.reason == str(state.leak)
    assert state.reason.startswith("stopped by the leak guard: the trigger leaks timers: 1 more at every call. ")
    await logged(plane, worker.spec, "source", state.reason)


async def test_a_stopped_trigger_is_handed_over_and_begins_anew_when_it_is_activated(plane: Plane) -> None:
    worker = await running(plane, "look.py", TIMERS["look.py"], leak_guard="stop")
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
    await asyncio.sleep(0.1)
"""


async def test_listeners_that_no_census_sees_are_told_by_the_events_they_repeat(plane: Plane) -> None:
    worker = await running(plane, "look.py", LISTENERS, leak_guard="stop")
    state = await leak(worker)
    assert state.leak.kind == "events"
    assert state.received <= 10


async def test_without_stop_it_is_told_once_and_goes_on(plane: Plane) -> None:
    code = "import socket\nkept = []\nasync def process(ctx):\n    kept.append(socket.socket())\n"
    worker = await running(plane, "look.py", code)
    await leak(worker)
    await until(lambda: _called(worker, 40), within=15.0, what="40 calls")
    await logged(plane, worker.spec, "source", "leaks sockets")
    lines = [line for line in await plane.log(worker.spec, "source") if "leaks" in line.text]
    assert len(lines) == 1


async def _called(worker: RunningWorker, times: int) -> bool:
    return bool((await step_state(worker, "source")).received >= times)


async def test_work_that_waits_for_crowded_steps_is_no_leak(plane: Plane) -> None:
    code = """
        import asyncio
        kept = []
        async def process(ctx):
            kept.append(asyncio.create_task(ctx.emit({})))
        """
    slow = "import asyncio\nasync def process(msg):\n    await asyncio.sleep(60)\n"
    worker = await running(plane, "look.py", code, last=action(plane, "last", slow, queue_limit=1))
    await until(lambda: _called(worker, 40), within=15.0, what="40 calls")
    state = await step_state(worker, "source")
    assert state.waiting > 20
    assert state.leak is None


LISTENER = """
const { EventEmitter } = require('node:events');
const net = require('node:net');

function createListener() {
  const listener = new EventEmitter();
  const lines = (data) => String(data).trim().split('\\n').forEach((line) => listener.emit('event', Number(line)));
  net.connect(PORT, '127.0.0.1').on('data', lines).on('error', () => {});
  return listener;
}
"""
CARELESS = """
exports.process = function () {
  const listener = createListener();
  listener.on('event', e => this.emit('data', { body: e }));
};
"""
CAREFUL = """
let listener;
exports.process = function () {
  if (!listener) {
    listener = createListener();
    listener.on('event', e => this.emit('data', { body: e }));
  }
};
"""


class Source:
    """Tells everyone who is connected of each event."""

    def __init__(self) -> None:
        self.clients: list[asyncio.StreamWriter] = []
        self.told = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Its port."""
        server = await asyncio.start_server(lambda _, writer: self.clients.append(writer), "127.0.0.1", 0)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for client in self.clients:
                client.close()

    async def tell(self, until_called: int, worker: RunningWorker) -> None:
        """An event in some milliseconds, over so many calls."""
        while not await _called(worker, until_called):
            self.told += 1
            for client in self.clients:
                client.write(b"%d\n" % self.told)
            await asyncio.sleep(0.02)


async def listening(plane: Plane, port: int, code: str, **options: Any) -> RunningWorker:
    """A call in 25 ms, as after hours: each returns nothing and is over when it has been quiet for a while."""
    source = f"{LISTENER.replace('PORT', str(port))}{code}"
    return await running(plane, "look.js", source, quiet_after=0.005, call_max=0.01, **options)


@pytest.mark.needs("node")
async def test_one_listener_for_the_life_of_the_host_gives_one_execution_per_event(plane: Plane) -> None:
    source = Source()
    async with source.open() as port:
        worker = await listening(plane, port, CAREFUL)
        await until(lambda: source.clients, what="a connection")
        await source.tell(200, worker)
        numbers = list(range(1, source.told + 1))
        await until(lambda: _emitted(worker, source.told), what="every event")
        assert len(source.clients) == 1
    outputs = await plane.outputs(worker.spec, "source")
    assert [msgspec.json.decode(each.body) for each in outputs] == numbers
    assert len({each.execution for each in outputs}) == len(numbers)
    assert (await step_state(worker, "source")).leak is None


@pytest.mark.needs("node")
async def test_a_listener_at_every_call_multiplies_events_and_is_told_once(plane: Plane) -> None:
    source = Source()
    async with source.open() as port:
        worker = await listening(plane, port, CARELESS)
        await source.tell(30, worker)
        told = await leak(worker)
        assert len(source.clients) >= 20
    bodies = await plane.bodies(worker.spec, "source")
    assert max(bodies.count(body) for body in bodies) > 10
    assert "exports.listen" in told.leak.cure
    await logged(plane, worker.spec, "source", str(told.leak))
    lines = [line for line in await plane.log(worker.spec, "source") if "leaks" in line.text]
    assert len(lines) == 1


@pytest.mark.needs("node")
async def test_a_listener_at_every_call_is_stopped_before_it_does_harm(plane: Plane) -> None:
    source = Source()
    async with source.open() as port:
        worker = await listening(plane, port, CARELESS, leak_guard="stop")
        telling = asyncio.create_task(source.tell(30, worker))
        await leak(worker)
        await until(lambda: _host_is(worker, "stopped"), what="the end of the host")
        telling.cancel()
        state = await step_state(worker, "source")
        assert state.received <= 10
        assert state.reason.startswith("stopped by the leak guard")
    bodies = await plane.bodies(worker.spec, "source")
    assert max(bodies.count(body) for body in bodies) <= 10


async def _emitted(worker: RunningWorker, events: int) -> bool:
    return bool((await step_state(worker, "source")).emitted >= events)
