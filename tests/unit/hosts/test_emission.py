from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from functools import partial

import pytest

from headrace_host.emission import Emission
from headrace_sdk import EmitError


def unexpected() -> None:
    raise AssertionError("somebody did wait")


@pytest.fixture
async def emission() -> Emission:
    return Emission(asyncio.get_running_loop())


async def test_awaiting_ends_when_it_is_settled(emission: Emission) -> None:
    task = asyncio.create_task(_await(emission))
    await asyncio.sleep(0)
    assert not task.done()
    emission.settle()
    await task
    await emission


async def test_many_may_wait_and_each_hears_of_a_refusal(emission: Emission) -> None:
    tasks = [asyncio.create_task(_await(emission)) for _ in range(3)]
    await asyncio.sleep(0)
    emission.refuse("full", "wait", unexpected)
    for task in tasks:
        with pytest.raises(EmitError, match="full: wait"):
            await task


async def test_it_can_be_given_to_everything_that_takes_a_coroutine(emission: Emission) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(emission)
        group.create_task(asyncio.wait_for(emission, 10))
        group.create_task(_settle_soon(emission))
        await asyncio.gather(emission, asyncio.shield(emission))


async def test_a_waiter_that_was_cancelled_does_no_harm(emission: Emission) -> None:
    task = asyncio.create_task(_await(emission))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    emission.settle()
    await emission


async def test_a_task_made_of_it_can_be_cancelled(emission: Emission) -> None:
    task = asyncio.create_task(emission)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_thread_waits_for_the_result(emission: Emission) -> None:
    waiting = asyncio.create_task(asyncio.to_thread(emission.result, 10))
    emission.settle()
    await waiting


async def test_a_thread_may_give_up(emission: Emission) -> None:
    with pytest.raises(TimeoutError, match=r"not answered within 0\.01 s"):
        await asyncio.to_thread(emission.result, 0.01)
    emission.settle()


async def test_another_event_loop_may_wait(emission: Emission) -> None:
    waiting = asyncio.create_task(asyncio.to_thread(asyncio.run, _await(emission)))
    await asyncio.sleep(0.01)
    emission.refuse("full", "", unexpected)
    with pytest.raises(EmitError):
        await waiting


async def test_result_on_the_loop_is_refused_unless_it_is_known(emission: Emission) -> None:
    with pytest.raises(RuntimeError, match=r"await ctx\.emit"):
        emission.result()
    emission.settle()
    emission.result()


async def test_threads_that_race_with_the_answer_all_wake() -> None:
    for _ in range(100):
        emission = Emission(asyncio.get_running_loop())
        threads = [threading.Thread(target=partial(emission.result, 10)) for _ in range(3)]
        for thread in threads:
            thread.start()
        emission.settle()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()


async def test_a_refusal_nobody_waits_for_rings_once() -> None:
    rung: list[int] = []
    _refused(lambda: rung.append(1))
    gc.collect()
    assert rung == [1]


async def test_a_refusal_somebody_hears_does_not_ring() -> None:
    emission = _refused(unexpected)
    with pytest.raises(EmitError):
        await emission
    del emission
    gc.collect()


def _refused(unheard: Callable[[], None]) -> Emission:
    emission = Emission(asyncio.get_running_loop())
    emission.refuse("full", "", unheard)
    return emission


async def _await(emission: Emission) -> None:
    await emission


async def _settle_soon(emission: Emission) -> None:
    await asyncio.sleep(0)
    emission.settle()
