"""Who may ask."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from headrace.api.auth import REMEMBER, Guard, Identities, local_names, session_cookie

TOKEN = "hr_good"
COOKIE = session_cookie(7475)


class Store:
    """Tokens, and how often they were looked up."""

    def __init__(self) -> None:
        self.good = {TOKEN: "ada"}
        self.asked = 0

    async def check(self, plaintext: str) -> str | None:
        self.asked += 1
        return self.good.get(plaintext)


async def tell_caller(scope: Scope, receive: Receive, send: Send) -> None:
    caller = getattr(Request(scope).state, "caller", "nobody")
    await PlainTextResponse(caller)(scope, receive, send)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def client(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    guard = Guard(tell_caller, Identities(store.check), cookie=COOKIE, names=local_names("127.0.0.1", ["hook.example"]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://127.0.0.1:7475") as made:
        yield made


def basic(token: str) -> str:
    return "Basic " + base64.b64encode(f"git:{token}".encode()).decode()


async def test_a_bearer_token_lets_in_and_names_the_caller(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/flows", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (response.status_code, response.text) == (200, "ada")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/signin"])
async def test_open_paths_need_no_token(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).text == "nobody"


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, "no-token"),
        ("Bearer hr_bad", "bad-token"),
        ("Bearer", "bad-token"),
        ("Digest x", "bad-token"),
        (basic(TOKEN), "bad-token"),
    ],
)
async def test_anything_else_is_refused(client: httpx.AsyncClient, authorization: str | None, reason: str) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = await client.get("/api/v1/flows", headers=headers)
    assert (response.status_code, response.json()["reason"]) == (401, reason)
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.json()["next_step"]


async def test_a_token_in_the_query_lets_nobody_in(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/api/v1/flows?token={TOKEN}")).status_code == 401


async def test_git_may_use_basic_and_is_asked_for_it(client: httpx.AsyncClient) -> None:
    path = "/git/shop.git/info/refs"
    assert (await client.get(path, headers={"Authorization": basic(TOKEN)})).text == "ada"
    for headers in ({}, {"Authorization": "Basic !"}, {"Authorization": basic("hr_bad")}):
        response = await client.get(path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Basic")


async def test_a_session_lets_in(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/flows", headers={"Cookie": f"{COOKIE}={TOKEN}"})).text == "ada"
    assert (await client.get("/api/v1/flows", headers={"Cookie": f"headrace_session_1={TOKEN}"})).status_code == 401


@pytest.mark.parametrize("path", ["/", "/flows", "/flows/orders/draft", "/settings", "/assets/index.js"])
async def test_pages_need_no_session(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).text == "nobody"


@pytest.mark.parametrize("path", ["/flowsy", "/api/v1/flows", "/assets", "/metrics", "/git/assets/"])
async def test_what_only_looks_like_a_page_needs_one(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://127.0.0.1:7475"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:3000"}, 403),
        ({"Origin": "http://127.0.0.1:3000"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
async def test_a_session_changes_things_only_from_our_own_pages(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    response = await client.post("/api/v1/flows", headers={"Cookie": f"{COOKIE}={TOKEN}", **headers})
    assert response.status_code == status
    if status == 403:
        told = response.json()
        assert (told["reason"], told["status"], told["title"]) == ("cross-site", 403, "Forbidden")


async def test_a_bearer_token_is_not_bound_to_our_pages(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Sec-Fetch-Site": "cross-site"}
    assert (await client.post("/api/v1/flows", headers=headers)).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:7475", "LOCALHOST", "[::1]:7475", "hook.example"])
async def test_local_and_configured_names_are_answered(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7475", "127.0.0.1.evil.example", ""])
async def test_a_rebound_name_gets_nothing(client: httpx.AsyncClient, host: str) -> None:
    response = await client.get("/healthz", headers={"Host": host})
    assert (response.status_code, response.json()["reason"]) == (421, "wrong-host")


def test_an_open_address_answers_to_any_name() -> None:
    assert local_names("0.0.0.0") is None
    assert "127.0.0.5" in (local_names("127.0.0.5") or ())
    assert "[::1]" in (local_names("::1") or ())


async def test_a_good_token_is_remembered_for_a_moment_and_forgotten_when_told(store: Store) -> None:
    now = 0.0
    identities = Identities(store.check, lambda: now)
    assert [await identities.of(TOKEN) for _ in range(3)] == ["ada"] * 3
    assert store.asked == 1
    store.good.clear()
    assert await identities.of(TOKEN) == "ada"
    identities.forget()
    assert await identities.of(TOKEN) is None
    store.good[TOKEN] = "ada"
    assert await identities.of(TOKEN) == "ada"
    store.good.clear()
    now = REMEMBER
    assert await identities.of(TOKEN) is None
