"""A step in every kind of weather: hosts die, workers die, the broker goes away, the journal is full, in any order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.unit.worker.broker import Broker, Connection

from headrace.bus import message as envelope
from headrace.bus.message import ErrorEntry, Message
from headrace.bus.secrets import Secrets
from headrace.errors import Unavailable
from headrace.flows.deployment import Code, DeploymentSpec, Retry, StepSpec
from headrace.keyring import Keyring
from headrace.testing.loop import run_in_no_time
from headrace.worker import frames
from headrace.worker.bodies import Bodies
from headrace.worker.delay import Delays
from headrace.worker.host import Host
from headrace.worker.room import Room
from headrace.worker.shared import Shared
from headrace.worker.step import Step
from headrace.worker.trace import Trace

INBOX, OUTPUT, ERRORS = "flow.f.1.s.in", "flow.f.1.s", "flow.f.1.s.errors"
CODE = Code(component="c", revision=1, commit="0", root="/c", interpreter="python3")


class Plan:
    """What component code does with a message, decided by its number alone: the same every time."""

    def __init__(self, number: int) -> None:
        self.outputs = number % 3
        self.confirm = number % 2 == 0
        self.deadly = number % 17 == 16
        self.fails = 0 if number % 5 else number % 4
        """Attempts that end with an exception, after its outputs."""


class Running:
    def __init__(self, number: int, message: dict[str, Any], attempt: int, plan: Callable[[int], Plan]) -> None:
        self.call = number
        self.number = message["body"].get("of", 0) or int(message["id"])
        self.plan = plan(self.number)
        self.attempt = attempt
        self.emitted = 0
        self.unanswered = 0


class PlayedHost(Host):
    """A host whose part the test plays."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.waiting: deque[Running] = deque()
        self.running: list[Running] = []

    plan: Callable[[int], Plan] = Plan

    def send(self, frame: bytes) -> None:
        if self.state != "ready":
            return
        said = msgspec.json.decode(frame)
        if said["type"] == "call":
            self.waiting.append(Running(said["call"], said["msg"], said["attempt"], self.plan))
        elif said["type"] == "emitted":
            for each in self.running:
                each.unanswered -= each.call == said["call"]

    def hold(self, much: bool) -> None:
        """Emissions here are few."""

    def kill(self) -> None:
        self.die()

    def die(self) -> None:
        if self.state == "ready":
            self.state, self.reason = "backoff", "killed"
            self.waiting.clear()
            self.running.clear()
            self._owner.host_gone()

    def revive(self) -> None:
        if self.state != "ready":
            self.state = "ready"
            self._owner.host_ready(frames.Frame(type="ready"))

    def act(self, random: Random) -> bool:
        """One thing component code does; `False` when it has nothing to do."""
        if self.state != "ready":
            return False
        if self.waiting and len(self.running) < self._step.concurrency:
            self.running.append(self.waiting.popleft())
            return True
        if not self.running:
            return False
        each = random.choice(self.running)
        if each.plan.deadly:
            self.die()
        elif each.emitted < each.plan.outputs:
            each.emitted += 1
            each.unanswered += each.plan.confirm
            body = msgspec.Raw(b'{"of":%d,"n":%d}' % (each.number, each.emitted))
            self._owner.host_frame(
                frames.Frame("emit", each.call, each.emitted, "data", confirm=each.plan.confirm, body=body)
            )
        elif each.unanswered <= 0:
            self.running.remove(each)
            error = frames.HostError("Error", "not yet") if each.attempt <= each.plan.fails else None
            self._owner.host_frame(frames.Frame("end", each.call, error=error, us=1))
        else:
            return len(self.running) > 1
        return True


