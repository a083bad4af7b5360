"""The components in ``examples/components``: pushed with git as they are, and run in flows."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.headrace import Headrace, push, running, until
from tests.acceptance.world import KEY, World, world

pytestmark = [pytest.mark.needs("git", "node", "npm"), pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).parents[2] / "examples" / "components"


class Stage:
    """A platform, the world, and flows between them."""

    def __init__(self, headrace: Headrace, world: World, folder: Path) -> None:
        self.headrace = headrace
        self.world = world
        self._folder = folder

    def push(self, name: str) -> str:
        """Push the example with git; what its terminal says."""
        folder = self._folder / name
        shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "__pycache__"))
        return push(self.headrace, folder)

    def credential(self, name: str, component: str, **values: str) -> str:
        """Create a credential; its state afterwards, with the reason."""
        file = self._folder / "values.json"
        file.write_text(json.dumps(values))
        self.headrace.try_("credential", "create", name, "-c", component, "--file", str(file))
        shown = self.headrace.json("credential", "show", name)
        return f"{shown['state']}: {shown['reason']}" if shown["reason"] else str(shown["state"])

    def run(self, flow: str, *steps: dict[str, Any]) -> None:
        """Start a flow of these steps, each after the one before; the last tells the world what arrives."""
        chain = [dict(step) for step in steps]
        chain.append({"id": "arrived", "action": "http/request", "fields": {"url": f"{self.world.url}/arrived/{flow}"},
                      "input": '{"body": body}'})  # fmt: skip
        for before, step in pairwise(chain):
            step["after"] = before["id"]
        self.headrace.publish(json.dumps({"flow": flow, "type": "real-time", "steps": chain}), self._folder)
        self.headrace.live(flow)

    def arrived(self, flow: str, count: int = 1) -> list[Any]:
        """The first bodies that come through the flow, once there are so many."""
        found = self.world.arrived[flow]
        until(lambda: len(found) >= count, 30, f"{count} messages through {flow}; there are {found}")
        return list(found)

    def newest(self, flow: str) -> str:
        """What is shown of the flow's newest execution."""
        newest = self.headrace.json("executions", "--flow", flow)[0]["id"]
        return self.headrace("execution", "show", newest)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with (
        tempfile.TemporaryDirectory(prefix="headrace-examples-") as made,
        world() as there,
        running(Path(made), "--no-demo") as headrace,
    ):
        yield Stage(headrace, there, Path(made))


@pytest.mark.needs("npm-registry")
def test_callbacks_q_and_co_as_they_were_written_for_years(stage: Stage) -> None:
    said = stage.push("shop")
    assert "warning: package.json asks for Node.js 8.x" in said

    shop = f"{stage.world.url}/shop"
    assert stage.credential("wrong", "shop", baseUrl=shop, apiKey="guessed") == (
        "failed: The shop answered 401: no such key"
    )
    assert stage.credential("shop", "shop", baseUrl=shop, apiKey=KEY) == "verified"
    choices = stage.headrace.json("component", "choices", "shop/createShipment", "warehouse", "--credential", "shop")
    assert choices == {"n": "North (Kiel)", "s": "South (Ulm)"}

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


def test_listeners_in_es_modules(stage: Stage) -> None:
    stage.push("fleet")
    fields = {"url": f"{stage.world.url}/fleet"}
    ulm = {"id": "distance", "action": "fleet/distance", "fields": {"lat": "48.4", "lon": "9.99"}}
    stage.run("near", {"id": "positions", "trigger": "fleet/positions", "fields": fields}, ulm)
    stage.run("alarm", {"id": "alarms", "trigger": "fleet/alarms", "fields": fields, "poll_interval": "50ms",
                        "quiet_after": "50ms"})  # fmt: skip

    far, close = {"vehicle": "v1", "lat": 52.52, "lon": 13.4}, {"vehicle": "v2", "lat": 48.4, "lon": 10}
    stage.world.tell("positions", far, close)
    stage.world.tell("alarms", {"vehicle": "v1", "text": "flat tyre"})
    assert stage.arrived("near", 2) == [{"vehicle": "v1", "km": 518}, {"vehicle": "v2", "km": 1}]
    assert stage.arrived("alarm") == [{"vehicle": "v1", "text": "flat tyre"}]

    stage.headrace("flow", "stop", "near")
    until(lambda: stage.world.readers["positions"] == 0, what="the stream is closed with its flow")
    stage.world.tell("positions", {"vehicle": "v3", "lat": 48.4, "lon": 9.99})
    stage.headrace("flow", "start", "near")
    assert stage.arrived("near", 3)[2:] == [{"vehicle": "v3", "km": 0}]
    assert stage.world.readers["alarms"] == 1
