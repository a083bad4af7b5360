"""What waits, how long already, and the messages themselves; nothing is taken and no consumer stays behind."""

from __future__ import annotations

import time

import msgspec
import pytest
from tests.deployed import component, deploy
from tests.integration.api.conftest import Served

from headrace.bus import backlog, subjects
from headrace.bus import message as envelope
from headrace.bus.secrets import Secrets
from headrace.bus.trace import Batch, Fact
from headrace.flows.deployment import DeploymentSpec
from headrace.ids import new_id
from headrace.keyring import Keyring
from headrace.store import credentials, executions, flows
from headrace.testing.plane import until

QUEUES = "/flows/orders/queues"
WAITING = f"{QUEUES}/work/messages"
SECRET = "pa55-of-the-shop"
WITH_CREDENTIAL = """\
flow: {name}
steps:
  - id: hook
    trigger: hook/receive
    credential: shop
  - id: work
    after: hook
    action: hook/work
    fields: {{path: /srv/out/orders.jsonl}}
"""


async def emitted(served: Served, spec: DeploymentSpec, body: object, *, step: str = "hook", to: str = "") -> int:
    """A message as a step emits it; where it is in the journal."""
    message = envelope.Message(
        id=new_id(), execution=new_id(), step=step, body=msgspec.Raw(msgspec.json.encode(body)), at=1, to=to
    )
    subject = subjects.output(spec.flow_id, spec.epoch, step)
    return (await served.parts.bus.store(subject, envelope.encode(message), message.id)).seq


async def with_secret(served: Served, spec: DeploymentSpec) -> None:
    """A version whose trigger has a credential, with `SECRET` as its password."""
    secrets = Secrets(served.parts.bus, Keyring(served.parts.settings.credential_keys))
    await component(served.parts.db)
    async with served.parts.db.begin() as conn:
        made = await credentials.create(conn, "shop", "hook")
        await flows.add_version(conn, spec.flow_id, WITH_CREDENTIAL.format(name=spec.flow))
    await secrets.create(made.id, {"password": SECRET})


async def consumers(served: Served, spec: DeploymentSpec) -> set[str]:
    answer = await served.parts.bus.api(f"CONSUMER.LIST.{subjects.stream(spec.flow_id)}", {})
    return {each["name"] for each in answer["consumers"] or []}


async def queue(served: Served, name: str, step: str, after: str | None) -> dict[str, object]:
    found = await served.get(f"/flows/{name}/queues")
    return next(each for each in found["queues"] if (each["step"], each["after"]) == (step, after))