class Weather:
    """One step, its broker, and what can happen to them."""

    def __init__(self, random: Random, *, kills: bool, **options: Any) -> None:
        self.random = random
        self.kills = kills
        self.broker = Broker(random)
        self.broker.add("1_s", {INBOX}, "deliver.f.1.s")
        self.broker.add("due_f", {"due.f.>"}, "deliver.f.due", "DELAYS")
        self.broker.on_ack = self._acknowledged
        step = StepSpec(
            id="s", kind="action", function="s", main="s.py", code=CODE, successors=("next", "other"), **options
        )
        self.strict = step.order == "strict"
        self.spec = DeploymentSpec(flow_id="f", flow="f", version=1, epoch=1, steps=(step,))
        self.count = 0
        self.crashes = 0
        self.wrong: list[str] = []

    @property
    def bus(self) -> Connection:
        assert self.broker.connection is not None
        return self.broker.connection

    @property
    def host(self) -> PlayedHost:
        assert isinstance(self.step.host, PlayedHost)
        return self.step.host

    async def start(self) -> None:
        """A worker starts; an earlier one is gone."""
        bus = Connection(self.broker)
        secrets, room = Secrets(bus, Keyring(Path("/nowhere"))), Room(1 << 30, 1 << 30)
        trace, delays, bodies = Trace(bus, self.spec), Delays(bus, self.spec), Bodies(bus, self.spec, room)
        shared = Shared(bus, self.spec, trace, delays, room, secrets, bodies)
        self.step = Step(shared, self.spec.steps[0], PlayedHost)
        bus.on_reconnect(lambda: self._again(self.step))
        while True:
            try:
                await self.step.activate(1)
                await bus.on_message("deliver.f.due", lambda *message: self.step.due(*message[:3]))
                return
            except Unavailable:
                bus.lost = False

    def _again(self, step: Step) -> None:
        self._taking_up = asyncio.ensure_future(step.reconnected())
        self._taking_up.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def crash(self, *, forgetful: bool) -> None:
        self.bus.cut = True
        self.crashes += 1
        if forgetful:
            self.broker.ids.clear()  # as after a night
        await self.start()

    def put(self) -> None:
        message = Message(
            id=f"{self.count:03d}", execution=f"{self.count}", step="before", body=msgspec.Raw(b"{}"), at=0
        )
        self.count += 1
        self.broker.keep(INBOX, envelope.encode(message), {}, None)

    # -- what must hold -------------------------------------------------------------------------------------

    def _acknowledged(self, consumer: str, seq: int) -> None:
        """Whatever is acknowledged, all it caused is in the journal."""
        try:
            self._look_at(consumer, seq)
        except AssertionError as error:  # in the middle of the event loop nobody would hear of it
            self.wrong.append(str(error))

    def _look_at(self, consumer: str, seq: int) -> None:
        stream = self.broker.streams["DELAYS" if consumer == "due_f" else "FLOW_f"]
        message = envelope.decode(next(kept.data for kept in stream if kept.seq == seq))
        number, plan = int(message.id), Plan(int(message.id))
        outputs = [each for each, _ in self.outputs() if each == number]
        if plan.deadly or number in self.unlucky():
            assert number in self.errors(), "a deadly message is acknowledged without its error record"
            return
        assert len(outputs) >= plan.outputs, "acknowledged before its outputs were stored"
        if message.attempt <= plan.fails and not self.strict:
            later = {int(envelope.decode(kept.data).id) for kept in self.broker.streams["DELAYS"]}
            assert number in later or number in self.errors(), "a failed attempt is acknowledged and forgotten"

    def outputs(self) -> list[tuple[int, int]]:
        bodies = [msgspec.json.decode(envelope.decode(kept.data).body) for kept in self.broker.subject(OUTPUT)]
        return [(body["of"], body["n"]) for body in bodies]

    def errors(self) -> list[int]:
        """Numbers of failed messages; a record that was stored twice has one id."""
        entries = [msgspec.json.decode(kept.data, type=ErrorEntry) for kept in self.broker.subject(ERRORS)]
        return [int(number) for _, number in {(entry.id, entry.message.id) for entry in entries}]

    def unlucky(self) -> set[int]:
        """Messages that were alone in flight at three deaths of their host, through no fault of theirs."""
        entries = [msgspec.json.decode(kept.data, type=ErrorEntry) for kept in self.broker.subject(ERRORS)]
        poison = {int(entry.message.id) for entry in entries if entry.failure.reason == "poison"}
        return {number for number in poison if not Plan(number).deadly}

    def check(self) -> None:
        """Everything was processed, exactly once as far as the journal shows, in order where it is promised."""
        assert not self.wrong
        attempts = self.spec.steps[0].retry.attempts
        for consumer in self.broker.consumers.values():
            assert not consumer.handed_out, f"{consumer.name} still has {consumer.handed_out}"
        outputs = self.outputs()
        unlucky = self.unlucky()
        assert self.kills or not unlucky
        assert len(outputs) == len(set(outputs)), "doubled"
        for number in range(self.count):
            plan = Plan(number)
            if number in unlucky:
                continue
            if not plan.deadly:
                assert [n for of, n in outputs if of == number] == list(range(1, plan.outputs + 1)), f"{number}"
            failed = plan.deadly or plan.fails >= attempts
            assert self.errors().count(number) == failed, f"{number} has the wrong number of error records"
        if self.spec.steps[0].concurrency == 1:
            straight = [of for of, _ in outputs if of not in unlucky and (self.strict or not Plan(of).fails)]
            assert straight == sorted(straight), "out of order"
        assert self.step.empty and not self.step.waiting
        assert not self.step._emissions.ids.known and not self.step._line.suspects
        assert not self.broker.bucket, "a poison count was not forgotten"

    def check_facts(self) -> None:
        opened = dict.fromkeys(range(self.count), 1)
        for fact in self.broker.facts:
            opened[int(fact.execution)] += fact.opened
        stored: dict[int, int] = dict.fromkeys(opened, 0)
        for number, _ in self.outputs():
            stored[number] += 2
        wrong = {number: (opened[number], stored[number]) for number in opened if opened[number] != stored[number]}
        assert not wrong, f"executions that would never end, or end early: {wrong}, unlucky: {self.unlucky()}"


