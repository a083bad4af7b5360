"""Snapshots of steps that stand for other code than before: they go when the old deployment has ended, not earlier.

Until then the new step ignores them by itself (`headrace.worker.snapshot`), and the old one, should it be handed the
flow back, goes on with what it has.
"""

from __future__ import annotations

from headrace.bus import subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.errors import Refused
from headrace.flows.deployment import DeploymentSpec

__all__ = ["copy", "reset"]


async def reset(bus: Bus, old: DeploymentSpec, new: DeploymentSpec) -> tuple[str, ...]:
    """Empty what steps of ``old`` left under ids that run another component or function in ``new``; their ids.

    What ``new`` has written itself stays. A second call changes nothing.
    """
    bucket = Bucket(bus, subjects.SNAPSHOTS)
    runs = {step.id: step.runs for step in old.steps}
    emptied = []
    for step in new.steps:
        if runs.get(step.id, step.runs) == step.runs:
            continue
        key = f"{new.flow_id}.{step.id}"
        left = await bucket.get(key)
        if left is None or left.headers.get(subjects.SNAPSHOT_CODE, step.runs) == step.runs:
            continue
        try:
            await bucket.update(key, b"{}", left.revision, headers={subjects.SNAPSHOT_CODE: step.runs})
        except Refused as error:
            if error.reason != "changed":  # the new step was quicker
                raise
        else:
            emptied.append(step.id)
    return tuple(emptied)


async def copy(bus: Bus, flow_id: str, spec: DeploymentSpec) -> None:
    """Give the steps of ``spec`` what the steps of ``flow_id`` have at this moment, if they run the same code."""
    bucket = Bucket(bus, subjects.SNAPSHOTS)
    for step in spec.steps:
        found = await bucket.get(f"{flow_id}.{step.id}")
        if found is None or found.headers.get(subjects.SNAPSHOT_CODE, step.runs) != step.runs:
            continue
        key = f"{spec.flow_id}.{step.id}"
        present = await bucket.newest(key)
        headers = {subjects.SNAPSHOT_CODE: step.runs}
        await bucket.update(key, found.data or b"{}", 0 if present is None else present.revision, headers=headers)
