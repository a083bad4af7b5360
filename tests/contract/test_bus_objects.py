"""Objects in a real broker: whole or not at all, checked, within their budget."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.bus.embedded import EmbeddedBroker
from headrace.bus.greeting import Access
from headrace.bus.objects import CHUNK, ObjectInfo, Objects, pieces
from headrace.errors import HeadraceError, NotFound, Refused, TooLarge, Unavailable
from headrace.ids import new_id
from headrace.testing.plane import until

BUDGET = 8 * 1024**2


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    embedded = EmbeddedBroker(tmp_path_factory.mktemp("broker"))
    yield asyncio.run(embedded.start())
    asyncio.run(embedded.stop())


@pytest.fixture
async def bus(broker: Access) -> AsyncIterator[Bus]:
    async with await Bus.connect(broker.url, broker.user, broker.password) as connection:
        yield connection


@pytest.fixture
async def objects(bus: Bus) -> AsyncIterator[Objects]:
    made = Objects(bus, f"t{new_id()}", BUDGET)
    yield made
    await made.remove()


async def read(objects: Objects, info: ObjectInfo, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in objects.read(info, start, end)])


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 7])
async def test_what_was_stored_is_read_back(objects: Objects, size: int) -> None:
    data = os.urandom(size)
    info = await objects.put(pieces(data), metadata={"content-type": "x/y"})
    assert info.size == size and info == await objects.find(info.name)
    assert await objects.get(info.name) == data
    assert info.metadata["content-type"] == "x/y"


@pytest.mark.parametrize(("start", "end"), [(0, 10), (CHUNK - 3, CHUNK + 3), (2 * CHUNK, None), (3 * CHUNK, 10**9)])
async def test_a_part_can_be_read(objects: Objects, start: int, end: int | None) -> None:
    data = os.urandom(3 * CHUNK + 100)
    info = await objects.put(pieces(data))
    assert await read(objects, info, start, end) == data[start:end]


async def test_pieces_of_any_size_become_even_chunks(objects: Objects) -> None:
    data = os.urandom(2 * CHUNK + 50)

    async def odd() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 77_777):
            yield data[start : start + 77_777]

    info = await objects.put(odd())
    assert info.chunks == 3
    assert await objects.get(info.name) == data


TIMES = 20
"""Chunks that are late are late by chance."""


async def test_too_much_leaves_nothing_behind(objects: Objects) -> None:
    for _ in range(TIMES):
        with pytest.raises(TooLarge, match="object_limit"):
            await objects.put(pieces(bytes(3 * CHUNK)), most=2 * CHUNK)
    await nothing_else(objects)


async def test_a_failed_source_leaves_nothing_behind(objects: Objects) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(2 * CHUNK)
        raise ConnectionResetError

    for _ in range(TIMES):
        with pytest.raises(ConnectionResetError):
            await objects.put(broken())
    await nothing_else(objects)


async def nothing_else(objects: Objects) -> None:
    """Wait until there is no content that belongs to no object, after everything sent before has arrived."""
    last = await objects.put(pieces(b"stored after all that was on its way"))

    async def gone() -> bool:
        return not await objects.loose([last], older_than=0)

    await until(gone)
    assert await objects.all() == [last]


async def test_a_full_budget_is_an_error_that_names_it(objects: Objects) -> None:
    kept = await objects.put(pieces(bytes(BUDGET // 2)))
    with pytest.raises(Unavailable, match="object_bytes") as error:
        await objects.put(pieces(bytes(BUDGET // 2 + CHUNK)))
    assert error.value.reason == "objects-full"
    assert [each.name for each in await objects.all()] == [kept.name]
    assert await objects.get(kept.name) == bytes(BUDGET // 2)


async def test_new_content_replaces_the_old(objects: Objects) -> None:
    old = await objects.put(pieces(b"old"))
    new = await objects.put(pieces(b"new" * CHUNK), name=old.name)
    await objects.forget(old.nuid)
    assert await objects.get(old.name) == b"new" * CHUNK
    assert await objects.all() == [new]


async def test_deleting(objects: Objects) -> None:
    info = await objects.put(pieces(bytes(CHUNK * 2)))
    assert await objects.delete(info.name)
    assert not await objects.delete(info.name)
    assert await objects.info(info.name) is None
    with pytest.raises(NotFound, match="no object"):
        await objects.get(info.name)
    assert await objects.used() == 0


async def test_nothing_was_ever_stored(objects: Objects) -> None:
    assert await objects.info("obj~x") is None
    assert await objects.all() == []
    assert await objects.used() == 0
    assert not await objects.delete("obj~x")


async def test_missing_content_is_noticed_before_the_end(bus: Bus, objects: Objects) -> None:
    data = os.urandom(3 * CHUNK)
    info = await objects.put(pieces(data))
    entries = [entry async for entry in bus.read(subjects.objects(info.bucket), f"$O.{info.bucket}.C.>")]
    await bus.api(f"STREAM.MSG.DELETE.{subjects.objects(info.bucket)}", {"seq": entries[1].seq})
    with pytest.raises(Refused) as error:
        await objects.get(info.name)
    assert error.value.reason == "object-damaged"


async def test_content_without_an_object_is_found_when_it_is_old(objects: Objects, bus: Bus) -> None:
    info = await objects.put(pieces(b"kept"))
    await bus.store(f"$O.{info.bucket}.C.loose", b"x")
    infos = await objects.all()
    assert await objects.loose(infos, older_than=60) == []

    async def found() -> list[str]:
        return await objects.loose(infos, older_than=0.01)

    assert await until(found) == ["loose"]
    await objects.forget("loose")
    assert await objects.loose(infos, older_than=0) == []
    assert await objects.get(info.name) == b"kept"


async def test_another_size_of_the_budget_applies(bus: Bus, objects: Objects) -> None:
    info = await objects.put(pieces(b"1"))
    larger = Objects(bus, info.bucket, 2 * BUDGET)
    await larger.put(pieces(bytes(BUDGET + CHUNK)))
    assert await larger.get(info.name) == b"1"


async def test_a_cancelled_upload_leaves_nothing(objects: Objects) -> None:
    waiting = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(CHUNK)
        waiting.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(objects.put(slow()))
    await waiting.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    async def empty() -> bool:
        return await objects.used() == 0

    await until(empty)


async def test_a_removed_flow_can_begin_again(objects: Objects) -> None:
    await objects.put(pieces(b"1"))
    await objects.remove()
    await objects.remove()
    with pytest.raises(HeadraceError):
        await objects.get("obj~1")
    info = await objects.put(pieces(b"2"))
    assert await objects.get(info.name) == b"2"
