"""Drafts, plans, publishing and rolling back by way of the API. Control does not run: tests note what it would."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.deployed import DOCUMENT, component
from tests.integration.api.conftest import Served

from headrace.bus import subjects
from headrace.bus.trace import LogLine
from headrace.store import components, deployments, flows

POLLED = DOCUMENT.replace("hook/receive", "hook/look")


@pytest.fixture
async def ready(served: Served) -> Served:
    """With the component `hook`, built."""
    await component(served.parts.db)
    return served


async def save(served: Served, document: str = DOCUMENT, **changes: str) -> str:
    text = document.format(name="orders")
    for old, new in changes.items():
        text = text.replace(old.replace("_", "/"), new)
    await served.put("/flows/orders/draft", {"document": text})
    return text


async def reached(served: Served, epoch: int, state: deployments.State, **changes: Any) -> None:
    """As control would note it."""
    async with served.parts.db.begin() as conn:
        flow = await flows.get(conn, "orders")
        await deployments.update(conn, flow.id, epoch, state=state, **changes)


async def live(served: Served, document: str = DOCUMENT) -> None:
    """Version 1, live as deployment 1."""
    await save(served, document)
    await served.post("/flows/orders/publish", {"start": True})
    await reached(served, 1, "live", ready_ms=240)


def commits(served: Served, folder: Path, *messages: str) -> list[str]:
    """A real repository for the component `hook` with an (empty) commit per message; their ids."""

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    made = []
    for message in messages:
        git("commit", "--quiet", "--allow-empty", "-m", message)
        made.append(git("rev-parse", "HEAD"))
    bare = served.parts.repositories.path("hook")
    git("--git-dir", str(bare), "fetch", "--quiet", str(folder), "main:refs/heads/main")
    return made


@pytest.fixture
async def pushed(served: Served, tmp_path: Path) -> list[str]:
    """Three commits in the component's repository; none is a component version yet."""
    await served.parts.repositories.create("hook")
    folder = tmp_path / "work"
    folder.mkdir()
    return await asyncio.to_thread(commits, served, folder, "First", "Round half up", "Say what was rounded")


# -- drafts


async def test_a_stale_save_gets_both_texts(ready: Served) -> None:
    first = await save(ready)
    tag = (await ready.get("/flows/orders"))["draft_tag"]
    theirs = await save(ready, hook_work="hook/work")
    mine = first.replace("/srv/out", "/srv/mine")
    response = await ready.client.put("/api/v1/flows/orders/draft", json={"document": mine, "tag": tag})
    told = response.json()
    assert (response.status_code, told["reason"]) == (409, "stale-draft")
    assert (told["draft"]["theirs"], told["draft"]["yours"]) == (theirs, mine)
    assert (told["draft"]["tag"], told["draft"]["author"]) == (tag + 1, "ada")
    saved = await ready.put("/flows/orders/draft", {"document": mine, "tag": told["draft"]["tag"]})
    assert saved["tag"] == tag + 2


async def test_a_draft_that_was_published_meanwhile_is_stale_too(ready: Served) -> None:
    text = await save(ready)
    tag = (await ready.get("/flows/orders"))["draft_tag"]
    await ready.post("/flows/orders/publish")
    response = await ready.client.put("/api/v1/flows/orders/draft", json={"document": text, "tag": tag})
    assert (response.json()["draft"]["theirs"], response.json()["draft"]["yours"]) == (None, text)


async def test_a_diff_compares_draft_versions_and_what_runs(ready: Served) -> None:
    await live(ready)
    await save(ready, srv_out="/srv/second")
    second = await ready.get("/flows/orders/diff")
    assert (second["before"], second["after"]["what"]) == ({"what": "version", "version": 1, "epoch": 1}, "draft")
    [change] = second["changes"]
    assert (change["step"], change["path"], change["kind"]) == ("work", "fields.path", "changed")
    await ready.post("/flows/orders/publish")
    assert (await ready.get("/flows/orders/diff", **{"from": "1", "to": "2"}))["changes"] == [change]
    [back] = (await ready.get("/flows/orders/diff", **{"from": "newest", "to": "1"}))["changes"]
    assert (back["before"], back["after"]) == (change["after"], change["before"])
    assert await ready.refused("GET", "/flows/orders/diff", to="draft") == (404, "no-draft")
    assert await ready.refused("GET", "/flows/orders/diff", to="7") == (404, "version-not-found")
    assert await ready.refused("GET", "/flows/orders/diff", to="old") == (422, "invalid-request")


