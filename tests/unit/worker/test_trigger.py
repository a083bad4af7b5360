"""What a trigger emits: answered in every case, and let in or kept out as there is room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from tests.unit.worker.broker import Broker, Connection
from tests.unit.worker.test_step_storm import CODE

from headrace.bus import message as envelope
from headrace.bus.secrets import Secrets
from headrace.errors import HeadraceError, Refused
from headrace.flows.deployment import DeploymentSpec, StepSpec
from headrace.keyring import Keyring
from headrace.testing.loop import run_in_no_time
from headrace.worker import frames
from headrace.worker.bodies import Bodies
from headrace.worker.delay import Delays
from headrace.worker.host import Host
from headrace.worker.room import Room
from headrace.worker.shared import Shared
from headrace.worker.trace import Trace
from headrace.worker.trigger import MOST_WAITING, Trigger


class SpokenHost(Host):
    """A host whose part the test speaks; keeps what it is told."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.told: list[dict[str, Any]] = []
        self.held = False

    def send(self, frame: bytes) -> None:
        self.told.append(msgspec.json.decode(frame))

    def hold(self, much: bool) -> None:
        self.held = much

    def emit(self, number: int, *, event: str = "data", confirm: bool = True, **fields: Any) -> None:
        known: dict[str, Any] = {"body": msgspec.Raw(b'{"n":%d}' % number)} if event == "data" else {}
        frame = frames.Frame("emit", 1, number, event, confirm=confirm, **(known | fields))
        self._owner.host_frame(frame)

    def answers(self) -> dict[int, str]:
        """Emission → ``ok``, or the reason for which it was refused."""
        return {
            each["emit"]: "ok" if each["ok"] else each["error"]["reason"]
            for each in self.told
            if each["type"] == "emitted"
        }


class Crowd:
    """A successor that is crowded when told so."""

    full = False

    def crowded(self) -> bool:
        return self.full

    def expect(self, seq: int) -> None:
        """More for it."""


class Stage:
    def __init__(self) -> None:
        self.broker = Broker(Random(1))
        self.bus = Connection(self.broker)
        step = StepSpec(
            id="t", kind="trigger", function="t", main="t.py", code=CODE, trigger_type="listener", successors=("next",)
        )
        self.spec = DeploymentSpec(flow_id="f", flow="f", version=1, epoch=1, steps=(step,), message_limit=1_000)
        self.room = Room(1_000_000, 1 << 30)
        secrets = Secrets(self.bus, Keyring(Path("/nowhere")))
        trace, delays = Trace(self.bus, self.spec), Delays(self.bus, self.spec)
        bodies = Bodies(self.bus, self.spec, self.room)
        shared = Shared(self.bus, self.spec, trace, delays, self.room, secrets, bodies)
        self.trigger = Trigger(shared, step, SpokenHost)
        self.crowd = Crowd()
        self.trigger.successors = [self.crowd]  # type: ignore[list-item]

    @property
    def host(self) -> SpokenHost:
        assert isinstance(self.trigger.host, SpokenHost)
        return self.trigger.host

    async def begin(self) -> None:
        await self.trigger.activate(1)
        self.host.state = "ready"
        self.trigger.host_ready(frames.Frame("ready", shape="listen"))

    def stored(self) -> list[int]:
        kept = self.broker.subject("flow.f.1.t")
        return [msgspec.json.decode(envelope.decode(each.data).body)["n"] for each in kept]


def play(work: Callable[[Stage], Awaitable[None]]) -> None:
    async def run() -> None:
        stage = Stage()
        await stage.begin()
        await work(stage)

    run_in_no_time(run())


async def a_moment() -> None:
    await asyncio.sleep(0.01)


