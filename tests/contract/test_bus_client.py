"""What the platform relies on in nats-py and in the broker, pinned: an upgrade that changes it is noticed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from headrace.bus import buckets, reading, subjects
from headrace.bus.client import Bus, JournalFull, Stored
from headrace.errors import HeadraceError, NotFound, Refused, TooLarge, Unavailable
from headrace.testing.plane import Plane, until

STREAM: dict[str, Any] = {
    "name": "S",
    "subjects": ["s.>"],
    "storage": "file",
    "discard": "new",
    "max_bytes": 1 << 20,
    "allow_direct": True,
    "duplicate_window": 600_000_000_000,
}


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        await running.bus.api("STREAM.CREATE.S", STREAM)
        yield running


@pytest.fixture
def few_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subject that is refused is tried three times, not for ten seconds."""
    monkeypatch.setattr("headrace.bus.stores.REFUSED_RETRIES", 3)


async def kill_broker(plane: Plane) -> None:
    process = plane.broker.process
    assert process is not None
    os.kill(process.pid, 9)
    await plane.broker.died()


async def test_a_repeat_of_an_id_is_stored_once(plane: Plane) -> None:
    first = await plane.bus.store("s.a", b"1", msg_id="x")
    assert await plane.bus.store("s.a", b"2", msg_id="x") == Stored(first.seq, duplicate=True)
    assert (await plane.bus.get("S", first.seq)).data == b"1"  # type: ignore[union-attr]


async def test_many_stores_at_once_keep_their_order(plane: Plane) -> None:
    results = await asyncio.gather(*(plane.bus.store("s.a", b"%d" % n, msg_id=str(n)) for n in range(500)))
    assert [result.seq for result in results] == list(range(1, 501))
    assert [entry.data async for entry in plane.bus.read("S", "s.a")] == [b"%d" % n for n in range(500)]


async def test_a_full_stream_says_so_and_stores_nothing(plane: Plane) -> None:
    with pytest.raises(JournalFull):
        for number in range(200):
            await plane.bus.store("s.a", b"x" * 10_000, msg_id=str(number))


async def test_a_subject_nobody_stores_is_refused(plane: Plane, few_retries: None) -> None:
    with pytest.raises(Refused) as refused:
        await plane.bus.store("nowhere", b"", msg_id="1")
    assert refused.value.reason == "subject-refused"


async def test_a_subject_taken_out_of_the_stream_is_refused_and_its_messages_stay(
    plane: Plane, few_retries: None
) -> None:
    await plane.bus.api("STREAM.UPDATE.S", STREAM | {"subjects": ["s.a", "s.b"]})
    stored = await plane.bus.store("s.a", b"before", msg_id="1")
    await plane.bus.api("STREAM.UPDATE.S", STREAM | {"subjects": ["s.b"]})
    with pytest.raises(Refused):
        await plane.bus.store("s.a", b"after", msg_id="2")
    entry = await plane.bus.get("S", stored.seq)
    assert entry is not None and entry.data == b"before"


async def test_stores_wait_for_a_broker_that_is_away_and_keep_their_order(plane: Plane) -> None:
    await plane.bus.store("s.a", b"0", msg_id="0")
    await kill_broker(plane)
    waiting = [asyncio.ensure_future(plane.bus.store("s.a", b"%d" % n, msg_id=str(n))) for n in range(1, 100)]
    await until(lambda: not plane.bus.connected)
    await plane.broker.start()
    results = await asyncio.gather(*waiting)
    assert [result.duplicate for result in results] == [False] * 99
    assert [entry.data async for entry in plane.bus.read("S", "s.a")] == [b"%d" % n for n in range(100)]


async def test_what_the_broker_would_not_take_is_refused_here_and_the_connection_stays(plane: Plane) -> None:
    lost: list[None] = []
    undo = plane.bus.on_reconnect(lambda: lost.append(None))
    with pytest.raises(TooLarge):
        await plane.bus.store("s.a", b"x" * (9 << 20), msg_id="big")
    with pytest.raises(TooLarge):
        plane.bus.publish("plain", b"x" * (9 << 20))
    assert (await plane.bus.store("s.a", b"small", msg_id="small")).seq == 1
    assert lost == []
    undo()


async def test_listening_while_the_broker_is_away_is_an_error_of_our_own_and_leaves_nothing(plane: Plane) -> None:
    await kill_broker(plane)
    await until(lambda: not plane.bus.connected)
    for listen in (plane.bus.on_message("x", print), plane.bus.subscribe("x", _ignore), plane.bus.flush()):
        with pytest.raises(Unavailable):
            await listen
    assert not any(each.subject == "x" for each in plane.bus._client._subs.values())
    await plane.broker.start()


async def _ignore(subject: str, data: bytes, reply: str) -> None:
    """Receive nothing."""


