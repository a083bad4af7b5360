"""Tests of drafts: a deployment of its own for each draft that is tried, kept warm for a while, and deleted.

    asked ──▶ versions resolved ──▶ warm deployment of this very draft? ── no ──▶ a new one is wished for
                                          └─ yes ─▶ live ◀── plan, reconcile ────┘
                                                     └─▶ message in ─▶ execution ended ─▶ result kept

A test deployment is a deployment like any other, of a flow that no list shows (`headrace.store.flows.TESTS`); its id is
its *key*. So planner and reconciler start it, watch it, and stop it, and whoever has no row any more is a stray. This
loop says which ones there are to be, and deletes what is left of the others: `unwanted`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.bus.message import Message, Output
from headrace.bus.trace import Batch, Fact, encode_batch
from headrace.control import queues
from headrace.control.catalog import catalog_for
from headrace.control.choice import Resolution
from headrace.control.deploy import ask
from headrace.control.desire import checked, resolve
from headrace.control.entry import Content, Entry
from headrace.control.reconcile import Reconciler
from headrace.control.result import Result, gather, not_ready
from headrace.control.specs import Specs
from headrace.errors import HeadraceError, Invalid, NotFound, Refused, TooLarge, Unavailable
from headrace.flows import document
from headrace.flows.deployment import DeploymentSpec
from headrace.flows.excerpt import written
from headrace.ids import flow_of_test, key_of_test, new_id
from headrace.settings import Settings
from headrace.store import deployments, executions, flows, samples
from headrace.store import tests as store
from headrace.store.clock import now_ms
from headrace.store.database import Database
from headrace.store.tests import Test

__all__ = ["Tests", "Warm", "unwanted"]

EPOCH = 1
"""Of every test deployment: a changed draft gets another key."""
LOOK_EVERY = 2.0
LOOK_AGAIN, LOOK_RARELY = 0.02, 0.2
BUILT_AGAIN = 0.25
STOP_MARGIN = 20.0
"""Seconds beyond the hosts' own deadlines for a test deployment to end."""
RECORDED_WITHIN = 5.0
LATE_MARGIN = 10.0
"""Seconds beyond `test_within`, in which what is known of a test that takes longer is put together."""

log = structlog.get_logger("tests")


@dataclass
class Warm:
    """The test deployment of a flow's draft."""

    key: str
    document: str
    resolved: Resolution
    used: float
    """When a test of it ended, by the loop's clock."""
    busy: int = 0
    """Tests under way."""


def unwanted(
    keys: Collection[str], warm: Collection[Warm], known: Collection[str], now: float, idle: float
) -> set[str]:
    """Test deployments that are to end: of an earlier server or an earlier draft, of a flow that is gone, or idle."""
    wanted = {each.key for each in warm if (each.busy or now < each.used + idle) and flow_of_test(each.key) in known}
    return set(keys) - wanted


@dataclass
class _Ended(Exception):
    """Why a test could not be carried out, and what is known all the same."""

    error: HeadraceError
    result: Result = field(default_factory=lambda: Result([], {}))


