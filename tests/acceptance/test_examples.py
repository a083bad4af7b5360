"""The components in ``examples/components``: pushed with git as they are, and run in flows."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.acceptance.headrace import Headrace, push, running, until
from tests.acceptance.world import KEY, World, world
from tests.integration.api.provider import CLIENT_ID, CLIENT_SECRET
from tests.needs import missing

pytestmark = [pytest.mark.needs("git", "node", "npm"), pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).parents[2] / "examples" / "components"


class Stage:
    """A platform, the world, and flows between them."""

    def __init__(self, headrace: Headrace, world: World, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.headrace = headrace
        self.world = world
        self._folder = folder
        self._pool = pool
        self._pushes: dict[str, Future[str]] = {}

    def pushed(self, name: str) -> str:
        """The example is there; what git's terminal said when it was pushed."""
        if name not in self._pushes:
            self._pushes[name] = self._pool.submit(self._push, name)
        return self._pushes[name].result()

    def _push(self, name: str) -> str:
        folder = self._folder / name
        shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "__pycache__"))
        return push(self.headrace, folder)

    def push_ahead(self, *names: str) -> None:
        """Push these meanwhile: a build is mostly waiting for npm."""
        for name in names:
            self._pushes[name] = self._pool.submit(self._push, name)

    def file(self, values: dict[str, Any]) -> str:
        """A file with these values."""
        file = self._folder / "values.json"
        file.write_text(json.dumps(values))
        return str(file)

    def credential(self, name: str, component: str, **values: Any) -> str:
        """Create a credential; its state afterwards, with the reason."""
        file = self.file(values)
        created = self.headrace.try_("credential", "create", name, "-c", component, "--file", file, "--json")
        shown = json.loads(created.stdout)
        return f"{shown['state']}: {shown['reason']}" if shown["reason"] else str(shown["state"])

    def run(self, flow: str, *steps: dict[str, Any]) -> None:
        """Start a flow of these steps, each after the one before; the last tells the world what arrives."""
        chain = [dict(step) for step in steps]
        chain.append({"id": "arrived", "action": "http/request", "fields": {"url": f"{self.world.url}/arrived/{flow}"},
                      "input": '{"body": body}'})  # fmt: skip
        for before, step in pairwise(chain):
            step["after"] = before["id"]
        self.headrace.publish(json.dumps({"flow": flow, "type": "real-time", "steps": chain}), self._folder)

    def arrived(self, flow: str, count: int = 1) -> list[Any]:
        """The first bodies that come through the flow, once there are so many."""
        found = self.world.arrived[flow]
        until(lambda: len(found) >= count, 30, f"{count} messages through {flow}; there are {found}")
        return list(found)

    def choices(self, offer: str, field: str, credential: str, *given: str) -> Any:
        """What can be chosen for a field."""
        options = [part for pair in given for part in ("--set", pair)]
        return self.headrace.json("component", "choices", offer, field, "--credential", credential, *options)

    def schema(self, offer: str, credential: str, *given: str) -> Any:
        """What a step takes and gives."""
        options = [part for pair in given for part in ("--set", pair)]
        return self.headrace.json("component", "schema", offer, "--credential", credential, *options)

    def newest(self, flow: str) -> str:
        """What is shown of the flow's newest execution."""
        newest = self.headrace.json("executions", "--flow", flow)[0]["id"]
        return self.headrace("execution", "show", newest)


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    everything = len(request.session.items) > 3
    with (
        tempfile.TemporaryDirectory(prefix="headrace-examples-") as made,
        world() as there,
        running(Path(made), "--no-demo") as headrace,
        ThreadPoolExecutor(3) as pool,
    ):
        ready = Stage(headrace, there, Path(made), pool)
        if everything and missing("npm-registry") is None:
            ready.push_ahead("crm", "shop", "csv")
        yield ready


def test_listeners_in_es_modules(stage: Stage) -> None:
    stage.pushed("fleet")
    fields = {"url": f"{stage.world.url}/fleet"}
    ulm = {"id": "distance", "action": "fleet/distance", "fields": {"lat": "48.4", "lon": "9.99"}}
    stage.run("near", {"id": "positions", "trigger": "fleet/positions", "fields": fields}, ulm)
    stage.run("alarm", {"id": "alarms", "trigger": "fleet/alarms", "fields": fields, "poll_interval": "50ms",
                        "quiet_after": "50ms"})  # fmt: skip

    streams = stage.world.streams
    far, close = {"vehicle": "v1", "lat": 52.52, "lon": 13.4}, {"vehicle": "v2", "lat": 48.4, "lon": 10}
    streams.tell("positions", far, close)
    streams.tell("alarms", {"vehicle": "v1", "text": "flat tyre"})
    assert stage.arrived("near", 2) == [{"vehicle": "v1", "km": 518}, {"vehicle": "v2", "km": 1}]
    assert stage.arrived("alarm") == [{"vehicle": "v1", "text": "flat tyre"}]

    stage.headrace("flow", "stop", "near")
    until(lambda: streams.readers["positions"] == 0, what="the stream is closed with its flow")
    streams.tell("positions", {"vehicle": "v3", "lat": 48.4, "lon": 9.99})
    stage.headrace("flow", "start", "near")
    assert stage.arrived("near", 3)[2:] == [{"vehicle": "v3", "km": 0}]
    assert streams.readers["alarms"] == 1


