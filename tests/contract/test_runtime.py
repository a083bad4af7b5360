"""What every `Runtime` promises, shown with a stand-in worker that misbehaves when told to."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from headrace import identity
from headrace.errors import Unavailable
from headrace.runtime.base import RunningWorker, Runtime, WorkerRef
from headrace.runtime.process import ProcessRuntime

WITHIN = 10.0
STUB = "headrace.testing.stub_worker:run"
BUS = {"url": "nats://127.0.0.1:1", "user": "u", "password": "never in a command line"}

Make = Callable[[], Runtime]


class Place:
    """A folder in which runtimes start workers; the contract knows it only through ``make`` and ``output``."""

    def __init__(self, folder: Path, *, warm: bool = True, entry: str = STUB) -> None:
        self.folder = folder
        self.warm = warm
        self.entry = entry
        self.made: list[ProcessRuntime] = []

    def make(self) -> ProcessRuntime:
        """Another runtime over the same place, as a restarted server has one."""
        runtime = ProcessRuntime(
            claims=self.folder / "claims", logs=self.folder / "logs", bus=BUS, entry=self.entry, warm=self.warm
        )
        self.made.append(runtime)
        return runtime

    def output(self, flow_id: str, epoch: int) -> str:
        """What the worker wrote."""
        return (self.folder / "logs" / f"{flow_id}-{epoch}.log").read_text()

    async def clean(self) -> None:
        for runtime in self.made:
            for worker in await runtime.list():
                await runtime.kill(worker.ref)
            await runtime.close()


@pytest.fixture(params=["warm", "cold"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path, warm=request.param == "warm")
    yield place
    await place.clean()


@pytest.fixture
async def warm(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    await place.clean()


async def wait_for(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not condition():  # noqa: ASYNC110 - the worker tells only by what it writes
            await asyncio.sleep(0.01)


async def ended(runtime: Runtime, ref: WorkerRef) -> None:
    await asyncio.wait_for(runtime.gone(ref), WITHIN)


# -- the contract -----------------------------------------------------------------------------------------------


async def test_a_started_worker_lives_and_knows_its_deployment(place: Place) -> None:
    runtime = place.make()
    ref = await runtime.start("idle", 7)
    assert await runtime.alive(ref)
    await wait_for(lambda: f"idle 7 nats://127.0.0.1:1 pid {ref.pid}" in place.output("idle", 7))


async def test_starting_twice_gives_the_same_worker(place: Place) -> None:
    runtime = place.make()
    first, second = await asyncio.gather(runtime.start("idle", 1), runtime.start("idle", 1))
    assert first == second == await place.make().start("idle", 1)
    assert len(await runtime.list()) == 1


async def test_each_deployment_has_a_worker_of_its_own(place: Place) -> None:
    runtime = place.make()
    refs = [await runtime.start(flow, epoch) for flow, epoch in (("a", 1), ("a", 2), ("b", 1))]
    assert len(set(refs)) == 3
    assert await runtime.list() == (
        RunningWorker("a", 1, refs[0]),
        RunningWorker("a", 2, refs[1]),
        RunningWorker("b", 1, refs[2]),
    )


async def test_workers_outlive_the_runtime_and_are_found_again(place: Place) -> None:
    first = place.make()
    ref = await first.start("idle", 1)
    await first.close()
    await first.close()
    again = place.make()
    assert await again.list() == (RunningWorker("idle", 1, ref),)
    assert await again.alive(ref)
    assert await first.start("idle", 1) == ref, "a closed runtime opens again"


async def test_kill_ends_even_a_stubborn_worker(place: Place) -> None:
    runtime = place.make()
    ref = await runtime.start("stubborn", 1)
    await wait_for(lambda: "pid" in place.output("stubborn", 1))
    identity.send(ref, signal.SIGTERM)
    await asyncio.wait_for(runtime.kill(ref), WITHIN)
    assert not await runtime.alive(ref)
    assert await runtime.list() == ()
    await runtime.kill(ref)


async def test_a_worker_that_died_can_be_started_again(place: Place) -> None:
    runtime = place.make()
    ref = await runtime.start("idle", 1)
    identity.send(ref, signal.SIGKILL)
    await ended(runtime, ref)
    again = await runtime.start("idle", 1)
    assert again != ref
    assert await runtime.alive(again)
    assert not await runtime.alive(ref)


@pytest.mark.parametrize("flow_id", ["exits", "raises", "returns"])
async def test_a_worker_that_ends_at_once_is_told_as_gone(place: Place, flow_id: str) -> None:
    runtime = place.make()
    ref = await runtime.start(flow_id, 1)
    await ended(runtime, ref)
    assert not await runtime.alive(ref)
    assert await runtime.list() == ()
    if flow_id == "raises":
        assert "RuntimeError: the stub was told to raise" in place.output(flow_id, 1)


async def test_unknown_workers_are_dead_and_left_alone(place: Place) -> None:
    runtime = place.make()
    me = identity.identify(os.getpid())
    assert me is not None
    stranger = WorkerRef(me.pid, me.created - 1000, "another boot:1")
    assert not await runtime.alive(stranger)
    await asyncio.wait_for(runtime.gone(stranger), WITHIN)
    await runtime.kill(stranger)
    assert await runtime.list() == ()


async def test_a_cancelled_start_leaves_a_usable_runtime(place: Place) -> None:
    runtime = place.make()
    starting = asyncio.create_task(runtime.start("idle", 1))
    await asyncio.sleep(0)
    starting.cancel()
    with suppress(asyncio.CancelledError):
        await starting
    ref = await runtime.start("idle", 1)
    assert [worker.ref for worker in await runtime.list()] == [ref]


async def test_waiting_for_the_end_can_be_cancelled(place: Place) -> None:
    runtime = place.make()
    ref = await runtime.start("idle", 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(runtime.gone(ref), 0.05)
    assert await runtime.alive(ref)


# -- processes ----------------------------------------------------------------------------------------------------


async def test_workers_are_children_of_nobody_here(place: Place) -> None:
    runtime = place.make()
    ref = await runtime.start("idle", 1)
    await wait_for(lambda: "stdin /dev/null" in place.output("idle", 1))
    worker = psutil.Process(ref.pid)
    assert os.getpid() not in {parent.pid for parent in worker.parents()}
    assert os.getsid(ref.pid) == ref.pid, "a session of its own: no signal of a terminal reaches it"
    assert "threads 1 " in place.output("idle", 1)
    sockets = [link for link in open_files(ref.pid) if link.startswith("socket:")]
    assert not sockets, "the template's socket is not inherited"
    assert not any(BUS["password"] in text for text in [*worker.cmdline(), *worker.environ().values()])
    assert (place.folder / "logs" / "idle-1.log").stat().st_mode & 0o077 == 0


def open_files(pid: int) -> list[str]:
    return [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]


def template() -> psutil.Process:
    """The one child of ours that is a template; others belong to other tests' fixtures."""
    children = psutil.Process().children()
    (found,) = [child for child in children if "headrace.worker.template" in child.cmdline()]
    return found


