"""Delayed messages on a real broker: one that is dealt with takes no other along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from headrace.bus import journal, subjects
from headrace.bus.message import Message
from headrace.flows.deployment import Code, DeploymentSpec, StepSpec
from headrace.testing.plane import Plane, until
from headrace.worker.delay import Delays

CODE = Code(component="c", revision=1, commit="0", root="/c", interpreter="python3")
SPEC = DeploymentSpec(
    flow_id="f",
    flow="f",
    version=1,
    epoch=1,
    steps=(StepSpec(id="t", kind="trigger", function="t", main="t.py", code=CODE, trigger_type="webhook"),),
)


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        yield running


async def test_what_a_killed_worker_held_comes_again_though_later_ones_are_done(plane: Plane) -> None:
    await journal.prepare(plane.bus, SPEC)
    delays = Delays(plane.bus, SPEC)
    handed_out: list[str] = []
    undo = await plane.bus.on_message("deliver.f.due", lambda *message: handed_out.append(message[1].decode()))
    for number in range(6):
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        message = Message(id=str(number), execution="e", step="t", body=msgspec.Raw(b"{}"), at=1)
        delays.schedule("t", message, 1, done.set_result)
        await done
    await until(lambda: len(handed_out) == 6, within=20)
    for reply in handed_out[3:]:
        plane.bus.publish(reply, b"+ACK")
        delays.forget(reply)

    async def left() -> bool:
        info = await plane.bus.api(f"STREAM.INFO.{subjects.DELAYS}")
        return bool(info["state"]["messages"] == 3)

    await until(left, what="those that are done are gone")
    await undo()
    consumer = journal.due_consumer("f")
    again = await plane.bus.api(f"CONSUMER.RESET.{subjects.DELAYS}.{consumer}", {})
    assert int(again["num_pending"]) + int(again["num_ack_pending"]) == 3
