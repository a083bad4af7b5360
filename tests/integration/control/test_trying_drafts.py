"""Drafts are tried beside the flow that runs, by real workers and hosts, and nothing of that is left afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.control import desire
from headrace.control.entry import Content, begin
from headrace.control.reconcile import Reconciler
from headrace.control.recorder import Recorder
from headrace.control.specs import Specs
from headrace.control.tests import Tests
from headrace.errors import NotFound
from headrace.flows import document
from headrace.flows.deployment import DeploymentSpec, StepSpec
from headrace.ids import key_of_test
from headrace.runtime.process import ProcessRuntime
from headrace.settings import Settings
from headrace.store import components, deployments, executions, failures, flows, samples
from headrace.store import tests as store
from headrace.store.database import Database
from headrace.store.tests import Form, Test
from headrace.testing.plane import Plane, until

DESCRIPTOR = {
    "title": "Shop",
    "triggers": {"look": {"title": "Look", "main": "look.py", "type": "polling"}},
    "actions": {
        "find": {"title": "Find", "main": "find.py"},
        "bill": {"title": "Bill", "main": "bill.py"},
    },
}
FILES = {
    "look.py": """
async def startup(cfg):
    raise RuntimeError("a test must not begin anything at the source")

async def process(ctx, msg, cfg, snapshot):
    number = snapshot.get("next", 1)
    await ctx.set_snapshot({"next": number + 2})
    yield {"n": number}
    yield {"n": number + 1}
""",
    "find.py": """
import os

async def process(ctx, msg, cfg, snapshot):
    ctx.logger.info("looking for %s", msg.body["wanted"])
    if msg.body["wanted"] == 13:
        raise ValueError("nobody is called 13")
    yield {"found": msg.body["wanted"], "runs_as": os.environ["ELASTICIO_FLOW_TYPE"], "level": cfg.get("level")}
""",
    "bill.py": "def process(msg):\n    return {'billed': msg.body['whom'], 'order': msg.body['order']}\n",
}
DOCUMENT = """
flow: orders
steps:
  - id: orders
    trigger: shop/look
    poll_interval: 1h
  - id: customer
    after: orders
    action: shop/find
    fields: {level: LEVEL}
    input: '{"wanted": body.n}'
    retry: {attempts: 5}
  - id: invoice
    after: customer
    action: shop/bill
    input: '{"whom": body.found, "order": $steps.orders.body.n}'
