"""What component code may do with objects, and what it may not."""

from __future__ import annotations

import base64
import os
from typing import Any

import httpx
import pytest
from tests.deployed import deploy
from tests.integration.api.conftest import URL, Served

from headrace.bus import subjects
from headrace.bus.objects import CHUNK, Objects
from headrace.control.object_token import ObjectTokens
from headrace.control.specs import Specs
from headrace.flows.deployment import DeploymentSpec


class Component:
    """Code of a deployment, with its token."""

    def __init__(self, served: Served, spec: DeploymentSpec) -> None:
        self.tokens = ObjectTokens.kept_in(served.parts.settings.object_key_file)
        self.token = self.tokens.issue(spec.flow_id, spec.epoch)
        self.spec = spec
        headers = {"Authorization": f"Bearer {self.token}"}
        transport = httpx.ASGITransport(served.app)
        self.client = httpx.AsyncClient(transport=transport, base_url=f"{URL}/storage", headers=headers)

    async def store(self, data: bytes = b"data", **headers: str) -> str:
        response = await self.client.post("/objects", content=data, headers=_dashed(headers))
        assert response.status_code == 201, response.text
        return str(response.json()["objectId"])

    async def refused(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        response = await self.client.request(method, path, **options)
        assert response.headers["content-type"] == "application/problem+json", response.text
        return response.status_code, response.json()["reason"]


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
async def component(served: Served) -> Component:
    return Component(served, await deploy(served.parts.db, served.parts.bus, "orders"))


async def test_the_token_opens_the_objects_of_its_flow_only(served: Served, component: Component) -> None:
    other = Component(served, await deploy(served.parts.db, served.parts.bus, "others"))
    mine = await component.store()
    assert await other.refused("GET", f"/objects/{mine}") == (404, "no-such-object")
    assert (await component.client.get(f"/objects/{mine}")).content == b"data"
    for token in (component.token[:-1], component.token.replace(".1.", ".2."), served.token, "", "hro_..", "hro_a.١.b"):
        bearer = {"Authorization": f"Bearer {token}".encode()}
        assert await component.refused("GET", f"/objects/{mine}", headers=bearer) == (401, "no-object-token")
    as_password = base64.b64encode(f"task:{component.token}".encode()).decode()
    basic = {"Authorization": f"Basic {as_password}"}
    assert (await component.client.get(f"/objects/{mine}", headers=basic)).status_code == 200


async def test_the_token_opens_nothing_else(served: Served, component: Component) -> None:
    response = await component.client.get(f"{URL}/api/v1/flows")
    assert (response.status_code, response.json()["reason"]) == (401, "bad-token")


async def test_the_token_ends_with_its_deployment(served: Served, component: Component) -> None:
    await Specs(served.parts.bus).delete(component.spec.flow_id, component.spec.epoch)
    assert await component.refused("POST", "/objects", content=b"x") == (401, "object-token-ended")


@pytest.mark.parametrize("size", [0, 1, 3 * CHUNK + 5])
async def test_the_file_of_a_form_is_the_object(component: Component, size: int) -> None:
    data = os.urandom(size)
    headers = {"x-meta-by": "a form"}
    stored = await component.client.post("/objects/", files={"file": ("a.gif", data, "image/gif")}, headers=headers)
    assert (stored.status_code, stored.json()["contentLength"]) == (201, size)
    path = f"/objects/{stored.json()['objectId']}"
    read = await component.client.get(path)
    assert (read.content, read.headers["content-type"], read.headers["x-meta-by"]) == (data, "image/gif", "a form")
    await component.client.put(path, files={"file": (None, b"new", "text/plain")})
    read = await component.client.get(path)
    assert (read.content, read.headers["content-type"]) == (b"new", "text/plain")


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"no form at all",
        b"--x--\r\n",
        b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nbreaks of',
        b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x\r\nb: c\r\n\r\n2\r\n--x--\r\n',
    ],
)
async def test_another_form_is_refused_and_leaves_nothing(component: Component, served: Served, form: bytes) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert await component.refused("POST", "/objects", content=form, headers=headers) == (422, "bad-form")
    headers = {"content-type": "multipart/form-data"}
    assert await component.refused("POST", "/objects", content=form, headers=headers) == (422, "bad-form")
    assert await Objects(served.parts.bus, component.spec.flow_id, 1024**3).all() == []


async def test_parts_of_an_object(component: Component) -> None:
    data = os.urandom(2 * CHUNK + 100)
    path = f"/objects/{await component.store(data)}"
    for asked, told in (
        ("bytes=0-9", data[:10]),
        ("bytes=-50", data[-50:]),
        (f"bytes={CHUNK - 1}-{CHUNK}", data[CHUNK - 1 : CHUNK + 1]),
        (f"bytes={2 * CHUNK}-", data[2 * CHUNK :]),
    ):
        part = await component.client.get(path, headers={"Range": asked})
        assert (part.status_code, part.content) == (206, told), asked
        assert part.headers["content-length"] == str(len(told))
    assert part.headers["content-range"] == f"bytes {2 * CHUNK}-{len(data) - 1}/{len(data)}"
    for ignored in ("bytes=9-1", "lines=1-2", "bytes=1-2,5-6", "bytes=-"):
        whole = await component.client.get(path, headers={"Range": ignored})
        assert (whole.status_code, whole.content) == (200, data), ignored
    beyond = await component.client.get(path, headers={"Range": f"bytes={len(data)}-"})
    assert (beyond.status_code, beyond.json()["reason"]) == (416, "range-unmet")
    assert beyond.headers["content-range"] == f"bytes */{len(data)}"


