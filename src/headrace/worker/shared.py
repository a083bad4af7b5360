"""What the steps of one deployment have in common."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.bus.client import Bus
from headrace.bus.secrets import Secrets
from headrace.flows.deployment import DeploymentSpec
from headrace.worker.bodies import Bodies
from headrace.worker.delay import Delays
from headrace.worker.room import Room
from headrace.worker.trace import Trace

__all__ = ["Shared"]


@dataclass(frozen=True, slots=True)
class Shared:
    """Parts that the worker has once."""

    bus: Bus
    spec: DeploymentSpec
    trace: Trace
    delays: Delays
    room: Room
    secrets: Secrets
    bodies: Bodies