async def test_depth_and_age_under_a_step_that_stands_still(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    before = await consumers(served, spec)
    assert await queue(served, "orders", "work", "hook") == {
        "step": "work", "after": "hook", "epoch": 1, "waiting": 0, "oldest_at": None
    }  # fmt: skip
    began = time.time_ns() // 1_000_000
    for number in range(3):
        await emitted(served, spec, {"n": number})
    found = await queue(served, "orders", "work", "hook")
    assert found["waiting"] == 3
    assert isinstance(found["oldest_at"], int)
    assert began <= found["oldest_at"] <= time.time_ns() // 1_000_000
    assert await queue(served, "orders", "work", None) | {"waiting": 0} == await queue(served, "orders", "work", None)
    assert (await served.get("/flows/orders/queues"))["waiting"] == 3
    assert await consumers(served, spec) == before


async def test_what_is_dealt_with_out_of_order_is_no_longer_waiting(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    bus = served.parts.bus
    seqs = [await emitted(served, spec, {"n": number}) for number in range(4)]
    taken: list[str] = []
    undo = await bus.on_message(
        backlog.deliver(spec, spec.step("work")), lambda subject, reply, data, headers: taken.append(reply.decode())
    )
    await until(lambda: len(taken) == 4)
    bus.publish(taken[1], b"+ACK")
    await until(lambda: _held(served, spec, 3))
    entry = await bus.get(subjects.stream(spec.flow_id), seqs[1])
    assert entry is not None
    message = envelope.decode(entry.data)
    fact = Fact("done", message.execution, "work", message.id, "", 1, -1, seqs[1])
    async with served.parts.db.begin() as conn:
        await executions.apply(conn, "test", [(1, Batch(spec.flow_id, spec.epoch, spec.version, [fact]))])
    assert (await queue(served, "orders", "work", "hook"))["waiting"] == 3
    found = await served.get(WAITING, after="hook")
    assert [(each["seq"], each["state"]) for each in found["items"]] == [
        (seq, "taken") for seq in (seqs[0], seqs[2], seqs[3])
    ]
    await undo()


async def _held(served: Served, spec: DeploymentSpec, count: int) -> bool:
    return (await backlog.depth(served.parts.bus, spec.flow_id, spec.epoch, "work")).held == count


async def test_messages_of_a_queue_page_by_page(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    seqs = [await emitted(served, spec, {"n": number}) for number in range(5)]
    await emitted(served, spec, {"n": 9}, to="other")
    first = await served.get(WAITING, after="hook", limit=3)
    assert [each["seq"] for each in first["items"]] == seqs[:3]
    assert first["items"][0] | {"at": 0, "id": "", "execution": ""} == {
        "seq": seqs[0], "at": 0, "id": "", "execution": "", "step": "hook", "size": 7, "state": "waiting",
        "attempt": 1, "rerun": False,
    }  # fmt: skip
    rest = await served.get(WAITING, after="hook", limit=3, cursor=first["next"])
    assert ([each["seq"] for each in rest["items"]], rest["next"]) == (seqs[3:], None)
    newest = await served.get(WAITING, after="hook", which="recent", limit=3)
    assert [each["seq"] for each in newest["items"]] == [seqs[4], seqs[3]]  # the last one is for another step
    older = await served.get(WAITING, after="hook", which="recent", limit=3, cursor=newest["next"])
    assert ([each["seq"] for each in older["items"]], older["next"]) == ([seqs[2], seqs[1], seqs[0]], None)
    assert (await served.get(WAITING))["items"] == []


@pytest.mark.parametrize("count", [1, 7, 40])
async def test_the_newest_of_many_among_others(served: Served, count: int) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    mine = []
    for number in range(count):
        mine.append(await emitted(served, spec, {"n": number}))
        for _ in range(number % 5):
            await emitted(served, spec, {}, step="work")
    found = await served.get(WAITING, after="hook", which="recent", limit=6)
    assert [each["seq"] for each in found["items"]] == mine[-6:][::-1]


async def test_large_messages_do_not_make_a_page_large(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    seqs = [await emitted(served, spec, {"text": "x" * 900_000}) for _ in range(7)]
    found = await served.get(WAITING, after="hook", which="recent", limit=100)
    assert 1 < len(found["items"]) < 7
    assert found["items"][0]["seq"] == seqs[-1]
    assert found["next"] is not None


async def test_the_content_comes_on_demand_without_secrets(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    await with_secret(served, spec)
    seq = await emitted(served, spec, {"url": f"https://shop/?p={SECRET}", "n": 1})
    found = await served.get(f"/flows/orders/messages/{seq}")
    assert (found["body"], found["masked"]) == ({"url": "https://shop/?p=[password]", "n": 1}, True)
    plain = await served.get(f"/flows/orders/messages/{await emitted(served, spec, {'n': 2})}")
    assert (plain["body"], plain["masked"]) == ({"n": 2}, False)


async def test_an_execution_shows_no_secrets_either(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    await with_secret(served, spec)
    seq = await emitted(served, spec, {"password": SECRET})
    entry = await served.parts.bus.get(subjects.stream(spec.flow_id), seq)
    assert entry is not None
    message = envelope.decode(entry.data)
    facts = [Fact("emitted", message.execution, "hook", message.id, "", 1, 1, seq)]
    async with served.parts.db.begin() as conn:
        await executions.apply(conn, "test", [(1, Batch(spec.flow_id, spec.epoch, 2, facts))])
    found = await served.get(f"/executions/{message.execution}")
    assert found["processed"][0]["input"]["body"] == {"password": "[password]"}


async def test_what_a_step_emitted_in_an_execution_is_found_again(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    await with_secret(served, spec)
    await emitted(served, spec, {"n": "of another"})
    body = msgspec.Raw(msgspec.json.encode({"p": SECRET}))
    message = envelope.Message(
        id=new_id(),
        execution=new_id(),
        step="hook",
        at=1,
        parent="m0",
        body=body,
    )
    subject = subjects.output(spec.flow_id, spec.epoch, "hook")
    seq = (await served.parts.bus.store(subject, envelope.encode(message), message.id)).seq
    now = time.time_ns() // 1000
    facts = [
        Fact("accepted", message.execution, "hook", "m0", "", now - 9, 1),
        Fact("done", message.execution, "hook", "m0", "", now, 0, outputs=1, call_us=5),
    ]
    async with served.parts.db.begin() as conn:
        await executions.apply(conn, "test", [(1, Batch(spec.flow_id, spec.epoch, 2, facts))])
    found = await served.get(f"/executions/{message.execution}/outputs", step="hook")
    [item] = found["items"]
    assert (found["complete"], item["seq"], item["parent"]) == (True, seq, "m0")
    assert item["output"]["body"] == {"p": "[password]"}
    assert await served.get(f"/executions/{message.execution}/outputs", step="work") == {"items": [], "complete": True}


async def test_what_is_not_there(served: Served) -> None:
    await deploy(served.parts.db, served.parts.bus, "orders")
    assert await served.refused("GET", WAITING, after="nowhere") == (404, "no-such-queue")
    assert await served.refused("GET", WAITING, epoch=7) == (404, "no-such-queue")
    assert await served.refused("GET", WAITING, cursor="x") == (422, "bad-cursor")
    assert await served.refused("GET", "/flows/orders/messages/77") == (404, "message-not-found")
    async with served.parts.db.begin() as conn:
        await flows.create(conn, "new")
    assert await served.get("/flows/new/queues") | {"at": 0} == {"at": 0, "waiting": 0, "queues": [], "delayed": []}