def test_a_webhook_from_its_subscription_to_its_answer(stage: Stage) -> None:
    stage.pushed("payments")
    payments = f"{stage.world.url}/payments"
    stage.credential("stranger", "payments", baseUrl=payments, apiKey="guessed", secret="hook-secret-1")
    trigger = {"id": "payment", "trigger": "payments/paymentReceived", "credential": "stranger"}
    file = stage.file({"flow": "refused", "steps": [trigger]})
    refused = stage.headrace.try_("flow", "apply", file, "--publish", "--start")
    assert refused.returncode == 1
    assert "`startup` failed: Error: POST /webhooks: the provider answered 401" in refused.stderr

    assert stage.credential("pay", "payments", baseUrl=payments, apiKey=KEY, secret="hook-secret-1") == "verified"
    stage.run(
        "paid",
        {"id": "payment", "trigger": "payments/paymentReceived", "credential": "pay", "reply": "wait",
         "fields": {"currencies": ["EUR", "SEK"]}},
        {"id": "reply", "action": "payments/reply", "credential": "pay", "fields": {"contentType": "application/json"},
         "input": '{"status": 201, "content": {"thanks": "for " & body.payment}}'},
        {"id": "refund", "action": "payments/refund", "credential": "pay",
         "input": '{"payment": $steps.payment.body.payment}'},
    )  # fmt: skip
    [address] = stage.world.webhooks.values()
    assert address == f"{stage.headrace.server['url']}/hooks/paid"

    assert httpx.get(address, params={"challenge": "c-1"}).text == "c-1"
    payment = {"id": "p-1", "amount": 12.5, "currency": "EUR"}
    assert httpx.post(address, json=payment).json() == {"error": "who are you?"}
    secret = {"x-webhook-secret": "hook-secret-1"}
    assert httpx.post(address, json={**payment, "currency": "USD"}, headers=secret).status_code == 204
    answer = httpx.post(address, json=payment, headers=secret)
    assert (answer.status_code, answer.json()) == (201, {"thanks": "for p-1"})
    assert stage.arrived("paid") == [{"refund": "R-1"}]
    assert list(stage.world.refunds.values()) == ["p-1"]

    stage.headrace("flow", "stop", "paid")
    until(lambda: not stage.world.webhooks, what="the subscription is taken back")


def test_oauth2_from_consent_to_a_renewed_token(stage: Stage) -> None:
    stage.pushed("calendar")
    provider, tokens = stage.world.provider, stage.world.tokens
    provider.redirect_uri = f"{stage.headrace.server['url']}/oauth2/callback"
    provider.expires_in = 2
    client = {"CALENDAR_CLIENT_ID": CLIENT_ID, "CALENDAR_CLIENT_SECRET": CLIENT_SECRET}
    stage.headrace("component", "env", "calendar", "--file", stage.file(client))
    assert stage.credential("mine", "calendar", server=f"{stage.world.url}/calendar") == (
        "unverified: it is not connected yet"
    )
    consent = stage.headrace.json("credential", "connect", "mine")["url"]
    page = httpx.get(consent, follow_redirects=True)
    assert page.status_code == 200 and "is connected" in page.text
    assert stage.headrace.json("credential", "show", "mine")["state"] == "verified"
    assert stage.choices("calendar/addEvent", "calendar", "mine") == {"w": "Work"}

    work = {"credential": "mine", "fields": {"calendar": "w"}}
    stage.run(
        "plan",
        {"id": "new", "trigger": "calendar/newEvents", "poll_interval": "100ms", **work},
        {"id": "copy", "action": "calendar/addEvent", "when": 'body.title = "Standup"', **work,
         "input": '{"title": "Prepare: " & body.title, "day": body.day}'},
    )  # fmt: skip
    stage.world.calendar.append({"title": "Standup", "day": "2026-11-24"})
    assert stage.arrived("plan") == [{"title": "Prepare: Standup", "day": "2026-11-24"}]
    seen = tokens[-1]
    until(lambda: tokens[-1] != seen, what="the flow, which was not touched, uses the token's successor")
    assert provider.refused == []
    stage.world.busy = 1
    stage.world.calendar.append({"title": "Standup", "day": "2026-11-25"})
    until(lambda: "The calendar answered 401" in stage.newest("plan"), what="it is tried again later")
    provider.expires_in = 3600