async def storm(random: Random, *, crashes: bool, kills: bool, **options: Any) -> None:  # noqa: PLR0912  one per event
    weather = Weather(random, kills=kills, **options)
    await weather.start()
    for _ in range(random.randrange(50, 400)):
        match random.randrange(24):
            case 0 | 1 | 2:
                weather.put()
            case 3 if kills:
                weather.host.die()
            case 4 | 5:
                weather.host.revive()
            case 6 if random.random() < 0.3 and not weather.bus.lost:
                weather.bus.lose()
            case 7 if weather.bus.lost:
                weather.bus.find()
            case 8 if random.random() < 0.5:
                weather.broker.full = True
            case 9:
                weather.bus.drain()
            case 10 if not weather.bus.lost and random.random() < 0.3:
                weather.broker.redeliver()
            case 11 if crashes and random.random() < 0.3:
                await weather.crash(forgetful=weather.spec.steps[0].retry.attempts == 1)
            case 12:
                await asyncio.sleep(random.choice((0.01, 0.1, 0.3)))
            case 13 | 14 | 15 | 16:
                await asyncio.sleep(0)
            case _:
                weather.host.act(random)
    await clear_up(weather)
    weather.check()
    if not weather.crashes:
        weather.check_facts()


async def clear_up(weather: Weather) -> None:
    """The sky clears: everything that waits gets its turn."""
    quiet = turns = 0
    while quiet < 30:
        turns += 1
        assert turns < 20_000, f"something waits for ever: {weather.step.state()}"
        if weather.bus.lost:
            weather.bus.find()
        weather.bus.drain()
        weather.host.revive()
        busy = weather.host.act(weather.random)
        await asyncio.sleep(0 if busy else 0.05)
        idle = not busy and not any(consumer.handed_out for consumer in weather.broker.consumers.values())
        quiet = quiet + 1 if idle else 0
        if not busy and not idle and weather.random.random() < 0.02:
            weather.broker.redeliver()


WEATHERS: list[dict[str, Any]] = [
    {"concurrency": 1},
    {"concurrency": 4},
    {"concurrency": 1, "order": "strict", "retry": Retry(attempts=4, first=0.2)},
    {"concurrency": 1, "retry": Retry(attempts=2, first=0.2)},
    {"concurrency": 100, "retry": Retry(attempts=4, first=0.2)},
]


@pytest.mark.parametrize("options", WEATHERS, ids=str)
@given(seed=st.integers(0, 1 << 32), crashes=st.booleans(), kills=st.booleans())
@settings(max_examples=40, phases=[Phase.explicit, Phase.generate])
def test_nothing_is_lost_doubled_or_passed_by(options: dict[str, Any], seed: int, crashes: bool, kills: bool) -> None:
    run_in_no_time(storm(Random(seed), crashes=crashes, kills=kills, **options))
