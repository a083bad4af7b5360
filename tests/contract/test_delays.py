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
from headrace.ids import new_id
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


async def test_what_a_killed_worker_held_is_not_taken_for_acknowledged_when_later_ones_are(plane: Plane) -> None:
    """The broker's mistake is one in three, so it gets several chances."""
    for number in range(12):
        await one_round(plane, msgspec.structs.replace(SPEC, flow_id=f"f{number}"))


async def one_round(plane: Plane, spec: DeploymentSpec) -> None:
    await journal.prepare(plane.bus, spec)
    delays = Delays(plane.bus, spec)
    handed_out: list[str] = []
    undo = await plane.bus.on_message(
        f"deliver.{spec.flow_id}.due", lambda *message: handed_out.append(message[1].decode())
    )
    for _ in range(6):
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        message = Message(id=new_id(), execution="e", step="t", body=msgspec.Raw(b"{}"), at=1)
        delays.schedule("t", message, 1, done.set_result)
        await done
    await until(lambda: len(handed_out) == 6, within=20)
    for reply in handed_out[3:]:
        plane.bus.publish(reply, b"+ACK")
        delays.forget(reply)
    name = f"{subjects.DELAYS}.{journal.due_consumer(spec.flow_id)}"

    async def settled() -> dict[str, Any] | None:
        info = await plane.bus.api(f"CONSUMER.INFO.{name}")
        left = await plane.bus.api(f"STREAM.INFO.{subjects.DELAYS}", {"subjects_filter": f"due.{spec.flow_id}.>"})
        done = len(left["state"].get("subjects") or {}) == 3 and info["num_ack_pending"] == 3
        return info if done else None

    info = await until(settled, what="those that are done are gone")
    oldest = int(handed_out[0].split(".")[5])
    assert int(info["ack_floor"]["stream_seq"]) < oldest, "else it is never handed out again"
    await undo()
