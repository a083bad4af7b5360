"""Whether the server lives, whether it is ready, and its numbers."""

from __future__ import annotations

from collections import Counter

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text
from starlette.responses import Response

from headrace.api.parts import Parts, PartsOf
from headrace.api.shapes import Answer
from headrace.errors import HeadraceError
from headrace.ids import flow_of_test
from headrace.store import deployments, failures, flows

__all__ = ["router"]

router = APIRouter(tags=["operations"])


class Alive(Answer):
    status: str


class Readiness(Answer):
    """Whether requests can be served; ``waiting`` names the parts that do not answer."""

    ready: bool
    waiting: list[str]


@router.get("/healthz", operation_id="getHealth")
async def get_health() -> Alive:
    """The process answers. Needs no token."""
    return Alive(status="ok")


@router.get("/readyz", operation_id="getReadiness", responses={503: {"model": Readiness}})
async def get_readiness(parts: PartsOf, response: Response) -> Readiness:
    """Broker and database answer, and the server is not stopping. Needs no token."""
    waiting = await _waiting(parts)
    if waiting:
        response.status_code = 503
    return Readiness(ready=not waiting, waiting=waiting)


async def _waiting(parts: Parts) -> list[str]:
    waiting = [] if parts.bus.connected else ["broker"]
    try:
        async with parts.db.read() as conn:
            await conn.execute(text("SELECT 1"))
    except HeadraceError:
        waiting.append("database")
    if parts.stopping.is_set():
        waiting.append("stopping")
    return waiting


@router.get(
    "/metrics",
    operation_id="getMetrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(parts: PartsOf) -> Response:
    """Everything that is counted, in the text format of Prometheus."""
    async with parts.db.read() as conn:
        names = {flow.id: flow.name for flow in await flows.list_(conn)}
        states: dict[str, int] = Counter(deployment.state for deployment in await deployments.active(conn))
        open_errors = await failures.count_reasons(conn)
    errors = {(names.get(flow_id, flow_id), reason): count for (flow_id, reason), count in open_errors.items()}
    said = [state for state in parts.heartbeats.all() if flow_of_test(state.flow_id) is None]
    workers = [(names.get(state.flow_id, state.flow_id), state) for state in said]
    content = parts.metrics.render(states=states, errors=errors, lag=await parts.recorder_lag(), workers=workers)
    return Response(content, media_type=CONTENT_TYPE_LATEST)