async def test_a_diff_with_nothing_shows_every_step(ready: Served) -> None:
    await save(ready)
    shown = await ready.get("/flows/orders/diff")
    assert shown["before"]["what"] == "nothing"
    assert [each["step"] for each in shown["changes"] if each["kind"] == "added"] == ["hook", "work"]
    assert await ready.refused("GET", "/flows/orders/diff", **{"from": "running"}) == (404, "not-running")


async def test_a_draft_that_cannot_be_read_has_no_diff(ready: Served) -> None:
    await live(ready)
    await ready.put("/flows/orders/draft", {"document": "flow: ["})
    assert await ready.refused("GET", "/flows/orders/diff") == (422, "flow-document")


# -- plans


@pytest.mark.needs("git")
async def test_a_plan_names_the_commits_each_step_moves_over(served: Served, pushed: list[str]) -> None:
    await component(served.parts.db, commit=pushed[0])
    await live(served)
    await component(served.parts.db, commit=pushed[2])
    plan = await served.get("/flows/orders/plan")
    assert [(each["step"], each["from_revision"], each["to_revision"]) for each in plan["moves"]] == [
        ("hook", 1, 2),
        ("work", 1, 2),
    ]
    commits = plan["moves"][0]["commits"]
    assert [each["message"] for each in commits["added"]] == ["Say what was rounded", "Round half up"]
    assert commits["added"][0]["author"].startswith("Ada")
    assert commits["removed"] == []
    assert (plan["blockers"], plan["source"], plan["next_version"]) == ([], "version", 1)


@pytest.mark.needs("git")
async def test_a_flow_shows_what_lies_between_what_runs_and_the_latest(served: Served, pushed: list[str]) -> None:
    await component(served.parts.db, commit=pushed[1])
    await save(served, hook_receive="hook/receive\n    version: 1")
    await served.post("/flows/orders/publish", {"start": True})
    await component(served.parts.db, commit=pushed[2])
    hook, work = (await served.get("/flows/orders"))["outdated"]
    assert (hook["running"], hook["running_commit"], hook["latest"], hook["latest_commit"]) == (
        1,
        pushed[1],
        2,
        pushed[2],
    )
    assert (hook["selector"], hook["moves_to"], work["selector"], work["moves_to"]) == ("1", None, "latest", 2)
    assert [each["message"] for each in work["commits"]["added"]] == ["Say what was rounded"]
    assert hook["running_at"] and work["latest_at"]
    [listed] = (await served.get("/flows", outdated=True))["items"]
    assert listed["outdated"][1]["commits"] is None


async def test_flows_that_a_publish_would_not_move_are_not_outdated(ready: Served) -> None:
    await live(ready)
    assert (await ready.get("/flows", outdated=True))["items"] == []
    await component(ready.parts.db, commit="d" * 40)
    assert [each["name"] for each in (await ready.get("/flows", outdated=True))["items"]] == ["orders"]


@pytest.mark.needs("git")
async def test_going_back_to_an_older_commit_shows_what_is_taken_out(served: Served, pushed: list[str]) -> None:
    await component(served.parts.db, commit=pushed[0])
    await component(served.parts.db, commit=pushed[2])
    await live(served)
    await component(served.parts.db, commit=pushed[0])
    [move, _] = (await served.get("/flows/orders/plan"))["moves"]
    assert (move["from_revision"], move["to_revision"], move["commits"]["added"]) == (2, 1, [])
    assert len(move["commits"]["removed"]) == 2


async def test_a_disabled_step_is_left_out_of_what_runs(ready: Served) -> None:
    await live(ready)
    text = DOCUMENT.format(name="orders") + "  - {id: last, after: work, action: ghost/act}\n"
    text = text.replace("after: hook\n", "after: hook\n    disabled: true\n")
    [problem] = (await ready.put("/flows/orders/draft", {"document": text}))["problems"]
    assert (problem["reason"], problem["severity"]) == ("component-not-found", "warning")
    plan = await ready.get("/flows/orders/plan")
    assert (plan["must_be_ready"], plan["left_out"], plan["step_count"]) == (["hook"], ["work", "last"], 1)
    assert [(each["step"], each["path"]) for each in plan["changes"]] == [("work", "disabled"), ("last", "")]
    await ready.post("/flows/orders/publish")
    assert set((await ready.get("/flows/orders"))["coming"]["components"]) == {"hook"}
    linted = await ready.post("/flows/lint", {"document": text})
    assert [each["left_out"] for each in linted["flow"]["steps"]] == [False, True, True]


