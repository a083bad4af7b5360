"""What request handlers work with: the parts that `headrace.app` put together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import msgspec
from fastapi import Depends
from starlette.requests import Request

from headrace.api.auth import Identities
from headrace.api.facts import Facts
from headrace.api.heartbeats import Heartbeats
from headrace.api.metrics import Metrics
from headrace.api.seat import Seats
from headrace.api.webhook_target import Targets
from headrace.bus import subjects
from headrace.bus.client import Bus
from headrace.components.repositories import Repositories
from headrace.control.builds import Builds
from headrace.control.credentials import Credentials
from headrace.control.design import Design
from headrace.control.reconcile import Reconciler
from headrace.control.recorder import Recorder
from headrace.control.tests import Tests
from headrace.control.variables import Variables
from headrace.errors import HeadraceError
from headrace.settings import Settings
from headrace.store.database import Database

__all__ = ["Caller", "Parts", "PartsOf"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One running server."""

    settings: Settings
    db: Database
    bus: Bus
    identities: Identities
    heartbeats: Heartbeats
    targets: Targets
    facts: Facts
    metrics: Metrics
    reconciler: Reconciler
    tests: Tests
    recorder: Recorder
    builds: Builds
    credentials: Credentials
    variables: Variables
    design: Design
    repositories: Repositories
    troubles: Callable[[], tuple[str, ...]]
    """What does not work at the moment, a sentence each."""
    stop: Callable[[bool], None]
    """Stop the server; with True also workers and broker. Returns at once."""
    stopping: asyncio.Event
    """Set when the server stops: streams end."""
    url: str
    broker_url: str
    started_at: int
    seats: Seats = field(default_factory=Seats)

    def announce(self, kind: str, what: dict[str, Any]) -> None:
        """Tell open browsers that something may have changed."""
        self.bus.publish(subjects.live(kind), msgspec.json.encode(what))

    def changed(self, flow_id: str, name: str) -> None:
        """A flow's wish, version or existence was changed: whoever acts on it looks again."""
        self.targets.forget(name)
        self.reconciler.hint(flow_id)
        self.announce("flow", {"flow": name})

    async def recorder_lag(self) -> int:
        """Batches of facts the recorder has yet to write; 0 while the broker is away."""
        try:
            info = await self.bus.api(f"STREAM.INFO.{subjects.TRACE}")
        except HeadraceError:
            return 0
        return max(0, int(info["state"]["last_seq"]) - self.recorder.applied)


def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


def _caller(request: Request) -> str:
    return str(request.state.caller)


PartsOf = Annotated[Parts, Depends(_parts)]
Caller = Annotated[str, Depends(_caller)]
"""The name of the token the request came with."""