class Tests:
    """`run` it; `hint` when a test was asked for or a flow removed; `stop` ends it."""

    __test__ = False  # not one of pytest's

    def __init__(self, db: Database, bus: Bus, settings: Settings, reconciler: Reconciler) -> None:
        self._db = db
        self._bus = bus
        self._settings = settings
        self._reconciler = reconciler
        self._specs = Specs(bus)
        self._clock = time.monotonic
        self._warm: dict[str, Warm] = {}
        """By the id of the flow whose draft it is."""
        self._names: dict[str, str] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._leaving = False
        """`run` ends what it has begun: that is no answer to whoever asked for a test."""

    def hint(self) -> None:
        """Look now. Safe at any time."""
        self._wake.set()

    def stop(self) -> None:
        """Ask `run` to return. Test deployments are ended by the next server."""
        self._stopping = True
        self._wake.set()

    def end(self, flow_id: str) -> None:
        """End the flow's test deployment, and the tests that run in it."""
        self._warm.pop(flow_id, None)
        for (owner, _), task in list(self._running.items()):
            if owner == flow_id:
                task.cancel()
        self.hint()

    async def run(self) -> None:
        """Carry out tests until `stop`; first delete what an earlier server left."""
        self._leaving = False
        await self._give_up_open()
        strays = await self._strays()
        try:
            while not self._stopping:
                self._wake.clear()
                try:
                    await self._turn(strays)
                    strays = set()
                except HeadraceError as error:  # the store is away; next time
                    log.warning("cannot look", reason=error.reason, why=error.message)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._wake.wait()
        finally:
            self._leaving = True
            tasks = [*self._running.values(), *self._ending.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # -- which test deployments there are -----------------------------------------------------------------------

    async def _give_up_open(self) -> None:
        async with self._db.begin() as conn:
            for test in await store.open_(conn):
                told = "the server was restarted while the test ran"
                await store.update(
                    conn, test.flow_id, test.number, state="failed", reason="server-restarted", message=told
                )

    async def _strays(self) -> set[str]:
        """Keys that the broker knows and the store does not: their flow was removed while no server ran."""
        return {owner for owner, _ in await self._specs.keys() if flow_of_test(owner) is not None}

    async def _turn(self, more: Collection[str]) -> None:
        async with self._db.read() as conn:
            keys = await store.keys(conn)
            self._names = await store.names(conn)
            asked = await store.open_(conn)
        for key in unwanted({*keys, *more}, self._warm.values(), self._names, self._clock(), self._settings.test_idle):
            if key not in self._ending:
                task = asyncio.create_task(self._end(key), name=f"end {key}")
                self._ending[key] = task
                task.add_done_callback(partial(self._is_over, self._ending, key))
        for flow_id, each in list(self._warm.items()):
            if each.key in self._ending:
                del self._warm[flow_id]
        for (flow_id, _), running in self._running.items():
            if flow_id not in self._names:
                running.cancel()
        for test in asked:
            if (test.flow_id, test.number) not in self._running:
                self._begin(test)

    def _begin(self, test: Test) -> None:
        key = test.flow_id, test.number
        task = asyncio.create_task(self._carry(test), name=f"test {key}")
        self._running[key] = task
        task.add_done_callback(partial(self._is_over, self._running, key))

    def _is_over(self, of: dict[Any, asyncio.Task[None]], key: Any, task: asyncio.Task[None]) -> None:
        of.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task crashed", task=task.get_name(), exc_info=error)
        self.hint()

    async def _end(self, key: str) -> None:
        """Stop it, then delete all there is of it: its row last, so that whoever is cut off is done again."""
        within = 2 * self._settings.stop_within + STOP_MARGIN
        try:
            async with asyncio.timeout(within):
                with suppress(NotFound):
                    async with self._db.begin() as conn:
                        await flows.set_wish(conn, key, "stopped")
                self._reconciler.hint(key)
                while await self._lives(key):  # noqa: ASYNC110 - the store tells nobody
                    await asyncio.sleep(LOOK_AGAIN)
                await self._reconciler.idle(key)
            await queues.remove(self._bus, key)
            await self._bus.api(f"STREAM.PURGE.{subjects.LOGS}", {"filter": subjects.logs(key, "*")})
            await self._recorded()
            async with self._db.begin() as conn:
                await store.forget(conn, key)
            (self._settings.logs_dir / "workers" / f"{key}-{EPOCH}.log").unlink(missing_ok=True)
        except (HeadraceError, TimeoutError) as error:
            log.warning("a test deployment does not end yet", key=key, why=str(error))
            await asyncio.sleep(LOOK_EVERY)

    async def _lives(self, key: str) -> bool:
        async with self._db.read() as conn:
            return await deployments.current(conn, key) is not None

    async def _recorded(self) -> None:
        """What its worker said last is to be written down before it is deleted, not after."""
        last = int((await self._bus.api(f"STREAM.INFO.{subjects.TRACE}"))["state"]["last_seq"])
        with suppress(TimeoutError):
            async with asyncio.timeout(RECORDED_WITHIN):
                while await self._position() < last:  # noqa: ASYNC110 - the store tells nobody
                    await asyncio.sleep(LOOK_AGAIN)

    async def _position(self) -> int:
        info = await self._bus.api(f"STREAM.INFO.{subjects.TRACE}")
        async with self._db.read() as conn:
            return await executions.position(conn, f"{subjects.TRACE} {info['created']}")

    # -- one test -----------------------------------------------------------------------------------------------

    async def _carry(self, test: Test) -> None:
        """One after another for each flow."""
        try:
            async with self._turns.setdefault(test.flow_id, asyncio.Lock()):
                if not await self._is_open(test):  # it ended while the list of open ones was read
                    return
                async with asyncio.timeout(self._settings.test_within + LATE_MARGIN):
                    result = await self._try(test)
                await self._done(test, result)
        except _Ended as ended:
            await self._failed(test, ended.error, ended.result)
        except TimeoutError:
            self._drop(test.flow_id)
            await self._failed(test, self._late())
        except HeadraceError as error:
            await self._failed(test, error)
        except Exception:  # a mistake in Headrace; a test that stayed open would be tried again without an end
            log.exception("a test crashed", flow=test.flow_id, number=test.number)
            self._drop(test.flow_id)
            told = "something went wrong inside Headrace; the server log has more"
            await self._failed(test, Unavailable("unexpected", told))
        except asyncio.CancelledError:
            if not self._leaving:
                await self._tell(test, state="cancelled")
            raise

    def _late(self) -> Unavailable:
        told = f"the test has not ended within {self._settings.test_within:g} s (test_within)"
        return Unavailable("test-timeout", told)

    async def _is_open(self, test: Test) -> bool:
        async with self._db.read() as conn:
            return (await store.get(conn, test.flow_id, test.number)).ended_at is None

    async def _try(self, test: Test) -> Result:
        warm = await self._deployed(test)
        warm.busy += 1
        try:
            spec = await self._live(test, warm.key)
            entry = msgspec.convert(test.entry, Entry)
            began = now_ms()
            execution = await self._enter(test, spec, entry)
            ended = await self._execution_ended(execution)
            result = await gather(self._db, self._bus, spec, execution=execution, only=entry.only, since=began)
            if not ended:
                self._drop(test.flow_id)
                raise _Ended(self._late(), result)
            if test.fetches and not result.failed:
                await self._keep_sample(test, entry.step, result)
            return result
        finally:
            warm.busy -= 1
            warm.used = self._clock()

    async def _deployed(self, test: Test) -> Warm:
        """The deployment of this very draft, on the component versions of now."""
        while True:
            async with self._db.begin() as conn:
                flow = await flows.get_by_id(conn, test.flow_id)
                try:
                    await checked(conn, test.document, flow.name)
                    resolved = await resolve(conn, document.parse(test.document))
                except (Invalid, Refused):
                    if not await _builds(conn, test.document):
                        raise
                else:
                    return await self._wished(conn, test, resolved)
            await asyncio.sleep(BUILT_AGAIN)

    async def _wished(self, conn: AsyncConnection, test: Test, resolved: Resolution) -> Warm:
        warm = self._warm.get(test.flow_id)
        if warm is None or (warm.document, warm.resolved) != (test.document, resolved) or await _ended(conn, warm.key):
            key = key_of_test(test.flow_id, test.number)
            await flows.create(conn, key, workspace=flows.TESTS, flow_id=key)
            version = await flows.add_version(conn, key, test.document, author=test.author)
            epoch = await flows.next_epoch(conn, key)
            await deployments.create(conn, key, epoch, version.number, resolved, cause="test", author=test.author)
            await flows.set_wish(conn, key, "running")
            warm = self._warm[test.flow_id] = Warm(key, test.document, resolved, self._clock())
        warm.used = self._clock()  # it is not idle, and not busy before this is committed
        await store.update(conn, test.flow_id, test.number, key=warm.key)
        return warm

    async def _live(self, test: Test, key: str) -> DeploymentSpec:
        self._reconciler.hint(key)
        self._announced(test)
        while True:
            async with self._db.read() as conn:
                row = await deployments.get(conn, key, EPOCH)
            if row.state == "live":
                break
            if row.state in deployments.ENDED:
                self._drop(test.flow_id)
                order = [each["id"] for each in written(test.document)]
                told = row.reason or "its test deployment was ended"
                see = "see the log of the step that failed, and the fields and the credential it has"
                raise _Ended(Refused("test-not-ready", told, next_step=see), not_ready(row, order))
            await asyncio.sleep(LOOK_AGAIN)
        spec = await self._specs.get(key, EPOCH)
        if spec is None:
            raise NotFound("no-deployment", f"the broker does not know the test deployment {key}")
        await self._tell(test, ready_at=now_ms())
        return spec

    def _drop(self, flow_id: str) -> None:
        """The next test gets a new deployment."""
        self._warm.pop(flow_id, None)
        self.hint()

    async def _enter(self, test: Test, spec: DeploymentSpec, entry: Entry) -> str:
        """Let the test begin; its execution."""
        if entry.at == "trigger":
            return await self._event(test, spec)
        message = _message(entry)
        data = envelope.encode(message)
        if len(data) > spec.inline_limit:
            told = f"the sample has {len(data)} bytes; the limit (inline_limit) is {spec.inline_limit}"
            raise TooLarge("too-large", told)
        to = subjects.output if entry.at == "output" else subjects.inbox
        stored = await self._bus.store(to(spec.flow_id, EPOCH, entry.step), data, message.id)
        opened = len(spec.step(entry.step).successors) if entry.at == "output" else 1
        kind: Any = "emitted" if entry.at == "output" else "accepted"
        fact = Fact(kind, message.execution, entry.step, message.id, "", time.time_ns() // 1000, opened, stored.seq)
        batch = Batch(spec.flow_id, EPOCH, spec.version, [fact])
        await self._bus.store(subjects.trace(spec.flow_id), encode_batch(batch), f"{message.id}.entered")
        await self._tell(test, state="running", execution=message.execution)
        return message.execution

    async def _event(self, test: Test, spec: DeploymentSpec) -> str:
        """Wait for the trigger's first event; have it called, unless it waits for requests anyway."""
        since = now_ms()
        await self._tell(test, state="waiting")
        if spec.trigger.trigger_type != "webhook":
            await ask(self._bus, (spec.flow_id, EPOCH), "fetch", within=self._settings.test_within)
        execution = await self._first_execution(spec.flow_id, since)
        if execution is None:
            self._drop(test.flow_id)  # what still comes is nobody's
            webhook = spec.trigger.trigger_type == "webhook"
            nothing = "nobody sent a request" if webhook else "the trigger emitted nothing"
            told = f"{nothing} within {self._settings.test_within:g} s (test_within)"
            raise Unavailable("test-timeout", told)
        await self._tell(test, state="running", execution=execution)
        return execution

    async def _first_execution(self, key: str, since: int) -> str | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.test_within):
                for pause in _pauses():
                    async with self._db.read() as conn:
                        found = await executions.list_(conn, flow_id=key, since=since)
                    if found:
                        return found[-1].id
                    await asyncio.sleep(pause)
        return None

    async def _execution_ended(self, execution: str) -> bool:
        """Wait for its end; False when it does not come in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.test_within):
                for pause in _pauses():
                    with suppress(NotFound):  # the recorder is a moment behind
                        async with self._db.read() as conn:
                            found, _ = await executions.get(conn, execution)
                        if found.state != "running":
                            return True
                    await asyncio.sleep(pause)
        return False

    async def _keep_sample(self, test: Test, step: str, result: Result) -> None:
        content = result.first.get(step)
        if content is None:
            told = f"step `{step}` emitted nothing, so there is no sample to keep"
            raise _Ended(Refused("no-output", told, next_step="write a sample, or generate one"), result)
        async with self._db.begin() as conn:
            await samples.put(
                conn,
                test.flow_id,
                step,
                msgspec.to_builtins(content),
                source="fetched",
                made_with=written(test.document, step),
                author=test.author,
            )
        self._announce("sample", {"flow": self._names.get(test.flow_id, ""), "step": step})

    async def _done(self, test: Test, result: Result) -> None:
        failed = result.failed
        if failed:
            told = f"step `{failed[0]}` failed"
            await self._tell(test, state="failed", reason="step-failed", message=told, result=_kept(result))
        else:
            await self._tell(test, state="done", result=_kept(result))

    async def _failed(self, test: Test, error: HeadraceError, result: Result | None = None) -> None:
        kept = None if result is None else _kept(result)
        await self._tell(test, state="failed", reason=error.reason, message=error.message, result=kept)

    async def _tell(self, test: Test, **changes: Any) -> None:
        """Write it down, and hint at it; nothing happens when the flow was removed meanwhile."""
        with suppress(NotFound):
            async with self._db.begin() as conn:
                await store.update(conn, test.flow_id, test.number, **changes)
        self._announced(test)

    def _announce(self, kind: str, what: Mapping[str, Any]) -> None:
        """A hint for open browsers."""
        with suppress(HeadraceError):
            self._bus.publish(subjects.live(kind), msgspec.json.encode(what))

    def _announced(self, test: Test) -> None:
        self._announce("test", {"flow": self._names.get(test.flow_id, ""), "number": test.number})


def _pauses() -> Iterator[float]:
    """Seconds between looks at something that others do: short ones first."""
    pause = LOOK_AGAIN
    while True:
        yield pause
        pause = min(pause * 1.1, LOOK_RARELY)


async def _builds(conn: AsyncConnection, text: str) -> bool:
    """Whether a component version that the document names is still being built."""
    try:
        named = document.named(document.parse(text))
    except Invalid:
        return False
    catalog = await catalog_for(conn, text)
    return any(catalog.state(*each) in ("pushed", "building") for each in named)


async def _ended(conn: AsyncConnection, key: str) -> bool:
    try:
        return (await deployments.get(conn, key, EPOCH)).state in deployments.ENDED
    except NotFound:
        return True


def _message(entry: Entry) -> Message:
    return Message(
        id=new_id(),
        execution=new_id(),
        step=entry.before or entry.step,
        body=_raw(entry.content),
        at=now_ms(),
        stage=entry.stage,
        headers=entry.content.headers,
        only=entry.only,
        passthrough={
            step: Output(body=_raw(content), headers=content.headers) for step, content in entry.passthrough.items()
        },
    )


def _raw(content: Content) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(content.body))


def _kept(result: Result) -> dict[str, Any]:
    return {"steps": result.steps}
