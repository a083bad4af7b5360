"""From a deployment's row to what its worker runs: the version's document with the frozen component versions."""

from __future__ import annotations

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.components.descriptor import Descriptor
from headrace.control.object_token import ObjectTokens
from headrace.errors import Refused
from headrace.flows import document
from headrace.flows.deployment import Code, DeploymentSpec, Retry
from headrace.flows.publish import Resolved, compile_deployment, for_test
from headrace.settings import Settings
from headrace.store import components, credentials, deployments, flows
from headrace.store import variables as store

__all__ = ["compile_row"]


async def compile_row(conn: AsyncConnection, settings: Settings, flow_id: str, epoch: int) -> DeploymentSpec:
    """The spec of deployment ``epoch``. A `HeadraceError` other than `Unavailable` says why it cannot be made."""
    row = await deployments.get(conn, flow_id, epoch)
    version = await flows.get_version(conn, flow_id, row.version)
    written = document.parse(version.document)
    resolved = {}
    for step, which in row.resolved.items():
        resolved[step] = await _resolved(
            conn, str(which["component"]), int(which["revision"]), bool(which.get("variables"))
        )
    spec = compile_deployment(
        written,
        resolved,
        flow_id=flow_id,
        version=row.version,
        epoch=epoch,
        journal_bytes=settings.journal_bytes,
        journal_keep=settings.journal_keep,
        message_limit=settings.message_limit,
        queue_limit=settings.queue_limit,
        step_memory=settings.step_memory,
        credentials={each.name: each.id for each in await credentials.list_(conn)},
        ready_within=settings.ready_within,
        stop_within=settings.stop_within,
        runtime_folder="",
    )
    tokens = ObjectTokens.kept_in(settings.object_key_file)
    compiled = msgspec.structs.replace(
        spec,
        sandbox=settings.sandbox,
        drain_within=settings.drain_within,
        rebound=Retry(attempts=settings.rebound_limit + 1, first=settings.rebound_first, max=settings.rebound_most),
        inline_limit=settings.inline_limit,
        object_bytes=settings.object_bytes,
        private=tuple(map(str, (*settings.own_dirs, settings.credential_keys))),
        webhook_url=_webhook_url(settings, spec),
        storage_url=f"{settings.url}/storage",
        storage_token=tokens.issue(flow_id, epoch),
        storage_cipher=tokens.cipher(flow_id),
    )
    return for_test(compiled) if compiled.test else compiled


def _webhook_url(settings: Settings, spec: DeploymentSpec) -> str:
    if spec.trigger.trigger_type != "webhook":
        return ""
    return f"{settings.outside_url}/hooks/{spec.flow}{'/test' if spec.test else ''}"


async def _resolved(conn: AsyncConnection, component: str, revision: int, variables: bool) -> Resolved:
    version = await components.get_version(conn, component, revision)
    if version.build is None:
        raise Refused(
            "not-built",
            f"revision {revision} of component `{component}` is not built any more",
            next_step=f"see `headrace component log {component} {revision}`",
        )
    code = msgspec.convert(version.build, Code)
    held = await store.find(conn, version.component_id) if variables else None
    described = Descriptor(version.descriptor).described(component, revision, code.language)
    return Resolved(code, described, held.id if held is not None else "")