async def test_a_plan_counts_what_must_get_ready_and_what_is_reset(ready: Served) -> None:
    await live(ready)
    await component(ready.parts.db, "other", commit="e" * 40)
    await save(ready, hook_work="other/work", srv_out="/srv/second")
    plan = await ready.get("/flows/orders/plan")
    assert (plan["step_count"], plan["must_be_ready"]) == (3, ["hook", "work"])
    assert plan["snapshots_reset"] == [{"step": "work", "before": "hook/work", "after": "other/work"}]
    assert plan["hooks"] == {"shutdown": False, "startup": False, "changed": []}
    assert plan["steps"][-1]["newly_granted"] == ["/srv/second/orders.jsonl"]
    steps = [(each["id"], each["change"], each["snapshot"]) for each in plan["steps"]]
    assert steps == [("hook", "same", "kept"), ("work:mapper", "same", None), ("work", "changed", "reset")]
    assert plan["gone"] == []
    [move] = plan["moves"]
    assert (move["from_component"], move["component"]) == ("hook", "other")


async def test_a_plan_tells_what_the_source_would_notice(ready: Served) -> None:
    await save(ready)
    assert (await ready.get("/flows/orders/plan"))["interruption"]["text"].startswith("the flow does not run")
    await live(ready)
    assert (await ready.get("/flows/orders/plan"))["interruption"]["expected_ms"] == 0
    restart = (await ready.get("/flows/orders/plan", strategy="restart"))["interruption"]
    assert (restart["trigger_type"], restart["expected_ms"]) == ("webhook", 240)
    await save(ready, POLLED)
    plan = await ready.get("/flows/orders/plan")
    assert (plan["interruption"]["trigger_type"], plan["interruption"]["expected_ms"]) == ("polling", 100)
    assert plan["hooks"] == {"shutdown": True, "startup": True, "changed": ["function"]}
    await reached(ready, 1, "live", handover={"gap_ms": 31.5})
    assert (await ready.get("/flows/orders/plan"))["interruption"]["expected_ms"] == 31.5


async def test_a_plan_says_what_stands_against_it(ready: Served) -> None:
    await live(ready)
    plan = await ready.get("/flows/orders/plan")
    assert [each["reason"] for each in plan["blockers"]] == ["nothing-moved"]
    await save(ready, hook_work="hook/nothing")
    plan = await ready.get("/flows/orders/plan")
    assert [(each["path"], each["reason"]) for each in plan["blockers"]] == [("steps[1].action", "offer-not-found")]
    await ready.put("/flows/orders/draft", {"document": "flow: ["})
    plan = await ready.get("/flows/orders/plan")
    assert (plan["steps"], [each["reason"] for each in plan["blockers"]]) == ([], ["syntax"])


async def test_a_plan_tells_what_becomes_of_each_step(ready: Served) -> None:
    await live(ready)
    await component(ready.parts.db, commit="d" * 40)
    await save(ready, **{"- id: work": "- id: file"})
    plan = await ready.get("/flows/orders/plan")
    steps = [(each["id"], each["change"], each["snapshot"]) for each in plan["steps"]]
    assert steps == [("hook", "code", "kept"), ("file:mapper", "added", None), ("file", "added", "empty")]
    assert plan["gone"] == [{"step": "work", "component": "hook"}]
    assert plan["newer"] == []


@pytest.mark.needs("git")
async def test_a_plan_names_pinned_steps_that_stay_behind(served: Served, pushed: list[str]) -> None:
    await component(served.parts.db, commit=pushed[1])
    await component(served.parts.db, commit=pushed[2])
    await save(served, hook_receive="hook/receive\n    version: 1")
    [newer] = (await served.get("/flows/orders/plan"))["newer"]
    assert (newer["step"], newer["selector"], newer["revision"], newer["latest"]) == ("hook", "1", 1, 2)
    assert [each["message"] for each in newer["commits"]["added"]] == ["Say what was rounded"]


async def test_a_plan_remarks_builds_and_deployments_that_are_on_their_way(ready: Served) -> None:
    await live(ready)
    await save(ready, srv_out="/srv/second")
    await ready.post("/flows/orders/publish")
    async with ready.parts.db.begin() as conn:
        await components.add_version(conn, "hook", "f" * 40, descriptor={})
    plan = await ready.get("/flows/orders/plan", version=1)
    assert plan["remarks"] == [
        "revision 2 of hook is still being built; revision 1 is used",
        "deployment 2 warms up, and would be superseded",
    ]
    assert plan["blockers"] == []
    assert plan["building"] == [{"component": "hook", "revision": 2, "state": "pushed"}]


