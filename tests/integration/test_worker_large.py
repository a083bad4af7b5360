"""Large bodies in a real data plane: they travel by reference, and nobody who reads them can tell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from tests.integration.api.conftest import serving

from headrace.api.object_storage import ObjectStorage
from headrace.bus import journal, subjects
from headrace.bus import message as envelope
from headrace.bus.objects import Objects, references
from headrace.control.object_token import ObjectTokens
from headrace.control.sweep import Sweep
from headrace.errors import Unavailable
from headrace.flows.deployment import DeploymentSpec, Retry, StepSpec
from headrace.settings import Settings
from headrace.store.database import Database
from headrace.testing.plane import Plane, until

MB = 1024 * 1024
INLINE = 64 * 1024

PASS_ON = """
async def process(ctx, msg, cfg, snapshot):
    return msg.body
"""
GROW = """
async def process(ctx, msg, cfg, snapshot):
    yield {"n": msg.body["n"], "text": "x" * msg.body["size"]}
    yield {"n": msg.body["n"], "text": "small"}
"""
LENGTHS = """
async def process(ctx, msg, cfg, snapshot):
    carried = {step: len(str(part["body"])) for step, part in msg.passthrough.items()}
    return {"n": msg.body["n"], "length": len(msg.body["text"]), "carried": carried}
"""
STORE = """
async def process(ctx, msg, cfg, snapshot):
    from headrace_sdk import Message
    stored = await ctx.attachments.put((b"line\\n" for _ in range(msg.body["lines"])), content_type="text/plain")
    return Message({"n": 1}, attachments={"lines.txt": stored})
"""
COUNT = """
def process(ctx, msg, cfg, snapshot):
    with ctx.attachments.open("lines.txt") as file:
        return {"lines": sum(chunk.count(b"\\n") for chunk in file), "size": ctx.attachments["lines.txt"]["size"]}
"""
FAIL_FIRST = """
seen = set()

async def process(ctx, msg, cfg, snapshot):
    if ctx.attempt <= cfg["failures"]:
        raise ValueError("not yet")
    return {"length": len(msg.body["text"]), "attempt": ctx.attempt}
