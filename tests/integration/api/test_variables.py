"""Environment variables of components by way of the API: set, told of, needed by a publish, given to hosts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.api import vault
from tests.integration.api.conftest import Served

from headrace.control import desire
from headrace.control.behind import behind
from headrace.control.compile import compile_row
from headrace.control.tokens import Tokens
from headrace.store import components, deployments, flows, variables

KEY = "k3y-of-the-Crm/1"
FLOW = "flow: keep\nsteps:\n  - {id: hook, trigger: vault/receive}\n  - {id: store, after: hook, action: vault/store}\n"
STORE = """
import os
async def process(ctx, msg, cfg):
    return dict(os.environ)
def shelves(ctx, cfg):
    print("the key is", os.environ["CRM_KEY"])
    return {"top": os.environ["CRM_KEY"] + os.environ["ELSE"]}
"""
DESCRIPTOR = {key: each for key, each in vault.DESCRIPTOR.items() if key != "credentials"} | {
    "envVars": {
        "CRM_KEY": {"required": True, "description": "Key of the CRM"},
        "CRM_SITE": {"required": False},
        "PATH": {"required": True},
    }
}


@pytest.fixture
async def root(served: Served) -> AsyncIterator[Path]:
    """The component `vault`, which needs a variable and takes no credential."""
    with vault.folder() as made:
        await vault.built(served.parts.db, made, descriptor=DESCRIPTOR, files=vault.FILES | {"store.py": STORE})
        yield made


async def put(served: Served, values: dict[str, Any], name: str = "vault") -> dict[str, Any]:
    answer = await served.client.patch(f"/api/v1/components/{name}/variables", json={"values": values})
    assert answer.is_success, answer.text
    assert KEY not in answer.text
    found: dict[str, Any] = answer.json()
    return found


def shown(found: dict[str, Any]) -> dict[str, bool]:
    return {each["name"]: each["is_set"] for each in found["variables"]}


async def held(served: Served, name: str = "vault") -> dict[str, str]:
    async with served.parts.db.read() as conn:
        component = await components.get(conn, name)
    return await served.parts.variables.values(component.id)


async def test_values_go_in_and_do_not_come_out(served: Served, root: Path) -> None:
    before = await served.get("/components/vault/variables")
    assert (shown(before), before["changed_at"]) == ({"CRM_KEY": False, "CRM_SITE": False}, None)
    made = await put(served, {"CRM_KEY": KEY, "OTHER": "x", "EMPTY": ""})
    assert (made["author"], made["changed_at"] > 0, made["behind"]) == ("ada", True, [])
    assert [(each["name"], each["is_set"], each["required"], each["declared"]) for each in made["variables"]] == [
        ("CRM_KEY", True, True, True),
        ("CRM_SITE", False, False, True),
        ("EMPTY", True, False, False),
        ("OTHER", True, False, False),
    ]
    assert await served.get("/components/vault/variables") == made
    assert await held(served) == {"CRM_KEY": KEY, "OTHER": "x", "EMPTY": ""}
    assert shown(await put(served, {"OTHER": None, "EMPTY": None})) == {"CRM_KEY": True, "CRM_SITE": False}
    assert await held(served) == {"CRM_KEY": KEY}


async def test_changes_at_once_all_count(served: Served, root: Path) -> None:
    await asyncio.gather(*(put(served, {f"V{number}": str(number)}) for number in range(8)))
    assert await held(served) == {f"V{number}": str(number) for number in range(8)}
    found = shown(await served.get("/components/vault/variables"))
    assert [name for name, is_set in found.items() if is_set] == sorted(f"V{number}" for number in range(8))


async def test_what_cannot_be_set_changes_nothing(served: Served, root: Path) -> None:
    path = "/components/vault/variables"
    answer = await served.client.patch(f"/api/v1{path}", json={"values": {"PATH": "/x", "A-B": "y", "GOOD": "z"}})
    assert (answer.status_code, answer.json()["reason"]) == (422, "bad-variables")
    assert [each["reason"] for each in answer.json()["problems"]] == ["reserved", "bad-name"]
    assert await served.refused("PATCH", path, {"values": {"GOOD": 7}}) == (422, "invalid-request")
    assert await served.refused("PATCH", "/components/none/variables", {"values": {}}) == (404, "component-not-found")
    assert await put(served, {"NONE": None}) == await served.get(path)
    assert await held(served) == {}
    many = {f"V{number}": "x" for number in range(150)}
    await put(served, many)
    too_many = {f"W{number}": "x" for number in range(60)}
    assert await served.refused("PATCH", path, {"values": too_many}) == (422, "bad-variables")


async def test_they_can_be_set_before_anything_was_pushed(served: Served) -> None:
    await served.post("/components", {"name": "crm"})
    assert shown(await put(served, {"CRM_KEY": KEY}, "crm")) == {"CRM_KEY": True}
    assert await served.get("/components/crm/variables") is not None


async def test_without_a_needed_one_nothing_is_published_and_the_command_is_told(served: Served, root: Path) -> None:
    await served.put("/flows/keep/draft", {"document": FLOW})
    (first, second) = (await served.get("/flows/keep/draft"))["problems"]
    assert (first["path"], first["reason"]) == ("steps[0].trigger", "variable-missing")
    assert "headrace component env vault --set CRM_KEY=…" in first["suggestion"]
    assert second["path"] == "steps[1].action"
    assert [each["reason"] for each in (await served.get("/flows/keep/plan"))["blockers"]] == ["variable-missing"] * 2
    assert await served.refused("POST", "/flows/keep/publish", {"start": True}) == (422, "flow-document")
    await put(served, {"CRM_KEY": KEY})
    await served.post("/flows/keep/publish", {"start": True})
    await desire.stop(served.parts.db, "keep")
    async with served.parts.db.begin() as conn:
        await deployments.update(conn, (await flows.get(conn, "keep")).id, 1, state="stopped")
    await put(served, {"CRM_KEY": None})
    answer = await served.client.post("/api/v1/flows/keep/start")
    assert (answer.status_code, answer.json()["reason"]) == (409, "variable-missing")
    assert answer.json()["next_step"] == "headrace component env vault --set CRM_KEY=…"


async def test_a_change_makes_the_next_publish_another_deployment(served: Served, root: Path) -> None:
    db = served.parts.db
    await put(served, {"CRM_KEY": KEY})
    await served.put("/flows/keep/draft", {"document": FLOW})
    await served.post("/flows/keep/publish", {"start": True})
    async with db.begin() as conn:
        flow = await flows.get(conn, "keep")
        await deployments.update(conn, flow.id, 1, state="live")
        spec = await compile_row(conn, served.parts.settings, flow.id, 1)
        held = await variables.find(conn, (await components.get(conn, "vault")).id)
    assert held is not None
    assert [step.variables for step in spec.steps] == [held.id] * 2
    assert KEY not in repr(spec)
    assert await served.refused("POST", "/flows/keep/publish", {}) == (409, "nothing-moved")
    assert (await put(served, {"CRM_KEY": KEY}))["behind"] == []  # the same again is no change
    assert (await put(served, {"CRM_KEY": "other"}))["behind"] == ["keep"]
    plan = await served.get("/flows/keep/plan")
    assert (plan["variables"], plan["moves"], plan["blockers"]) == (["vault"], [], [])
    async with db.read() as conn:
        (found,) = await behind(conn)
    assert [str(move) for move in found.moves] == ["variables of vault"]
    assert (await served.post("/flows/keep/publish"))["deployment"]["epoch"] == 2
    async with db.begin() as conn:
        await deployments.update(conn, flow.id, 1, state="stopped")
        await deployments.update(conn, flow.id, 2, state="live")
    assert (await served.get("/components/vault/variables"))["behind"] == []
    await put(served, {"CRM_SITE": "x"})
    assert (await desire.redeploy(db, "keep", cause="rollout", again=True)) is not None


async def test_a_deployment_of_a_component_that_never_had_any_asks_for_none(served: Served) -> None:
    with vault.folder() as made:
        plain = {key: each for key, each in DESCRIPTOR.items() if key != "envVars"}
        await vault.built(served.parts.db, made, descriptor=plain)
        await served.put("/flows/keep/draft", {"document": FLOW})
        await served.post("/flows/keep/publish", {"start": True})
        async with served.parts.db.read() as conn:
            flow = await flows.get(conn, "keep")
            spec = await compile_row(conn, served.parts.settings, flow.id, 1)
        assert [step.variables for step in spec.steps] == ["", ""]


async def test_code_that_helps_to_design_gets_them_and_does_not_give_them_away(
    served: Served, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await put(served, {"CRM_KEY": KEY, "ELSE": "!"})
    wanted = {"kind": "action", "function": "store", "field": "shelf"}
    found = await served.post("/components/vault/choices", wanted)
    assert found["choices"] == {"top": KEY + "!"}
    said = capsys.readouterr().out
    assert "the key is [CRM_KEY]" in said
    assert KEY not in said


async def test_a_new_key_keeps_them_readable(served: Served, root: Path) -> None:
    await put(served, {"CRM_KEY": KEY})
    await served.post("/credentials/rotate-key")
    assert await held(served) == {"CRM_KEY": KEY}
    assert (await put(served, {"CRM_SITE": "x"}))["behind"] == []


async def test_they_stay_over_a_start_and_go_with_their_component(served: Served, root: Path) -> None:
    await put(served, {"CRM_KEY": KEY})
    secrets = served.parts.variables._secrets
    await Tokens(served.parts.db, secrets, "http://localhost/")._sweep()
    assert await held(served) == {"CRM_KEY": KEY}
    async with served.parts.db.read() as conn:
        (id_,) = await variables.ids(conn)
    await served.parts.repositories.create("vault")
    await served.delete("/components/vault")
    assert id_ not in await secrets.ids()
    await served.post("/components", {"name": "vault"})
    assert (await served.get("/components/vault/variables"))["variables"] == []


async def test_values_are_stored_encrypted(served: Served, root: Path, broker: Any) -> None:
    await put(served, {"CRM_KEY": KEY})
    async with served.parts.db.read() as conn:
        (id_,) = await variables.ids(conn)
    stored = await served.parts.variables._secrets._bucket.get(id_)
    assert stored is not None
    assert stored.data is not None
    assert KEY.encode() not in stored.data
    assert json.dumps(KEY).encode() not in stored.data