# -- publishing


async def test_publish_says_how_and_whose_place_it_takes(ready: Served) -> None:
    await live(ready)
    await save(ready, srv_out="/srv/second")
    made = await ready.post("/flows/orders/publish", {"note": "elsewhere", "strategy": "restart"})
    assert (made["replaces"], made["deployment"]["epoch"], made["deployment"]["strategy"]) == (1, 2, "restart")
    assert (made["deployment"]["cause"], made["deployment"]["author"], made["deployment"]["note"]) == (
        "publish",
        "ada",
        "elsewhere",
    )
    flow = await ready.get("/flows/orders")
    assert (flow["deployment"]["epoch"], flow["coming"]["epoch"]) == (1, 2)
    assert await ready.refused("POST", "/flows/orders/publish", {"strategy": "magic"}) == (422, "invalid-request")


async def test_a_publish_is_cancelled_until_the_switch(ready: Served) -> None:
    await live(ready)
    text = await save(ready, srv_out="/srv/second")
    await ready.post("/flows/orders/publish", {"name": "second folder"})
    ready.hinted.clear()
    done = await ready.post("/flows/orders/cancel", {"epoch": 2})
    assert (done["deployment"]["cancelled_by"], done["runs"]) == ("ada", 1)
    assert ready.hinted == [(await ready.get("/flows/orders"))["id"]]
    draft = await ready.get("/flows/orders/draft")
    assert (draft["document"], draft["tag"]) == (text, done["draft_tag"])
    newest = (await ready.get("/flows/orders/versions"))["items"][0]
    assert (newest["number"], newest["name"], newest["runs"]) == (2, "second folder", False)
    await reached(ready, 2, "stopped")
    assert await ready.refused("POST", "/flows/orders/cancel", {}) == (409, "nothing-to-cancel")
    assert await ready.refused("POST", "/flows/orders/cancel", {"epoch": 1}) == (409, "switched")
    assert await ready.refused("POST", "/flows/orders/cancel", {"epoch": 9}) == (404, "deployment-not-found")


async def test_versions_tell_which_of_them_runs(ready: Served) -> None:
    await live(ready)
    await save(ready, srv_out="/srv/second")
    await ready.post("/flows/orders/publish", {"start": False})
    listed = (await ready.get("/flows/orders/versions"))["items"]
    assert [(each["number"], each["runs"], each["deployments"]) for each in listed] == [(2, False, []), (1, True, [1])]
    assert [(each["executions"], each["failed"]) for each in listed] == [(0, 0), (0, 0)]


async def test_who_publishes_edits_on_with_the_tag_of_the_answer(ready: Served) -> None:
    text = await save(ready)
    made = await ready.post("/flows/orders/publish")
    flow = await ready.get("/flows/orders")
    assert (flow["has_draft"], flow["draft_author"], flow["draft_tag"]) == (False, "ada", made["draft_tag"])
    saved = await ready.put("/flows/orders/draft", {"document": text + "# on", "tag": made["draft_tag"]})
    assert saved["tag"] == made["draft_tag"] + 1
    await ready.delete("/flows/orders/draft")
    assert (await ready.get("/flows/orders"))["draft_author"] == "ada"


# -- the seat of a draft


async def test_a_draft_has_one_seat_that_is_told_and_taken_over(ready: Served) -> None:
    await save(ready)
    first = await ready.put("/flows/orders/draft/seat", {"holder": "one"})
    assert (first["mine"], first["author"]) == (True, "ada")
    second = await ready.put("/flows/orders/draft/seat", {"holder": "two"})
    assert (second["mine"], second["since"]) == (False, first["since"])
    assert (first["onlookers"], second["onlookers"]) == ([], ["ada"])
    assert (await ready.get("/flows/orders/draft"))["edited"] == {"author": "ada", "since": first["since"]}
    assert (await ready.put("/flows/orders/draft/seat", {"holder": "two", "take": True}))["mine"]
    assert not (await ready.put("/flows/orders/draft/seat", {"holder": "one"}))["mine"]
    await ready.delete("/flows/orders/draft/seat", holder="one")
    assert not (await ready.put("/flows/orders/draft/seat", {"holder": "one"}))["mine"], "it was not one's to leave"
    await ready.delete("/flows/orders/draft/seat", holder="two")
    assert (await ready.put("/flows/orders/draft/seat", {"holder": "one"}))["mine"]
    assert await ready.refused("PUT", "/flows/nothing/draft/seat", {"holder": "x"}) == (404, "flow-not-found")
    assert await ready.refused("PUT", "/flows/orders/draft/seat", {"holder": "a b"}) == (422, "invalid-request")


