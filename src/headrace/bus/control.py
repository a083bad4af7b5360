"""What control and workers say to each other.

Requests go to ``worker.<flow id>.<epoch>.do`` as a `Command` and are answered with a `WorkerState`; the worker
also publishes its `WorkerState` once a second and at every change on ``worker.<flow id>.<epoch>.state``.

    warming ──▶ ready ──activate──▶ live ──quiesce──▶ draining ──▶ drained
       │          │                   │                   │           │
       └──────────┴───────stop────────┴───────────────────┴───────────┴──▶ stopped (the process ends)
       └──▶ failed (a step never got ready; hosts are stopped, the process waits for ``stop``)
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Command", "Leak", "Phase", "StepState", "Verb", "WorkerState", "decode_state"]

Phase = Literal["warming", "ready", "live", "draining", "drained", "failed", "stopped"]
Verb = Literal["status", "activate", "quiesce", "fetch", "stop"]
"""
status    answer with the present state
activate  ready → live: start the trigger and take messages. Needs the lease; a second call changes nothing
quiesce   live → draining: stop the trigger, go on with what is queued, → drained when all queues are empty. The phase
          changes when the trigger's host has ended and all it emitted is stored. A worker that finds that another
          epoch has the lease does the same by itself. Delayed messages go to whoever is live when they are due
fetch     live, in a test deployment: call the trigger until its first event is in the journal, or ``within`` is over
stop      finish the calls in progress, leave the rest unacknowledged, stop hosts, end the process
"""


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker is to do.

    ``final`` goes with ``stop`` and ``quiesce``: the trigger's ``shutdown`` hook runs, since a person stops the flow or
    the next deployment has another trigger. ``after`` goes with ``activate``: the epoch whose steps are still
    draining; a step with concurrency 1 takes its first message when the step of the same id there has drained.
    ``within`` goes with ``fetch``: seconds.
    """

    verb: Verb
    final: bool = False
    after: int = 0
    within: float = 0.0


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """What a trigger opens more of at every call."""

    kind: str
    """As in the host protocol's census; ``events``: the same event from more and more listeners."""
    growth: float
    """How many more per call."""
    cure: str
    stopped: bool = False
    """Whether the trigger was stopped for it."""

    @property
    def found(self) -> str:
        """Without the cure."""
        what = "listeners that emit the same event" if self.kind == "events" else self.kind
        stopped = "stopped by the leak guard: " if self.stopped else ""
        return f"{stopped}the trigger leaks {what}: {self.growth:g} more at every call"

    def __str__(self) -> str:
        return f"{self.found}. {self.cure}"


class StepState(msgspec.Struct, frozen=True, kw_only=True):
    """One step's host and counters (since the worker started)."""

    id: str
    trigger: bool = False
    """Whether executions begin here."""
    host: Literal["starting", "ready", "backoff", "stopping", "stopped", "failed"]
    pid: int = 0
    restarts: int = 0
    received: int = 0
    emitted: int = 0
    failed: int = 0
    waiting: int = 0
    """Messages queued for this step."""
    oldest: int = 0
    """When the oldest message that was handed out to it, and is not dealt with, was stored: milliseconds since the
    epoch; 0 without one."""
    times: dict[int, int] = {}
    """How long messages took here, in mapping and component code; buckets as in `headrace.bus.times`."""
    open: int = 0
    """Calls in progress."""
    memory: int = 0
    ready_ms: int = 0
    """Warm-up of this host."""
    warning: str = ""
    leak: Leak | None = None
    """Of a trigger: what the leak guard found in the present life of its host, or stopped it for."""
    reason: str = ""


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's heartbeat."""

    flow_id: str
    epoch: int
    pid: int
    created: float
    """Process creation time (psutil): with the pid, the worker's identity."""
    phase: Phase
    at: int
    """Milliseconds since the epoch."""
    reason: str = ""
    """Why ``failed``."""
    ready_ms: int = 0
    """Warm-up of all steps together."""
    trigger_off: int = 0
    """When the trigger was told to stop, microseconds since the epoch; 0: not yet."""
    trigger_on: int = 0
    """When the trigger was first called after the last activation."""
    hooks_us: int = 0
    """Time, in microseconds, that the trigger's hooks took in the last activation (``startup``) or quiescing
    (``shutdown``, with the start of the host it runs in); 0 where none ran. It lies between `trigger_off` of the one
    worker and `trigger_on` of the other."""
    longest_wait: int = 0
    """Longest time, in microseconds, that a message waited in the journal since the last activation or quiescing."""
    drained: int = 0
    """Messages processed since the trigger was told to stop."""
    repeats: int = 0
    """Emissions that the journal already had."""
    order_kept: bool = True
    """False when a step could not wait any longer for its predecessor to drain."""
    steps: tuple[StepState, ...] = ()
    journal_bytes: int = 0


def decode_state(data: bytes) -> WorkerState:
    """The heartbeat in ``data``; raises `msgspec.DecodeError` or `msgspec.ValidationError`."""
    return msgspec.msgpack.decode(data, type=WorkerState)
