"""``/traffic``: how much passed flows in the last quarter of an hour."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from headrace.api.figures import EVERY
from headrace.api.parts import PartsOf
from headrace.api.shapes import Answer, FlowName, Moment, Request
from headrace.store import flows

__all__ = ["router"]

router = APIRouter(tags=["live"])


class TrafficFilter(Request):
    flow: FlowName | None = Field(default=None, description="Only of this flow.")


class FlowTraffic(Answer):
    """Numbers of one flow, oldest first."""

    flow: str
    events: list[int] = Field(description="Events that its trigger emitted.")
    errors: list[int] = Field(description="Messages that its steps failed on.")


class TrafficView(Answer):
    """All lists are of one length: at most a quarter of an hour, and no longer than the server runs."""

    every: int = Field(description="Seconds that one number stands for.")
    until: Moment = Field(description="When the last of these stretches ended.")
    flows: list[FlowTraffic]


@router.get("/traffic", operation_id="getTraffic")
async def get_traffic(parts: PartsOf, wanted: Annotated[TrafficFilter, Query()]) -> TrafficView:
    """Events and errors of flows in the last minutes, as this server has heard of them from their workers."""
    async with parts.db.read() as conn:
        found = [await flows.get(conn, wanted.flow)] if wanted.flow is not None else await flows.list_(conn)
    figures = parts.heartbeats.figures
    told = [(flow.name, figures.traffic(flow.id)) for flow in found]
    return TrafficView(
        every=EVERY,
        until=figures.now(),
        flows=[FlowTraffic(flow=name, events=each.events, errors=each.errors) for name, each in told],
    )
