"""What is left of a step's messages, told exactly by the real broker; what becomes of it at a take-over and a purge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from headrace.bus import journal, subjects
from headrace.bus import message as envelope
from headrace.bus.message import Message, Output
from headrace.errors import Refused
from headrace.flows.deployment import Code, DeploymentSpec, StepSpec
from headrace.testing.plane import Plane, until
from headrace.worker.purge import Purge

CODE = Code(component="c", revision=1, commit="0" * 40, root="/c", interpreter="python3")


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with Plane.start() as running:
        yield running


def step(name: str, **options: Any) -> StepSpec:
    return StepSpec(id=name, kind="action", function=name, main=f"{name}.py", code=CODE, **options)


def flow(
    plane: Plane, *steps: StepSpec, epoch: int = 1, trigger_type: Any = "webhook", **options: Any
) -> DeploymentSpec:
    hook = StepSpec(id="hook", kind="trigger", function="f", main="f.py", code=CODE, trigger_type=trigger_type)
    return plane.chain(hook, *steps, epoch=epoch, **({"journal_bytes": 1 << 20} | options))


async def put(plane: Plane, spec: DeploymentSpec, name: str, number: int, **options: Any) -> int:
    """A message in the step's inbox; its sequence number."""
    body = msgspec.Raw(msgspec.json.encode({"n": number} | options.pop("pad", {})))
    known: dict[str, Any] = {"id": f"m{number}", "execution": f"e{number}", "step": "hook", "body": body, "at": 0}
    data = envelope.encode(Message(**(known | options)))
    return (await plane.bus.store(subjects.inbox(spec.flow_id, spec.epoch, name), data)).seq


