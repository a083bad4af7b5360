"""What control needs of a place where workers run. `tests/contract/test_runtime.py` runs over every implementation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from headrace.identity import Identity

__all__ = ["RunningWorker", "Runtime", "WorkerRef"]

WorkerRef = Identity
"""One worker: never another one, even when its pid is used again."""


@dataclass(frozen=True, slots=True)
class RunningWorker:
    """A worker that lives, and the deployment it runs."""

    flow_id: str
    epoch: int
    ref: WorkerRef


class Runtime(Protocol):
    """Workers outlive whoever started them; a new instance over the same place finds them again."""

    async def start(self, flow_id: str, epoch: int) -> WorkerRef:
        """Start the worker of a deployment and return it as soon as it has begun, long before its steps are ready.

        A second call while it lives returns the same worker. Cancelled, it may or may not have started one: `list`
        and the next call tell. Raises `Unavailable` (``worker-start``) when no worker can be started.
        """
        ...

    async def alive(self, ref: WorkerRef) -> bool:
        """Whether exactly this worker still runs; `False` for one never heard of."""
        ...

    async def gone(self, ref: WorkerRef) -> None:
        """Return when this worker has ended; at once for an unknown one. Cancelling it leaves the worker alone."""
        ...

    async def kill(self, ref: WorkerRef) -> None:
        """End the worker at once, asking nothing, and return when it is gone. Nothing happens when it is gone already
        or unknown. Cancelled, the worker ends all the same."""
        ...

    async def list(self) -> tuple[RunningWorker, ...]:
        """Every worker that lives here, whoever started it, at most one per deployment."""
        ...

    async def close(self) -> None:
        """Let go of what `start` needs; workers live on. Safe twice; a later `start` takes hold of it again."""
        ...
