"""The server as a whole: health, numbers, status, doctor, tokens, signing in, stopping, events."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.deployed import deploy
from tests.integration.api.conftest import URL, Served
from tests.integration.api.test_history import event

from headrace.api import designer, openapi
from headrace.api.application import routes
from headrace.api.auth import session_cookie

ROOT = Path(__file__).parents[3]


async def test_health_and_readiness_need_no_token(served: Served) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(served.app), base_url=URL)
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"ready": True, "waiting": []}
    served.parts.stopping.set()
    response = await client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"ready": False, "waiting": ["stopping"]})


async def test_every_other_route_refuses_who_has_no_token(served: Served) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(served.app), base_url=URL)
    paths = {path: item for path, item in openapi.schema(routes())["paths"].items() if not path.startswith("/hooks")}
    assert len(paths) > 25
    for path, item in paths.items():
        for verb in item:
            response = await client.request(verb, path.replace("{", "").replace("}", ""))
            assert (response.status_code == 401) == (path not in openapi.OPEN), (verb, path)
    for path in ("/docs", "/openapi.json", "/nowhere", "/git/shop.git/info/refs"):
        assert (await client.get(path)).status_code == 401


def test_the_openapi_file_is_fresh() -> None:
    written = (ROOT / openapi.FILE).read_text(encoding="utf-8")
    assert written == openapi.text(), "run python -m headrace.api.openapi"


def test_every_operation_is_named_tagged_and_told_how_it_is_refused() -> None:
    made = openapi.schema(routes())
    operations = [operation for item in made["paths"].values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in made["tags"]}
    for operation in operations:
        assert set(operation["tags"]) <= tags
        assert operation["description"]
        assert "default" in operation["responses"]


async def test_status_tells_of_every_part(served: Served) -> None:
    await deploy(served.parts.db, served.parts.bus, "orders")
    await deploy(served.parts.db, served.parts.bus, "broken", state="failed")
    found = await served.get("/status")
    assert found["broker"]["state"] == "connected"
    assert found["flows"] == {"total": 2, "wished": 2, "live": 1, "warming": 0, "failed": 1}
    assert (found["url"], found["database"], found["troubles"]) == (URL, "sqlite", [])


async def test_the_doctor_looks_at_everything(served: Served) -> None:
    found = await served.get("/doctor")
    checks = {check["name"]: check for check in found["checks"]}
    assert {"python", "git", "uv", "node", "nats-server", "sandbox", "user", "data folder", "disk"} <= set(checks)
    assert "database" in checks
    assert checks["nats-server"]["state"] == "ok"
    assert all(check["next_step"] for check in checks.values() if check["state"] != "ok")


async def test_the_doctor_sees_keys_that_others_can_read(served: Served) -> None:
    served.parts.settings.keys_dir.chmod(0o755)
    found = await served.get("/doctor")
    [check] = [check for check in found["checks"] if check["name"] == "data folder"]
    assert (check["state"], found["ok"]) == ("fail", False)
    assert check["next_step"].startswith("chmod 700")


async def test_the_doctor_sees_a_python_that_component_users_cannot_get_to(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("headrace.sandbox.used", lambda mode: False)
    monkeypatch.setattr("headrace.sandbox.barrier", lambda path, uid: "/root")
    found = await served.get("/doctor")
    [check] = [check for check in found["checks"] if check["name"] == "user"]
    assert (check["state"], "/root is closed to them" in check["detail"]) == ("fail", True)


async def test_the_doctor_sees_a_misspelt_setting(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_QUUE_LIMIT", "5")
    found = await served.get("/doctor")
    [check] = [check for check in found["checks"] if check["name"] == "settings"]
    told = "HEADRACE_QUUE_LIMIT: no option has this name (did you mean HEADRACE_QUEUE_LIMIT?)"
    assert (check["state"], check["detail"]) == ("warn", told)


@pytest.mark.parametrize(("free", "state"), [(0.1, "fail"), (0.9, "warn"), (1.1, "ok")])
async def test_the_doctor_sees_the_disk_fill(
    served: Served, monkeypatch: pytest.MonkeyPatch, free: float, state: str
) -> None:
    left = SimpleNamespace(free=int(free * 1024**3))
    monkeypatch.setattr("shutil.disk_usage", lambda _: left)
    found = await served.get("/doctor")
    assert [check["state"] for check in found["checks"] if check["name"] == "disk"] == [state]


async def test_the_doctor_sees_that_the_broker_met_a_full_disk_until_it_is_started_again(served: Served) -> None:
    async def state() -> str:
        found = await served.get("/doctor")
        return next(str(check["state"]) for check in found["checks"] if check["name"] == "journal")

    log = served.parts.settings.broker_log
    log.parent.mkdir(parents=True, exist_ok=True)
    started, full = "[1] [INF] Starting nats-server\n", "[1] [ERR] failed to store a msg: no space left on device\n"
    assert await state() == "ok"
    log.write_text(full + started)
    assert await state() == "ok"
    log.write_text(started + full)
    assert await state() == "fail"


async def test_metrics_count_events_and_tell_how_things_stand(served: Served) -> None:
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    assert (await served.client.post(f"/hooks/{spec.flow}", json={})).status_code == 202
    assert (await served.client.post("/hooks/none", json={})).status_code == 404
    await event(served, spec, failed=True)
    response = await served.client.get("/metrics")
    assert 'headrace_errors_open{flow="orders",reason="exception"} 1.0' in response.text.splitlines()
    lines = response.text.splitlines()
    assert 'headrace_webhook_events_total{flow="orders"} 1.0' in lines
    assert 'headrace_webhook_refused_total{reason="unknown-flow"} 1.0' in lines
    assert 'headrace_deployments{state="live"} 1.0' in lines
    assert "headrace_webhook_seconds_count 1.0" in lines


async def test_a_token_works_until_it_is_revoked(served: Served) -> None:
    made = await served.post("/tokens", {"name": "script"})
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert (await served.client.get("/api/v1/flows", headers=headers)).status_code == 200
    listed = (await served.get("/tokens"))["items"]
    assert [(each["name"], "token" in each) for each in listed] == [("ada", False), ("script", False)]
    assert listed[1]["last_used_at"]
    await served.delete(f"/tokens/{made['id']}")
    assert (await served.client.get("/api/v1/flows", headers=headers)).status_code == 401
    assert await served.refused("DELETE", "/tokens/999") == (404, "token-not-found")


async def test_signing_in_makes_a_session_and_leads_home(served: Served) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(served.app), base_url=URL)
    response = await client.get("/signin", params={"token": served.token})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"{session_cookie(7475)}=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert (await client.get("/api/v1/status")).status_code == 200
    assert (await client.post("/api/v1/tokens", json={"name": "x"})).status_code == 403


@pytest.mark.parametrize("token", ["", "hr_wrong"])
async def test_a_bad_sign_in_link_explains_itself(served: Served, token: str) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(served.app), base_url=URL)
    response = await client.get("/signin", params={"token": token})
    assert (response.status_code, "set-cookie" in response.headers) == (401, False)
    assert "headrace up" in response.text


async def test_a_token_signs_in_from_our_own_page_only(served: Served) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(served.app), base_url=URL)
    ours = {"Sec-Fetch-Site": "same-origin"}
    foreign = await client.post("/signin", json={"token": served.token}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (foreign.status_code, foreign.json()["reason"]) == (409, "cross-site")
    wrong = await client.post("/signin", json={"token": "hr_wrong"}, headers=ours)
    assert (wrong.status_code, wrong.json()["reason"]) == (401, "bad-token")
    assert not client.cookies
    assert (await client.post("/signin", json={"token": f" {served.token}\n"}, headers=ours)).status_code == 204
    assert (await client.get("/api/v1/status")).status_code == 200
    assert (await client.post("/signout", headers=ours)).status_code == 204
    assert (await client.get("/api/v1/status")).status_code == 401
    assert (await served.client.get("/api/v1/status")).status_code == 200


async def test_the_designers_pages_are_shown_to_anybody(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(served.app), base_url=URL)
    monkeypatch.setattr(designer, "BUILT", tmp_path)
    unbuilt = await client.get("/")
    assert (unbuilt.status_code, "make designer" in unbuilt.text) == (503, True)
    (tmp_path / "index.html").write_text("<p>the designer")
    for path in ("/", "/flows", "/flows/orders/draft"):
        page = await client.get(path)
        assert (page.status_code, page.text) == (200, "<p>the designer")
        assert "script-src" not in page.headers["content-security-policy"]
        assert "default-src 'self'" in page.headers["content-security-policy"]
    assert (await client.post("/flows")).status_code == 405


async def test_files_named_by_content_are_kept_by_browsers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(designer, "BUILT", tmp_path)
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "index-abc.js").write_text("x" * 10_000)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(designer.assets()), base_url=URL)
    script = await client.get("/index-abc.js")
    assert (script.status_code, "immutable" in script.headers["cache-control"]) == (200, True)
    assert script.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("everything", [False, True])
async def test_shutdown_asks_and_answers(served: Served, everything: bool) -> None:
    answer = await served.post("/shutdown", {"everything": everything})
    assert answer == {"stopping": True, "everything": everything}
    assert served.stopped == [everything]


async def test_events_come_as_they_happen_until_the_server_stops(served: Served) -> None:
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/events",
        "raw_path": b"/api/v1/events",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {served.token}".encode())],
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }
    hung_up = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await hung_up.wait()
        return {"type": "http.disconnect"}

    serving = asyncio.ensure_future(served.app(scope, receive, messages.put))  # type: ignore[arg-type]

    async def until(text: bytes) -> None:
        async with asyncio.timeout(10):
            while text not in (await messages.get()).get("body", b""):
                pass

    await until(b"event: hello")
    served.parts.announce("flow", {"flow": "orders"})
    await until(b'event: flow\r\ndata: {"flow":"orders"}')
    served.parts.stopping.set()
    async with asyncio.timeout(10):
        await serving


async def test_settings_tell_retention_and_limits_but_no_secret(served: Served) -> None:
    found = await served.get("/settings")
    options = {each["name"]: each for each in found["options"]}
    assert found["file"].endswith("headrace.toml")
    assert (options["journal_bytes"]["value"], options["journal_keep"]["default"]) == ("256MB", "24h")
    assert (options["object_bytes"]["value"], options["object_bytes"]["default"]) == ("64MB", "1GB")
    assert options["broker_password"]["value"] in ("", "set")