async def test_a_cancellation_that_nats_py_swallows_is_heeded(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio.wait_for` of Python 3.11 does that when the result comes at the same moment."""
    reached = asyncio.Event()

    async def flush(timeout: float) -> None:
        reached.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return

    monkeypatch.setattr(plane.bus._client, "flush", flush)
    listening = asyncio.create_task(plane.bus.on_message("x", print))
    await reached.wait()
    listening.cancel()
    await asyncio.wait([listening])
    assert listening.cancelled()
    assert not any(each.subject == "x" for each in plane.bus._client._subs.values())


async def test_a_flush_that_is_cancelled_does_not_deafen_the_connection(plane: Plane) -> None:
    for _ in range(3):
        given_up = asyncio.create_task(plane.bus.flush())
        waits = asyncio.create_task(plane.bus.flush())
        await asyncio.sleep(0)  # both have asked
        given_up.cancel()
        await asyncio.wait([given_up, waits])
        assert given_up.cancelled() and waits.exception() is None
    assert (await plane.bus.store("s.a", b"", msg_id="1")).seq == 1
    assert (await plane.bus.api("STREAM.INFO.S"))["state"]["messages"] == 1


async def test_an_answer_is_not_taken_for_that_of_a_later_flush(plane: Plane) -> None:
    process = plane.broker.process
    assert process is not None
    await plane.bus.flush()
    os.kill(process.pid, signal.SIGSTOP)
    await until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    given_up, waits = asyncio.create_task(plane.bus.flush()), asyncio.create_task(plane.bus.flush())
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait([given_up])
    await plane.bus._client._process_pong()  # to the one that was given up
    await asyncio.sleep(0)
    assert not waits.done()
    os.kill(process.pid, signal.SIGCONT)
    await waits


async def test_what_a_handler_raises_does_not_end_the_connection(plane: Plane) -> None:
    def broken(*message: Any) -> None:
        raise LookupError("a mistake")

    await plane.bus.on_message("broken", broken)
    plane.bus.publish("broken", b"")
    await plane.bus.flush()
    assert (await plane.bus.store("s.a", b"", msg_id="1")).seq == 1


async def test_reading_is_not_cut_short_by_a_restart(plane: Plane) -> None:
    await asyncio.gather(*(plane.bus.store("s.a", b"%d" % n + b"x" * 200, msg_id=str(n)) for n in range(3_000)))
    seen = []
    async for entry in plane.bus.read("S", "s.a"):
        seen.append(entry.seq)
        if len(seen) == 10:
            await kill_broker(plane)
            await plane.broker.start()
            await until(lambda: plane.bus.connected)
    assert seen == list(range(1, 3_001))


async def test_what_waits_for_an_answer_hears_of_a_lost_connection_at_once(plane: Plane) -> None:
    began = asyncio.get_running_loop().time()
    process = plane.broker.process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    await until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)  # it answers nothing any more
    asking = [
        asyncio.ensure_future(plane.bus.api("STREAM.INFO.S")),
        asyncio.ensure_future(plane.bus.store("s.a", b"no id")),
        asyncio.ensure_future(plane.bus.last("S", "s.a")),
        asyncio.ensure_future(plane.bus.flush()),
    ]
    await asyncio.sleep(0.1)
    await kill_broker(plane)
    await plane.broker.start()
    for answer in await asyncio.gather(*asking, return_exceptions=True):
        assert isinstance(answer, Unavailable) and answer.reason == "no-answer"
    assert asyncio.get_running_loop().time() - began < 4


async def test_ids_are_remembered_over_a_restart_of_the_broker(plane: Plane) -> None:
    await plane.bus.store("s.a", b"1", msg_id="x")
    await kill_broker(plane)
    await plane.broker.start()
    assert (await plane.bus.store("s.a", b"1", msg_id="x")).duplicate


async def test_closing_ends_what_waits(plane: Plane) -> None:
    other = await Bus.connect(plane.access["url"], plane.access["user"], plane.access["password"])
    await kill_broker(plane)
    waiting = asyncio.ensure_future(other.store("s.a", b"", msg_id="1"))
    await until(lambda: not other.connected)
    await other.close()
    await other.close()
    with pytest.raises(Unavailable) as closed:
        await waiting
    assert closed.value.reason == "bus-closed"
    await plane.broker.start()


async def test_a_wrong_password_is_told_from_an_absent_broker(plane: Plane) -> None:
    with pytest.raises(Unavailable) as login:
        await Bus.connect(plane.access["url"], "headrace", "wrong")
    assert login.value.reason == "broker-login"
    with pytest.raises(Unavailable) as absent:
        await Bus.connect("nats://127.0.0.1:9", "headrace", "wrong")
    assert absent.value.reason == "broker-unreachable"


async def test_reading_starts_and_ends_where_asked(plane: Plane) -> None:
    for number in range(10):
        await plane.bus.store("s.even" if number % 2 == 0 else "s.odd", b"%d" % number, msg_id=str(number))
    read = plane.bus.read
    assert [entry.data async for entry in read("S", "s.even")] == [b"0", b"2", b"4", b"6", b"8"]
    assert [entry.data async for entry in read("S", ["s.even", "s.odd"], start_seq=9)] == [b"8", b"9"]
    assert [entry.data async for entry in read("S", "s.odd", tail=2)] == [b"7", b"9"]
    assert [entry.data async for entry in read("S", "s.>", tail=100)] == [b"%d" % number for number in range(10)]
    assert [entry.data async for entry in read("S", "s.none")] == []
    assert [entry.data async for entry in read("S", "s.odd", tail=0)] == []


async def test_reading_ends_although_what_was_to_come_is_deleted_meanwhile(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "HEARTBEAT", 0.2)
    api = plane.bus.api

    async def counted_before(verb: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        answer = await api(verb, *arguments, **options)
        if verb.startswith("CONSUMER.CREATE"):
            answer["num_pending"] += 1  # as if one had been purged just now
        return answer

    monkeypatch.setattr(plane.bus, "api", counted_before)
    async with asyncio.timeout(10):
        assert [entry.data async for entry in plane.bus.read("S", "s.a")] == []


async def test_following_goes_on_over_a_restart_without_gap_or_repeat(plane: Plane) -> None:
    seen: list[bytes] = []

    async def follow() -> None:
        async for entry in plane.bus.read("S", "s.a", follow=True):
            seen.append(entry.data)  # noqa: PERF401  read while it grows

    task = asyncio.create_task(follow())
    for number in range(20):
        await plane.bus.store("s.a", b"%d" % number, msg_id=str(number))
        if number == 10:
            await kill_broker(plane)
            await plane.broker.start()
    await until(lambda: len(seen) >= 20, within=20)
    assert seen == [b"%d" % number for number in range(20)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_get_tells_a_missing_message_from_a_missing_stream(plane: Plane) -> None:
    assert await plane.bus.get("S", 17) is None
    assert await plane.bus.last("S", "s.none") is None
    with pytest.raises(NotFound):
        await plane.bus.get("NONE", 1)


async def test_a_bucket_guards_a_value_by_its_revision(plane: Plane) -> None:
    bucket = buckets.Bucket(plane.bus, subjects.LEASES)
    assert await bucket.get("k") is None
    revision = await bucket.create("k", b"1")
    with pytest.raises(Refused):
        await bucket.create("k", b"2")
    revision = await bucket.update("k", b"2", revision)
    with pytest.raises(Refused):
        await bucket.update("k", b"3", revision - 1)
    await bucket.delete("k")
    assert await bucket.get("k") is None
    assert await bucket.keys() == []
    await bucket.create("k", b"4")
    await bucket.put("a.b", b"5")
    assert sorted(await bucket.keys()) == ["a.b", "k"]
    assert await bucket.keys("a.") == ["a.b"]


async def test_watching_a_key_shows_its_value_and_how_it_changes(plane: Plane) -> None:
    bucket = buckets.Bucket(plane.bus, subjects.LEASES)
    await bucket.put("k", b"1")
    seen: list[bytes | None] = []

    async def watch() -> None:
        async for value in bucket.watch("k"):
            seen.append(value.data)  # noqa: PERF401  read while it grows

    task = asyncio.create_task(watch())
    await until(lambda: seen == [b"1"])
    await bucket.put("k", b"2")
    await until(lambda: seen == [b"1", b"2"])
    await bucket.put("k", b"3")
    await bucket.delete("k")
    await until(lambda: seen[-1] is None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_broker_hands_back_a_scheduled_message_when_it_is_due(plane: Plane) -> None:
    headers = {"Nats-Schedule": "@at 2020-01-01T00:00:00Z", "Nats-Schedule-Target": "due.f.1.s.m"}
    await plane.bus.store("delay.f.1.s.m", b"late", msg_id="m", headers=headers)

    async def due() -> Any:
        return await plane.bus.last(subjects.DELAYS, "due.f.1.s.m")

    assert (await until(due, within=10)).data == b"late"
    assert await plane.bus.last(subjects.DELAYS, "delay.f.1.s.m") is None


async def test_a_consumer_reset_brings_back_what_was_not_acknowledged(plane: Plane) -> None:
    for number in range(3):
        await plane.bus.store("s.a", b"%d" % number, msg_id=str(number))
    replies: list[tuple[bytes, bytes]] = []
    await plane.bus.on_message("deliver.c", lambda _, reply, data, __: replies.append((data, reply)))
    config = {"durable_name": "c", "ack_policy": "explicit", "deliver_subject": "deliver.c", "filter_subjects": ["s.a"]}
    await plane.bus.api("CONSUMER.CREATE.S.c", {"stream_name": "S", "config": config, "action": ""})
    await until(lambda: len(replies) == 3)
    plane.bus.publish(replies[0][1].decode(), b"+ACK")
    await plane.bus.flush()
    replies.clear()
    await plane.bus.api("CONSUMER.RESET.S.c", {})
    await until(lambda: [data for data, _ in replies] == [b"1", b"2"])


async def test_header_values_cannot_smuggle_lines(plane: Plane) -> None:
    with pytest.raises(ValueError, match="line break"):
        await plane.bus.store("s.a", b"", headers={"X": "a\r\nNats-Rollup: all"})


async def test_requests_nobody_answers_say_so(plane: Plane) -> None:
    with pytest.raises(HeadraceError) as nobody:
        await plane.bus.request("nobody.home", b"", timeout=0.5)
    assert nobody.value.reason == "no-answer"