def test_polling_choices_and_schemas_in_python(stage: Stage) -> None:
    stage.pushed("warehouse")
    warehouse = f"{stage.world.url}/warehouse"
    assert stage.credential("bad", "warehouse", url=warehouse, key="guessed").startswith("failed: ")
    assert stage.credential("stock", "warehouse", url=warehouse, key=KEY) == "verified"
    assert stage.choices("warehouse/movements", "shelf", "stock") == {"a": "Aisle A"}
    assert stage.choices("warehouse/order", "kind", "stock") == {"tool": "Tools"}
    schema = stage.schema("warehouse/order", "stock", "kind=tool")
    assert set(schema["takes"]["properties"]["articles"]["items"]["properties"]) == {"article", "supplier"}
    stage.run(
        "restock",
        {"id": "moved", "trigger": "warehouse/movements", "credential": "stock", "poll_interval": "100ms",
         "fields": {"shelf": "a"}},
        {"id": "order", "action": "warehouse/order", "credential": "stock", "fields": {"kind": "tool"},
         "when": "body.count < 0",
         "input": '{"articles": [{"article": body.article, "supplier": "A"}, {"article": "oil", "supplier": "B"}]}'},
    )  # fmt: skip
    stage.world.movements += [
        {"number": 1, "article": "hammer", "count": 3},
        {"number": 2, "article": "saw", "count": -1},
    ]
    assert [each["supplier"] for each in stage.arrived("restock", 2)] == ["A", "B"]


def test_blocking_python_that_listens_answers_and_comes_back_later(stage: Stage) -> None:
    stage.pushed("helpdesk")
    assert stage.credential("desk", "helpdesk", url=f"{stage.world.url}/helpdesk", token="t") == (
        "unverified: the component has no verify_credentials"
    )
    stage.run(
        "answers",
        {"id": "tickets", "trigger": "helpdesk/tickets", "credential": "desk"},
        {"id": "answer", "action": "helpdesk/answer", "credential": "desk",
         "input": '{"number": body.number, "text": "We look at: " & body.text}'},
    )  # fmt: skip
    stage.world.streams.tell("tickets", {"number": 1, "text": "It is broken"})
    assert stage.arrived("answers") == [{"answered": 1}]
    assert stage.world.answers == {1: "We look at: It is broken"}
    stage.world.busy = 1
    stage.world.streams.tell("tickets", {"number": 2, "text": "Still broken"})
    until(lambda: "the helpdesk is busy" in stage.newest("answers"), what="its delay is shown")

    stage.run("form", {"id": "form", "trigger": "helpdesk/form", "credential": "desk", "reply": "wait"})
    assert stage.headrace.hook("form", {"from": "Ada"}).status_code == 400
    answer = stage.headrace.hook("form", {"from": "Ada", "text": "Hello"})
    assert (answer.status_code, answer.json()) == (201, {"thanks": "Ada"})
    assert stage.arrived("form") == [{"from": "Ada", "text": "Hello"}]
    stage.headrace("flow", "stop", "answers")
    until(lambda: stage.world.streams.readers["tickets"] == 0, what="the stream is closed with its flow")


@pytest.mark.needs("npm-registry")
def test_typescript_with_schemas_and_choices_that_depend_on_each_other(stage: Stage) -> None:
    assert "==> npm run build" in stage.pushed("crm")
    crm = {"baseUri": f"{stage.world.url}/crm"}
    ada = {"type": "basic", "basic": {"username": "ada", "password": KEY}}
    assert stage.credential("wrong-crm", "crm", **crm, auth={**ada, "basic": {"username": "eve", "password": "x"}}) == (
        "failed: GET /me: the CRM answered 403"
    )
    assert stage.credential("crm", "crm", **crm, auth=ada) == "verified"
    lookup = "crm/lookupObject"
    assert stage.choices(lookup, "objectType", "crm") == {"contact": "Contact"}
    assert stage.choices(lookup, "lookupField", "crm", "objectType=contact") == {"email": "Email"}
    schema = stage.schema(lookup, "crm", "objectType=contact", "lookupField=email")
    assert schema["takes"]["properties"] == {"email": {"type": "string", "title": "Email", "required": True}}
    assert set(schema["gives"]["properties"]) == {"email", "name"} and schema["dynamic"]

    contact = {"objectType": "contact"}
    stage.run(
        "contacts",
        {"id": "changed", "trigger": "crm/getChangedObjects", "credential": "crm", "poll_interval": "100ms",
         "fields": {**contact, "pageSize": "2"}},
        {"id": "found", "action": "crm/lookupObject", "credential": "crm", "when": 'body.name != "seen"',
         "fields": {**contact, "lookupField": "email"}, "input": '{"email": body.email}'},
        {"id": "saved", "action": "crm/upsertObject", "credential": "crm", "fields": contact,
         "input": '{"id": body.id, "email": body.email, "name": "seen"}'},
    )  # fmt: skip
    for n in range(1, 6):
        stage.world.objects[f"o-{n}"] = {"id": f"o-{n}", "changed": n, "email": f"{n}@example.org", "name": "new"}
    assert {each["id"] for each in stage.arrived("contacts", 5)} == {"o-1", "o-2", "o-3", "o-4", "o-5"}
    assert {each["name"] for each in stage.world.objects.values()} == {"seen"}


