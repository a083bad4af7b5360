"""Which objects are deleted, and which never: nothing that is still needed goes, whatever its age."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.deployed import deploy
from tests.integration.api.conftest import Served
from tests.integration.api.test_history import _record

from headrace.bus import journal, subjects
from headrace.bus import message as envelope
from headrace.bus.client import Bus
from headrace.bus.message import ErrorEntry, Failure, Large, Message, Output
from headrace.bus.objects import MOST_LISTED, ObjectInfo, Objects, new_object_id, pieces, reference_headers
from headrace.control.sweep import Needed, Sweep, due, unneeded
from headrace.flows.deployment import DeploymentSpec
from headrace.ids import new_id
from headrace.store import failures
from headrace.testing.plane import until
from headrace.worker.delay import Delays


class Broom:
    """A flow with objects, and the sweep."""

    def __init__(self, served: Served, spec: DeploymentSpec) -> None:
        self.bus: Bus = served.parts.bus
        self.served = served
        self.spec = spec
        self.objects = Objects(self.bus, spec.flow_id, served.parts.settings.object_bytes)
        self.sweep = Sweep(served.parts.db, self.bus, served.parts.settings)

    async def store(self, *, keep: float = 0.0, data: bytes = b"x") -> str:
        return (await self.objects.put(pieces(data), keep=keep)).name

    async def send(self, *names: str, step: str = "hook", **changes: Any) -> Message:
        """A message that refers to the objects, in the inbox of a step that has no worker."""
        message = Message(
            id=new_id(), execution=new_id(), step=step, body=msgspec.Raw(msgspec.json.encode(list(names))), at=1
        )
        message = msgspec.structs.replace(message, **changes)
        data = envelope.encode(message)
        await self.bus.store(
            subjects.inbox(self.spec.flow_id, self.spec.epoch, step), data, message.id, reference_headers(data)
        )
        return message

    async def acknowledge(self) -> None:
        """A worker has processed everything."""
        for step in self.spec.steps:
            left = (await journal.depth(self.bus, self.spec.flow_id, self.spec.epoch, step.id)).total
            replies: asyncio.Queue[bytes] = asyncio.Queue()

            def heard(subject: bytes, reply: bytes, data: bytes, headers: bytes | None, replies: Any = replies) -> None:
                replies.put_nowait(reply)

            undo = await self.bus.on_message(journal.deliver(self.spec, step), heard)
            for _ in range(left):
                self.bus.publish((await asyncio.wait_for(replies.get(), 5)).decode(), b"+ACK")
            await self.bus.flush()
            await undo()

    async def swept(self) -> set[str]:
        """What is left after three looks."""
        await asyncio.sleep(0.005)  # the time of what was stored last is over
        for _ in range(3):
            await self.sweep.look()
        return {each.name for each in await self.objects.all()}


@pytest.fixture
async def broom(served: Served) -> Broom:
    return Broom(served, await deploy(served.parts.db, served.parts.bus, "orders"))


async def test_what_nothing_refers_to_goes_when_its_time_is_over(broom: Broom) -> None:
    young = await broom.store(keep=60)
    await broom.store()
    assert await broom.swept() == {young}


async def test_one_look_is_not_enough(broom: Broom) -> None:
    await broom.store()
    await asyncio.sleep(0.005)
    assert await broom.sweep.look() == 0
    assert await broom.sweep.look() == 1


@pytest.mark.parametrize("where", ["body", "attachments", "headers", "large", "passthrough"])
async def test_a_message_still_to_be_processed_keeps_its_objects(broom: Broom, where: str) -> None:
    name = await broom.store()
    places: dict[str, dict[str, Any]] = {
        "body": {"body": msgspec.Raw(b'{"file": "http://x/storage/objects/%b?a=b"}' % name.encode())},
        "attachments": {"attachments": {"a.pdf": {"url": f"http://x/storage/objects/{name}?storage_type=maester"}}},
        "headers": {"headers": {"x-file": name}},
        "large": {"large": Large(name, 10)},
        "passthrough": {"passthrough": {"far": Output(body=msgspec.Raw(b"null"), large=Large(name, 10))}},
    }
    await broom.send(**places[where])
    assert await broom.swept() == {name}
    await broom.acknowledge()
    assert await broom.swept() == set()


async def test_more_references_than_a_header_takes(broom: Broom) -> None:
    name = await broom.store()
    await broom.send(name, *(new_object_id() for _ in range(MOST_LISTED + 1)))
    assert await broom.swept() == {name}


async def test_a_later_message_keeps_what_it_carries(broom: Broom) -> None:
    """The first in the line is not the one that refers to it."""
    name = await broom.store()
    await broom.send()
    await broom.send()
    await broom.send(name, step="work")
    assert await broom.swept() == {name}


async def test_what_is_younger_than_the_oldest_waiting_message_stays(broom: Broom) -> None:
    """A step may have stored it for an output that is not in the journal yet."""
    await broom.send()
    await asyncio.sleep(0.005)
    name = await broom.store()
    assert await broom.swept() == {name}
    await broom.acknowledge()
    assert await broom.swept() == set()


async def test_a_delayed_message_keeps_its_objects_before_and_after_it_is_due(broom: Broom) -> None:
    for until_ms in (2_000_000_000_000, 1):
        name = await broom.store()
        message = Message(id=new_id(), execution="e", step="hook", body=msgspec.Raw(b'"%b"' % name.encode()), at=1)
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        Delays(broom.bus, broom.spec).schedule("hook", message, until_ms, done.set_result)
        await done
        kind = "delay" if until_ms > 1 else "due"

        async def there(kind: str = kind) -> bool:
            subject = f"{kind}.{broom.spec.flow_id}.>"
            info = await broom.bus.api(f"STREAM.INFO.{subjects.DELAYS}", {"subjects_filter": subject})
            return bool(info["state"].get("subjects"))

        await until(there)
        assert name in await broom.swept(), kind


async def test_an_error_keeps_its_objects_recorded_or_not(broom: Broom) -> None:
    fresh, recorded = await broom.store(), await broom.store()
    message = Message(id="m", execution="e", step="hook", body=msgspec.Raw(b'"%b"' % fresh.encode()), at=1)
    entry = ErrorEntry(id="x", message=message, step="hook", failure=Failure(name="E", message="m"), at=1)
    await broom.bus.store(subjects.errors(broom.spec.flow_id, 1, "hook"), envelope.encode(entry))
    record = msgspec.structs.replace(message, id="n", body=msgspec.Raw(b'"%b"' % recorded.encode()))
    kept = _record("y", broom.spec, record)
    async with broom.served.parts.db.begin() as conn:
        await failures.add(conn, [failures.ErrorRecord(**{**_fields(kept), "objects": recorded})])
    assert await broom.swept() == {fresh, recorded}
    async with broom.served.parts.db.begin() as conn:
        await failures.discard(conn, "y")
    assert await broom.swept() == {fresh, recorded}, "closed errors are shown, too"
    async with broom.served.parts.db.begin() as conn:
        await failures.retain(conn, before=2**50)
    assert await broom.swept() == {fresh}


def _fields(record: failures.ErrorRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


async def test_the_objects_of_a_deleted_flow_go_with_it(broom: Broom) -> None:
    await broom.store(keep=1000)
    await journal.remove(broom.bus, broom.spec.flow_id)
    assert await broom.objects.used() == 0
    await Objects(broom.bus, "stranger", 1_000_000).put(pieces(b"late"))
    await broom.sweep.look()
    assert await Objects(broom.bus, "stranger", 1_000_000).used() == 0


def info(name: str, created: int, expires: int, kind: str) -> ObjectInfo:
    metadata = {"created": str(created), "expires": str(expires), "kind": kind}
    return ObjectInfo(name=name, nuid=name, bucket="f", size=1, chunks=1, digest="", mtime="", metadata=metadata)


TIMES = st.integers(0, 200_000)
INFOS = st.lists(
    st.builds(info, st.uuids().map(str), TIMES, TIMES, st.sampled_from(["body", "file"])),
    unique_by=lambda each: each.name,
)


@given(INFOS, TIMES, st.booleans(), st.none() | TIMES, st.data())
def test_what_is_needed_is_never_chosen(
    infos: list[ObjectInfo], now: int, crowded: bool, oldest: int | None, data: st.DataObject
) -> None:
    needed = frozenset(data.draw(st.sets(st.sampled_from([each.name for each in infos])))) if infos else frozenset()
    chosen = unneeded(due(infos, now, crowded=crowded), Needed(needed, oldest))
    assert not chosen & needed
    for each in infos:
        if each.name in chosen:
            assert oldest is None or each.created < oldest
            assert each.expires < now or (crowded and each.metadata["kind"] == "body" and each.created < now - 60_000)
        elif each.name not in needed and oldest is None:
            assert each.expires >= now, "and everything else goes in time"
