"""Every subject, stream and bucket name in one place.

    stream                subjects                                       holds
    FLOW_<flow id>        flow.<flow id>.<epoch>.<step>                  what a step emitted, once
                          flow.<flow id>.<epoch>.<step>.in               the step's inbox: requests, reruns, take-over
                          flow.<flow id>.<epoch>.<step>.errors           failed messages with their input
    DELAYS                delay.<flow id>.<epoch>.<step>.<message id>    messages waiting for a later attempt
                          due.<flow id>.<epoch>.<step>.<message id>      the same when their time has come
    TRACE                 trace.<flow id>                                batches of facts for the recorder
    LOGS                  logs.<flow id>.<step>                          lines the steps wrote
    OBJ_<flow id>         $O.<flow id>.C.…, $O.<flow id>.M.…             files and large bodies; see `bus.objects`

Plain subjects (not stored): ``worker.<flow id>.<epoch>.do`` (requests to a worker),
``worker.<flow id>.<epoch>.state`` (its heartbeat), ``live.<kind>`` (hints for open browsers).
A flow id is made of lower-case letters and digits, and ``-test-<number>`` where a draft is tried; a step id of letters,
digits, ``-`` and ``_``.
"""

from __future__ import annotations

__all__ = [
    "CREDENTIALS",
    "DELAYS",
    "DEPLOYMENTS",
    "LEASES",
    "LOGS",
    "POISON",
    "SNAPSHOTS",
    "SNAPSHOT_CODE",
    "TRACE",
    "consumer",
    "delay",
    "due",
    "errors",
    "inbox",
    "live",
    "logs",
    "objects",
    "output",
    "stream",
    "trace",
    "worker_do",
    "worker_state",
]

DELAYS = "DELAYS"
TRACE = "TRACE"
LOGS = "LOGS"

DEPLOYMENTS = "deployments"
"""Bucket: ``<flow id>.<epoch>`` → `DeploymentSpec`."""
SNAPSHOTS = "snapshots"
"""Bucket: ``<flow id>.<step>`` → `Snapshot`."""
SNAPSHOT_CODE = "Headrace-Code"
"""Header of a stored snapshot: the ``component/function`` that wrote it."""
LEASES = "leases"
"""Bucket: ``<flow id>`` → epoch whose trigger may emit, as decimal text. Written by control only."""
POISON = "poison"
"""Bucket: ``<flow id>.<step>.<message id>`` → how many hosts the message has killed, alone in flight."""
CREDENTIALS = "credentials"
"""Bucket: ``<credential id>`` → its values, encrypted. See `headrace.bus.secrets`."""


def stream(flow_id: str) -> str:
    """The flow's journal."""
    return f"FLOW_{flow_id}"


def objects(flow_id: str) -> str:
    """The flow's objects."""
    return f"OBJ_{flow_id}"


def output(flow_id: str, epoch: int, step: str) -> str:
    """Where a step's emissions are stored."""
    return f"flow.{flow_id}.{epoch}.{step}"


def inbox(flow_id: str, epoch: int, step: str) -> str:
    """Messages for this step alone."""
    return f"flow.{flow_id}.{epoch}.{step}.in"


def errors(flow_id: str, epoch: int, step: str) -> str:
    """Messages this step failed on."""
    return f"flow.{flow_id}.{epoch}.{step}.errors"


def delay(flow_id: str, epoch: int, step: str, message_id: str) -> str:
    """A message that waits for its next attempt."""
    return f"delay.{flow_id}.{epoch}.{step}.{message_id}"


def due(flow_id: str, epoch: int, step: str, message_id: str) -> str:
    """Where the broker puts it when it is due."""
    return f"due.{flow_id}.{epoch}.{step}.{message_id}"


def consumer(epoch: int, step: str) -> str:
    """The durable consumer of one step in one deployment."""
    return f"{epoch}_{step}"


def trace(flow_id: str) -> str:
    return f"trace.{flow_id}"


def logs(flow_id: str, step: str) -> str:
    return f"logs.{flow_id}.{step}"


def live(kind: str) -> str:
    return f"live.{kind}"


def worker_do(flow_id: str, epoch: int) -> str:
    return f"worker.{flow_id}.{epoch}.do"


def worker_state(flow_id: str, epoch: int) -> str:
    return f"worker.{flow_id}.{epoch}.state"
