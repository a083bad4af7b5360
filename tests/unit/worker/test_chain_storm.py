"""Three steps with short queues: back-pressure travels to the first and always lets go again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.unit.worker.broker import Broker, Connection
from tests.unit.worker.test_step_storm import CODE, Plan, PlayedHost

from headrace.bus import message as envelope
from headrace.bus.message import Message
from headrace.bus.secrets import Secrets
from headrace.flows.deployment import DeploymentSpec, StepSpec
from headrace.keyring import Keyring
from headrace.testing.loop import run_in_no_time
from headrace.worker.bodies import Bodies
from headrace.worker.delay import Delays
from headrace.worker.room import Room
from headrace.worker.shared import Shared
from headrace.worker.step import Step
from headrace.worker.trace import Trace


class PassOn(Plan):
    """Every message becomes one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.outputs, self.deadly, self.fails = 1, False, 0


class PassingHost(PlayedHost):
    plan = PassOn


class Chain:
    """Steps a → b → c on one broker."""

    def __init__(self, random: Random, limits: list[int], concurrency: int) -> None:
        self.random = random
        self.broker = Broker(random)
        self.count = 0
        names = ["a", "b", "c"]
        options: dict[str, Any] = {"kind": "action", "function": "f", "main": "f.py", "code": CODE}
        steps = [
            StepSpec(
                id=name,
                after=(names[place - 1],) if place else (),
                successors=(names[place + 1],) if place < 2 else (),
                queue_limit=limits[place],
                concurrency=concurrency,
                **options,
            )
            for place, name in enumerate(names)
        ]
        self.spec = DeploymentSpec(flow_id="f", flow="f", version=1, epoch=1, steps=tuple(steps))
        for step in steps:
            reads = {f"flow.f.1.{before}" for before in step.after} | {f"flow.f.1.{step.id}.in"}
            self.broker.add(f"1_{step.id}", reads, f"deliver.f.1.{step.id}")

    @property
    def bus(self) -> Connection:
        assert self.broker.connection is not None
        return self.broker.connection

    @property
    def hosts(self) -> list[PlayedHost]:
        return [step.host for step in self.steps if isinstance(step.host, PlayedHost)]

    async def start(self) -> None:
        bus = Connection(self.broker)
        secrets, room = Secrets(bus, Keyring(Path("/nowhere"))), Room(1 << 30, 1 << 30)
        trace, delays, bodies = Trace(bus, self.spec), Delays(bus, self.spec), Bodies(bus, self.spec, room)
        shared = Shared(bus, self.spec, trace, delays, room, secrets, bodies)
        self.steps = [Step(shared, step, PassingHost) for step in self.spec.steps]
        for step, after in zip(self.steps, self.steps[1:], strict=False):
            step.successors = [after]
            after.producers = [step]
        bus.on_reconnect(lambda: self._again(self.steps))
        for step in self.steps:
            await step.activate(1)

    def _again(self, steps: list[Step]) -> None:
        self._taking_up = asyncio.gather(*(step.reconnected() for step in steps), return_exceptions=True)

    async def crash(self) -> None:
        self.bus.cut = True
        await self.start()

    def put(self) -> None:
        self.count += 1
        body = msgspec.Raw(b'{"of":%d}' % self.count)
        message = Message(id=f"{self.count:03d}", execution="e", step="x", body=body, at=0)
        self.broker.keep("flow.f.1.a.in", envelope.encode(message), {}, None)

    def ended(self) -> list[int]:
        kept = self.broker.subject("flow.f.1.c")
        return [msgspec.json.decode(envelope.decode(each.data).body)["of"] for each in kept]


async def storm(random: Random, limits: list[int], concurrency: int, *, crashes: bool) -> None:
    chain = Chain(random, limits, concurrency)
    await chain.start()
    most = max(limits) + 20 + 256
    for _ in range(random.randrange(50, 500)):
        match random.randrange(16):
            case 0 | 1 | 2:
                chain.put()
            case 3 if random.random() < 0.2:
                chain.bus.lose()
            case 4 if chain.bus.lost:
                chain.bus.find()
            case 5 if random.random() < 0.3:
                chain.broker.full = True
            case 6:
                chain.bus.drain()
            case 7 if crashes and random.random() < 0.2 and not chain.bus.lost:
                await chain.crash()
            case 8 | 9 | 10 | 11:
                await asyncio.sleep(0)
            case _:
                host = random.choice(chain.hosts)
                host.revive()
                host.act(random)
        assert all(step.waiting <= most for step in chain.steps[1:])
    await clear_up(chain)
    assert sorted(chain.ended()) == list(range(1, chain.count + 1))
    if concurrency == 1:
        assert chain.ended() == list(range(1, chain.count + 1))
    assert not any(step.waiting for step in chain.steps)


async def clear_up(chain: Chain) -> None:
    quiet = turns = 0
    while quiet < 30:
        turns += 1
        assert turns < 20_000, f"something waits for ever: {[step.state() for step in chain.steps]}"
        if chain.bus.lost:
            chain.bus.find()
        chain.bus.drain()
        for host in chain.hosts:
            host.revive()
        busy = any(host.act(chain.random) for host in chain.hosts)
        await asyncio.sleep(0 if busy else 0.05)
        left = any(consumer.handed_out for consumer in chain.broker.consumers.values())
        quiet = 0 if busy or left or len(chain.ended()) < chain.count else quiet + 1


@given(
    seed=st.integers(0, 1 << 32),
    limits=st.lists(st.integers(1, 6), min_size=3, max_size=3),
    concurrency=st.sampled_from((1, 3)),
    crashes=st.booleans(),
)
@settings(max_examples=60, phases=[Phase.explicit, Phase.generate])
def test_back_pressure_always_lets_go(seed: int, limits: list[int], concurrency: int, crashes: bool) -> None:
    run_in_no_time(storm(Random(seed), limits, concurrency, crashes=crashes))
