"""A flow as control would have left it: in the store, in the bucket, in the journal; no worker runs it."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import msgspec

from headrace.bus import journal, subjects
from headrace.bus.buckets import Bucket
from headrace.bus.client import Bus
from headrace.flows.deployment import Code, DeploymentSpec, StepSpec
from headrace.store import components, deployments, flows
from headrace.store.components import ComponentVersion
from headrace.store.database import Database

__all__ = ["DESCRIPTOR", "DOCUMENT", "component", "deploy", "spec_of"]

DESCRIPTOR: dict[str, Any] = {
    "title": "Hook",
    "version": "1.0.0",
    "triggers": {
        "receive": {"title": "Receive", "main": "receive.py", "type": "webhook"},
        "look": {"title": "Look", "main": "look.py", "type": "polling"},
    },
    "actions": {
        "work": {
            "title": "Work",
            "main": "work.py",
            "fields": {"path": {"label": "Path", "viewClass": "TextFieldView", "grants": "write"}},
        }
    },
}
DOCUMENT = """\
flow: {name}
steps:
  - id: hook
    trigger: hook/receive
  - id: work
    after: hook
    action: hook/work
    fields: {{path: /srv/out/orders.jsonl}}
    input: '{{"total": body.total}}'
"""
"""A flow document; fill in its ``name``."""

CODE = Code(component="hook", revision=1, commit="c" * 40, root="/nowhere", interpreter="/usr/bin/python3")
JOURNAL = 8 * 1024**2
"""Small: the broker sets the whole budget aside when it makes a stream."""
_numbers = itertools.count(1)


def spec_of(flow_id: str, name: str, *, trigger: dict[str, Any] | None = None, **options: Any) -> DeploymentSpec:
    """Two steps, ``hook`` (a webhook trigger) and ``work``."""
    hook: dict[str, Any] = {"trigger_type": "webhook", "successors": ("work",), **(trigger or {})}
    steps = (
        StepSpec(id="hook", kind="trigger", function="receive", main="receive.py", code=CODE, **hook),
        StepSpec(id="work", kind="action", function="work", main="work.py", code=CODE, after=("hook",)),
    )
    known: dict[str, Any] = {"version": 1, "epoch": 1, "steps": steps, "journal_bytes": JOURNAL}
    return DeploymentSpec(flow_id=flow_id, flow=name, **known | options)


async def component(db: Database, name: str = "hook", commit: str = CODE.commit) -> ComponentVersion:
    """A built version of that component, which is made when it is new."""
    async with db.begin() as conn:
        if name not in {each.name for each in await components.list_(conn)}:
            await components.create(conn, name)
        version = await components.add_version(conn, name, commit, descriptor=DESCRIPTOR, semver="1.0.0", author="Ada")
        code = msgspec.structs.replace(CODE, component=name, revision=version.revision, commit=commit)
        return await components.built(conn, name, version.revision, msgspec.to_builtins(code))


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
        await flows.add_version(conn, flow.id, DOCUMENT.format(name=name))
        await flows.set_wish(conn, flow.id, "running")
        spec = spec_of(flow.id, name, trigger=trigger, epoch=await flows.next_epoch(conn, flow.id), **options)
        resolved = {step: {"component": "hook", "revision": 1, "commit": CODE.commit} for step in ("hook", "work")}
        await deployments.create(conn, flow.id, spec.epoch, 1, resolved)
        if state != "warming":
            await deployments.update(conn, flow.id, spec.epoch, state=state)
    await journal.prepare(bus, spec)
    await Bucket(bus, subjects.DEPLOYMENTS).put(f"{flow.id}.{spec.epoch}", msgspec.json.encode(spec))
    return spec
