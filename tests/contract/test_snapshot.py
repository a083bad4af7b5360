"""Snapshots in the real bucket: kept over conflicts, and closed to whoever has lost the lease."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.control.snapshots import reset
from headrace.errors import HeadraceError
from headrace.flows.deployment import Code, DeploymentSpec, StepSpec
from headrace.testing.plane import Plane, until
from headrace.worker.snapshot import Change, Snapshot, merged, replaced

CODE = Code(component="c", revision=1, commit="0", root="/c", interpreter="python3")
STEP = StepSpec(id="s", kind="action", function="s", main="s.py", code=CODE)
SPEC = DeploymentSpec(flow_id="f", flow="f", version=1, epoch=1, steps=(STEP,), inline_limit=10_000)


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        yield running


async def change(snapshot: Snapshot, how: Change, value: Any) -> HeadraceError | None:
    done: asyncio.Future[HeadraceError | None] = asyncio.get_running_loop().create_future()
    snapshot.queue(how, msgspec.json.encode(value), done.set_result)
    return await done


async def snapshot(plane: Plane, fence: int) -> Snapshot:
    made = Snapshot(plane.bus, SPEC, "s")
    await made.load(fence)
    return made


async def present(plane: Plane) -> Any:
    value = await Bucket(plane.bus, subjects.SNAPSHOTS).get("f.s")
    return None if value is None or value.data is None else msgspec.json.decode(value.data)


async def test_changes_are_applied_one_after_another(plane: Plane) -> None:
    mine = await snapshot(plane, 1)
    results = await asyncio.gather(
        change(mine, replaced, {"a": 1}), change(mine, merged, {"b": 2}), change(mine, merged, {"a": 3})
    )
    assert not any(results)
    assert await present(plane) == {"a": 3, "b": 2} == msgspec.json.decode(mine.raw)


async def test_a_write_on_top_of_anothers_goes_on_from_there(plane: Plane) -> None:
    mine = await snapshot(plane, 1)
    assert await change(mine, replaced, {"a": 1}) is None
    await Bucket(plane.bus, subjects.SNAPSHOTS).put("f.s", b'{"reset":true}')
    assert await change(mine, merged, {"b": 2}) is None
    assert await present(plane) == {"reset": True, "b": 2}
    await Bucket(plane.bus, subjects.SNAPSHOTS).delete("f.s")
    assert await change(mine, merged, {"c": 3}) is None
    assert await present(plane) == {"c": 3}


async def test_whoever_lost_the_lease_does_not_write_over_its_successor(plane: Plane) -> None:
    old = await snapshot(plane, 1)
    assert await change(old, replaced, {"by": "old"}) is None
    new = await snapshot(plane, 2)
    assert await change(old, merged, {"still": "old"}) is None, "the new one has not written yet"
    assert await change(new, merged, {"by": "new"}) is None
    refused = await change(old, merged, {"by": "old"})
    assert refused is not None and refused.reason == "snapshot-fenced"
    assert await present(plane) == {"by": "new", "still": "old"}
    await old.load(3)  # it was handed back
    assert await change(old, merged, {"by": "old again"}) is None


async def test_what_is_no_object_or_too_large_is_refused_and_changes_nothing(plane: Plane) -> None:
    mine = await snapshot(plane, 1)
    wrong = await change(mine, merged, [1, 2])
    large = await change(mine, replaced, {"x": "y" * 20_000})
    assert wrong is not None and wrong.reason == "snapshot"
    assert large is not None and large.reason == "too-large"
    assert await present(plane) is None


async def test_an_outage_in_the_middle_of_writing_loses_nothing(plane: Plane) -> None:
    mine = await snapshot(plane, 1)
    results = [asyncio.ensure_future(change(mine, merged, {str(number): number})) for number in range(200)]
    await until(results[50].done)
    process = plane.broker.process
    assert process is not None
    os.kill(process.pid, 9)
    await plane.broker.died()
    await plane.broker.start()
    assert set(await asyncio.gather(*results)) == {None}
    assert await present(plane) == {str(number): number for number in range(200)}
    await mine.settled()


def running(function: str) -> DeploymentSpec:
    return msgspec.structs.replace(SPEC, steps=(msgspec.structs.replace(STEP, function=function),))


async def test_what_other_code_left_under_the_id_is_not_taken_over_and_comes_back_to_that_code(plane: Plane) -> None:
    old = await snapshot(plane, 1)
    assert await change(old, replaced, {"seen": 41}) is None
    new = Snapshot(plane.bus, running("other"), "s")
    await new.load(2)
    assert new.raw == b"{}", "it begins without what the other remembered"
    assert await change(new, merged, {"mine": 1}) is None
    assert await present(plane) == {"mine": 1}
    await old.load(3)  # handed back
    assert await change(old, merged, {"seen": 42}) is None
    assert await present(plane) == {"seen": 42} == msgspec.json.decode(old.raw)


async def test_what_other_code_left_is_emptied_once_its_deployment_has_ended(plane: Plane) -> None:
    old, new = await snapshot(plane, 1), Snapshot(plane.bus, running("other"), "s")
    assert await change(old, replaced, {"seen": 41}) is None
    await new.load(2)
    assert await reset(plane.bus, SPEC, SPEC) == ()
    assert await present(plane) == {"seen": 41}
    assert await reset(plane.bus, SPEC, running("other")) == ("s",)
    assert await present(plane) == {}
    assert await change(new, merged, {"mine": 1}) is None
    assert await reset(plane.bus, SPEC, running("other")) == (), "what the new step has written stays"
    assert await present(plane) == {"mine": 1}
