"""Hosts, workers and the broker are killed for real while numbered events pass: none is lost, none doubled."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.integration.test_worker import action, arrived, errors, hook, listener, step_state

from headrace.bus import journal, subjects
from headrace.bus.message import decode
from headrace.flows.deployment import DeploymentSpec
from headrace.testing.plane import Plane, RunningWorker, until

EVENTS = 600
SLOWLY = (
    "import asyncio\nasync def process(ctx, msg, cfg, snapshot):\n    await asyncio.sleep(0.002)\n    return msg.body\n"
)
COUNTING = (
    "import asyncio\n"
    "from headrace_sdk import Message\n"
    "async def listen(ctx, cfg, snapshot):\n"
    f"    for number in range(snapshot.get('next', 0), {EVENTS}):\n"
    "        await ctx.emit(Message(body={'n': number}, id=f'n{number}'))\n"
    "        await ctx.update_snapshot({'next': number + 1})\n"
    "    await asyncio.Event().wait()\n"
)


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        yield running


def counting(plane: Plane, **options: Any) -> DeploymentSpec:
    return plane.chain(
        listener(plane, COUNTING),
        action(plane, "first", SLOWLY, **options),
        action(plane, "second", SLOWLY, input='{"n": body.n}', **options),
    )


async def all_numbers(plane: Plane, spec: DeploymentSpec, within: float = 60.0) -> list[int]:
    """What the last step emitted, once every number is there."""

    async def complete() -> list[int] | None:
        numbers = [body["n"] for body in await plane.bodies(spec, "second")]
        return numbers if len(set(numbers)) == EVENTS else None

    numbers: list[int] = await until(complete, within=within, what="every number at the last step")
    return numbers


async def processed(plane: Plane, spec: DeploymentSpec, count: int) -> None:
    await arrived(plane, spec, "second", count, within=40)


async def all_restarted(worker: RunningWorker) -> bool:
    """One that had nothing more to do may come back last."""
    return sum(step.restarts for step in (await worker.state()).steps) >= 5


async def test_hosts_killed_in_mid_stream_lose_and_double_nothing(plane: Plane) -> None:
    spec = counting(plane)
    worker = await plane.live(spec)
    for count, step in ((50, "first"), (150, "second"), (250, "source"), (350, "first"), (400, "second")):
        await processed(plane, spec, count)
        worker.host(await worker.state(), step).kill()
    assert await all_numbers(plane, spec) == list(range(EVENTS))
    await until(lambda: all_restarted(worker), what="every host that was killed runs again")
    assert [await plane.errors(spec, step) for step in ("first", "second")] == [[], []]


async def test_a_worker_killed_in_mid_stream_loses_and_doubles_nothing(plane: Plane) -> None:
    spec = counting(plane)
    worker = await plane.live(spec)
    for count in (60, 200, 350):
        await processed(plane, spec, count)
        worker.kill()
        worker = plane.restart(spec)
        await worker.activate()
    assert await all_numbers(plane, spec) == list(range(EVENTS))
    for step in ("source", "first", "second"):
        assert Counter(message.id for message in await plane.outputs(spec, step)).most_common(1)[0][1] == 1


async def test_hosts_end_with_their_worker(plane: Plane) -> None:
    spec = counting(plane)
    worker = await plane.live(spec)
    hosts = [worker.host(await worker.state(), step.id) for step in spec.steps]
    worker.kill()
    await until(lambda: not any(host.is_running() and host.status() != "zombie" for host in hosts), what="hosts end")


async def test_a_broker_that_is_killed_and_started_again_loses_and_doubles_nothing(plane: Plane) -> None:
    spec = counting(plane)
    await plane.live(spec)
    for count in (80, 250):
        await processed(plane, spec, count)
        process = plane.broker.process
        assert process is not None
        os.kill(process.pid, 9)
        await plane.broker.died()
        await plane.broker.start()
    assert await all_numbers(plane, spec) == list(range(EVENTS))


async def test_a_stopped_worker_leaves_the_rest_for_the_next_one(plane: Plane) -> None:
    spec = counting(plane, concurrency=4)
    worker = await plane.live(spec)
    await processed(plane, spec, 100)
    await worker.stop()
    left = [await journal.depth(plane.bus, spec.flow_id, spec.epoch, step) for step in ("first", "second")]
    assert sum(depth.held for depth in left) < EVENTS
    worker = plane.restart(spec)
    await worker.activate()
    numbers = await all_numbers(plane, spec)
    assert Counter(numbers) == dict.fromkeys(range(EVENTS), 1)
    await worker.stop()
    calls = sum(fact.kind == "done" and fact.step == "second" for fact in await plane.facts(spec))
    assert calls == EVENTS, "a graceful stop repeats no call"


async def test_a_message_that_kills_its_host_is_an_error_the_third_time_and_the_flow_goes_on(plane: Plane) -> None:
    deadly = "import os\ndef process(msg):\n    if msg.body['n'] == 3:\n        os._exit(9)\n    return msg.body\n"
    spec = plane.chain(hook(plane), action(plane, "deadly", deadly))
    worker = await plane.live(spec)
    for number in range(8):
        await plane.send(spec, {"n": number})
    bodies = await arrived(plane, spec, "deadly", 7)
    assert bodies == [{"n": number} for number in range(8) if number != 3]
    (error,) = await errors(plane, spec, "deadly")
    assert error.failure.reason == "poison"
    assert error.failure.message.endswith("3 deaths of its host; the last one: exit code 9")
    assert msgspec.json.decode(error.message.body) == {"n": 3}
    assert 3 <= (await step_state(worker, "deadly")).restarts <= 4


async def test_the_count_of_a_deadly_message_outlives_the_worker(plane: Plane) -> None:
    deadly = "import os\ndef process(msg):\n    os._exit(9)\n"
    spec = plane.chain(hook(plane), action(plane, "deadly", deadly))
    worker = await plane.live(spec)
    await plane.send(spec, {"n": 1})
    await until(lambda: _restarts(worker, 2), within=20)
    worker.kill()
    again = plane.restart(spec)
    await again.activate()
    await errors(plane, spec, "deadly")
    assert (await step_state(again, "deadly")).restarts <= 2


async def _restarts(worker: RunningWorker, count: int) -> bool:
    return bool((await step_state(worker, "deadly")).restarts >= count)


async def test_outputs_older_than_the_duplicate_window_are_recognised_too(plane: Plane) -> None:
    """A night of ``down`` repeats nothing: the recovering worker reads its own outputs."""
    spec = plane.chain(hook(plane), action(plane, "once"))
    worker = await plane.live(spec)
    await plane.send(spec, {"n": 1})
    (output,) = [message async for message in _first(plane, spec, "once")]
    await worker.stop()
    await _forget_duplicates(plane, spec)
    await _unacknowledge(plane, spec, "once")
    again = plane.restart(spec)
    await again.activate()
    await plane.send(spec, {"n": 2})
    assert await arrived(plane, spec, "once", 2) == [{"n": 1}, {"n": 2}]
    assert (await plane.outputs(spec, "once"))[0].id == output.id


BY_CHANCE = (
    "import os, uuid\n"
    "from headrace_sdk import Message\n"
    "async def process(ctx, msg):\n"
    "    for number in range(4):\n"
    "        await ctx.emit(Message({'n': number}, id=str(uuid.uuid4())))\n"
    "        if number == 2 and msg.body.get('die') and await first(ctx):\n"
    "            os._exit(1)\n"
    "async def first(ctx):\n"
    "    if ctx.snapshot.get('died'):\n"
    "        return False\n"
    "    await ctx.update_snapshot({'died': True})\n"
    "    return True\n"
)


async def test_what_was_emitted_under_random_ids_is_recognised_after_a_crash(plane: Plane) -> None:
    spec = plane.chain(hook(plane), action(plane, "random", BY_CHANCE))
    worker = await plane.live(spec)
    await plane.send(spec, {"die": True})
    await plane.send(spec, {})
    assert await arrived(plane, spec, "random", 8) == [{"n": number} for number in range(4)] * 2
    assert (await step_state(worker, "random")).restarts == 1
    assert (await worker.state()).repeats == 3
    assert len(await plane.outputs(spec, "random")) == 8


async def _first(plane: Plane, spec: DeploymentSpec, step: str) -> AsyncIterator[Any]:
    await arrived(plane, spec, step, 1)
    for message in await plane.outputs(spec, step):
        yield message


async def _forget_duplicates(plane: Plane, spec: DeploymentSpec) -> None:
    """As after ten minutes: the broker knows no message id any more."""
    stream = subjects.stream(spec.flow_id)
    config = (await plane.bus.api(f"STREAM.INFO.{stream}"))["config"]
    await plane.bus.api(f"STREAM.UPDATE.{stream}", config | {"duplicate_window": 100_000_000})
    await asyncio.sleep(0.3)


async def _unacknowledge(plane: Plane, spec: DeploymentSpec, step: str) -> None:
    """As after a crash between storing the output and acknowledging the input."""
    stream, name = subjects.stream(spec.flow_id), subjects.consumer(spec.epoch, step)
    config = (await plane.bus.api(f"CONSUMER.INFO.{stream}.{name}"))["config"]
    await plane.bus.api(f"CONSUMER.DELETE.{stream}.{name}")
    await plane.bus.api(
        f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": config, "action": "create"}
    )
    undo = await plane.bus.subscribe(journal.deliver(spec, spec.step(step)), _drop)
    await until(lambda: _delivered(plane, spec, step), what="a delivery that is never acknowledged")
    await undo()


async def _drop(subject: str, data: bytes, reply: str) -> None:
    """Receive and forget."""


async def _delivered(plane: Plane, spec: DeploymentSpec, step: str) -> bool:
    return (await journal.depth(plane.bus, spec.flow_id, spec.epoch, step)).held == 1


async def test_the_next_deployment_takes_over_what_the_last_one_left(plane: Plane) -> None:
    old = counting(plane)
    worker = await plane.live(old)
    await processed(plane, old, 100)
    await worker.stop()
    new = msgspec.structs.replace(old, epoch=2)
    await journal.prepare(plane.bus, new)
    result = await journal.take_over(plane.bus, old, new)
    assert result.moved > 0 and result.parked == 0
    await plane.live(new)
    before = [body["n"] for body in await plane.bodies(old, "second")]

    async def complete() -> list[int] | None:
        numbers = before + [body["n"] for body in await plane.bodies(new, "second")]
        return numbers if len(set(numbers)) == EVENTS else None

    assert await until(complete, within=60) == list(range(EVENTS))
    assert await plane.bus.api(f"STREAM.INFO.{subjects.stream(old.flow_id)}")
    info = await plane.bus.api(f"CONSUMER.LIST.{subjects.stream(old.flow_id)}")
    assert {consumer["name"] for consumer in info["consumers"]} == {"2_first", "2_second"}


async def test_what_has_no_successor_is_parked_as_an_error(plane: Plane) -> None:
    slow = "import time\ndef process(msg):\n    time.sleep(0.5)\n    return msg.body\n"
    old = plane.chain(hook(plane), action(plane, "gone", slow))
    worker = await plane.live(old)
    sent = [await plane.send(old, {"n": number}) for number in range(4)]
    await arrived(plane, old, "hook", 4)
    await worker.stop()
    new = plane.chain(hook(plane), action(plane, "other"), epoch=2)
    await journal.prepare(plane.bus, new)
    result = await journal.take_over(plane.bus, old, new)
    done = len(await plane.bodies(old, "gone"))
    assert result.parked == 4 - done and result.parked >= 2
    parked = await plane.errors(old, "gone")
    assert {error.failure.reason for error in parked} == {"no-successor"}
    assert {error.message.execution for error in parked} <= {message.execution for message in sent}
    assert {fact.error for fact in await plane.facts(old) if fact.kind == "failed"} == {error.id for error in parked}


async def test_only_acknowledged_messages_are_purged(plane: Plane) -> None:
    slow = "import time\ndef process(msg):\n    time.sleep(0.2)\n    return {'n': msg.body['n']}\n"
    spec = plane.chain(hook(plane), action(plane, "pass"), action(plane, "slow", slow), journal_bytes=1 << 20)
    await plane.live(spec)
    for number in range(30):
        await plane.send(spec, {"n": number, "pad": "x" * 9000})

    async def purged() -> bool:
        state = (await plane.bus.api(f"STREAM.INFO.{subjects.stream(spec.flow_id)}"))["state"]
        return int(state.get("num_deleted", 0)) + int(state["first_seq"]) > 10

    await until(purged, within=30, what="something is purged")
    await arrived(plane, spec, "slow", 30, within=40)
    assert sorted(body["n"] for body in await plane.bodies(spec, "slow")) == list(range(30))


async def test_an_unreadable_entry_does_not_stop_the_flow(plane: Plane) -> None:
    spec = plane.chain(hook(plane), action(plane, "last"))
    await plane.live(spec)
    await plane.bus.store(subjects.inbox(spec.flow_id, spec.epoch, "hook"), b"not an envelope")
    await plane.send(spec, {"n": 1})
    assert await arrived(plane, spec, "last", 1) == [{"n": 1}]
    entries = [entry async for entry in plane.bus.read(subjects.stream(spec.flow_id), "flow.>")]
    assert any(entry.data == b"not an envelope" for entry in entries)
    assert decode(entries[-1].data).step == "last"
