"""``/status``, ``/settings`` and ``/shutdown``: the server as a whole."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from dataclasses import asdict

from fastapi import APIRouter
from pydantic import Field

from headrace import __version__, sandbox
from headrace.api.parts import PartsOf
from headrace.api.shapes import Answer, Moment, Request
from headrace.settings import CONFIG_FILE, options
from headrace.store import deployments, failures, flows

__all__ = ["router"]

router = APIRouter(tags=["operations"])


class BrokerStatus(Answer):
    state: str = Field(description="`connected` or `lost`")
    version: str
    url: str
    embedded: bool = Field(description="Started by this server, with its data in the data folder.")


class SandboxStatus(Answer):
    available: bool
    reason: str = Field(description="Why it is not available.")


class FlowCounts(Answer):
    total: int
    wished: int = Field(description="Flows that should run.")
    live: int
    warming: int
    failed: int = Field(description="Flows that should run and do not, because their last deployment failed.")


class Status(Answer):
    """The server and its parts, in short."""

    version: str
    url: str
    data: str
    pid: int
    started_at: Moment
    broker: BrokerStatus
    database: str
    runtime: str
    sandbox: SandboxStatus
    flows: FlowCounts
    workers: int = Field(description="Workers that give a sign of life.")
    errors_open: int
    recorder_lag: int = Field(description="Batches of facts the recorder has yet to write.")
    troubles: list[str] = Field(description="What does not work at the moment.")


class Shutdown(Request):
    everything: bool = Field(
        default=False, description="Stop workers and the embedded broker too. Without it flows go on running."
    )


class ShuttingDown(Answer):
    stopping: bool
    everything: bool


class OptionView(Answer):
    """An option of the server; what may hold a secret is only said to be set."""

    name: str = Field(description="As in `headrace.toml`; the environment variable is `HEADRACE_` and it in capitals.")
    kind: str
    value: str
    default: str
    description: str


class OptionsView(Answer):
    file: str = Field(description="Where they are set; the server reads it when it starts.")
    options: list[OptionView]


@router.get("/settings", operation_id="getSettings")
async def get_settings(parts: PartsOf) -> OptionsView:
    """What the server was started with: retention, limits and all else. Changed in its file, then started again."""
    views = [OptionView(**asdict(each)) for each in options(parts.settings)]
    return OptionsView(file=str(parts.settings.data / CONFIG_FILE), options=views)


@router.get("/status", operation_id="getStatus")
async def get_status(parts: PartsOf) -> Status:
    """How the server and its parts are."""
    async with parts.db.read() as conn:
        all_flows = await flows.list_(conn)
        active = await deployments.active(conn)
        errors = await failures.count_open(conn)
    found = await asyncio.to_thread(sandbox.probe)
    settings = parts.settings
    states = Counter(deployment.state for deployment in active)
    wished = [flow for flow in all_flows if flow.wish != "stopped"]
    running = {deployment.flow_id for deployment in active}
    return Status(
        version=__version__,
        url=parts.url,
        data=str(settings.data),
        pid=os.getpid(),
        started_at=parts.started_at,
        broker=BrokerStatus(
            state="connected" if parts.bus.connected else "lost",
            version=parts.bus.server_version,
            url=parts.broker_url,
            embedded=settings.broker_url is None,
        ),
        database="sqlite" if parts.db.sqlite else "postgresql",
        runtime=settings.runtime,
        sandbox=SandboxStatus(
            available=found.available and settings.sandbox != "off",
            reason="switched off" if settings.sandbox == "off" else found.reason,
        ),
        flows=FlowCounts(
            total=len(all_flows),
            wished=len(wished),
            live=states["live"],
            warming=states["warming"] + states["ready"],
            failed=sum(flow.id not in running and flow.epoch > 0 for flow in wished),
        ),
        workers=len(parts.heartbeats.all()),
        errors_open=sum(errors.values()),
        recorder_lag=await parts.recorder_lag(),
        troubles=list(parts.troubles()),
    )


@router.post("/shutdown", status_code=202, operation_id="shutDown")
async def shut_down(parts: PartsOf, how: Shutdown) -> ShuttingDown:
    """Stop the server soon after this answer; with ``everything``, workers first and the broker last.

    What was wished stays wished: at the next start the same flows run again.
    """
    parts.stop(how.everything)
    return ShuttingDown(stopping=True, everything=how.everything)