"""


class Trial:
    """Control with its recorder over real parts."""

    def __init__(self, plane: Plane, db: Database, settings: Settings) -> None:
        self.plane = plane
        self.db = db
        self.settings = settings
        self.flow_id = ""
        self.code = plane.component("shop", FILES)
        self.begin()

    def begin(self) -> None:
        bus = self.plane.bus

        async def drained(flow_id: str) -> bool:
            return True

        self.runtime = ProcessRuntime(
            claims=self.settings.data / "claims", logs=self.settings.logs_dir / "workers", bus=self.plane.access
        )
        self.reconciler = Reconciler(self.db, bus, self.runtime, self.settings)
        self.tests = Tests(self.db, bus, self.settings, self.reconciler)
        self.recorder = Recorder(self.db, bus, self.settings, drained)
        self._loops = [asyncio.create_task(each.run()) for each in (self.reconciler, self.tests, self.recorder)]

    async def stop(self) -> None:
        for each in (self.tests, self.reconciler, self.recorder):
            each.stop()
        await asyncio.wait_for(asyncio.gather(*self._loops), 20)
        await self.runtime.close()

    async def crash(self) -> None:
        """The server dies in the middle of everything."""
        while not all(loop.done() for loop in self._loops):
            for loop in self._loops:
                loop.cancel()
            await asyncio.wait(self._loops, timeout=3)
        await self.runtime.close()

    async def draft(self, level: str = "gold", text: str = DOCUMENT) -> str:
        text = text.replace("LEVEL", level)
        async with self.db.begin() as conn:
            self.flow_id = self.flow_id or (await flows.create(conn, "orders")).id
            await flows.save_draft(conn, "orders", text, None, "ada")
        return text

    async def ask(
        self, text: str, form: Form = "whole", step: str | None = None, *, given: Any = None, fetches: bool = False
    ) -> Test:
        async with self.db.begin() as conn:
            known = {
                name: msgspec.convert(each.content, Content)
                for name, each in (await samples.of_flow(conn, self.flow_id)).items()
            }
            entry = begin(document.parse(text), form, step, None if given is None else Content(given), known)
            test = await store.create(
                conn,
                self.flow_id,
                form=form,
                step=step,
                fetches=fetches,
                document=text,
                entry=msgspec.to_builtins(entry),
                author="ada",
            )
        self.tests.hint()
        return test

    async def ends(self, test: Test) -> Test:
        async def ended() -> Test | None:
            async with self.db.read() as conn:
                now = await store.get(conn, test.flow_id, test.number)
            return now if now.ended_at is not None else None

        found: Test = await until(ended, within=30, what="the test ends")
        return found

    async def run(self, *arguments: Any, **options: Any) -> Test:
        return await self.ends(await self.ask(*arguments, **options))

    async def traces(self, key: str) -> list[str]:
        """Whatever there is of a test deployment, anywhere."""
        bus = self.plane.bus
        found = [f"worker {each.flow_id}" for each in await self.runtime.list() if each.flow_id == key]
        streams = (await bus.api("STREAM.NAMES"))["streams"]
        found += [f"stream {name}" for name in (subjects.stream(key), subjects.objects(key)) if name in streams]
        for bucket in (subjects.DEPLOYMENTS, subjects.SNAPSHOTS, subjects.LEASES, subjects.POISON):
            found += [f"{bucket} {each}" for each in await Bucket(bus, bucket).keys() if each.startswith(key)]
        consumers = await bus.api(f"CONSUMER.NAMES.{subjects.DELAYS}")
        found += [f"consumer {each}" for each in consumers["consumers"] or () if key in each]
        found += [f"log {each.seq}" async for each in bus.read(subjects.LOGS, subjects.logs(key, "*"))]
        async with self.db.read() as conn:
            found += [f"execution {each.id}" for each in await executions.list_(conn, flow_id=key)]
            found += [f"error {each.id}" for each in await failures.list_(conn, flow_id=key)]
            found += [f"row {each}" for each in await store.keys(conn) if each == key]
            found += [f"deployment {each.epoch}" for each in await deployments.list_(conn, key)]
        return found + [f"file {each}" for each in self.settings.data.rglob(f"*{key}*")]

    async def leaves_nothing(self, key: str) -> None:
        async def clean() -> bool:
            return await self.traces(key) == []

        try:
            await until(clean, within=20)
        except AssertionError:
            raise AssertionError(await self.traces(key)) from None


@pytest.fixture
async def trial(tmp_path: Path) -> AsyncIterator[Trial]:
    async with Plane.start() as plane:
        settings = Settings(data=tmp_path, stop_within=2, watch_for=0.2, journal_bytes=8 << 20, test_within=20)
        settings.prepare()
        db = Database(f"sqlite:///{tmp_path / 'headrace.sqlite3'}")
        await db.migrate()
        running = Trial(plane, db, settings)
        code = msgspec.structs.replace(running.code, commit="1" * 40)
        async with db.begin() as conn:
            await components.create(conn, "shop")
            await components.add_version(conn, "shop", code.commit, descriptor=DESCRIPTOR)
            await components.built(conn, "shop", 1, msgspec.to_builtins(code))
        yield running
        await running.stop()
        for worker in await running.runtime.list():
            await running.runtime.kill(worker.ref)
        await db.close()


def steps(test: Test) -> dict[str, str]:
    """Step → what became of it."""
    return {each["id"]: each["state"] for each in (test.result or {}).get("steps", ())}


def call(test: Test, step: str) -> dict[str, Any]:
    """The first call of a step."""
    found: dict[str, Any] = next(each for each in (test.result or {})["steps"] if each["id"] == step)["calls"][0]
    return found


async def test_a_draft_is_tried_as_a_whole_in_part_and_step_by_step(trial: Trial) -> None:
    text = await trial.draft()
    whole = await trial.run(text, given={"n": 7})
    assert (whole.state, whole.message) == ("done", "")
    assert steps(whole) == {"orders": "done", "customer": "done", "invoice": "done"}
    assert call(whole, "customer")["input"]["body"] == {"wanted": 7}, "after the mapping"
    assert call(whole, "customer")["outputs"][0]["body"] == {"found": 7, "runs_as": "debug", "level": "gold"}
    assert call(whole, "invoice")["outputs"][0]["body"] == {"billed": 7, "order": 7}
    assert call(whole, "customer")["call_us"] > 0
    log = next(each for each in (whole.result or {})["steps"] if each["id"] == "customer")["log"]
    assert [line["text"] for line in log if line["level"] == "info"] == ["looking for 7"]

    some = await trial.run(text, "up-to", "customer", given={"n": 8})
    assert steps(some) == {"orders": "done", "customer": "done", "invoice": "unreached"}
    one = await trial.run(text, "step", "invoice", given={"whom": 9, "order": 1})
    assert steps(one) == {"orders": "unreached", "customer": "unreached", "invoice": "done"}
    assert call(one, "invoice")["outputs"][0]["body"] == {"billed": 9, "order": 1}
    assert {whole.key, some.key, one.key} == {f"{trial.flow_id}-test-1"}, "it was warm"
    assert one.ended_at is not None
    assert one.ended_at - one.created_at < 1500

    changed = await trial.run(await trial.draft("silver"), given={"n": 7})
    assert changed.key == f"{trial.flow_id}-test-4"
    assert call(changed, "customer")["outputs"][0]["body"]["level"] == "silver"
    await trial.leaves_nothing(whole.key)
    trial.tests.end(trial.flow_id)
    await trial.leaves_nothing(changed.key)


async def test_a_step_that_fails_says_why_and_is_not_tried_again(trial: Trial) -> None:
    failed = await trial.run(await trial.draft(), given={"n": 13})
    assert (failed.state, failed.reason) == ("failed", "step-failed")
    assert steps(failed) == {"orders": "done", "customer": "failed", "invoice": "unreached"}
    error = call(failed, "customer")["error"]
    assert (error["name"], error["message"]) == ("ValueError", "nobody is called 13")
    assert "find.py" in error["stack"]
    assert call(failed, "customer")["input"]["body"] == {"wanted": 13}
    async with trial.db.read() as conn:
        assert await executions.list_(conn) == [], "no list of executions has it"
        assert await failures.count_open(conn) == {}


async def test_samples_are_fetched_for_real_and_begin_the_next_test(trial: Trial) -> None:
    text = await trial.draft()
    fetched = await trial.run(text, "step", "orders", fetches=True)
    assert (fetched.state, steps(fetched)) == (
        "done",
        {"orders": "done", "customer": "unreached", "invoice": "unreached"},
    )
    again = await trial.run(text, "step", "customer", fetches=True)
    assert again.state == "done"
    async with trial.db.read() as conn:
        known = await samples.of_flow(conn, trial.flow_id)
    assert known["orders"].content["body"] == {"n": 1}
    assert known["customer"].content["body"]["found"] == 1
    assert [each["id"] for each in known["customer"].made_with] == ["orders", "customer"]
    assert (await trial.run(text)).state == "done", "from the trigger's sample"
    last = await trial.run(text, "step", "invoice")
    assert call(last, "invoice")["input"]["body"] == {"whom": 1, "order": 1}, "from both samples"
    second = await trial.run(text, "step", "orders", fetches=True)
    assert call(second, "orders")["outputs"][0]["body"] == {"n": 3}, "on with the copy of the snapshot"


async def test_a_test_that_takes_too_long_tells_what_is_known(trial: Trial) -> None:
    trial.tests._settings = trial.settings.model_copy(update={"test_within": 1.5})
    slow = "import asyncio\nasync def process(msg):\n    await asyncio.sleep(60)\n"
    (Path(trial.plane.folder) / "builds" / "shop" / "bill.py").write_text(slow)
    late = await trial.run(await trial.draft(), given={"n": 7})
    assert (late.state, late.reason) == ("failed", "test-timeout")
    assert steps(late) == {"orders": "done", "customer": "done", "invoice": "unreached"}
    await trial.leaves_nothing(late.key)


async def test_a_trigger_without_an_event_is_given_up(trial: Trial) -> None:
    trial.tests._settings = trial.settings.model_copy(update={"test_within": 1.2})
    (Path(trial.plane.folder) / "builds" / "shop" / "look.py").write_text("def process(msg):\n    return None\n")
    text = await trial.draft()
    none = await trial.run(text, "step", "orders", fetches=True)
    assert (none.reason, none.message) == (
        "test-timeout",
        "the trigger emitted nothing within 1.2 s (test_within)",
    )
    await trial.leaves_nothing(none.key)


@pytest.mark.parametrize("builds", [True, False])
async def test_a_component_version_that_is_being_built_is_waited_for(trial: Trial, builds: bool) -> None:
    async with trial.db.begin() as conn:
        await components.add_version(conn, "shop", "2" * 40, descriptor=DESCRIPTOR)
    text = await trial.draft(text=DOCUMENT.replace("action: shop/bill", "action: shop/bill\n    version: 2"))
    test = await trial.ask(text, given={"n": 7})
    await until(lambda: trial.tests._running)
    async with trial.db.begin() as conn:
        assert (await store.get(conn, trial.flow_id, test.number)).state == "starting"
        if builds:
            code = msgspec.structs.replace(trial.code, revision=2, commit="2" * 40)
            await components.built(conn, "shop", 2, msgspec.to_builtins(code))
        else:
            await components.build_failed(conn, "shop", 2, "no such package")
    ended = await trial.ends(test)
    if builds:
        assert (ended.state, steps(ended)["invoice"]) == ("done", "done")
    else:
        assert (ended.state, ended.reason) == ("failed", "flow-document")
        assert "failed to build" in ended.message


async def test_a_listener_is_opened_until_its_first_event_and_then_closed(trial: Trial) -> None:
    source = """
