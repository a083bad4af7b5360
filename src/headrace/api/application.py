"""The ASGI application: all routes, and the layers around them.

Edge (unexpected errors, body limit) ─┬─ /hooks/… ─▶ Webhooks
                                      ├─ /storage/… ─▶ ObjectStorage (tokens of its own)
                                      └─ the rest ─▶ Guard (names, tokens, sessions) ─▶ routes
"""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from headrace import __version__
from headrace.api import (
    components,
    credentials,
    deployments,
    designer,
    designs,
    diffs,
    doctor,
    drafts,
    errors,
    executions,
    expressions,
    flows,
    health,
    icons,
    live,
    logs,
    oauth2,
    objects,
    openapi,
    plans,
    problems,
    publishing,
    queues,
    rollouts,
    samples,
    seats,
    sessions,
    status,
    tests,
    tokens,
    traffic,
    versions,
    watch,
    wishes,
)
from headrace.api.auth import Guard, local_names, session_cookie
from headrace.api.edge import Edge
from headrace.api.object_storage import ObjectStorage
from headrace.api.parts import Parts
from headrace.api.webhooks import Webhooks

__all__ = ["PREFIX", "application", "routes"]

PREFIX = "/api/v1"
NOUNS = (
    status,
    doctor,
    tokens,
    components,
    designs,
    icons,
    credentials,
    rollouts,
    flows,
    drafts,
    seats,
    diffs,
    expressions,
    samples,
    tests,
    plans,
    publishing,
    wishes,
    deployments,
    versions,
    executions,
    errors,
    objects,
    logs,
    queues,
    traffic,
    live,
    watch,
)


def routes() -> FastAPI:
    """All routes, without parts: enough to describe them."""
    app = FastAPI(
        title="Headrace",
        version=__version__,
        summary="A self-hosted, real-time integration platform.",
        description=openapi.DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(health.router)
    app.include_router(sessions.router)
    app.include_router(designer.router)
    app.include_router(oauth2.router)
    versioned = APIRouter(prefix=PREFIX)
    for noun in NOUNS:
        versioned.include_router(noun.router)
    app.include_router(versioned)
    app.mount(designer.ASSETS, designer.assets())
    problems.install(app)
    return app


def application(parts: Parts, hooks: Webhooks, storage: ObjectStorage, *more: APIRouter) -> ASGIApp:
    """Everything the server answers; ``more`` are routers outside of the API, such as git's."""
    app = routes()
    for router in more:
        app.include_router(router, include_in_schema=False)
    app.state.parts = parts
    settings = parts.settings
    names = local_names(settings.host, settings.server_names)
    guarded = Guard(app, parts.identities, cookie=session_cookie(settings.port), names=names)
    return Edge(guarded, hooks, storage)
