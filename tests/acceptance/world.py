"""The systems that the example components talk to, on loopback, as small as a test needs them.

A shop with an API key, and a fleet that tells events as they happen.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

__all__ = ["KEY", "World", "world"]

KEY = "shop-key-1"


class World:
    """What there is, and what was sent: ``arrived[name]`` are the bodies that came to ``/arrived/name``."""

    def __init__(self) -> None:
        self.url = ""
        self.arrived: dict[str, list[Any]] = defaultdict(list)
        self.orders: list[dict[str, Any]] = []
        self.shipments: list[dict[str, Any]] = []
        self.busy = 0
        """How many times the shop is too busy for a shipment."""
        self.events: dict[str, list[Any]] = defaultdict(list)
        self.readers: dict[str, int] = defaultdict(int)
        """Open streams, by path."""

    @property
    def app(self) -> Starlette:
        """All of it at one address."""
        return Starlette(
            routes=[
                Route("/arrived/{name}", self._arrived, methods=["POST"]),
                Route("/shop/me", self._shop(lambda _: {"name": "Ada"})),
                Route("/shop/orders", self._shop(self._orders)),
                Route("/shop/customers", self._shop(self._customers)),
                Route("/shop/warehouses", self._shop(lambda _: WAREHOUSES)),
                Route("/shop/shipments", self._ship, methods=["POST"]),
                Route("/fleet/{stream}", self._stream),
            ]
        )

    async def _arrived(self, request: Request) -> Response:
        self.arrived[request.path_params["name"]].append(await request.json())
        return Response(status_code=204)

    # -- the shop

    def _shop(self, answer: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            return _refused(request) or JSONResponse(answer(request.query_params))

        return endpoint

    def _orders(self, query: Any) -> list[dict[str, Any]]:
        after, country = int(query["after"]), query["country"]
        return [each for each in self.orders if each["number"] > after and country in ("", each["country"])]

    def _customers(self, query: Any) -> list[dict[str, Any]]:
        return [each for each in CUSTOMERS if each["email"] == query["email"]]

    async def _ship(self, request: Request) -> Response:
        if refused := _refused(request):
            return refused
        if self.busy:
            self.busy -= 1
            return JSONResponse({"message": "come back later"}, 503)
        self.shipments.append(await request.json())
        return JSONResponse({"id": f"S-{len(self.shipments)}"}, 201)

    # -- the fleet

    def tell(self, stream: str, *events: Any) -> None:
        """Something happens: whoever reads the stream hears it at once."""
        self.events[stream] += events

    async def _stream(self, request: Request) -> Response:
        stream = request.path_params["stream"]
        begin = int(request.headers.get("last-event-id", "0"))
        return StreamingResponse(self._events(stream, begin), media_type="text/event-stream")

    async def _events(self, stream: str, at: int) -> AsyncIterator[str]:
        self.readers[stream] += 1
        try:
            while True:
                for event in self.events[stream][at:]:
                    at += 1
                    yield f"id: {at}\ndata: {json.dumps(event)}\n\n"
                await asyncio.sleep(0.01)
        finally:
            self.readers[stream] -= 1


CUSTOMERS = [{"id": "c-7", "name": "Grace", "email": "grace@example.org"}]
WAREHOUSES = [{"id": "n", "name": "North", "city": "Kiel"}, {"id": "s", "name": "South", "city": "Ulm"}]


def _refused(request: Request) -> Response | None:
    known = request.headers.get("x-api-key") == KEY
    return None if known else JSONResponse({"message": "no such key"}, 401)


@contextmanager
def world() -> Iterator[World]:
    """A world on a free port."""
    made = World()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        made.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(made.app, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield made
        finally:
            server.should_exit = True
            thread.join()