async def acknowledge(plane: Plane, spec: DeploymentSpec, name: str, *numbers: int) -> list[int]:
    """Have everything handed out, acknowledge some of it as a worker would, and stop listening; what was handed out."""
    replies: dict[int, str] = {}

    def heard(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        replies[int(reply.split(b".")[5])] = reply.decode()

    undo = await plane.bus.on_message(journal.deliver(spec, spec.step(name)), heard)

    async def all_there() -> bool:
        depth = await journal.depth(plane.bus, spec.flow_id, spec.epoch, name)
        return depth.waiting == 0 and len(replies) >= depth.held

    await until(all_there)
    for seq in numbers:
        plane.bus.publish(replies[seq], b"+ACK")
    await plane.bus.flush()
    await undo()
    return sorted(replies)


async def inbox(plane: Plane, spec: DeploymentSpec, name: str) -> list[Message]:
    subject = subjects.inbox(spec.flow_id, spec.epoch, name)
    return [envelope.decode(entry.data) async for entry in plane.bus.read(subjects.stream(spec.flow_id), subject)]


async def test_what_is_acknowledged_behind_others_is_told_from_what_is_not(plane: Plane) -> None:
    spec = flow(plane, step("work"))
    await journal.prepare(plane.bus, spec)
    seqs = [await put(plane, spec, "work", number) for number in range(8)]
    await acknowledge(plane, spec, "work", seqs[0], seqs[2], seqs[3], seqs[5])
    more = await put(plane, spec, "work", 8)
    left = await journal.left(plane.bus, spec, spec.step("work"))
    assert [seq for seq in [*seqs, more] if not left.acknowledged(seq)] == [seqs[1], seqs[4], seqs[6], seqs[7], more]
    config = (await plane.bus.api("CONSUMER.INFO.FLOW_f1.1_work"))["config"]
    assert config["ack_wait"] == journal.ACK_WAIT * 1_000_000_000


async def test_an_unbroken_row_is_known_without_asking(plane: Plane) -> None:
    spec = flow(plane, step("work"))
    await journal.prepare(plane.bus, spec)
    seqs = [await put(plane, spec, "work", number) for number in range(4)]
    await acknowledge(plane, spec, "work", seqs[0])
    left = await journal.left(plane.bus, spec, spec.step("work"))
    assert left.unacknowledged is None
    assert [left.acknowledged(seq) for seq in seqs] == [True, False, False, False]
    assert await journal.rewind(plane.bus, spec, spec.step("work")) == 3


async def test_a_take_over_moves_exactly_what_is_left(plane: Plane) -> None:
    old = flow(plane, step("work"))
    await journal.prepare(plane.bus, old)
    seqs = [await put(plane, old, "work", number) for number in range(6)]
    await acknowledge(plane, old, "work", seqs[0], seqs[2], seqs[3])
    await put(plane, old, "work", 6)
    new = flow(plane, step("work"), epoch=2)
    await journal.prepare(plane.bus, new)
    assert await journal.take_over(plane.bus, old, new) == journal.TakenOver(moved=4)
    assert [message.id for message in await inbox(plane, new, "work")] == ["m1", "m4", "m5", "m6"]


async def test_what_lacks_an_output_the_new_steps_read_is_parked(plane: Plane) -> None:
    old = flow(plane, step("first"), step("work"))
    reads = step("work", input='{"n": $steps.hook.body.n, "m": $steps.first.body}', carry=("hook",))
    new = flow(plane, step("first"), reads, step("last", input="$steps.hook.body"), epoch=2)
    await journal.prepare(plane.bus, old)
    carried = {"hook": Output(body=msgspec.Raw(b"{}"))}
    await put(plane, old, "work", 1, step="first", passthrough=carried)
    await put(plane, old, "work", 2, step="first")
    await put(plane, old, "work", 3, step="work", stage="mapped", passthrough=carried)
    await put(plane, old, "work", 4, step="work", stage="mapped")
    await journal.prepare(plane.bus, new)
    assert await journal.take_over(plane.bus, old, new) == journal.TakenOver(moved=2, parked=2)
    moved = await inbox(plane, new, "work")
    assert [(message.id, message.stage) for message in moved] == [("m1", "raw"), ("m3", "mapped")]
    parked = await plane.errors(old, "work")
    assert {error.failure.reason for error in parked} == {"not-carried"}
    assert "$steps.hook" in parked[0].failure.message


async def test_what_is_for_another_step_is_not_parked_for_one_that_is_gone(plane: Plane) -> None:
    old, new = flow(plane, step("work"), step("other")), flow(plane, step("other"), epoch=2)
    await journal.prepare(plane.bus, old)
    await put(plane, old, "work", 1, to="other")
    await put(plane, old, "work", 2, to="work")
    await journal.prepare(plane.bus, new)
    assert await journal.take_over(plane.bus, old, new) == journal.TakenOver(parked=1)
    assert [error.message.id for error in await plane.errors(old, "work")] == ["m2"]
    told = [(fact.kind, fact.message, fact.opened) for fact in await plane.facts(old) if fact.step == "work"]
    assert sorted(told) == [("failed", "m2", -1), ("skipped", "m1", -1)]


async def test_an_unreadable_entry_does_not_stop_a_take_over(plane: Plane) -> None:
    old, new = flow(plane, step("work")), flow(plane, step("work"), epoch=2)
    await journal.prepare(plane.bus, old)
    await plane.bus.store(subjects.inbox(old.flow_id, 1, "work"), b"no message")
    await put(plane, old, "work", 1)
    await journal.prepare(plane.bus, new)
    assert (await journal.take_over(plane.bus, old, new)).moved == 1


async def test_a_take_over_makes_room_in_a_full_journal(plane: Plane) -> None:
    """Before the new deployment works there is nobody else who would."""
    old, new = flow(plane, step("work")), flow(plane, step("work"), epoch=2)
    await journal.prepare(plane.bus, old)
    count = 80
    for number in range(count):
        await put(plane, old, "work", number, pad={"pad": "x" * 10_000})
    await journal.prepare(plane.bus, new)
    assert (await journal.take_over(plane.bus, old, new)).moved == count
    assert [message.id for message in await inbox(plane, new, "work")] == [f"m{number}" for number in range(count)]


async def test_a_take_over_that_was_cut_short_goes_on_where_it_was(plane: Plane) -> None:
    old, new = flow(plane, step("work")), flow(plane, step("work"), epoch=2)
    await journal.prepare(plane.bus, old)
    for number in range(5):
        await put(plane, old, "work", number)
    await journal.prepare(plane.bus, new)
    await journal.take_over(plane.bus, old, new)
    assert await journal.take_over(plane.bus, old, new) == journal.TakenOver()
    assert len(await inbox(plane, new, "work")) == 5


@pytest.mark.parametrize("kind", ["webhook", "listener"])
async def test_errors_of_any_step_are_stored_and_new_events_refused_behind_a_switch(plane: Plane, kind: str) -> None:
    old, new = (flow(plane, step("work"), epoch=epoch, trigger_type=kind) for epoch in (1, 2))
    await journal.prepare(plane.bus, old)
    await journal.prepare(plane.bus, new)
    await journal.switch(plane.bus, new, [old])
    for name in ("hook", "work", "elsewhere"):
        await plane.bus.store(subjects.errors("f1", 1, name), b"{}", msg_id=name)
    with pytest.raises(Refused):
        await plane.bus.store(subjects.inbox("f1", 1, "hook"), b"{}", msg_id="inbox", patient=False)
    output = plane.bus.store(subjects.output("f1", 1, "hook"), b"{}", msg_id="output", patient=False)
    if kind == "webhook":
        await output  # it is of a request that was accepted before the switch
    else:
        with pytest.raises(Refused):
            await output
    await journal.switch(plane.bus, old, [new])
    await plane.bus.store(subjects.inbox("f1", 1, "hook"), b"{}", msg_id="again", patient=False)


# -- purge ------------------------------------------------------------------------------------------------------


async def held(plane: Plane) -> dict[str, int]:
    """How many messages each subject has."""
    answer = await plane.bus.api("STREAM.INFO.FLOW_f1", {"subjects_filter": ">"})
    return dict(answer["state"].get("subjects") or {})


async def test_old_messages_go_whatever_deployment_they_are_of_but_for_what_is_left(plane: Plane) -> None:
    old = flow(plane, step("work"), step("other"), journal_keep=0.0)
    await journal.prepare(plane.bus, old)
    seqs = [await put(plane, old, "work", number) for number in range(6)]
    await acknowledge(plane, old, "work", seqs[0], seqs[1], seqs[3])
    for number in range(3):
        await plane.bus.store(subjects.output("f1", 1, "other"), b"{}", msg_id=f"o{number}")  # read by nobody
    await plane.bus.store(subjects.errors("f1", 1, "work"), b"{}")
    await put(plane, old, "hook", 9)  # not even handed out
    new = flow(plane, step("work"), epoch=2, journal_keep=0.0)
    await journal.prepare(plane.bus, new)
    await Purge(plane.bus, new).run()
    # m2 and what is behind it stay, though m3 is acknowledged: the floor is below it
    assert await held(plane) == {"flow.f1.1.work.in": 4, "flow.f1.1.work.errors": 1, "flow.f1.1.hook.in": 1}
    await journal.take_over(plane.bus, old, new)
    await Purge(plane.bus, new).run()
    assert await held(plane) == {"flow.f1.2.work.in": 3, "flow.f1.1.work.errors": 1, "flow.f1.2.hook.in": 1}


async def test_a_crowded_journal_loses_its_oldest_acknowledged_messages_only(plane: Plane) -> None:
    spec = flow(plane, step("work"))
    await journal.prepare(plane.bus, spec)
    seqs = [await put(plane, spec, "work", number, pad={"pad": "x" * 10_000}) for number in range(80)]
    await acknowledge(plane, spec, "work", *seqs[:60])
    size = await Purge(plane.bus, spec).run()
    assert size <= 0.45 * (1 << 20)
    assert len(await inbox(plane, spec, "work")) < 45
    left = await journal.depth(plane.bus, "f1", 1, "work")
    assert left.total == 20 and {f"m{number}" for number in range(60, 80)} <= {
        message.id for message in await inbox(plane, spec, "work")
    }
    assert await Purge(plane.bus, spec).measure() == size


async def test_what_comes_in_during_a_purge_is_safe(plane: Plane) -> None:
    spec = flow(plane, step("work"), journal_keep=0.0)
    await journal.prepare(plane.bus, spec)
    seq = await put(plane, spec, "work", 0)
    await acknowledge(plane, spec, "work", seq)
    purge = Purge(plane.bus, spec)
    number = 0
    for _ in range(10):
        purge._last = -1e9
        running = asyncio.ensure_future(purge.run())
        while not running.done():
            number += 1
            await put(plane, spec, "work", number)
    assert [message.id for message in await inbox(plane, spec, "work")] == [f"m{n}" for n in range(1, number + 1)]