import asyncio

async def startup(cfg):
    raise RuntimeError("a test must not begin anything at the source")

async def listen(ctx, cfg, snapshot):
    for number in range(1, 1000):
        await ctx.emit({"n": number})
        await asyncio.sleep(0.01)
"""
    (Path(trial.plane.folder) / "builds" / "shop" / "look.py").write_text(source)
    async with trial.db.begin() as conn:
        offers = DESCRIPTOR | {"triggers": {"look": {"title": "Look", "main": "look.py", "type": "listener"}}}
        code = msgspec.structs.replace(trial.code, revision=2, commit="2" * 40)
        await components.add_version(conn, "shop", code.commit, descriptor=offers)
        await components.built(conn, "shop", 2, msgspec.to_builtins(code))
    text = await trial.draft()
    fetched = await trial.run(text, "step", "orders", fetches=True)
    assert (fetched.state, steps(fetched)["customer"]) == ("done", "unreached")
    assert call(fetched, "orders")["outputs"][0]["body"] == {"n": 1}
    spec = await Specs(trial.plane.bus).get(fetched.key, 1)
    assert spec is not None

    async def closed() -> bool:
        before = len(await trial.plane.outputs(spec, "orders"))
        await asyncio.sleep(0.1)  # ten emissions, were it open
        return len(await trial.plane.outputs(spec, "orders")) == before

    await until(closed)
    again = await trial.run(text, "step", "orders", fetches=True)
    assert (again.state, again.key) == ("done", fetched.key)


HOOKS = """
async def startup(ctx, cfg):
    ctx.logger.info("startup ran")
    return {}