async def test_open_browsers_hear_whose_seat_it_is(ready: Served) -> None:
    await save(ready)
    heard: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    async def on_message(subject: str, data: bytes, reply: str) -> None:
        heard.put_nowait(json.loads(data))

    undo = await ready.parts.bus.subscribe("live.seat", on_message)
    await ready.put("/flows/orders/draft/seat", {"holder": "one"})
    await ready.put("/flows/orders/draft/seat", {"holder": "one"})
    await ready.delete("/flows/orders/draft/seat", holder="one")
    told = [await asyncio.wait_for(heard.get(), 5) for _ in range(2)]
    assert told == [{"flow": "orders", "author": "ada"}, {"flow": "orders", "author": None}], "asking again is no news"
    await undo()


async def test_a_rollback_is_a_deployment_of_the_version_before(ready: Served) -> None:
    await live(ready)
    await save(ready, srv_out="/srv/second")
    await ready.post("/flows/orders/publish")
    await reached(ready, 2, "live")
    await reached(ready, 1, "stopped")
    assert (await ready.get("/flows/orders/plan", version=1))["changes"][0]["after"] == "/srv/out/orders.jsonl"
    made = await ready.post("/flows/orders/rollback", {"note": "wrong folder"})
    assert (made["version"]["number"], made["replaces"], made["deployment"]["version"]) == (1, 2, 1)
    assert (made["deployment"]["cause"], made["deployment"]["note"]) == ("rollback", "wrong folder")
    assert (await ready.get("/flows/orders"))["version"] == 2
    assert await ready.refused("POST", "/flows/orders/rollback", {"version": 9}) == (404, "version-not-found")


async def test_there_may_be_no_version_to_roll_back_to(ready: Served) -> None:
    await live(ready)
    assert await ready.refused("POST", "/flows/orders/rollback", {}) == (409, "no-older-version")
    await ready.post("/flows/orders/suspend")
    async with ready.parts.db.begin() as conn:
        await flows.set_wish(conn, (await flows.get(conn, "orders")).id, "stopped")
    assert await ready.refused("POST", "/flows/orders/rollback", {"version": 1}) == (409, "flow-stopped")


# -- deployments


async def test_a_deployment_tells_what_its_handover_was_like(ready: Served) -> None:
    await live(ready)
    measured = {"from_epoch": 0, "gap_ms": 4.2, "drained": 3, "order": "kept", "unknown": 1}
    await reached(ready, 1, "live", handover=measured)
    shown = await ready.get("/flows/orders/deployments/1")
    assert (shown["handover"]["gap_ms"], shown["handover"]["order"], shown["handover"]["parked"]) == (4.2, "kept", None)
    assert (shown["failed_step"], shown["log"]) == (None, [])
    assert await ready.refused("GET", "/flows/orders/deployments/7") == (404, "deployment-not-found")


async def test_a_failed_deployment_shows_the_last_words_of_its_step(ready: Served) -> None:
    await live(ready)
    await save(ready, srv_out="/srv/second")
    await ready.post("/flows/orders/publish")
    flow_id = (await ready.get("/flows/orders"))["id"]
    for step, epoch, text in (("work", 1, "of another"), ("work", 2, "no such\nmodule"), ("hook", 2, "fine")):
        line = LogLine(at=1, step=step, level="error", text=text, epoch=epoch)
        await ready.parts.bus.store(subjects.logs(flow_id, step), json.dumps(_plain(line)).encode())
    steps = {"hook": {"host": "ready"}, "work": {"host": "failed", "reason": "it does not import"}}
    await reached(ready, 2, "failed", reason="step `work`: it does not import", steps=steps)
    shown = await ready.get("/flows/orders/deployments/2")
    assert (shown["failed_step"], shown["log"]) == ("work", ["no such", "module"])
    await reached(ready, 2, "failed", log=["kept"])
    assert (await ready.get("/flows/orders/deployments/2"))["log"] == ["kept"]


def _plain(line: LogLine) -> dict[str, object]:
    return {"at": line.at, "step": line.step, "level": line.level, "text": line.text, "epoch": line.epoch}
