"""A flow as control would have left it: in the store, in the bucket, in the journal; no worker runs it."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import msgspec

from headrace.bus import journal, subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.flows.deployment import Code, DeploymentSpec, StepSpec
from headrace.store import deployments, flows
from headrace.store.database import Database

__all__ = ["deploy", "spec_of"]

CODE = Code(component="hook", revision=1, commit="c" * 40, root="/nowhere", interpreter="/usr/bin/python3")
_numbers = itertools.count(1)


def spec_of(flow_id: str, name: str, *, trigger: dict[str, Any] | None = None, **options: Any) -> DeploymentSpec:
    """Two steps, ``hook`` (a webhook trigger) and ``work``."""
    hook: dict[str, Any] = {"trigger_type": "webhook", "successors": ("work",), **(trigger or {})}
    steps = (
        StepSpec(id="hook", kind="trigger", function="receive", main="receive.py", code=CODE, **hook),
        StepSpec(id="work", kind="action", function="work", main="work.py", code=CODE, after=("hook",)),
    )
    return DeploymentSpec(**{"flow_id": flow_id, "flow": name, "version": 1, "epoch": 1, "steps": steps, **options})


async def deploy(
    db: Database,
    bus: Bus,
    name: str = "",
    *,
    state: Literal["warming", "live", "failed"] = "live",
    trigger: dict[str, Any] | None = None,
    **options: Any,
) -> DeploymentSpec:
    """A running flow of that name with one deployment in ``state``."""
    name = name or f"flow-{next(_numbers)}"
    async with db.begin() as conn:
        flow = await flows.create(conn, name)
        await flows.add_version(conn, flow.id, "{}")
        await flows.set_wish(conn, flow.id, "running")
        spec = spec_of(flow.id, name, trigger=trigger, epoch=await flows.next_epoch(conn, flow.id), **options)
        resolved = {"hook": {"component": "hook", "revision": 1, "commit": CODE.commit}}
        await deployments.create(conn, flow.id, spec.epoch, 1, resolved)
        if state != "warming":
            await deployments.update(conn, flow.id, spec.epoch, state=state)
    await journal.prepare(bus, spec)
    await Bucket(bus, subjects.DEPLOYMENTS).put(f"{flow.id}.{spec.epoch}", msgspec.json.encode(spec))
    return spec
