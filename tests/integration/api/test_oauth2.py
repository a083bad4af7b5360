"""Tokens of credentials, got from a strict provider and renewed ahead of their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.api import vault
from tests.integration.api.conftest import URL, Served, serving
from tests.integration.api.provider import CLIENT_ID, CLIENT_SECRET, Provider

from headrace.store import credentials as store
from headrace.testing.plane import until

VERIFY = "def verify_credentials(cfg):\n    return cfg['oauth']['access_token'].startswith('access-')\n"
APP = {"MY_ID": CLIENT_ID, "MY_SECRET": CLIENT_SECRET}


@pytest.fixture
async def provider() -> Provider:
    return Provider(redirect_uri=f"{URL}/oauth2/callback")


@pytest.fixture
async def address(provider: Provider) -> AsyncIterator[str]:
    async with serving(provider.app) as url:
        yield url


@asynccontextmanager
async def component(served: Served, address: str, **changes: Any) -> AsyncIterator[None]:
    """The component `vault`, which connects by OAuth2; ``{{server}}`` is a field of its credential."""
    block = {
        "client_id": "{{MY_ID}}",
        "client_secret": "{{MY_SECRET}}",
        "auth_uri": "{{server}}/authorize",
        "token_uri": "{{server}}/token",
        "scopes": ["read", "write"],
        "access_type": "offline",
    } | changes
    fields = {
        "server": {"label": "Server", "viewClass": "TextFieldView", "required": True},
        "oauth": {"label": "Connection", "viewClass": "OAuthFieldView", "required": True},
    }
    block = {key: value for key, value in block.items() if value is not None}
    descriptor = vault.DESCRIPTOR | {"credentials": {"fields": fields, "oauth2": block}}
    with vault.folder() as root:
        await vault.built(
            served.parts.db, Path(root), descriptor=descriptor, files=vault.FILES | {"verify_credentials.py": VERIFY}
        )
        yield


async def create(served: Served, address: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = await served.post(
        "/credentials", {"name": "prod", "component": "vault", "values": {"server": address, **APP}, **more}
    )
    return made


async def held(served: Served) -> dict[str, Any]:
    _, values = await served.parts.credentials.values_for("prod", "vault")
    return dict(values.get("oauth") or {})


async def agree(served: Served) -> httpx.Response:
    """As a person does in a browser, which comes back without a token."""
    url = (await served.post("/credentials/prod/connect"))["url"]
    async with httpx.AsyncClient() as browser:
        sent = await browser.get(url)
    assert sent.status_code == 302, sent.text
    transport = httpx.ASGITransport(served.app)
    async with httpx.AsyncClient(transport=transport, base_url=URL) as browser:
        return await browser.get(sent.headers["location"])


async def test_a_person_agrees_and_the_credential_is_connected(
    served: Served, provider: Provider, address: str
) -> None:
    async with component(served, address):
        made = await create(served, address)
        assert (made["state"], made["reason"]) == ("unverified", "it is not connected yet")
        assert (made["connects"], made["connected"]) == (True, False)
        assert made["others"] == ["MY_ID", "MY_SECRET"]
        page = await agree(served)
        assert page.status_code == 200 and "is connected" in page.text
        shown = await served.get("/credentials/prod")
    assert (shown["state"], shown["connected"]) == ("verified", True)
    assert shown["token_due_at"] < shown["token_until"]
    token = await held(served)
    assert (token["access_token"], token["refresh_token"]) == ("access-2", "refresh-2")
    for secret in ("access-2", "refresh-2", CLIENT_SECRET):
        assert secret not in json.dumps(shown) + page.text
    assert provider.refused == []


async def test_clients_may_have_to_say_who_they_are_in_a_header(
    served: Served, provider: Provider, address: str
) -> None:
    provider.basic = True
    async with component(served, address, client_auth="basic"):
        await create(served, address)
        assert "is connected" in (await agree(served)).text
    assert provider.refused == []


async def test_a_state_counts_once_and_only_when_it_was_given_out(served: Served, address: str) -> None:
    async with component(served, address):
        await create(served, address)
        await agree(served)
        for query in ({}, {"state": "x" * 43, "code": "code-1"}):
            page = await served.client.get("/oauth2/callback", params=query)
            assert page.status_code == 409 and "not begun here" in page.text
        url = (await served.post("/credentials/prod/connect"))["url"]
        state = dict(httpx.URL(url).params)["state"]
        first = await served.client.get("/oauth2/callback", params={"state": state, "code": "invented"})
        assert "invalid_grant" in first.text
        again = await served.client.get("/oauth2/callback", params={"state": state, "code": "invented"})
        assert "not begun here" in again.text
        assert (await held(served))["access_token"] == "access-2"


async def test_what_a_provider_says_is_shown_as_text(served: Served, provider: Provider, address: str) -> None:
    async with component(served, address):
        await create(served, address)
        provider.mode = "deny"
        page = await agree(served)
        assert page.status_code == 409 and "the person said no" in page.text
        url = (await served.post("/credentials/prod/connect"))["url"]
        query = {"state": dict(httpx.URL(url).params)["state"], "error": "<script>alert(1)</script>"}
        assert "<script>" not in (await served.client.get("/oauth2/callback", params=query)).text


async def test_a_token_is_renewed_ahead_of_its_end_over_and_over(
    served: Served, provider: Provider, address: str
) -> None:
    provider.expires_in = "1"
    async with component(served, address):
        await create(served, address)
        await agree(served)
        await until(lambda: provider.grants.count("refresh_token") >= 3, what="three renewals")
        provider.expires_in = 3600
        await until(lambda: _long(served), what="a token for an hour")
        assert provider.refused == [] and provider.busiest == 1
        assert (await held(served))["refresh_token"] in provider.refresh_tokens


async def _long(served: Served) -> bool:
    shown = await served.get("/credentials/prod")
    return bool(shown["token_until"] - shown["changed_at"] > 3_000_000 and shown["state"] == "verified")


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("html", "status 503"),
        ("redirect", "status 307"),
        ("huge", "far too long"),
        ("empty", "no access_token"),
        ("list", "no access_token"),
    ],
)
async def test_a_renewal_that_fails_is_shown_and_tried_again(
    served: Served, provider: Provider, address: str, mode: str, says: str
) -> None:
    async with component(served, address):
        await create(served, address)
        await agree(served)
        provider.mode = mode
        credential = await served.parts.credentials.get("prod")
        await served.parts.credentials._tokens.soon(credential)
        await until(lambda: _failed(served, says), what="the failure is shown")
        assert provider.refused == []
        failed = await served.parts.credentials.get("prod")
        assert failed.token_failures == 1 and failed.token_due_at is not None
        assert 0 < failed.token_due_at - failed.changed_at < 60_000
        assert (await held(served))["access_token"] == "access-2"  # what it had still serves
        provider.mode = ""
        await served.parts.credentials._tokens.soon(failed)
        await until(lambda: _verified(served), what="it works again")


async def _failed(served: Served, says: str) -> bool:
    shown = await served.get("/credentials/prod")
    return shown["state"] == "failed" and says in shown["reason"]


async def _verified(served: Served) -> bool:
    return bool((await served.get("/credentials/prod"))["state"] == "verified")


async def test_a_provider_that_is_not_there_is_told(served: Served, address: str) -> None:
    async with component(served, address):
        await create(served, address)
        url = (await served.post("/credentials/prod/connect"))["url"]
        change = {"values": {"server": "http://127.0.0.1:9"}, "verify": False}
        assert (await served.client.patch("/api/v1/credentials/prod", json=change)).is_success
        query = {"state": dict(httpx.URL(url).params)["state"], "code": "code-1"}
        page = await served.client.get("/oauth2/callback", params=query)
        assert page.status_code == 503 and "does not answer" in page.text


async def test_one_renewal_at_a_time_serves_all_who_ask(served: Served, provider: Provider, address: str) -> None:
    async with component(served, address):
        await create(served, address)
        await agree(served)
        provider.pause = 0.2
        credential = await served.parts.credentials.get("prod")
        tokens = served.parts.credentials._tokens
        await asyncio.gather(*(tokens.renew(credential) for _ in range(8)), tokens.soon(credential))
        assert provider.busiest == 1 and provider.refused == []


async def test_a_machine_s_token_needs_nobody(served: Served, provider: Provider, address: str) -> None:
    async with component(served, address, auth_uri=None):
        made = await create(served, address)
        assert (made["state"], made["connects"], made["connected"]) == ("verified", False, True)
        assert provider.grants == ["client_credentials"]
        assert await served.refused("POST", "/credentials/prod/connect") == (409, "no-oauth2")
        wrong = {"values": {"MY_SECRET": "wrong"}}
        assert await served.refused("PATCH", "/credentials/prod", wrong) == (409, "not-verified")
        assert (await held(served))["access_token"] == "access-1"


async def test_a_machine_s_token_that_is_not_given_is_shown_and_tried_again(
    served: Served, provider: Provider, address: str
) -> None:
    provider.mode = "html"
    async with component(served, address, auth_uri=None, grant_type="client_credentials"):
        made = await create(served, address)
        assert made["state"] == "failed" and "status 503" in made["reason"]
        provider.mode = "form"
        await served.parts.credentials._tokens.soon(await served.parts.credentials.get("prod"))
        await until(lambda: held(served), what="a token")
        assert (await served.post("/credentials/prod/verify"))["state"] == "verified"


async def test_without_verification_the_loop_gets_the_token(served: Served, provider: Provider, address: str) -> None:
    async with component(served, address, auth_uri=None):
        await create(served, address, verify=False)
        await until(lambda: held(served), what="a token")


async def test_what_the_block_needs_and_is_not_there_is_told(served: Served, address: str) -> None:
    async with component(served, address):
        body = {"name": "prod", "component": "vault", "values": {"server": address, "MY_ID": "x"}}
        answer = await served.client.post("/api/v1/credentials", json=body)
        assert (answer.status_code, answer.json()["reason"]) == (422, "bad-oauth2")
        assert [each["path"] for each in answer.json()["problems"]] == ["values.MY_SECRET"]
        body["values"] = {"server": address, "MY_SECRET": "x"}
        answer = await served.client.post("/api/v1/credentials", json=body)
        assert [each["path"] for each in answer.json()["problems"]] == ["values.MY_ID"]


async def test_a_draft_is_linted_with_what_is_not_connected(served: Served, address: str) -> None:
    step = {"id": "hook", "trigger": "vault/receive", "credential": "prod"}
    document = {"document": json.dumps({"flow": "keep", "steps": [step]})}
    async with component(served, address):
        await create(served, address)
        [problem] = (await served.post("/flows/lint", document))["problems"]
        assert problem["message"] == "Credential `prod` is not good: it is not connected yet"
        await agree(served)
        assert (await served.post("/flows/lint", document))["problems"] == []


async def test_code_that_fails_for_want_of_a_token_gets_advice(served: Served, address: str) -> None:
    async with component(served, address):
        await create(served, address)
        asked = {"kind": "action", "function": "store", "fields": {}, "field": "shelf", "credential": "prod"}
        answer = await served.client.post("/api/v1/components/vault/choices", json=asked)
        assert answer.json()["reason"] == "component-failed"
        assert answer.json()["next_step"] == "it is not connected yet: headrace credential connect prod"
        await agree(served)
        answer = await served.client.post("/api/v1/components/vault/choices", json=asked)
        assert "connect" not in answer.json()["next_step"]


async def test_one_without_oauth2_has_nothing_to_connect(served: Served) -> None:
    with vault.folder() as root:
        await vault.built(served.parts.db, root)
        values = {"user": "yes", "password": "x"}
        await served.post("/credentials", {"name": "prod", "component": "vault", "values": values})
        assert await served.refused("POST", "/credentials/prod/connect") == (409, "no-oauth2")
        async with served.parts.db.read() as conn:
            assert await store.with_tokens(conn) == []
