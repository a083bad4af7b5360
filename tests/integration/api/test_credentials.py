"""Credentials by way of the API, verified by real hosts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import pytest
from tests.integration.api import vault
from tests.integration.api.conftest import Served, serving

from headrace.control.compile import compile_row
from headrace.errors import Refused
from headrace.store import credentials as store
from headrace.store import deployments, flows
from headrace.testing.plane import until

PASSWORD = "s3cr3t-Pass/word+1"
FLOW = """\
flow: keep
steps:
  - {id: hook, trigger: vault/receive, credential: prod}
  - {id: store, after: hook, action: vault/store, credential: prod}
"""


@pytest.fixture
async def root(served: Served) -> AsyncIterator[Path]:
    """The component `vault`, built."""
    with vault.folder() as made:
        await vault.built(served.parts.db, made)
        yield made


async def create(served: Served, user: str = "yes", name: str = "prod", **more: Any) -> dict[str, Any]:
    values = {"user": user, "password": PASSWORD}
    made: dict[str, Any] = await served.post(
        "/credentials", {"name": name, "component": "vault", "values": values, **more}
    )
    return made


async def values(served: Served, name: str = "prod") -> dict[str, Any]:
    credential = await served.parts.credentials.get(name)
    return dict((await served.parts.credentials.values_for(name, credential.component))[1])


async def test_values_go_in_and_do_not_come_out(served: Served, root: Path) -> None:
    made = await create(served)
    assert (made["name"], made["component"], made["state"], made["author"]) == ("prod", "vault", "verified", "ada")
    assert {each["name"]: each["is_set"] for each in made["fields"]} == {
        "user": True,
        "password": True,
        "region": False,
    }
    shown = await served.get("/credentials/prod")
    listed = await served.get("/credentials")
    assert listed["items"] == [shown]
    assert PASSWORD not in json.dumps([made, shown, listed])
    assert await values(served) == {"user": "yes", "password": PASSWORD}
    assert (await served.get("/credentials", component="hook"))["items"] == []


@pytest.mark.parametrize(
    ("user", "state", "reason"),
    [
        ("yes", "verified", ""),
        ("object", "verified", ""),
        ("no", "failed", "wrong password"),
        ("false", "failed", "they are wrong"),
        ("nothing", "failed", "neither yes nor no"),
        ("truthy", "failed", "neither yes nor no"),
        ("empty", "failed", "neither yes nor no"),
        ("one", "failed", "neither yes nor no"),
        ("raise", "failed", "PermissionError: [password] is not it"),
    ],
)
async def test_only_an_explicit_yes_verifies(served: Served, root: Path, user: str, state: str, reason: str) -> None:
    made = await create(served, user)
    assert made["state"] == state
    assert reason in made["reason"]
    assert PASSWORD not in made["reason"]


async def test_a_verifier_that_does_not_load_is_an_error(served: Served, root: Path) -> None:
    (root / "verify_credentials.py").write_text("import nowhere_to_be_found\n")
    made = await create(served)
    assert made["state"] == "failed"
    assert "nowhere_to_be_found" in made["reason"]


async def test_a_component_without_a_verifier_leaves_it_unverified(served: Served, root: Path) -> None:
    (root / "verify_credentials.py").unlink()
    made = await create(served)
    assert (made["state"], made["reason"]) == ("unverified", "the component has no verify_credentials")


async def test_it_is_not_asked_when_that_is_not_wanted(served: Served, root: Path) -> None:
    made = await create(served, "no", verify=False)
    assert (made["state"], made["checked_at"]) == ("unverified", None)
    assert (await served.post("/credentials/prod/verify"))["reason"] == "wrong password"


async def test_an_edit_that_is_not_good_changes_nothing(served: Served, root: Path) -> None:
    before = await create(served)
    assert await served.refused("PATCH", "/credentials/prod", {"values": {"user": "no"}}) == (409, "not-verified")
    assert await served.get("/credentials/prod") == before
    assert (await values(served))["user"] == "yes"
    edited = await served.client.patch("/api/v1/credentials/prod", json={"values": {"user": "no"}, "verify": False})
    assert (edited.json()["state"], (await values(served))["user"]) == ("unverified", "no")


async def test_an_edit_sets_and_takes_away_single_values(served: Served, root: Path) -> None:
    await create(served)
    for change in ({"region": "eu"}, {"region": None, "user": "object"}):
        answer = await served.client.patch("/api/v1/credentials/prod", json={"values": change})
        assert answer.json()["state"] == "verified"
    assert await values(served) == {"user": "object", "password": PASSWORD}


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ({"user": "yes"}, ["field-missing"]),
        ({"user": "yes", "pasword": "x", "password": "y"}, ["unknown-field"]),
        ({"user": "yes", "password": "y", "region": "mars"}, ["field-choice"]),
        ({}, ["field-missing", "field-missing"]),
    ],
)
async def test_wrong_values_are_told_apart_and_nothing_is_stored(
    served: Served, root: Path, given: dict[str, str], reasons: list[str]
) -> None:
    answer = await served.client.post(
        "/api/v1/credentials", json={"name": "prod", "component": "vault", "values": given}
    )
    assert (answer.status_code, answer.json()["reason"]) == (422, "bad-values")
    assert [each["reason"] for each in answer.json()["problems"]] == reasons
    assert await served.refused("GET", "/credentials/prod") == (404, "credential-not-found")


async def test_names_components_and_twins_are_checked(served: Served, root: Path) -> None:
    await create(served)
    new = {"name": "prod", "component": "vault", "values": {"user": "yes", "password": "x"}}
    assert await served.refused("POST", "/credentials", new) == (409, "credential-exists")
    assert (await values(served))["password"] == PASSWORD
    assert await served.refused("POST", "/credentials", {**new, "component": "no"}) == (404, "component-not-found")
    assert await served.refused("POST", "/credentials", {**new, "name": "not a name"}) == (422, "invalid-request")


async def test_one_in_use_is_not_removed_and_the_flows_are_named(served: Served, root: Path) -> None:
    await create(served)
    async with served.parts.db.begin() as conn:
        flow = await flows.create(conn, "keep")
        await flows.add_version(conn, flow.id, FLOW)
    answer = await served.client.delete("/api/v1/credentials/prod")
    assert (answer.status_code, answer.json()["reason"]) == (409, "in-use")
    assert "keep" in answer.json()["detail"]
    assert (await served.get("/credentials/prod"))["flows"] == ["keep"]
    assert await served.refused("DELETE", "/components/vault") == (409, "in-use")
    async with served.parts.db.begin() as conn:
        await flows.remove(conn, flow.id)
    assert await served.refused("DELETE", "/components/vault") == (409, "in-use")  # it still has the credential
    await served.delete("/credentials/prod")
    assert await served.refused("DELETE", "/credentials/prod") == (404, "credential-not-found")


async def test_a_draft_is_linted_with_the_credentials_there_are(served: Served, root: Path) -> None:
    linted = await served.post("/flows/lint", {"document": FLOW})
    assert [each["reason"] for each in linted["problems"]] == ["credential-not-found"] * 2
    await create(served)
    assert (await served.post("/flows/lint", {"document": FLOW}))["problems"] == []
    changed = {"values": {"user": "no"}, "verify": False}
    assert (await served.client.patch("/api/v1/credentials/prod", json=changed)).is_success
    await served.post("/credentials/prod/verify")
    linted = await served.post("/flows/lint", {"document": FLOW})
    assert [(each["reason"], each["severity"]) for each in linted["problems"]] == [
        ("credential-not-good", "warning")
    ] * 2


async def test_a_deployment_names_a_credential_by_its_id_and_grants_nobody_the_keys(served: Served, root: Path) -> None:
    await create(served)
    parts = served.parts
    async with parts.db.begin() as conn:
        flow = await flows.create(conn, "keep")
        await flows.add_version(conn, flow.id, FLOW)
        epoch = await flows.next_epoch(conn, flow.id)
        resolved = {name: {"component": "vault", "revision": 1, "commit": "a" * 40} for name in ("hook", "store")}
        await deployments.create(conn, flow.id, epoch, 1, resolved)
    elsewhere = parts.settings.model_copy(update={"key_file": Path("/etc/headrace.keys")})
    async with parts.db.read() as conn:
        spec = await compile_row(conn, elsewhere, flow.id, epoch)
    credential = await parts.credentials.get("prod")
    assert [each.credential for each in spec.steps] == [credential.id] * 2
    assert "/etc/headrace.keys" in spec.private
    assert PASSWORD.encode() not in msgspec.json.encode(spec)
    async with parts.db.begin() as conn:
        await store.remove(conn, credential.id)  # behind everybody's back
    with pytest.raises(Refused) as caught:
        async with parts.db.read() as conn:
            await compile_row(conn, elsewhere, flow.id, epoch)
    assert caught.value.reason == "credential-not-found"


async def test_a_new_key_reads_everything_and_the_old_one_nothing(served: Served, root: Path) -> None:
    await create(served)
    file = served.parts.settings.credential_keys
    old = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    done = await served.post("/credentials/rotate-key")
    assert done["credentials"] >= 1
    new = file.read_text()
    assert (old in new, new.count("\n"), file.stat().st_mode & 0o777) == (False, 1, 0o600)
    assert (await values(served))["password"] == PASSWORD


async def test_a_lost_key_is_told_and_ruins_nothing(served: Served, root: Path) -> None:
    await create(served)
    file = served.parts.settings.credential_keys
    kept = file.read_text()
    await served.post("/credentials/rotate-key")
    file.write_text(kept)  # an older backup of the file
    other = await fresh(served)
    shown = await other.shown(await other.get("prod"))
    assert "no key" in shown.trouble


async def fresh(served: Served) -> Any:
    """The credentials as a server sees them that has just started."""
    from headrace.bus.secrets import Secrets
    from headrace.control.credentials import Credentials
    from headrace.control.tokens import Tokens
    from headrace.keyring import Keyring

    parts = served.parts
    secrets = Secrets(parts.bus, Keyring(parts.settings.credential_keys))
    return Credentials(parts.db, secrets, parts.design, Tokens(parts.db, secrets, "http://localhost/"))


# What components say while a flow is designed.


def step(colour: str = "red", **more: Any) -> dict[str, Any]:
    fields = {"shelf": "a", "colour": colour}
    return {"kind": "action", "function": "store", "fields": fields, "credential": "prod", **more}


async def test_a_component_works_out_what_a_step_takes(served: Served, root: Path) -> None:
    await create(served)
    found = await served.post("/components/vault/meta-model", step())
    assert found == {"takes": {"type": "object", "properties": {"a": {}}}, "gives": None, "dynamic": True}


async def test_what_it_writes_back_meanwhile_is_kept(served: Served, root: Path) -> None:
    await create(served)
    await served.post("/components/vault/meta-model", step("write"))
    assert (await values(served))["password"] == "written-back"


async def test_it_cannot_emit_and_has_to_answer_what_was_asked(served: Served, root: Path) -> None:
    await create(served)
    for colour in ("emit", "odd"):
        refused = await served.refused("POST", "/components/vault/meta-model", step(colour))
        assert refused == (409, "component-failed")


async def test_static_metadata_is_read_from_the_component_s_files(served: Served, root: Path) -> None:
    found = await served.post("/components/vault/meta-model", {"kind": "action", "function": "fixed"})
    assert found == {"takes": {"type": "object", "title": "In"}, "gives": {"type": "object"}, "dynamic": False}
    (root / "schemas" / "in.json").write_text("{")
    asked = {"kind": "action", "function": "fixed"}
    assert await served.refused("POST", "/components/vault/meta-model", asked) == (409, "bad-schema")


async def test_choices_come_from_the_code_or_the_descriptor(served: Served, root: Path) -> None:
    await create(served)
    found = await served.post("/components/vault/choices", step(field="shelf"))
    assert found == {"choices": {"top": "Top of yes"}}
    assert await served.post("/components/vault/choices", step("flood", field="shelf")) == found
    assert (await served.post("/components/vault/choices", step(field="colour")))["choices"] == {"red": "Red"}
    assert await served.refused("POST", "/components/vault/choices", step(field="x")) == (404, "no-choices")
    other = step(field="shelf", function="gone")
    assert await served.refused("POST", "/components/vault/choices", other) == (404, "no-such-offer")


async def test_code_that_fails_for_want_of_a_credential_gets_advice(served: Served, root: Path) -> None:
    asked = {**step(field="shelf"), "credential": None}
    answer = await served.client.post("/api/v1/components/vault/choices", json=asked)
    assert "KeyError" in answer.json()["detail"]
    assert answer.json()["next_step"] == "name the step's credential: --credential NAME"


@pytest.mark.parametrize(
    ("colour", "reason", "says"),
    [
        ("fail", "component-failed", "LookupError: no shelf for [password]"),
        ("huge", "too-large", "bytes"),
        ("die", "component-failed", "exit status 3"),
    ],
)
async def test_code_that_misbehaves_is_told_in_words(
    served: Served, root: Path, colour: str, reason: str, says: str
) -> None:
    await create(served)
    answer = await served.client.post("/api/v1/components/vault/choices", json=step(colour, field="shelf"))
    assert (answer.is_success, answer.json()["reason"]) == (False, reason)
    assert says in answer.json()["detail"]
    assert PASSWORD not in answer.text


def hosts(root: Path) -> list[psutil.Process]:
    return [each for each in psutil.process_iter() if _in(each, root)]


def _in(process: psutil.Process, root: Path) -> bool:
    try:
        return str(root) in " ".join(process.cmdline()) or process.cwd() == str(root)
    except psutil.Error:
        return False


async def test_a_component_that_does_not_answer_is_ended(
    served: Served, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(served)
    impatient = served.parts.settings.model_copy(update={"design_within": 1.0})
    monkeypatch.setattr(served.parts.design, "_settings", impatient)
    refused = await served.refused("POST", "/components/vault/choices", step("hang", field="shelf"))
    assert refused == (503, "component-slow")
    await until(lambda: not hosts(root), what="the host is gone")
    made = await create(served, "hang", "slow")
    assert (made["state"], made["reason"]) == ("failed", "the component gave no answer within 1 s")


async def test_the_host_ends_when_nobody_waits_any_more(served: Served, root: Path) -> None:
    await create(served)
    async with serving(served.app) as url, httpx.AsyncClient(headers=served.client.headers) as client:
        asked = step("hang", field="shelf")
        asking = asyncio.create_task(client.post(f"{url}/api/v1/components/vault/choices", json=asked, timeout=60))
        await until(lambda: hosts(root), what="the host runs")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await until(lambda: not hosts(root), what="the host is gone")


async def test_a_credential_goes_to_hosts_of_its_own_component_only(served: Served, root: Path) -> None:
    await create(served)
    with vault.folder() as other:
        await vault.built(served.parts.db, other, "rival")
        refused = await served.refused("POST", "/components/rival/meta-model", step())
    assert refused == (409, "credential-of-another")


# The same of components in JavaScript.


@pytest.fixture
async def node(served: Served) -> AsyncIterator[Path]:
    with vault.folder() as made:
        await vault.built(served.parts.db, made, descriptor=vault.node_descriptor(), files=vault.NODE_FILES)
        yield made


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("user", "state", "reason"),
    [
        ("yes", "verified", ""),
        ("promise", "verified", ""),
        ("no", "failed", ""),
        ("error", "failed", "wrong password"),
        ("refuse", "failed", "rejected"),
        ("throw", "failed", "[password] is not it"),
        ("nothing", "failed", "verifyCredentials did not answer"),
        ("truthy", "failed", ""),
    ],
)
async def test_only_an_explicit_yes_verifies_in_javascript(
    served: Served, node: Path, user: str, state: str, reason: str
) -> None:
    made = await create(served, user)
    assert (made["state"], reason in made["reason"]) == (state, True), made["reason"]


@pytest.mark.needs("node")
async def test_a_verifier_in_javascript_that_does_not_load_is_an_error(served: Served, node: Path) -> None:
    (node / "verifyCredentials.js").write_text("require('nowhere-to-be-found');\n")
    made = await create(served)
    assert made["state"] == "failed" and "nowhere-to-be-found" in made["reason"]


@pytest.mark.needs("node")
async def test_components_in_javascript_are_asked_as_well(served: Served, node: Path) -> None:
    await create(served)
    found = await served.post("/components/vault/meta-model", step("write"))
    assert found["takes"] == {"type": "object", "properties": {"a": {}}}
    assert (await values(served))["password"] == "written-back"
    assert (await served.post("/components/vault/choices", step(field="shelf")))["choices"] == {"top": "Top of yes"}


@pytest.mark.needs("node")
async def test_what_is_asked_finds_in_its_environment_who_it_is_and_where_the_server_is(
    served: Served, node: Path
) -> None:
    shelves = "exports.process = () => {};\nexports.shelves = function (cfg) { return { ...this.getConfig() }; };\n"
    (node / "store.js").write_text(shelves)
    verify = "module.exports = async () => process.env.ELASTICIO_COMP_ID === 'vault';\n"
    (node / "verifyCredentials.js").write_text(verify)
    assert (await create(served))["state"] == "verified"
    found = (await served.post("/components/vault/choices", step(field="shelf")))["choices"]
    url = served.parts.settings.url
    key = found.pop("API_KEY")
    assert found.pop("OBJECT_STORAGE_TOKEN") == key
    assert found == {
        "COMP_ID": "vault",
        "COMP_NAME": "vault",
        "FUNCTION": "store",
        "WORKSPACE_ID": "default",
        "USER_ID": "default",
        "API_URI": url,
        "API_USERNAME": "design",
        "OBJECT_STORAGE_URI": f"{url}/storage",
    }
    bearer = {"Authorization": f"Bearer {key}"}
    for method, path in (("GET", "/storage/objects"), ("POST", "/storage/objects"), ("GET", "/api/v1/flows")):
        answer = await served.client.request(method, path, headers=bearer)
        assert (answer.status_code, answer.json()["reason"]) == (401, "no-flow" if "storage" in path else "bad-token")


async def test_code_in_python_finds_the_same(served: Served, root: Path) -> None:
    source = "import os\ndef process(msg): ...\ndef shelves(ctx, cfg):\n    return dict(os.environ)\n"
    (root / "store.py").write_text(source)
    await create(served)
    found = (await served.post("/components/vault/choices", step(field="shelf")))["choices"]
    assert (found["HEADRACE_COMPONENT"], found["HEADRACE_REVISION"]) == ("vault", "1")
    assert found["HEADRACE_STORAGE_URL"] == f"{served.parts.settings.url}/storage"
    assert "HEADRACE_FLOW" not in found