async def shutdown(ctx, cfg, data):
    ctx.logger.info("shutdown ran")

async def process(ctx, msg, cfg, snapshot):
    ctx.logger.info("called")
"""


@pytest.mark.parametrize("flow_id", ["f1", key_of_test("f1", 1)])
async def test_hooks_run_for_flows_and_never_in_a_test(flow_id: str) -> None:
    async with Plane.start() as plane:
        code = plane.component("hooks", {"look.py": HOOKS})
        look = StepSpec(id="look", kind="trigger", function="look", main="look.py", code=code, trigger_type="polling")
        spec = plane.chain(look, flow_id=flow_id)
        worker = await plane.live(spec)
        if not spec.test:
            await until(lambda: logged(plane, spec, "called"))
        await worker.stop(final=True)
        lines = [line.text for line in await plane.log(spec, "look") if line.source == "logger"]
        assert set(lines) == (set() if spec.test else {"startup ran", "called", "shutdown ran"})


async def logged(plane: Plane, spec: DeploymentSpec, text: str) -> bool:
    return text in {line.text for line in await plane.log(spec, "look")}


async def test_a_draft_whose_step_does_not_start_says_which_and_why(trial: Trial) -> None:
    text = await trial.draft()
    (Path(trial.plane.folder) / "builds" / "shop" / "find.py").write_text("import nowhere\n")
    failed = await trial.run(text, given={"n": 7})
    assert (failed.state, failed.reason) == ("failed", "test-not-ready")
    assert "nowhere" in failed.message
    assert steps(failed)["customer"] == "failed"
    assert "nowhere" in call(failed, "customer")["error"]["message"]
    await trial.leaves_nothing(failed.key)


async def test_the_live_flow_notices_nothing(trial: Trial) -> None:
    text = DOCUMENT.replace("shop/look", "shop/tick")
    tick = {"tick": {"title": "Tick", "main": "tick.py", "type": "polling"}}
    source = """
async def process(ctx, msg, cfg, snapshot):
    number = snapshot.get("n", 0) + 1
    await ctx.emit({"n": 100 + number})
    await ctx.set_snapshot({"n": number})