"""


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        yield running


def step(plane: Plane, name: str, source: str, **options: Any) -> StepSpec:
    code = plane.component(name, {"main.py": source})
    trigger = options.pop("trigger", False)
    kind: Any = {"kind": "trigger", "trigger_type": "webhook"} if trigger else {"kind": "action"}
    return StepSpec(id=name, function=name, main="main.py", code=code, **kind, **options)


def objects(plane: Plane, spec: DeploymentSpec) -> Objects:
    return Objects(plane.bus, spec.flow_id, spec.object_bytes)


async def drained(plane: Plane, spec: DeploymentSpec) -> None:
    async def empty() -> bool:
        depths = [
            await journal.depth(plane.bus, spec.flow_id, spec.epoch, each.id)
            for each in spec.steps
            if journal.reads_messages(each)
        ]
        return not sum(each.total for each in depths)

    await until(empty, within=30)


async def outputs(plane: Plane, spec: DeploymentSpec, step_id: str, number: int) -> list[Any]:
    async def there() -> list[Any] | None:
        found = await plane.bodies(spec, step_id)
        return found if len(found) >= number else None

    found: list[Any] = await until(there, within=30)
    return found


async def test_a_large_body_is_mapped_carried_and_given_whole(plane: Plane) -> None:
    spec = plane.chain(
        step(plane, "hook", GROW, trigger=True, carry=("hook",)),
        step(plane, "middle", PASS_ON, input='{"n": body.n, "size": $length(body.text)}', carry=("hook",)),
        step(plane, "last", LENGTHS, input='{"n": body.n, "text": $steps.hook.body.text}'),
        inline_limit=INLINE,
    )
    worker = await plane.live(spec)
    await plane.send(spec, {"n": 1, "size": 3 * MB})
    first, second = await outputs(plane, spec, "last", 2)
    assert (first["length"], second["length"]) == (3 * MB, 5)
    assert first["carried"]["hook"] > 3 * MB
    emitted, small = await plane.outputs(spec, "hook")
    assert emitted.large is not None and emitted.large.size > 3 * MB
    assert (bytes(emitted.body), small.large) == (b"null", None)
    mapped, _ = await plane.outputs(spec, "middle")
    assert mapped.passthrough["hook"].large == emitted.large, "the same object is carried on, not copied"
    assert [each.name for each in await objects(plane, spec).all()] == [emitted.large.object]
    state = await journal.state(plane.bus, spec.flow_id)
    assert state.bytes < 20_000, "the journal has references only"
    await worker.stop()


async def test_references_are_told_beside_the_message(plane: Plane) -> None:
    spec = plane.chain(step(plane, "hook", GROW, trigger=True), step(plane, "last", LENGTHS), inline_limit=INLINE)
    worker = await plane.live(spec)
    await plane.send(spec, {"n": 1, "size": MB})
    await outputs(plane, spec, "last", 2)
    subject = subjects.output(spec.flow_id, spec.epoch, "hook")
    entries = [each async for each in plane.bus.read(subjects.stream(spec.flow_id), subject)]
    told = [each.headers.get("Headrace-Objects") for each in entries]
    assert told == [references(entries[0].data)[0], None]
    await worker.stop()


async def test_order_holds_between_large_and_small(plane: Plane) -> None:
    spec = plane.chain(step(plane, "hook", GROW, trigger=True), step(plane, "last", LENGTHS), inline_limit=INLINE)
    worker = await plane.live(spec)
    sizes = [10, MB, 20, 2 * MB, 100, 30, MB]
    for number, size in enumerate(sizes):
        await plane.send(spec, {"n": number, "size": size})
    found = await outputs(plane, spec, "last", 2 * len(sizes))
    assert [each["n"] for each in found] == [number for number in range(len(sizes)) for _ in range(2)]
    assert [each["length"] for each in found] == [length for size in sizes for length in (size, 5)]
    await worker.stop()


async def test_a_failed_message_keeps_its_references_and_can_be_tried_again(plane: Plane) -> None:
    spec = plane.chain(
        step(plane, "hook", GROW, trigger=True),
        step(plane, "later", FAIL_FIRST, fields={"failures": 2}, retry=Retry(attempts=3, first=0.2, factor=1)),
        step(plane, "never", FAIL_FIRST, fields={"failures": 9}, input='{"text": $steps.hook.body.text}'),
        inline_limit=INLINE,
    )
    spec = msgspec.structs.replace(
        spec, steps=tuple(msgspec.structs.replace(each, carry=("hook",)) for each in spec.steps)
    )
    worker = await plane.live(spec)
    await plane.send(spec, {"n": 1, "size": 2 * MB})
    found = await outputs(plane, spec, "later", 2)
    assert sorted((each["length"], each["attempt"]) for each in found) == [(5, 3), (2 * MB, 3)]

    async def failed() -> list[Any] | None:
        errors = await plane.errors(spec, "never")
        return errors if len(errors) == 2 else None

    errors = await until(failed, within=20)
    kept = [each.message.passthrough["hook"].large for each in errors]
    assert sorted(each is None for each in kept) == [False, True]
    await worker.stop()


async def test_over_the_limit_is_an_error_that_names_it(plane: Plane) -> None:
    spec = plane.chain(
        step(plane, "hook", GROW, trigger=True), step(plane, "last", LENGTHS), inline_limit=INLINE, message_limit=MB
    )
    worker = await plane.live(spec)
    await plane.send(spec, {"n": 1, "size": MB})

    async def failed() -> list[Any]:
        return await plane.errors(spec, "hook")

    [error] = await until(failed)
    assert "message_limit" in error.failure.message
    assert await objects(plane, spec).all() == []
    await worker.stop()


async def test_a_body_that_is_gone_is_an_error_that_says_so(plane: Plane) -> None:
    spec = plane.chain(step(plane, "hook", GROW, trigger=True), step(plane, "last", LENGTHS), inline_limit=INLINE)
    await journal.prepare(plane.bus, spec)
    lost = envelope.Large("obj~" + "0" * 22, 100)
    message = envelope.Message(
        id="m", execution="e", step="hook", body=msgspec.Raw(b"null"), large=lost, at=1, stage="mapped"
    )
    await plane.bus.store(subjects.inbox(spec.flow_id, 1, "last"), envelope.encode(message))
    await plane.send(spec, {"n": 1, "text": "behind"}, step="last")
    worker = await plane.live(spec)

    async def failed() -> list[Any]:
        return await plane.errors(spec, "last")

    [error] = await until(failed)
    assert (error.failure.reason, error.message.large) == ("body-missing", lost)
    assert lost.object in error.failure.message
    assert [each["length"] for each in await outputs(plane, spec, "last", 1)] == [6]
    await worker.stop()


async def test_a_full_object_store_is_waited_for(plane: Plane) -> None:
    spec = plane.chain(
        step(plane, "hook", GROW, trigger=True),
        step(plane, "last", LENGTHS),
        inline_limit=INLINE,
        object_bytes=4 * MB,
    )
    store = objects(plane, spec)
    filling = await store.put(iter([bytes(3 * MB)]))
    worker = await plane.live(spec)
    await plane.send(spec, {"n": 1, "size": 2 * MB})
    await asyncio.sleep(1.0)
    assert await plane.bodies(spec, "last") == []
    await store.delete(filling.name)
    found = await outputs(plane, spec, "last", 2)
    assert [each["length"] for each in found] == [2 * MB, 5]
    await worker.stop()


@pytest.mark.timeout(300)
async def test_nothing_is_lost_when_workers_are_killed_between_body_and_message(plane: Plane) -> None:
    spec = plane.chain(step(plane, "hook", GROW, trigger=True), step(plane, "last", LENGTHS), inline_limit=INLINE)
    worker = await plane.live(spec)
    numbers = range(40)
    for number in numbers:
        await plane.send(spec, {"n": number, "size": 300 * 1024})

    kills = 0
    stored = 0
    while kills < 8:
        before = stored

        async def more(before: int = before) -> bool:
            nonlocal stored
            stored = len(await objects(plane, spec).all())
            return stored > before

        await until(more, within=30)
        worker.kill()
        kills += 1
        worker = plane.restart(spec)
        await worker.activate()
    await drained(plane, spec)
    found = await plane.bodies(spec, "last")
    pairs = sorted((each["n"], each["length"]) for each in found)
    assert pairs == sorted((number, length) for number in numbers for length in (5, 300 * 1024))
    used = {message.large.object for message in await plane.outputs(spec, "hook") if message.large is not None}
    assert len(used) == len(numbers)
    assert used <= {each.name for each in await objects(plane, spec).all()}
    await worker.stop()


@pytest.mark.timeout(300)
async def test_fifty_megabytes_pass(plane: Plane) -> None:
    """And the worker goes on saying that it lives."""
    spec = plane.chain(
        step(plane, "hook", GROW, trigger=True, memory=2048 * MB),
        step(plane, "last", LENGTHS, memory=2048 * MB),
        message_limit=55 * MB,
    )
    worker = await plane.live(spec)
    await plane.send(spec, {"n": 1, "size": 50 * MB})
    slowest = 0.0
    clock = asyncio.get_running_loop().time
    while len(await plane.bodies(spec, "last")) < 2:
        asked = clock()
        await worker.state()
        slowest = max(slowest, clock() - asked)
    assert [each["length"] for each in await plane.bodies(spec, "last")] == [50 * MB, 5]
    print(json.dumps({"slowest answer of the worker, s": slowest}))
    assert slowest < 2.0
    await worker.stop()


async def test_components_hand_files_on(plane: Plane) -> None:
    """From async to blocking code, each in its host, over the object store's HTTP."""
    settings = Settings(data=plane.folder / "data")
    tokens = ObjectTokens.kept_in(settings.object_key_file)
    async with serving(ObjectStorage(plane.bus, settings, tokens)) as url:
        spec = plane.chain(
            step(plane, "hook", STORE, trigger=True),
            step(plane, "last", COUNT),
            storage_url=f"{url}/storage",
            storage_token=tokens.issue("f1", 1),
        )
        worker = await plane.live(spec)
        await plane.send(spec, {"lines": 300_000})
        assert await outputs(plane, spec, "last", 1) == [{"lines": 300_000, "size": 1_500_000}]
        [emitted] = await plane.outputs(spec, "hook")
        [stored] = await objects(plane, spec).all()
        assert references(envelope.encode(emitted)) == [stored.name]
        await worker.stop()