async def test_headers_tell_of_an_object_without_its_content(component: Component) -> None:
    name = await component.store(b"12345", x_meta_note="n", x_query_colour="red", content_type="text/x")
    head = await component.client.head(f"/objects/{name}")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")
    assert (head.headers["x-meta-note"], head.headers["x-query-colour"]) == ("n", "red")
    assert (head.headers["content-type"], head.headers["accept-ranges"]) == ("text/x", "bytes")


async def test_mistakes_are_told(component: Component) -> None:
    name = await component.store()
    six = {f"x-query-{number}": "1" for number in range(6)}
    for method, path, options, told in (
        ("POST", "/objects", {"content": b"", "headers": {"x-eio-ttl": "soon"}}, (422, "bad-ttl")),
        ("POST", "/objects", {"content": b"", "headers": {"x-eio-ttl": "0"}}, (422, "bad-ttl")),
        ("POST", "/objects", {"content": b"", "headers": six}, (422, "too-many-query-headers")),
        ("GET", "/objects", {}, (422, "bad-object-query")),
        ("DELETE", "/objects", {}, (422, "bad-object-query")),
        ("DELETE", "/objects?colour=red", {}, (422, "bad-object-query")),
        ("PUT", "/objects/obj~unknown", {"content": b""}, (404, "no-such-object")),
        ("DELETE", "/objects/obj~unknown", {}, (404, "no-such-object")),
        ("GET", "/objects/" + "x" * 65, {}, (422, "bad-object-id")),
        ("PATCH", f"/objects/{name}", {}, (405, "method-not-allowed")),
        ("PUT", "/objects", {}, (405, "method-not-allowed")),
        ("GET", "/elsewhere", {}, (404, "no-such-route")),
    ):
        assert await component.refused(method, path, **options) == told, (method, path)
    assert (await component.client.get(f"/objects/{name}")).content == b"data"


async def test_the_limit_holds_with_and_without_a_length(served: Served, component: Component) -> None:
    most = served.parts.settings.object_limit

    async def endless() -> Any:
        for _ in range(most // CHUNK + 1):
            yield bytes(CHUNK)

    length = {"content-length": str(most + 1)}
    assert await component.refused("POST", "/objects", headers=length) == (413, "object-too-large")
    assert await component.refused("POST", "/objects", content=endless()) == (413, "object-too-large")
    listed = await served.get("/flows/orders/objects")
    assert (listed["count"], listed["items"]) == (0, [])


async def test_a_signed_address_is_for_one_object_one_method_and_a_while(component: Component) -> None:
    flow = component.spec.flow_id
    name = await component.store()
    stranger = {"Authorization": ""}

    async def status(method: str, query: dict[str, str], path: str = f"/objects/{name}") -> int:
        return (await component.client.request(method, path, params=query, headers=stranger)).status_code

    good = component.tokens.sign("GET", flow, name, 2**40)
    assert [await status(method, good) for method in ("GET", "HEAD", "PUT", "DELETE")] == [200, 200, 401, 401]
    assert await status("GET", good, "/objects/obj~another") == 401
    assert await status("GET", component.tokens.sign("GET", flow, name, 1000)) == 401
    for change in ({"expires": str(2**41)}, {"flow": "another"}, {"signature": "x"}, {"expires": "never"}):
        assert await status("GET", good | change) == 401, change


async def test_people_see_what_there_is(served: Served, component: Component) -> None:
    name = await component.store(b"<script>", content_type="text/html", x_eio_ttl="60")
    listed = await served.get("/flows/orders/objects")
    [item] = listed["items"]
    assert (item["id"], item["kind"], item["content_type"], item["size"]) == (name, "file", "text/html", 8)
    assert item["expires_at"] - item["created_at"] == 60_000
    assert (listed["count"], listed["limit"]) == (1, served.parts.settings.object_bytes)
    assert listed["bytes"] > 8
    response = await served.client.get(f"/api/v1/flows/orders/objects/{name}")
    assert response.content == b"<script>"
    assert response.headers["content-disposition"].startswith("attachment")
    assert response.headers["content-security-policy"] == "sandbox"
    assert await served.refused("GET", "/flows/orders/objects/obj~none") == (404, "no-such-object")
    assert await served.refused("GET", "/flows/none/objects") == (404, "flow-not-found")


async def test_changing_an_object_adds_headers_and_keeps_its_time(served: Served, component: Component) -> None:
    name = await component.store(b"old", x_eio_ttl="60", x_meta_a="1")
    before = await served.get("/flows/orders/objects")
    changed = {"x-meta-b": "2", "x-eio-ttl": "9999"}
    response = await component.client.put(f"/objects/{name}", content=b"newer", headers=changed)
    assert (response.status_code, response.json()["metadata"]) == (200, {"a": "1", "b": "2"})
    after = await served.get("/flows/orders/objects")
    assert after["items"][0]["expires_at"] == before["items"][0]["expires_at"]
    assert (await component.client.get(f"/objects/{name}")).content == b"newer"
    stream = subjects.objects(component.spec.flow_id)
    info = await served.parts.bus.api(f"STREAM.INFO.{stream}")
    assert info["state"]["messages"] == 2, "the old content is gone"
