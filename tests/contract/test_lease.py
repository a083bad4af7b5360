"""The lease in the real bucket, and a watch that hears of a change before it can be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from headrace.bus import subjects
from headrace.bus.buckets import Bucket, Value
from headrace.errors import HeadraceError, NotFound, Refused, Unavailable
from headrace.flows.deployment import Code, DeploymentSpec, StepSpec
from headrace.testing.plane import Plane
from headrace.worker.lease import LOOK_EVERY, Lease

CODE = Code(component="c", revision=1, commit="0", root="/c", interpreter="python3")
STEP = StepSpec(id="s", kind="trigger", function="s", main="s.py", code=CODE)
SPEC = DeploymentSpec(flow_id="f", flow="f", version=1, epoch=1, steps=(STEP,), inline_limit=10_000)


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        yield running


@pytest.fixture
async def lease(plane: Plane) -> Bucket:
    bucket = Bucket(plane.bus, subjects.LEASES)
    await bucket.put("f", b"1")
    return bucket


async def lost(plane: Plane, lease: Bucket) -> None:
    """Another gets the lease; return when that is noticed, sooner than by the look that needs no hint."""
    noticed = asyncio.Event()
    watching = asyncio.create_task(Lease(plane.bus, SPEC).watch(noticed.set))
    await plane.bus.flush()
    await lease.put("f", b"2")
    async with asyncio.timeout(LOOK_EVERY / 2):
        await noticed.wait()
    watching.cancel()


async def test_only_its_holder_is_told_the_revision(plane: Plane, lease: Bucket) -> None:
    mine = Lease(plane.bus, SPEC)
    assert await mine.revision() == 1
    await lease.put("f", b"2")
    with pytest.raises(Refused, match="epoch 1 does not hold the lease"):
        await mine.revision()


@pytest.mark.parametrize("late", [0, 1, 2, 3])
async def test_a_loss_is_noticed_soon_though_it_is_heard_before_it_is_stored(
    plane: Plane, lease: Bucket, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    stale = await lease.get("f")
    present = Bucket.get
    early: list[Value] = []

    async def get(self: Bucket, key: str) -> Value | None:
        value = await present(self, key)
        if value is not None and value.data == b"2" and len(early) < late:
            early.append(value)
            return stale
        return value

    monkeypatch.setattr(Bucket, "get", get)
    await lost(plane, lease)
    assert len(early) == late


@pytest.mark.parametrize("error", [Unavailable("bus-away", "away"), NotFound("no-such-stream", "not there yet")])
async def test_a_broker_that_is_going_or_coming_back_ends_no_watch(
    plane: Plane, lease: Bucket, monkeypatch: pytest.MonkeyPatch, error: HeadraceError
) -> None:
    present = Bucket.get
    refusals = [error, error]

    async def get(self: Bucket, key: str) -> Value | None:
        if refusals:
            raise refusals.pop()
        return await present(self, key)

    monkeypatch.setattr(Bucket, "get", get)
    await lost(plane, lease)
    assert not refusals