"""
    code = trial.plane.component("shop-2", {**FILES, "tick.py": source})
    code = msgspec.structs.replace(code, component="shop", revision=2, commit="2" * 40)
    async with trial.db.begin() as conn:
        await components.add_version(conn, "shop", code.commit, descriptor=DESCRIPTOR | {"triggers": tick})
        await components.built(conn, "shop", 2, msgspec.to_builtins(code))
    await trial.draft(text=text.replace("poll_interval: 1h", "poll_interval: 20ms"))
    published = await desire.publish(trial.db, "orders", start=True)
    assert published.deployment is not None
    trial.reconciler.hint(trial.flow_id)
    await until(lambda: arrived(trial, 20), within=20)
    draft = await trial.draft("silver", text=text.replace("poll_interval: 1h", "poll_interval: 20ms"))
    one = await trial.run(draft, "step", "orders", fetches=True)
    async with trial.db.read() as conn:
        number = (await samples.get(conn, trial.flow_id, "orders")).content["body"]["n"]
    assert number > 120, "the test went on with a copy of the live snapshot"
    for _ in range(5):
        assert (await trial.run(draft)).state == "done"
    trial.tests.end(trial.flow_id)
    await trial.leaves_nothing(one.key)
    await until(lambda: arrived(trial, 40), within=20)
    numbers = [each["order"] for each in await trial_bodies(trial)]
    assert numbers == list(range(101, 101 + len(numbers))), "each once, in order, with its own snapshot"
    async with trial.db.read() as conn:
        assert [row.state for row in await deployments.list_(conn, trial.flow_id)] == ["live"]
    assert [worker.flow_id for worker in await trial.runtime.list()] == [trial.flow_id]


async def trial_bodies(trial: Trial) -> list[Any]:
    subject = subjects.output(trial.flow_id, 1, "invoice")
    entries = trial.plane.bus.read(subjects.stream(trial.flow_id), subject)
    return [msgspec.json.decode(entry.data)["body"] async for entry in entries]


async def arrived(trial: Trial, count: int) -> bool:
    with suppress(NotFound):  # its journal is not made yet
        return len(await trial_bodies(trial)) >= count
    return False


async def test_a_server_that_died_in_the_middle_leaves_nothing_behind(trial: Trial) -> None:
    slow = "import asyncio\nasync def process(msg):\n    await asyncio.sleep(60)\n"
    (Path(trial.plane.folder) / "builds" / "shop" / "find.py").write_text(slow)
    test = await trial.ask(await trial.draft(), given={"n": 7})

    async def running() -> bool:
        async with trial.db.read() as conn:
            return (await store.get(conn, trial.flow_id, test.number)).state == "running"

    await until(running, within=20)
    await trial.crash()
    assert await trial.runtime.list(), "the worker lives on"
    trial.begin()
    ended = await trial.ends(test)
    assert (ended.state, ended.reason) == ("failed", "server-restarted")
    await trial.leaves_nothing(f"{trial.flow_id}-test-1")


async def test_an_idle_test_deployment_and_one_of_a_removed_flow_are_deleted(trial: Trial) -> None:
    trial.tests._settings = trial.settings.model_copy(update={"test_idle": 0.3})
    idle = await trial.run(await trial.draft(), given={"n": 7})
    await trial.leaves_nothing(idle.key)
    trial.tests._settings = trial.settings
    test = await trial.run(await trial.draft(), given={"n": 7})
    assert test.key == f"{trial.flow_id}-test-2"
    await desire.remove(trial.db, "orders")
    trial.tests.hint()
    await trial.leaves_nothing(test.key)


async def test_a_test_that_was_given_up_ends_as_cancelled(trial: Trial) -> None:
    slow = "import asyncio\nasync def process(msg):\n    await asyncio.sleep(60)\n"
    (Path(trial.plane.folder) / "builds" / "shop" / "find.py").write_text(slow)
    test = await trial.ask(await trial.draft(), given={"n": 7})

    async def running() -> bool:
        async with trial.db.read() as conn:
            return (await store.get(conn, trial.flow_id, test.number)).state == "running"

    await until(running, within=20)
    trial.tests.end(trial.flow_id)
    assert (await trial.ends(test)).state == "cancelled"
    await trial.leaves_nothing(f"{trial.flow_id}-test-1")


async def test_a_mistake_of_headrace_ends_the_test_and_is_not_made_again_and_again(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0

    async def broken(*_: Any, **__: Any) -> Any:
        nonlocal made
        made += 1
        raise KeyError("nobody thought of this")

    monkeypatch.setattr("headrace.control.tests.gather", broken)
    test = await trial.run(await trial.draft(), given={"n": 7})
    assert (test.state, test.reason, made) == ("failed", "unexpected", 1)
    await trial.leaves_nothing(test.key)