@pytest.mark.needs("npm-registry")
def test_callbacks_q_and_co_as_they_were_written_for_years(stage: Stage) -> None:
    said = stage.pushed("shop")
    assert "warning: package.json asks for Node.js 8.x" in said

    shop = f"{stage.world.url}/shop"
    assert stage.credential("wrong", "shop", baseUrl=shop, apiKey="guessed") == (
        "failed: The shop answered 401: no such key"
    )
    assert stage.credential("shop", "shop", baseUrl=shop, apiKey=KEY) == "verified"
    assert stage.choices("shop/createShipment", "warehouse", "shop") == {"n": "North (Kiel)", "s": "South (Ulm)"}
    schema = stage.headrace.json("component", "schema", "shop/newOrders")
    assert (schema["gives"]["properties"]["number"]["title"], schema["dynamic"]) == ("Number", False)

    order = {"country": "de", "email": "grace@example.org", "address": "Kiel"}
    stage.world.orders += [{"number": 1, **order}, {"number": 2, **order, "country": "fr"}, {"number": 3, **order}]
    stage.world.orders += [{"number": 4, **order, "email": "nobody@example.org"}]
    stage.run(
        "shipping",
        {"id": "orders", "trigger": "shop/newOrders", "credential": "shop", "poll_interval": "100ms",
         "fields": {"country": "de"}},
        {"id": "customer", "action": "shop/findCustomer", "credential": "shop", "input": '{"email": body.email}'},
        {"id": "shipment", "action": "shop/createShipment", "credential": "shop", "fields": {"warehouse": "n"},
         "input": '{"order": $steps.orders.body.number, "address": $steps.orders.body.address & ", " & body.name}'},
    )  # fmt: skip
    assert stage.arrived("shipping", 2) == [
        {"shipment": "S-1", "warehouse": "n"},
        {"shipment": "S-2", "warehouse": "n"},
    ]
    assert stage.world.shipments[0] == {"order": 1, "address": "Kiel, Grace", "from": "n"}
    until(lambda: "nobody has the address" in stage.headrace("logs", "shipping", "customer"), what="the unknown one")

    stage.world.busy = 1
    stage.world.orders.append({"number": 5, **order})
    until(lambda: stage.world.busy == 0, what="the shop was too busy")
    until(lambda: "The shop answered 503: come back later" in stage.newest("shipping"), what="its delay is shown")


@pytest.mark.needs("npm-registry")
def test_attachments_written_in_one_language_and_read_in_the_other(stage: Stage) -> None:
    stage.pushed("csv")
    stage.pushed("warehouse")
    assert stage.credential("count", "warehouse", url=f"{stage.world.url}/warehouse", key=KEY) == "verified"
    stage.world.stock = {"hammer": 3, "saw": 2}
    stage.world.files["count.csv"] = "article;count\nhammer;3\nsaw;1\nplane;4\n"
    stage.run(
        "stocktake",
        {"id": "request", "trigger": "webhook/receive"},
        {"id": "read", "action": "csv/read", "fields": {"emit": "all"}, "input": '{"url": body.body.url}'},
        {"id": "write", "action": "csv/write", "fields": {"header": True}},
        {"id": "compare", "action": "warehouse/stocktake", "credential": "count"},
    )
    stage.headrace.hook("stocktake", {"url": f"{stage.world.url}/files/count.csv"})
    assert stage.arrived("stocktake") == [{"differences": 2}]

    stage.run(
        "rows",
        {"id": "request", "trigger": "webhook/receive"},
        {"id": "read", "action": "csv/read", "fields": {"emit": "each"}, "input": '{"url": body.body.url}'},
    )
    stage.headrace.hook("rows", {"url": f"{stage.world.url}/files/count.csv"})
    assert stage.arrived("rows", 3)[2] == {"article": "plane", "count": 4}
