"""Flows by way of the API: documents, drafts, versions, wishes."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.deployed import DOCUMENT, component, deploy
from tests.integration.api.conftest import Served

from headrace.bus import message as envelope
from headrace.bus import subjects
from headrace.bus.control import Leak, StepState, WorkerState
from headrace.ids import new_id
from headrace.store import deployments, flows

BROKEN = "flow: orders\nsteps:\n  - {id: hook, trigger: hook/recieve, colour: red}\n"


@pytest.fixture
async def ready(served: Served) -> Served:
    """With the component `hook`, built."""
    await component(served.parts.db)
    return served


async def saved(served: Served, name: str = "orders") -> None:
    await served.put(f"/flows/{name}/draft", {"document": DOCUMENT.format(name=name)})


async def stopped(served: Served, name: str = "orders") -> None:
    """What control does when a flow is to stop."""
    async with served.parts.db.begin() as conn:
        flow = await flows.get(conn, name)
        for each in await deployments.list_(conn, flow.id):
            await deployments.update(conn, flow.id, each.epoch, state="stopped")


async def test_lint_tells_every_mistake_with_its_place(ready: Served) -> None:
    answer = await ready.post("/flows/lint", {"document": BROKEN})
    assert not answer["ok"]
    assert any("colour" in problem["path"] for problem in answer["problems"])
    assert all(problem["message"] for problem in answer["problems"])


async def test_lint_of_a_good_document_tells_what_it_is(ready: Served) -> None:
    answer = await ready.post("/flows/lint", {"document": DOCUMENT.format(name="orders")})
    assert answer["ok"], answer["problems"]
    assert answer["flow"]["name"] == "orders"
    assert [step["id"] for step in answer["flow"]["steps"]] == ["hook", "work"]
    assert answer["flow"]["step_count"] == 3


async def test_lint_tells_which_paths_are_granted(ready: Served) -> None:
    text = DOCUMENT.format(name="orders").rstrip() + "\n    paths: {read: /srv/in, write: [/srv/out, /srv/log]}\n"
    answer = await ready.post("/flows/lint", {"document": text})
    assert answer["ok"], answer["problems"]
    assert [(step["read"], step["write"]) for step in answer["flow"]["steps"]] == [
        ([], []),
        (["/srv/in"], ["/srv/out/orders.jsonl", "/srv/out", "/srv/log"]),
    ]


async def test_lint_knows_the_name_a_document_must_have(ready: Served) -> None:
    answer = await ready.post("/flows/lint", {"document": DOCUMENT.format(name="orders"), "name": "others"})
    assert [problem["reason"] for problem in answer["problems"]] == ["wrong-name"]


async def test_saving_a_draft_makes_the_flow_and_changes_nothing_that_runs(ready: Served) -> None:
    answer = await ready.put("/flows/orders/draft", {"document": DOCUMENT.format(name="orders")})
    assert (answer["flow"], answer["created"], answer["problems"]) == ("orders", True, [])
    flow = await ready.get("/flows/orders")
    assert (flow["wish"], flow["state"], flow["version"], flow["has_draft"]) == ("stopped", "stopped", None, True)
    assert flow["step_count"] == DOCUMENT.count("id:") > 0
    assert ready.hinted == []


async def test_a_draft_may_have_mistakes_but_a_new_flow_needs_a_document(ready: Served) -> None:
    assert await ready.refused("PUT", "/flows/orders/draft", {"document": BROKEN}) == (422, "flow-document")
    assert await ready.refused("PUT", "/flows/other/draft", {"document": DOCUMENT.format(name="orders")}) == (
        422,
        "wrong-name",
    )
    assert await ready.get("/flows") == {"items": [], "next": None}
    await saved(ready)
    answer = await ready.put("/flows/orders/draft", {"document": BROKEN})
    assert answer["problems"]
    draft = await ready.get("/flows/orders/draft")
    assert (draft["document"], draft["author"]) == (BROKEN, "ada")
    assert draft["problems"] == answer["problems"]


async def test_a_draft_somebody_else_changed_is_not_overwritten(ready: Served) -> None:
    await saved(ready)
    tag = (await ready.get("/flows/orders/draft"))["tag"]
    document = DOCUMENT.format(name="orders")
    await ready.put("/flows/orders/draft", {"document": document, "tag": tag})
    refused = await ready.refused("PUT", "/flows/orders/draft", {"document": document, "tag": tag})
    assert refused == (409, "stale-draft")
    await ready.delete("/flows/orders/draft")
    assert await ready.refused("GET", "/flows/orders/draft") == (404, "no-draft")


async def test_a_plan_tells_what_would_change_and_what_is_granted(ready: Served) -> None:
    await saved(ready)
    plan = await ready.get("/flows/orders/plan")
    assert (plan["source"], plan["next_version"], plan["running_version"], plan["problems"]) == ("draft", 1, None, [])
    assert [(step["id"], step["kind"]) for step in plan["steps"]] == [
        ("hook", "trigger"),
        ("work:mapper", "mapper"),
        ("work", "action"),
    ]
    work = plan["steps"][-1]
    assert (work["revision"], work["running_revision"], work["write"]) == (1, None, ["/srv/out/orders.jsonl"])
    await ready.post("/flows/orders/publish", {"start": True})
    changed = DOCUMENT.format(name="orders").replace("/srv/out", "/srv/other")
    await ready.put("/flows/orders/draft", {"document": changed})
    await component(ready.parts.db, commit="d" * 40)
    plan = await ready.get("/flows/orders/plan")
    assert (plan["running_version"], plan["next_version"]) == (1, 2)
    [change] = plan["changes"]
    assert (change["step"], change["path"], change["after"]) == ("work", "fields.path", "/srv/other/orders.jsonl")
    assert [step["revision"] for step in plan["steps"] if step["kind"] != "mapper"] == [2, 2]
    assert [step["running_revision"] for step in plan["steps"] if step["kind"] != "mapper"] == [1, 1]


async def test_publishing_makes_a_version_and_with_start_a_deployment(ready: Served) -> None:
    await saved(ready)
    first = await ready.post("/flows/orders/publish", {"note": "first"})
    assert (first["version"]["number"], first["version"]["author"], first["version"]["note"]) == (1, "ada", "first")
    assert first["deployment"] is None
    await saved(ready)
    second = await ready.post("/flows/orders/publish", {"start": True})
    assert (second["version"]["number"], second["deployment"]["state"]) == (2, "warming")
    assert second["deployment"]["components"]["work"]["revision"] == 1
    flow = await ready.get("/flows/orders")
    assert (flow["wish"], flow["state"], flow["webhook"], flow["has_draft"]) == (
        "running",
        "warming",
        "/hooks/orders",
        False,
    )
    assert flow["id"] in ready.hinted
    versions = await ready.get("/flows/orders/versions", limit=1)
    assert ([each["number"] for each in versions["items"]], versions["next"] is None) == ([2], False)
    rest = await ready.get("/flows/orders/versions", limit=1, cursor=versions["next"])
    assert ([each["number"] for each in rest["items"]], rest["next"]) == ([1], None)
    assert (await ready.get("/flows/orders/versions/1"))["document"] == DOCUMENT.format(name="orders")


async def test_publishing_what_has_mistakes_is_refused_with_all_of_them(ready: Served) -> None:
    await saved(ready)
    await ready.put("/flows/orders/draft", {"document": BROKEN})
    response = await ready.client.post("/api/v1/flows/orders/publish", json={})
    assert (response.status_code, response.json()["reason"]) == (422, "flow-document")
    assert response.json()["problems"]


@pytest.mark.parametrize("form", ["yaml", "json"])
async def test_an_export_applied_again_changes_nothing(ready: Served, form: str) -> None:
    await saved(ready)
    await ready.post("/flows/orders/publish")
    response = await ready.client.get("/api/v1/flows/orders/export", params={"format": form})
    assert response.headers["content-type"].startswith(f"application/{form}")
    if form == "json":
        json.loads(response.text)
    await ready.put("/flows/orders/draft", {"document": response.text})
    assert (await ready.get("/flows/orders/plan"))["changes"] == []


async def test_a_flow_that_was_never_published_cannot_be_exported_or_started(ready: Served) -> None:
    await saved(ready)
    assert await ready.refused("GET", "/flows/orders/export") == (404, "version-not-found")
    assert await ready.refused("POST", "/flows/orders/start", {}) == (409, "not-published")


async def test_a_flow_shows_what_its_worker_says_and_what_is_outdated(ready: Served) -> None:
    spec = await deploy(ready.parts.db, ready.parts.bus, "orders")
    told = Leak(kind="sockets", growth=2, cure="keep one", stopped=True)
    step = StepState(id="work", host="ready", pid=42, received=7, warning="leaks", leak=told)
    state = WorkerState(
        flow_id=spec.flow_id, epoch=spec.epoch, pid=41, created=1.0, phase="live", at=1, steps=(step,), journal_bytes=9
    )
    ready.parts.heartbeats.note(state)
    await component(ready.parts.db, commit="d" * 40)
    flow = await ready.get("/flows/orders")
    shown = {each["id"]: each for each in flow["deployment"]["steps"]}
    assert (shown["work"]["host"], shown["work"]["received"], shown["work"]["warning"]) == ("ready", 7, "leaks")
    assert shown["work"]["leak"] == {"kind": "sockets", "growth": 2, "cure": "keep one", "stopped": True}
    reason = "step `work`: stopped by the leak guard: the trigger leaks sockets: 2 more at every call"
    assert flow["reason"] == flow["deployment"]["reason"] == reason
    assert shown["hook"]["host"] == ""
    assert {(each["step"], each["running"], each["latest"]) for each in flow["outdated"]} == {
        ("hook", 1, 2),
        ("work", 1, 2),
    }
    assert [each["epoch"] for each in (await ready.get("/flows/orders/deployments"))["items"]] == [1]


async def test_stopping_keeps_the_queue_and_purging_empties_it(ready: Served) -> None:
    spec = await deploy(ready.parts.db, ready.parts.bus, "orders")
    for _ in range(3):
        message = envelope.Message(id=new_id(), execution=new_id(), step="hook", body=msgspec.Raw(b"{}"), at=1)
        inbox = subjects.inbox(spec.flow_id, spec.epoch, "hook")
        await ready.parts.bus.store(inbox, envelope.encode(message))
    await stopped(ready)
    answer = await ready.post("/flows/orders/stop")
    assert (answer["waiting"], answer["flow"]["wish"]) == (3, "stopped")
    assert await ready.refused("DELETE", "/flows/orders") == (409, "queue-not-empty")
    assert (await ready.post("/flows/orders/stop", {"purge": True}))["waiting"] == 0
    await ready.delete("/flows/orders")
    assert await ready.refused("GET", "/flows/orders") == (404, "flow-not-found")


async def test_a_running_flow_is_not_removed(ready: Served) -> None:
    await deploy(ready.parts.db, ready.parts.bus, "orders")
    assert await ready.refused("DELETE", "/flows/orders", purge=True) == (409, "flow-running")


async def test_a_flow_that_does_not_stop_in_time_says_so(ready: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.api.wishes.STOP_MARGIN", -2.0)
    await deploy(ready.parts.db, ready.parts.bus, "orders")
    assert await ready.refused("POST", "/flows/orders/stop", {"purge": True}) == (503, "still-stopping")


async def test_flows_are_listed_page_by_page(ready: Served) -> None:
    for name in ("a", "b", "c"):
        await saved(ready, name)
    first = await ready.get("/flows", limit=2)
    second = await ready.get("/flows", limit=2, cursor=first["next"])
    assert [flow["name"] for flow in first["items"] + second["items"]] == ["a", "b", "c"]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/flows/none"),
        ("GET", "/flows/none/plan"),
        ("GET", "/flows/none/logs"),
        ("GET", "/flows/none/deployments"),
        ("POST", "/flows/none/start"),
        ("POST", "/flows/none/stop"),
        ("POST", "/flows/none/publish"),
        ("DELETE", "/flows/none"),
    ],
)
async def test_an_unknown_flow_is_not_found(ready: Served, method: str, path: str) -> None:
    assert await ready.refused(method, path, {} if method == "POST" else None) == (404, "flow-not-found")
