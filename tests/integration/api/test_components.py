"""Components by way of the API."""

from __future__ import annotations

import asyncio

import pytest
from tests.deployed import component, deploy
from tests.integration.api.conftest import Served

from headrace.components.build_log import BuildLog
from headrace.store import components, deployments, flows


async def test_a_component_is_made_with_its_repository_and_removed_with_it(served: Served) -> None:
    made = await served.post("/components", {"name": "shop"})
    assert (made["name"], made["latest"], made["git_path"], made["newest"]) == ("shop", None, "/git/shop.git", None)
    assert served.parts.repositories.exists("shop")
    assert await served.refused("POST", "/components", {"name": "shop"}) == (409, "component-exists")
    await served.delete("/components/shop")
    assert not served.parts.repositories.exists("shop")
    assert await served.refused("GET", "/components/shop") == (404, "component-not-found")


@pytest.mark.parametrize("name", ["Shop", "../shop", "", "-a", "a" * 80])
async def test_a_bad_name_is_refused(served: Served, name: str) -> None:
    assert await served.refused("POST", "/components", {"name": name}) == (422, "invalid-request")


async def test_a_component_shows_what_its_latest_version_offers(served: Served) -> None:
    await component(served.parts.db)
    found = await served.get("/components/hook")
    assert (found["latest"], found["title"]) == (1, "Hook")
    assert [(each["name"], each["type"]) for each in found["triggers"]] == [("receive", "webhook"), ("look", "polling")]
    assert [(each["name"], each["type"]) for each in found["actions"]] == [("work", None)]
    assert (await served.get("/components"))["items"] == [found]


async def test_versions_tell_who_runs_them(served: Served) -> None:
    await component(served.parts.db)
    await deploy(served.parts.db, served.parts.bus, "orders")
    await component(served.parts.db, commit="d" * 40)
    found = (await served.get("/components/hook/versions"))["items"]
    assert [(each["revision"], each["is_latest"], each["flows"]) for each in found] == [
        (2, True, []),
        (1, False, ["orders"]),
    ]
    assert (found[0]["semver"], found[0]["log"]) == ("1.0.0", "/api/v1/components/hook/versions/2/log")
    detail = await served.get("/components/hook/versions/2")
    assert detail["descriptor"]["title"] == "Hook"
    assert await served.refused("GET", "/components/hook/versions/9") == (404, "version-not-found")


async def test_what_a_flow_uses_is_not_removed(served: Served) -> None:
    await component(served.parts.db)
    await component(served.parts.db, commit="d" * 40)
    spec = await deploy(served.parts.db, served.parts.bus, "orders")
    assert await served.refused("DELETE", "/components/hook") == (409, "in-use")
    assert await served.refused("DELETE", "/components/hook/versions/1") == (409, "in-use")
    async with served.parts.db.begin() as conn:
        await deployments.update(conn, spec.flow_id, spec.epoch, state="stopped")
    await served.delete("/components/hook/versions/1")
    assert await served.refused("DELETE", "/components/hook") == (409, "in-use")
    async with served.parts.db.begin() as conn:
        await flows.remove(conn, spec.flow_id)
    await served.delete("/components/hook")
    assert (await served.get("/components"))["items"] == []


async def test_a_push_of_nothing_we_have_is_refused(served: Served) -> None:
    await served.post("/components", {"name": "shop"})
    body = {"commit": "a" * 40, "ref": "refs/heads/main"}
    assert await served.refused("POST", "/components/shop/received", body) == (404, "commit-not-found")
    body["commit"] = "--upload-pack=x"
    assert await served.refused("POST", "/components/shop/received", body) == (422, "invalid-request")


async def test_a_build_is_followed_to_its_end(served: Served) -> None:
    db = served.parts.db
    async with db.begin() as conn:
        await components.create(conn, "shop")
        await components.add_version(conn, "shop", "a" * 40, descriptor={})
    with BuildLog(served.parts.settings.build_log("shop", 1)) as log:
        log.stage("building")
        path = "/api/v1/components/shop/versions/1/log"
        assert (await served.client.get(path)).text == "==> building\n"
        following = asyncio.create_task(served.client.get(path, params={"follow": True}))
        log.output("Collecting stones")
        log.finish("no-stones: there are none")
    async with asyncio.timeout(10):
        assert (await following).text == "==> building\n    Collecting stones\nfailed: no-stones: there are none\n"


async def test_a_log_that_broke_off_ends_with_how_the_build_went(served: Served) -> None:
    await component(served.parts.db, "shop")
    with BuildLog(served.parts.settings.build_log("shop", 1)) as log:
        log.stage("building")
    response = await served.client.get("/api/v1/components/shop/versions/1/log", params={"follow": True})
    assert response.text == "==> building\nready\n"
    served.parts.settings.build_log("shop", 1).unlink()
    assert (await served.client.get("/api/v1/components/shop/versions/1/log")).text == "ready\n"
