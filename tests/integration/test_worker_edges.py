"""A worker at its edges: leases lost, hooks that fail, brokers that blink, hosts that speak their last words."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from tests.integration.test_worker import action, arrived, errors, hook, listener, logged, step_state

from headrace.bus import journal, subjects
from headrace.bus.buckets import Bucket
from headrace.errors import HeadraceError
from headrace.flows.deployment import DeploymentSpec, Grants, Retry
from headrace.testing.plane import Plane, RunningWorker, until

TICKING = (
    "import asyncio\n"
    "async def listen(ctx, cfg, snapshot):\n"
    "    number = 0\n"
    "    while True:\n"
    "        await ctx.emit({'n': number})\n"
    "        number += 1\n"
    "        await asyncio.sleep(0.01)\n"
)


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        yield running


async def restart_broker(plane: Plane, away: float = 0.0) -> None:
    process = plane.broker.process
    assert process is not None
    os.kill(process.pid, 9)
    await plane.broker.died()
    await asyncio.sleep(away)
    await plane.broker.start()
    await until(lambda: plane.bus.connected)


# -- lease and phases -------------------------------------------------------------------------------------------


async def test_a_worker_that_loses_its_lease_silences_its_trigger_by_itself(plane: Plane) -> None:
    spec = plane.chain(listener(plane, TICKING), action(plane, "last"))
    worker = await plane.live(spec)
    await arrived(plane, spec, "last", 5)
    await Bucket(plane.bus, subjects.LEASES).put(spec.flow_id, b"2")
    await worker.reach("draining", "drained")
    emitted = len(await plane.outputs(spec, "source"))
    await worker.reach("drained")
    assert len(await plane.outputs(spec, "source")) == emitted == len(await plane.outputs(spec, "last"))


async def test_a_write_that_the_lease_refuses_changes_nothing(plane: Plane) -> None:
    spec = plane.chain(hook(plane), action(plane, "last"))
    worker = await plane.live(spec)
    lease = Bucket(plane.bus, subjects.LEASES)
    with pytest.raises(HeadraceError):
        await lease.update(spec.flow_id, b"2", 999)  # heard by everybody, stored by nobody
    await plane.send(spec, {"n": 1})
    await arrived(plane, spec, "last", 1)
    assert (await worker.state()).phase == "live"


async def test_a_broker_that_blinks_during_an_activation_only_delays_it(plane: Plane) -> None:
    spec = plane.chain(listener(plane, TICKING), action(plane, "middle"), action(plane, "last"))
    worker = await plane.run(spec)
    await worker.reach("ready")
    await Bucket(plane.bus, subjects.LEASES).put(spec.flow_id, b"1")
    await worker.tell("activate")
    await restart_broker(plane, away=1.0)
    state = await worker.reach("live", "failed", within=30)
    assert state.phase == "live", state.reason
    bodies = await arrived(plane, spec, "last", 20)
    assert bodies == [{"n": number} for number in range(len(bodies))]


async def test_a_worker_stops_while_its_hosts_are_still_starting(plane: Plane) -> None:
    spec = plane.chain(hook(plane), action(plane, "slow", "import time\ntime.sleep(60)\n"), ready_within=60)
    worker = await plane.run(spec)
    await until(lambda: _pid(worker, "slow"))
    began = time.monotonic()
    await worker.stop()
    assert time.monotonic() - began < 8
    assert worker.process.returncode == 0


async def _pid(worker: RunningWorker, step: str) -> int:
    return int((await step_state(worker, step)).pid)


async def test_a_stop_during_an_outage_ends_the_process(plane: Plane) -> None:
    spec = plane.chain(hook(plane), action(plane, "last"), stop_within=1)
    worker = await plane.live(spec)
    process = plane.broker.process
    assert process is not None
    os.kill(process.pid, 9)
    await plane.broker.died()
    worker.process.terminate()
    await until(lambda: worker.process.poll() is not None, within=30, what="worker ends")
    await plane.broker.start()


# -- hooks ------------------------------------------------------------------------------------------------------

LISTEN = "import asyncio, os\nasync def listen(ctx, cfg, snapshot):\n    await asyncio.Event().wait()\n"


async def test_a_startup_hook_that_takes_the_host_with_it_fails_at_once(plane: Plane) -> None:
    spec = plane.chain(listener(plane, LISTEN + "def startup(ctx, cfg):\n    os._exit(7)\n"), action(plane, "last"))
    worker = await plane.run(spec)
    began = time.monotonic()
    state = await worker.activate()
    assert (state.phase == "failed" and "startup" in state.reason) or "hook" in state.reason
    assert time.monotonic() - began < 10
    await worker.stop()


async def test_a_shutdown_hook_that_fails_is_reported_and_the_next_start_is_a_real_one(plane: Plane) -> None:
    source = (
        LISTEN + "def startup(ctx, cfg):\n    print('startup ran')\n    return {'id': 1}\n"
        "def shutdown(ctx, cfg, data):\n    raise RuntimeError('the other side is gone')\n"
    )
    spec = plane.chain(listener(plane, source), action(plane, "last"))
    worker = await plane.live(spec)
    await worker.stop(final=True)
    assert worker.process.returncode == 0, plane.worker_log()
    await logged(plane, spec, "source", "the other side is gone")
    await plane.restart(spec).activate()

    async def twice() -> bool:
        return [line.text for line in await plane.log(spec, "source")].count("startup ran") == 2

    await until(twice)


async def test_the_time_of_hooks_is_told_apart_from_the_rest_of_the_switch(plane: Plane) -> None:
    slow = (
        "import time\ndef startup(ctx, cfg):\n    time.sleep(0.3)\ndef shutdown(ctx, cfg, data):\n    time.sleep(0.2)\n"
    )
    spec = plane.chain(listener(plane, LISTEN + slow), action(plane, "last"))
    worker = await plane.live(spec)
    started = await worker.state()
    assert started.hooks_us >= 300_000
    await worker.tell("quiesce", final=True)
    ended = await worker.reach("drained")
    assert ended.hooks_us >= 200_000
    await worker.tell("activate")  # handed back: the flow is started once more
    back = await worker.reach("live")
    assert 300_000 <= back.hooks_us <= back.trigger_on - ended.trigger_off - ended.hooks_us
    await worker.tell("quiesce")
    assert (await worker.reach("drained")).hooks_us == 0


async def test_a_startup_hook_that_fails_is_timed_too(plane: Plane) -> None:
    slow = "import time\ndef startup(ctx, cfg):\n    time.sleep(0.3)\n    raise RuntimeError('no such topic')\n"
    spec = plane.chain(listener(plane, LISTEN + slow), action(plane, "last"))
    state = await (await plane.run(spec)).activate()
    assert state.phase == "failed" and "no such topic" in state.reason
    assert state.hooks_us >= 300_000


async def test_a_final_stop_starts_no_host_for_a_component_without_shutdown(plane: Plane) -> None:
    spec = plane.chain(listener(plane, "print('loaded')\n" + LISTEN), action(plane, "last"))
    worker = await plane.live(spec)
    await worker.stop(final=True)
    assert [line.text for line in await plane.log(spec, "source")].count("loaded") == 1


# -- acknowledged and not ---------------------------------------------------------------------------------------


async def test_what_was_acknowledged_behind_a_slow_message_is_not_processed_again(plane: Plane) -> None:
    slow = (
        "import asyncio\n"
        "async def process(ctx, msg, cfg, snapshot):\n"
        "    if msg.body['n'] == 0:\n"
        "        await asyncio.sleep(3600)\n"
    )
    spec = plane.chain(hook(plane), action(plane, "slow", slow, concurrency=4, timeout=3600))
    worker = await plane.live(spec)
    for number in range(40):
        await plane.send(spec, {"n": number})
    await until(lambda: _left(plane, spec, "hook", 0))  # all 40 have come to the slow step
    await until(lambda: _left(plane, spec, "slow", 1))
    worker.kill()
    again = plane.restart(spec)
    await again.activate()
    await plane.send(spec, {"n": 40})
    await until(lambda: _left(plane, spec, "slow", 1))

    async def received() -> bool:
        return bool((await step_state(again, "slow")).received >= 2)

    await until(received)
    assert (await step_state(again, "slow")).received == 2


async def _left(plane: Plane, spec: DeploymentSpec, step: str, count: int) -> bool:
    return (await journal.depth(plane.bus, spec.flow_id, spec.epoch, step)).total == count


async def test_a_delayed_message_whose_step_is_gone_is_parked_when_it_is_due(plane: Plane) -> None:
    broken = "def process(msg):\n    raise RuntimeError('not yet')\n"
    old = plane.chain(hook(plane), action(plane, "gone", broken, retry=Retry(attempts=3, first=2)))
    worker = await plane.live(old)
    sent = await plane.send(old, {"n": 1})

    async def delayed() -> bool:
        return any(fact.kind == "delayed" for fact in await plane.facts(old))

    await until(delayed)
    await worker.stop()
    new = plane.chain(hook(plane), action(plane, "other"), epoch=2)
    await journal.prepare(plane.bus, new)
    await journal.take_over(plane.bus, old, new)
    await plane.live(new)
    (error,) = await errors(plane, new, "gone")
    assert error.failure.reason == "no-successor" and error.message.execution == sent.execution

    async def none_left() -> bool:
        state = (await plane.bus.api(f"STREAM.INFO.{subjects.DELAYS}"))["state"]
        return int(state["messages"]) == 0

    await until(none_left)
    opened = Counter[str]({sent.execution: 1})
    for fact in await plane.facts(old):
        opened[fact.execution] += fact.opened
    assert opened[sent.execution] == 0


async def test_facts_of_repeated_attempts_sum_to_zero_whatever_each_of_them_emitted(plane: Plane) -> None:
    flaky = (
        "async def process(ctx, msg, cfg, snapshot):\n"
        "    tries = snapshot.get('tries', 0) + 1\n"
        "    await ctx.update_snapshot({'tries': tries})\n"
        "    await ctx.emit({'same': 1})\n"
        "    await ctx.emit({'try': tries})\n"
        "    if tries < 3:\n"
        "        raise RuntimeError('not yet')\n"
    )
    retry = Retry(attempts=3, first=1, factor=1)
    spec = plane.chain(hook(plane), action(plane, "flaky", flaky, retry=retry), action(plane, "last"))
    await plane.live(spec)
    sent = await plane.send(spec, {"n": 1})
    await arrived(plane, spec, "last", 4)

    async def zero() -> bool:
        return 1 + sum(fact.opened for fact in await plane.facts(spec) if fact.execution == sent.execution) == 0

    await until(zero)


async def test_a_deadly_message_that_gets_better_is_not_remembered(plane: Plane) -> None:
    once = (
        "import os\n"
        "async def process(ctx, msg, cfg, snapshot):\n"
        "    if not snapshot:\n"
        "        await ctx.update_snapshot({'died': True})\n"
        "        os._exit(9)\n"
        "    return msg.body\n"
    )
    spec = plane.chain(hook(plane), action(plane, "once", once))
    await plane.live(spec)
    await plane.send(spec, {"n": 1})
    await arrived(plane, spec, "once", 1)
    info = await until(lambda: _empty_bucket(plane), what="the count is gone")
    assert info


async def _empty_bucket(plane: Plane) -> bool:
    state = (await plane.bus.api(f"STREAM.INFO.KV_{subjects.POISON}"))["state"]
    return int(state["messages"]) == 0 and int(state["last_seq"]) > 0


# -- hosts ------------------------------------------------------------------------------------------------------


async def test_nothing_counts_that_a_host_says_after_a_broken_frame(plane: Plane) -> None:
    """Its emission may have been in that frame."""
    broken = 'import os\ndef process(msg):\n    os.write(3, b\'{"type": "emit", garbage\\n\')\n'
    spec = plane.chain(hook(plane), action(plane, "broken", broken))
    await plane.live(spec)
    await plane.send(spec, {"n": 1})
    (error,) = await errors(plane, spec, "broken")
    assert error.failure.reason == "poison"
    assert not [fact for fact in await plane.facts(spec) if fact.step == "broken" and fact.kind == "done"]


async def test_the_last_words_of_a_host_are_heard(plane: Plane) -> None:
    """What it wrote before it ended counts, though its end is noticed first."""
    last = (
        "import asyncio, os\n"
        "async def process(ctx, msg, cfg, snapshot):\n"
        "    asyncio.get_running_loop().call_later(0.003, os._exit, 0)\n"
        "    return {'n': msg.body['n'], 'pad': 'x' * 200_000}\n"
    )
    spec = plane.chain(hook(plane), action(plane, "last", last))
    await plane.live(spec)
    for number in range(4):
        await plane.send(spec, {"n": number})
        await arrived(plane, spec, "last", number + 1)
    assert [body["n"] for body in await plane.bodies(spec, "last")] == list(range(4))
    assert [fact.kind for fact in await plane.facts(spec) if fact.step == "last"].count("failed") == 0


async def test_an_error_too_large_for_the_journal_is_kept_shortened(plane: Plane) -> None:
    huge = "def process(msg):\n    raise ValueError('x' * 9_000_000)\n"
    spec = plane.chain(hook(plane), action(plane, "huge", huge))
    await plane.live(spec)
    await plane.send(spec, {"n": 1})
    (error,) = await errors(plane, spec, "huge")
    assert error.failure.name == "ValueError" and 10_000 < len(error.failure.message) < 100_000


async def test_files_a_component_writes_can_be_read_by_others(plane: Plane, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    folder.chmod(0o777)
    for parent in (tmp_path, *tmp_path.parents):
        if parent != Path("/tmp") and parent.is_relative_to("/tmp"):
            parent.chmod(0o755)
    write = "def process(msg):\n    open(msg.body['path'], 'w').write('hello')\n    return {'ok': 1}\n"
    spec = plane.chain(hook(plane), action(plane, "write", write, grants=Grants(write=(str(folder),))))
    await plane.live(spec)
    await plane.send(spec, {"path": str(folder / "file.txt")})
    await arrived(plane, spec, "write", 1)
    assert (folder / "file.txt").stat().st_mode & 0o777 == 0o644


async def test_a_host_that_may_not_have_what_it_is_granted_says_what_to_do(plane: Plane, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "deeper" / "file.txt"
    spec = plane.chain(hook(plane), action(plane, "write", grants=Grants(read=(str(missing),))))
    state = await (await plane.run(spec)).reach("failed")
    assert "the host did not start" in state.reason
    assert state.reason.endswith(f"(mkdir -p {missing.parent})")


async def test_a_flood_of_unawaited_emissions_waits_on_the_side_of_the_host(plane: Plane) -> None:
    flood = (
        "import asyncio\n"
        "async def process(ctx, msg, cfg, snapshot):\n"
        "    pending = [ctx.emit({'n': n, 'pad': 'x' * 20_000}) for n in range(3_000)]\n"
        "    for each in pending:\n"
        "        await each\n"
    )
    slow = "import time\ndef process(msg):\n    time.sleep(0.0005)\n    return {'n': msg.body['n']}\n"
    spec = plane.chain(
        hook(plane), action(plane, "flood", flood, timeout=120), action(plane, "slow", slow), journal_bytes=4 << 20
    )
    worker = await plane.live(spec)
    await plane.send(spec, {"go": 1})
    most = 0

    async def all_of_them() -> bool:  # the journal has long forgotten the first ones
        nonlocal most
        most = max(most, _resident(worker))
        return bool((await step_state(worker, "slow")).emitted == 3_000)

    await until(all_of_them, within=60)
    assert most < 120 << 20, f"{most >> 20} MB"
    assert not await plane.errors(spec, "flood")


def _resident(worker: RunningWorker) -> int:
    import psutil

    return int(psutil.Process(worker.process.pid).memory_info().rss)


# -- snapshots --------------------------------------------------------------------------------------------------


async def test_snapshots_go_on_after_the_broker_was_away(plane: Plane) -> None:
    source = (
        "async def process(ctx, msg, cfg, snapshot):\n"
        "    last = snapshot.get('last', 0) + 1\n"
        "    await ctx.emit({'n': last})\n"
        "    await ctx.update_snapshot({'last': last})\n"
    )
    spec = plane.chain(listener(plane, source, trigger_type="polling", poll_interval=0.001), action(plane, "last"))
    await plane.live(spec)
    for _ in range(3):
        count = len(await plane.bodies(spec, "source"))
        await arrived(plane, spec, "source", count + 50)
        await restart_broker(plane)
    count = len(await plane.bodies(spec, "source"))
    bodies = await arrived(plane, spec, "source", count + 50)
    assert [body["n"] for body in bodies] == list(range(1, len(bodies) + 1))
    assert not await plane.errors(spec, "source")


async def test_a_call_is_not_late_while_the_broker_is_away(plane: Plane) -> None:
    spec = plane.chain(hook(plane), action(plane, "emits", _EMITS, timeout=1.0))
    await plane.live(spec)
    await plane.send(spec, {"n": 1})
    await logged(plane, spec, "emits", "begun")
    await restart_broker(plane, away=3.0)
    assert await arrived(plane, spec, "emits", 2) == [{"n": 1}, {"n": 2}]
    assert not await plane.errors(spec, "emits")


_EMITS = (
    "import asyncio\n"
    "async def process(ctx, msg, cfg, snapshot):\n"
    "    print('begun', flush=True)\n"
    "    await asyncio.sleep(0.7)\n"
    "    await ctx.emit({'n': 1})\n"
    "    await ctx.emit({'n': 2})\n"
)


async def test_order_is_kept_over_a_broker_that_comes_and_goes(plane: Plane) -> None:
    spec = plane.chain(
        listener(plane, TICKING.replace("0.01", "0.001")), action(plane, "middle"), action(plane, "last")
    )
    await plane.live(spec)
    for _ in range(4):
        count = len(await plane.bodies(spec, "last"))
        await arrived(plane, spec, "last", count + 100, within=40)
        await restart_broker(plane)
    count = len(await plane.bodies(spec, "last"))
    bodies = await arrived(plane, spec, "last", count + 100, within=40)
    assert bodies == [{"n": number} for number in range(len(bodies))]


async def test_a_host_that_ignores_everything_is_ended_all_the_same(plane: Plane) -> None:
    stubborn = (
        "import signal, threading, time\n"
        "def process(msg):\n"
        "    print('at work', flush=True)\n"
        "    while True:\n"
        "        time.sleep(1)\n"
        "async def init(ctx, cfg):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    )
    spec = plane.chain(hook(plane), action(plane, "stubborn", stubborn, timeout=600), stop_within=1, sandbox="off")
    worker = await plane.live(spec)
    await plane.send(spec, {"n": 1})
    await logged(plane, spec, "stubborn", "at work")
    host = worker.host(await worker.state(), "stubborn")
    began = time.monotonic()
    await worker.stop()
    assert time.monotonic() - began < 8
    await until(lambda: not host.is_running() or host.status() == "zombie")
    assert (await journal.depth(plane.bus, spec.flow_id, spec.epoch, "stubborn")).total == 1


async def test_what_a_host_started_ends_with_it_without_a_sandbox_too(plane: Plane) -> None:
    starts = (
        "import subprocess\n"
        "def process(msg):\n"
        "    child = subprocess.Popen(['sleep', '600'])\n"
        "    print('started', child.pid, flush=True)\n"
    )
    spec = plane.chain(hook(plane), action(plane, "starts", starts), sandbox="off")
    worker = await plane.live(spec)
    await plane.send(spec, {"n": 1})
    line = await logged(plane, spec, "starts", "started")
    child = psutil.Process(int(line.split()[-1]))
    assert child.is_running()
    worker.host(await worker.state(), "starts").kill()
    await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    await logged(plane, spec, "starts", "killed by SIGKILL")


async def test_a_drained_worker_can_be_made_live_again(plane: Plane) -> None:
    spec = plane.chain(listener(plane, TICKING), action(plane, "last"))
    worker = await plane.live(spec)
    await arrived(plane, spec, "last", 5)
    await worker.tell("quiesce")
    await worker.reach("drained")
    before = len(await plane.outputs(spec, "source"))
    await worker.tell("activate")
    await worker.reach("live")
    bodies = await arrived(plane, spec, "last", before + 5)
    assert bodies[before:][:5] == [{"n": number} for number in range(5)], "a fresh host begins anew"
    consumers = (await plane.bus.api("CONSUMER.INFO.FLOW_f1.1_last"))["num_redelivered"]
    assert consumers == 0