def test_every_emission_is_answered() -> None:
    async def work(stage: Stage) -> None:
        host = stage.host
        host.emit(1)
        host.emit(2, body=msgspec.Raw(b'"' + b"x" * 2_000 + b'"'))
        host.emit(3, event="snapshot", value=msgspec.Raw(b'{"a":1}'))
        host.emit(4, event="update_snapshot", patch=msgspec.Raw(b"[1]"))
        host.emit(5, event="error", error=frames.HostError("Error", "broken"))
        host.emit(6, event="rebound", reason="later")
        host.emit(7, event="http_reply")
        host.emit(8, event="nonsense")
        await a_moment()
        assert host.answers() == {
            1: "ok",
            2: "too-large",
            3: "ok",
            4: "snapshot",
            5: "ok",
            6: "not-for-triggers",
            7: "not-for-triggers",
            8: "not-for-triggers",
        }

    play(work)


def test_an_emission_the_journal_refuses_is_refused() -> None:
    async def work(stage: Stage) -> None:
        def refuse(subject: str, data: bytes, done: Callable[[HeadraceError], None], **options: Any) -> None:
            asyncio.get_running_loop().call_soon(done, Refused("subject-refused", "fenced"))

        stage.bus.store_nowait = refuse  # type: ignore[method-assign]
        stage.host.emit(1)
        await a_moment()
        assert stage.host.answers() == {1: "subject-refused"}
        await stage.trigger.settled()

    play(work)


def test_while_a_successor_is_crowded_emissions_wait_and_then_go_in_order() -> None:
    async def work(stage: Stage) -> None:
        stage.crowd.full = True
        for number in range(5):
            stage.host.emit(number)
        await a_moment()
        assert stage.stored() == [] and stage.host.answers() == {}
        stage.crowd.full = False
        stage.trigger.pump()
        await a_moment()
        assert stage.stored() == [0, 1, 2, 3, 4] and set(stage.host.answers().values()) == {"ok"}

    play(work)


def test_the_host_is_not_read_while_too_much_waits_and_is_read_again() -> None:
    async def work(stage: Stage) -> None:
        stage.crowd.full = True
        for number in range(MOST_WAITING + 20):
            stage.host.emit(number)
        assert stage.host.held
        stage.crowd.full = False
        while stage.host.held:
            stage.trigger.tick()
            await a_moment()
        await a_moment()
        assert stage.stored() == list(range(MOST_WAITING + 20))

    play(work)


def test_a_nearly_full_journal_keeps_events_out_until_there_is_room() -> None:
    async def work(stage: Stage) -> None:
        stage.room.measured(800_000)
        stage.host.emit(1)
        await a_moment()
        assert stage.stored() == []
        stage.room.measured(100)
        stage.trigger.tick()
        await a_moment()
        assert stage.stored() == [1]

    play(work)


def test_a_trigger_that_is_silenced_lets_in_what_it_has_emitted_already() -> None:
    async def work(stage: Stage) -> None:
        stage.crowd.full = True
        stage.host.emit(1)
        stage.trigger.deactivate()
        stage.host.emit(2)
        await stage.trigger.settled()
        assert stage.stored() == [1, 2] and stage.host.answers() == {1: "ok", 2: "ok"}

    play(work)


def test_of_a_host_that_dies_only_what_nobody_waits_for_is_stored() -> None:
    """Who waits for an answer that never comes still has the event; what a call returned is nowhere else."""

    async def work(stage: Stage) -> None:
        stage.crowd.full = True
        for number in range(4):
            stage.host.emit(number, confirm=number % 2 == 0)
        stage.trigger.host_gone()
        await stage.trigger.settled()
        assert stage.stored() == [1, 3]

    play(work)


def test_it_is_settled_only_when_its_snapshot_is_kept() -> None:
    async def work(stage: Stage) -> None:
        stage.bus.lose()
        stage.host.emit(1, event="snapshot", value=msgspec.Raw(b'{"at":7}'))
        settled = asyncio.ensure_future(stage.trigger.settled())
        await asyncio.sleep(5)
        assert not settled.done()
        stage.bus.find()
        await settled
        assert stage.broker.bucket["f.t"][0] == b'{"at":7}'

    play(work)
