"""Where the events of a webhook go: the pointer from a flow's name to the inbox of its live trigger.

    flow, wish running or suspended ──▶ newest deployment, live ──▶ its webhook trigger ──▶ inbox

The pointer is remembered for a second; whoever changes a flow says `Targets.forget`, and a journal that refuses the
old inbox makes the endpoint `Targets.find` it afresh. While a deployment warms up, `find` waits for it a little
instead of turning events away. ``<flow>/test`` leads to the test deployment of a flow whose test waits for a request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.api.encrypted import Encrypted
from headrace.api.webhook_room import JOURNAL_SHARE, Measured, Room
from headrace.bus import journal, subjects
from headrace.bus.client import Bus
from headrace.bus.objects import Objects
from headrace.control.specs import Specs
from headrace.errors import HeadraceError, NotFound, Refused, Unavailable
from headrace.flows.deployment import DeploymentSpec
from headrace.store import deployments, flows, tests
from headrace.store.database import Database
from headrace.store.flows import Flow

__all__ = ["Target", "Targets"]

REMEMBER = 1.0
REMEMBER_MOST = 5000
WARM_WAIT = 10.0
"""Seconds a request waits for a deployment that is warming up."""
LOOK_AGAIN = 0.05
TEST = "/test"
"""End of the address at which a test waits for a request."""


@dataclass(frozen=True, slots=True)
class Target:
    """The live trigger of a flow."""

    flow: str
    flow_id: str
    epoch: int
    version: int
    step: str
    subject: str
    waits: bool
    """The caller waits for the flow's own answer."""
    timeout: float
    message_limit: int
    inline_limit: int
    keep: float
    """Seconds that a large body stays although nothing refers to it."""
    objects: Objects
    encrypted: Encrypted
    """The same, as component code encrypts them."""
    object_bytes: int
    room: Room
    only: tuple[str, ...] | None = None
    """The steps that may process what comes in; `None`: all."""


class Targets:
    """Finds targets and remembers them."""

    def __init__(self, db: Database, bus: Bus, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._specs = Specs(bus)
        self._known: dict[str, tuple[Target | HeadraceError, float]] = {}
        self._made: dict[tuple[str, int], Target] = {}
        self._lock = asyncio.Lock()

    def known(self, name: str) -> Target | None:
        """The remembered target, without any waiting; `None` when it must be looked up."""
        found = self._known.get(name)
        if found is None or isinstance(found[0], HeadraceError) or self._clock() >= found[1]:
            return None
        return found[0]

    def forget(self, name: str | None = None) -> None:
        """Look up that flow, or every flow, at its next event."""
        if name is None:
            self._known.clear()
        else:
            self._known.pop(name, None)

    async def find(self, name: str) -> Target:
        """The target of the flow of that name.

        Raises `NotFound` (``unknown-flow``), `Refused` (``flow-stopped``, ``flow-failed``, ``no-webhook-trigger``)
        or `Unavailable` (``flow-warming-up``).
        """
        deadline = self._clock() + WARM_WAIT
        while True:
            found = await self._lookup(name)
            if isinstance(found, Target):
                return found
            if found.reason != "flow-warming-up" or self._clock() >= deadline:
                raise found
            await asyncio.sleep(LOOK_AGAIN)
            self.forget(name)

    async def _lookup(self, name: str) -> Target | HeadraceError:
        async with self._lock:
            found, until = self._known.get(name, (None, 0.0))
            if found is not None and self._clock() < until:
                return found
            try:
                found = await self._load(name)
            except (NotFound, Refused, Unavailable) as error:
                found = error
            if len(self._known) >= REMEMBER_MOST:
                self._known.clear()
            if not name.endswith(TEST):  # there for one request
                self._known[name] = (found, self._clock() + REMEMBER)
            return found

    async def _load(self, name: str) -> Target:
        async with self._db.read() as conn:
            flow = await _flow(conn, name)
            deployment = await deployments.current(conn, flow.id)
            if deployment is None and flow.epoch:
                deployment = await deployments.get(conn, flow.id, flow.epoch)
        start = f"headrace flow start {name}"
        if flow.wish == "stopped":
            raise Refused("flow-stopped", f"the flow {name!r} is stopped", next_step=start)
        if deployment is not None and deployment.state == "failed":
            told = f"the flow {name!r} does not run: {deployment.reason or 'its deployment failed'}"
            raise Refused("flow-failed", told, next_step=f"headrace logs {name}, then {start}")
        if deployment is None or deployment.state not in ("live", "draining", "standby"):
            raise Unavailable("flow-warming-up", f"the flow {name!r} is starting", next_step="Send it again soon.")
        made = self._made.get((flow.id, deployment.epoch)) or await self._make(name, flow.id, deployment.epoch)
        # Nobody answers while a flow is suspended, so nobody is kept waiting.
        return replace(made, waits=False) if flow.wish == "suspended" else made

    async def _make(self, name: str, flow_id: str, epoch: int) -> Target:
        spec = await self._specs.get(flow_id, epoch)
        if spec is None:
            raise Unavailable("flow-warming-up", f"the flow {name!r} is starting", next_step="Send it again soon.")
        trigger = spec.trigger
        if trigger.trigger_type != "webhook":
            raise Refused(
                "no-webhook-trigger",
                f"the flow {name!r} does not start with a webhook but with {trigger.function!r}",
                next_step="Send events to where its trigger listens, or give the flow a webhook trigger.",
            )
        objects = Objects(self._bus, flow_id, spec.object_bytes)
        only = (trigger.id,) if spec.test else None
        target = Target(
            flow=name,
            flow_id=flow_id,
            epoch=epoch,
            version=spec.version,
            step=trigger.id,
            subject=subjects.inbox(flow_id, epoch, trigger.id),
            waits=trigger.reply == "wait",
            timeout=trigger.timeout,
            message_limit=spec.message_limit,
            inline_limit=spec.inline_limit,
            keep=spec.journal_keep,
            objects=objects,
            encrypted=Encrypted(objects, *spec.storage_cipher),
            object_bytes=spec.object_bytes,
            room=Room(lambda: self._measure(spec)),
            only=only,
        )
        if len(self._made) >= REMEMBER_MOST:
            self._made.clear()
        self._made[flow_id, epoch] = target
        return target

    async def _measure(self, spec: DeploymentSpec) -> Measured:
        info = await self._bus.api(f"STREAM.INFO.{subjects.stream(spec.flow_id)}")
        depth = await journal.depth(self._bus, spec.flow_id, spec.epoch, spec.trigger.id)
        share = int(spec.journal_bytes * JOURNAL_SHARE)
        return Measured(spec.trigger.queue_limit - depth.total, share - int(info["state"]["bytes"]))


async def _flow(conn: AsyncConnection, name: str) -> Flow:
    try:
        flow = await flows.get(conn, name.removesuffix(TEST))
    except NotFound as error:
        told = f"there is no flow {name!r}"
        raise NotFound("unknown-flow", told, next_step="`headrace flow list` shows the flows.") from error
    if not name.endswith(TEST):
        return flow
    waiting = [test for test in await tests.list_(conn, flow.id) if test.state == "waiting"]
    if not waiting:
        told = f"no test of flow {flow.name!r} waits for a request"
        raise NotFound("no-test-waits", told, next_step="Fetch a sample of its trigger, and send the request then.")
    return await flows.get_by_id(conn, waiting[0].key)