@pytest.mark.timeout(300)
async def test_a_sweep_at_every_moment_takes_nothing_that_is_needed(plane: Plane) -> None:
    """While workers are killed, large bodies pass, are delayed and fail; their time is over from the start."""
    spec = plane.chain(
        step(plane, "hook", GROW, trigger=True, carry=("hook",)),
        step(plane, "later", FAIL_FIRST, fields={"failures": 1}, retry=Retry(attempts=2, first=0.3), carry=("hook",)),
        step(plane, "last", LENGTHS, input='{"n": $steps.hook.body.n, "text": $steps.hook.body.text}'),
        inline_limit=INLINE,
        journal_keep=0.001,
    )
    db = Database(f"sqlite:///{plane.folder / 'db.sqlite3'}")
    await db.migrate()
    sweep = Sweep(db, plane.bus, Settings(data=plane.folder / "data"))
    swept = 0

    async def keep_sweeping() -> None:
        nonlocal swept
        while True:
            with suppress(Unavailable):
                swept += await sweep._flow(spec.flow_id)
            await asyncio.sleep(0.02)

    worker = await plane.live(spec)
    sweeping = asyncio.create_task(keep_sweeping())
    numbers = range(30)
    done: dict[int, list[int]] = {}
    undo = await plane.bus.on_message(
        subjects.output(spec.flow_id, spec.epoch, "last"), lambda *message: _note(done, message[2])
    )
    for number in numbers:
        await plane.send(spec, {"n": number, "size": 200 * 1024})
        if number % 10 == 9:
            worker.kill()
            worker = plane.restart(spec)
            await worker.activate()

    async def over() -> bool:
        failed = [each.failure for name in ("hook", "later", "last") for each in await plane.errors(spec, name)]
        assert failed == []
        return all(sorted(done.get(each, ())) == [5, 200 * 1024] for each in numbers)

    await until(over, within=60)
    await drained(plane, spec)

    async def empty() -> bool:
        return not await objects(plane, spec).all()

    await until(empty, what="everything is swept in the end")
    assert swept >= len(numbers)
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)
    await undo()
    await db.close()
    await worker.stop()


def _note(done: dict[int, list[int]], data: bytes) -> None:
    body = msgspec.json.decode(envelope.decode(data).body)
    lengths = done.setdefault(body["n"], [])
    if body["length"] not in lengths:  # a repeat on its way into the journal, which drops it
        lengths.append(body["length"])
