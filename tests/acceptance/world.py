"""The systems that the example components talk to, on loopback, as small as a test needs them.

Each has a path of its own. What was sent to them is kept as attributes, and what they hold can be changed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from tests.integration.api.provider import Provider

__all__ = ["KEY", "World", "served", "world"]

KEY = "world-key-1"
"""What all of them want to see."""
Endpoint = Callable[[Request], Awaitable[Response]]


class Streams:
    """Events as they happen, for as many readers as there are."""

    def __init__(self) -> None:
        self.readers: dict[str, int] = defaultdict(int)
        """Open streams, by name."""
        self._events: dict[str, list[Any]] = defaultdict(list)

    def tell(self, stream: str, *events: Any) -> None:
        """Something happens: whoever reads hears it at once."""
        self._events[stream] += events

    async def read(self, stream: str, at: int) -> AsyncIterator[tuple[int, Any]]:
        """Number and event, after number ``at``; ``(0, None)`` now and then when there is nothing to say."""
        self.readers[stream] += 1
        try:
            for turn in range(1_000_000):
                while len(self._events[stream]) > at:
                    at += 1
                    yield at, self._events[stream][at - 1]
                if turn % 10 == 0:
                    yield 0, None
                await asyncio.sleep(0.01)
        finally:
            self.readers[stream] -= 1


class World:
    """What there is, and what was sent: ``arrived[name]`` are the bodies that came to ``/arrived/name``."""

    def __init__(self) -> None:
        self.url = ""
        self.provider = Provider()
        self.streams = Streams()
        self.arrived: dict[str, list[Any]] = defaultdict(list)
        self.orders: list[dict[str, Any]] = []
        self.shipments: list[dict[str, Any]] = []
        self.busy = 0
        """How many times shop or helpdesk are too busy, or the calendar does not like a token."""
        self.objects: dict[str, dict[str, Any]] = {}
        """Of the CRM, by id."""
        self.webhooks: dict[str, str] = {}
        """Whom the payment provider calls: address by id."""
        self.refunds: dict[str, Any] = {}
        """By idempotency key."""
        self.tokens: list[str] = []
        """What the calendar was shown."""
        self.calendar: list[dict[str, Any]] = []
        self.files: dict[str, str] = {}
        self.movements: list[dict[str, Any]] = []
        self.stock: dict[str, int] = {}
        self.answers: dict[int, str] = {}

    @property
    def app(self) -> Starlette:
        """All of it at one address."""
        return Starlette(
            routes=[
                Route("/arrived/{name}", self._arrived, methods=["POST"]),
                Route("/files/{name}", self._file),
                Mount("/shop", routes=list(self._shop())),
                Route("/fleet/{stream}", self._fleet),
                Mount("/crm", routes=list(self._crm())),
                Mount("/payments", routes=list(self._payments())),
                Mount("/calendar/oauth", self.provider.app),
                Mount("/calendar", routes=list(self._calendar())),
                Mount("/warehouse", routes=list(self._warehouse())),
                Mount("/helpdesk", routes=list(self._helpdesk())),
            ]
        )

    async def _arrived(self, request: Request) -> Response:
        self.arrived[request.path_params["name"]].append(await request.json())
        return Response(status_code=204)

    async def _file(self, request: Request) -> Response:
        return PlainTextResponse(self.files[request.path_params["name"]])

    # -- the shop: an API key

    def _shop(self) -> Iterator[Route]:
        def orders(request: Request) -> list[Any]:
            after, country = int(request.query_params["after"]), request.query_params["country"]
            return [each for each in self.orders if each["number"] > after and country in ("", each["country"])]

        def customers(request: Request) -> list[Any]:
            return [each for each in CUSTOMERS if each["email"] == request.query_params["email"]]

        yield Route("/me", _keyed(lambda _: {"name": "Ada"}))
        yield Route("/orders", _keyed(orders))
        yield Route("/customers", _keyed(customers))
        yield Route("/warehouses", _keyed(lambda _: WAREHOUSES))
        yield Route("/shipments", self._ship, methods=["POST"])

    async def _ship(self, request: Request) -> Response:
        if self.busy:
            self.busy -= 1
            return JSONResponse({"message": "come back later"}, 503)
        self.shipments.append(await request.json())
        return JSONResponse({"id": f"S-{len(self.shipments)}"}, 201)

    # -- the fleet: server-sent events

    async def _fleet(self, request: Request) -> Response:
        events = self.streams.read(request.path_params["stream"], int(request.headers.get("last-event-id", "0")))

        async def lines() -> AsyncIterator[str]:
            async for number, event in events:
                yield f"id: {number}\ndata: {json.dumps(event)}\n\n" if number else ": nothing\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream")

    # -- the CRM: a user and a password

    def _crm(self) -> Iterator[Route]:
        yield Route("/me", _with_password(lambda _: {"name": "Ada"}))
        yield Route("/types", _with_password(lambda _: [{"name": "contact", "title": "Contact"}]))
        yield Route("/types/contact", _with_password(lambda _: CONTACT))
        yield Route("/objects/contact", _with_password(self._objects))
        yield Route("/objects/contact", self._save, methods=["PUT"])

    def _objects(self, request: Request) -> list[Any]:
        query = dict(request.query_params)
        since, limit = int(query.pop("since", 0)), int(query.pop("limit", 100))
        matching = [each for each in self.objects.values() if query.items() <= each.items()]
        return sorted((each for each in matching if each["changed"] > since), key=lambda each: each["changed"])[:limit]

    async def _save(self, request: Request) -> Response:
        saved = await request.json()
        saved.setdefault("id", f"o-{len(self.objects) + 1}")
        saved["changed"] = max((each["changed"] for each in self.objects.values()), default=0) + 1
        self.objects[saved["id"]] = saved
        return JSONResponse(saved)

    # -- the payment provider: calls those who have asked for it

    def _payments(self) -> Iterator[Route]:
        yield Route("/account", _keyed(lambda _: {"mode": "test"}))
        yield Route("/webhooks", self._subscribe, methods=["POST"])
        yield Route("/webhooks/{id}", self._unsubscribe, methods=["DELETE"])
        yield Route("/payments/{payment}/refunds", self._refund, methods=["POST"])

    async def _subscribe(self, request: Request) -> Response:
        if refused := _refused(request):
            return refused
        number = f"w-{len(self.webhooks) + 1}"
        self.webhooks[number] = (await request.json())["url"]
        return JSONResponse({"id": number}, 201)

    async def _unsubscribe(self, request: Request) -> Response:
        del self.webhooks[request.path_params["id"]]
        return Response(status_code=204)

    async def _refund(self, request: Request) -> Response:
        self.refunds[request.headers["idempotency-key"]] = request.path_params["payment"]
        return JSONResponse({"id": f"R-{len(self.refunds)}"}, 201)

    # -- the calendar: tokens of the OAuth2 provider

    def _calendar(self) -> Iterator[Route]:
        events = "/calendars/{calendar}/events"
        yield Route("/calendars", self._with_token(lambda _: [{"id": "w", "name": "Work"}]))
        yield Route(events, self._with_token(self._events_after))
        yield Route(events, self._add, methods=["POST"])

    def _with_token(self, answer: Callable[[Request], Any]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            return self._token(request) or JSONResponse(answer(request))

        return endpoint

    def _token(self, request: Request) -> Response | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token.startswith("access-"):
            return JSONResponse({}, 401)
        self.tokens.append(token)
        return None

    def _events_after(self, request: Request) -> list[Any]:
        after = int(request.query_params["after"])
        return [{"number": number, **event} for number, event in enumerate(self.calendar, 1) if number > after]

    async def _add(self, request: Request) -> Response:
        if self.busy:
            self.busy -= 1
            return JSONResponse({}, 401)
        if refused := self._token(request):
            return refused
        event = await request.json()
        self.calendar.append(event)
        return JSONResponse(event, 201)

    # -- the warehouse

    def _warehouse(self) -> Iterator[Route]:
        def movements(request: Request) -> list[Any]:
            return [each for each in self.movements if each["number"] > int(request.query_params["after"])]

        yield Route("/shelves", _keyed(lambda _: [{"id": "a", "name": "Aisle A"}]))
        yield Route("/shelves/a/movements", _keyed(movements))
        yield Route("/kinds", _keyed(lambda _: KINDS))
        yield Route("/stock", _keyed(lambda _: self.stock))

    # -- the helpdesk: a line for each ticket

    def _helpdesk(self) -> Iterator[Route]:
        yield Route("/tickets", self._tickets)
        yield Route("/tickets/{number:int}/answers", self._answer, methods=["POST"])

    async def _tickets(self, request: Request) -> Response:
        events = self.streams.read("tickets", int(request.query_params["after"]))

        async def lines() -> AsyncIterator[str]:
            async for _, event in events:
                yield f"{json.dumps(event)}\n" if event else "\n"

        return StreamingResponse(lines())

    async def _answer(self, request: Request) -> Response:
        if self.busy:
            self.busy -= 1
            return Response(status_code=503)
        self.answers[request.path_params["number"]] = (await request.json())["text"]
        return Response(status_code=204)


CUSTOMERS = [{"id": "c-7", "name": "Grace", "email": "grace@example.org"}]
WAREHOUSES = [{"id": "n", "name": "North", "city": "Kiel"}, {"id": "s", "name": "South", "city": "Ulm"}]
CONTACT = [
    {"name": "email", "title": "Email", "type": "string", "unique": True},
    {"name": "name", "title": "Name", "type": "string"},
]
KINDS = {"tool": {"title": "Tools", "properties": {"article": {"type": "string"}, "supplier": {"type": "string"}}}}


def _keyed(answer: Callable[[Request], Any]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return _refused(request) or JSONResponse(answer(request))

    return endpoint


def _refused(request: Request) -> Response | None:
    known = request.headers.get("x-api-key") == KEY
    return None if known else JSONResponse({"message": "no such key"}, 401)


def _with_password(answer: Callable[[Request], Any]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        right = f"Basic {base64.b64encode(f'ada:{KEY}'.encode()).decode()}"
        return JSONResponse(answer(request), 200 if request.headers.get("authorization") == right else 403)

    return endpoint


@contextmanager
def world() -> Iterator[World]:
    """A world on a free port."""
    made = World()
    with served(made.app) as made.url:
        yield made


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Serve it on a free port of loopback; the address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