async def test_the_template_ends_with_its_server_and_workers_do_not(warm: Place) -> None:
    runtime = warm.make()
    ref = await runtime.start("idle", 1)
    warm_process = template()
    await runtime.close()
    assert not warm_process.is_running()
    assert await runtime.alive(ref)


async def test_a_lost_template_is_replaced(warm: Place) -> None:
    runtime = warm.make()
    await runtime.start("a", 1)
    template().kill()
    ref = await runtime.start("b", 1)
    assert await runtime.alive(ref)
    await runtime.start("c", 1)
    assert len(await runtime.list()) == 3


async def test_without_a_template_workers_start_cold(tmp_path: Path) -> None:
    place = Place(tmp_path, entry="headrace.testing.threaded_worker:run")
    runtime = place.make()
    ref = await runtime.start("idle", 1)
    assert await runtime.alive(ref)
    await wait_for(lambda: "threads 2 " in place.output("idle", 1))
    assert "started 1 threads" in (tmp_path / "logs" / "template.log").read_text()
    await place.clean()


async def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    runtime = Place(tmp_path).make()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "idle-1.log").mkdir()
    with pytest.raises(Unavailable, match="Is a directory") as caught:
        await runtime.start("idle", 1)
    assert caught.value.reason == "worker-start"
    await runtime.close()


async def test_a_claim_whose_holder_died_is_free(warm: Place) -> None:
    runtime = warm.make()
    claim = warm.folder / "claims" / "idle-1.json"
    claim.parent.mkdir()
    claim.write_text('{"pid": 1, "created": 1.0, "birth": "another boot:1"}')
    assert await runtime.list() == ()
    assert not claim.exists()
    claim.write_text("not JSON")
    ref = await runtime.start("idle", 1)
    assert await runtime.list() == (RunningWorker("idle", 1, ref),)
