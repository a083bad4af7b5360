"""Components that use the public packages as public components do, unchanged: pushed with git, built by npm, run.

``tests/components/archive`` is on the packages of today, ``tests/components/helpdesk`` on those of some years ago.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import shutil
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.acceptance import office as desk
from tests.acceptance.headrace import Headrace, push, running, until
from tests.acceptance.office import Document, Office, office

pytestmark = [pytest.mark.needs("git", "node", "npm", "npm-registry"), pytest.mark.timeout(300)]

COMPONENTS = Path(__file__).parents[1] / "components"
DOCUMENTS = [
    Document("empty.txt", "text/plain", b""),
    Document("letter.txt", "text/plain; charset=utf-8", "Liebe Ada,\r\n…".encode()),
    Document("scan.bin", "application/octet-stream", random.Random(1).randbytes(3 * 1024 * 1024 + 17)),
]
WEBHOOK = {"id": "request", "trigger": "webhook/receive"}


class Stage:
    """A platform with both components, the office, and flows between them."""

    def __init__(self, headrace: Headrace, office: Office, folder: Path) -> None:
        self.headrace = headrace
        self.office = office
        self._folder = folder

    def push(self, name: str) -> str:
        """Push the component with git; what its terminal says."""
        folder = self._folder / name
        shutil.copytree(COMPONENTS / name, folder, ignore=shutil.ignore_patterns("node_modules"))
        return push(self.headrace, folder)

    def credential(self, name: str, component: str, **values: Any) -> str:
        """Create a credential; its state afterwards, with the reason."""
        file = self._folder / "values.json"
        file.write_text(json.dumps(values))
        self.headrace.try_("credential", "create", name, "-c", component, "--file", str(file))
        shown = self.headrace.json("credential", "show", name)
        return f"{shown['state']}: {shown['reason']}" if shown["reason"] else str(shown["state"])

    def run(self, flow: str, *steps: dict[str, Any], told: str = "body") -> None:
        """Start a flow of these steps, each after the one before; behind the last the office hears what is ``told``."""
        chain = [dict(step) for step in steps]
        chain.append({"id": "arrived", "action": "http/request", "fields": {"url": f"{self.office.url}/arrived/{flow}"},
                      "input": f'{{"body": {told}}}'})  # fmt: skip
        for before, step in pairwise(chain):
            step["after"] = before["id"]
        self.headrace.publish(json.dumps({"flow": flow, "type": "real-time", "steps": chain}), self._folder)
        self.headrace.live(flow)

    def arrived(self, flow: str, count: int = 1) -> list[Any]:
        """The bodies that came through the flow, once there are so many."""
        found = self.office.arrived[flow]
        until(lambda: len(found) >= count, 30, f"{count} messages through {flow}; there are {found}")
        return list(found)

    def objects(self, flow: str) -> list[dict[str, Any]]:
        """The objects of a flow, as people see them."""
        headers = {"authorization": f"Bearer {self.headrace.token}"}
        answer = httpx.get(f"{self.headrace.server['url']}/api/v1/flows/{flow}/objects", headers=headers)
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with (
        tempfile.TemporaryDirectory(prefix="headrace-packages-") as made,
        office() as there,
        running(Path(made), "--no-demo") as headrace,
    ):
        there.documents += DOCUMENTS
        yield Stage(headrace, there, Path(made))


@pytest.fixture(scope="module")
def archive(stage: Stage) -> Stage:
    """With the component of that name, and a credential for it."""
    stage.push("archive")
    values = {"url": stage.office.url, "username": desk.USERNAME}
    assert "wrong password" in stage.credential("guessed", "archive", **values, password="guessed")
    assert stage.credential("archive", "archive", **values, password=desk.PASSWORD) == "verified"
    return stage


def of_archive(id: str, action: str, input: str = "", **fields: str) -> dict[str, Any]:
    """A step of the archive's."""
    step = {"id": id, "action": f"archive/{action}", "credential": "archive", "fields": fields}
    return step | ({"input": input} if input else {})


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("how", ["stream", "arraybuffer"])
def test_files_that_one_step_stores_are_read_byte_for_byte_by_the_next(archive: Stage, how: str) -> None:
    told = '$merge([{"number": number, "name": name}, $lookup(files, name)])'
    archive.run(
        f"files-{how}",
        {"id": "documents", "trigger": "archive/newDocuments", "credential": "archive", "poll_interval": "100ms"},
        of_archive("digest", "digest", expression=told, responseType=how),
        of_archive("again", "digest", "body", expression='{"before": $, "files": files}'),
    )
    for number, document in enumerate(DOCUMENTS, 1):
        told_of = archive.arrived(f"files-{how}", len(DOCUMENTS))[number - 1]
        of_bytes = {"sha256": sha256(document.content), "size": len(document.content)}
        assert told_of["before"].items() >= ({"number": number, "name": document.name} | of_bytes).items()
        assert told_of["files"] == {document.name: of_bytes}
    assert len(archive.arrived(f"files-{how}")) == len(DOCUMENTS), "each once, as the snapshot says"
    stored = {(each["size"], each["content_type"]) for each in archive.objects(f"files-{how}")}
    assert stored == {(len(document.content), document.type) for document in DOCUMENTS}


def test_records_are_upserted_found_by_their_headers_and_deleted(archive: Stage) -> None:
    archive.run(
        "records",
        WEBHOOK,
        of_archive("made", "upsertRecord", "body.body"),
        of_archive("changed", "upsertRecord", '{"key": body.record.key, "value": "other"}'),
        of_archive("deleted", "deleteRecords", "body.record"),
        told="[$steps.made.body, $steps.changed.body, body]",
    )
    archive.headrace.hook("records", {"key": "a key/with + signs", "value": {"deep": [1, None]}})
    ((made, changed, deleted),) = archive.arrived("records")
    record = {"key": "a key/with + signs", "value": {"deep": [1, None]}, "times": 1}
    assert made == {"id": made["id"], "record": record, "type": "application/json", "by": "archive"}
    assert changed == made | {"record": record | {"value": "other", "times": 2}}
    assert deleted == {"deleted": made["id"], "left": 0, "code": 404}


def test_a_record_stays_as_long_as_it_was_told(archive: Stage) -> None:
    archive.run("kept", WEBHOOK, of_archive("record", "upsertRecord", "body.body"), told='{"done": true}')
    for value in (1, 2):
        archive.headrace.hook("kept", {"key": "one", "value": value})
        archive.arrived("kept", value)
    (kept,) = archive.objects("kept")
    assert kept["expires_at"] - kept["created_at"] == 120_000


def test_bodies_of_some_megabytes_pass_from_step_to_step(archive: Stage) -> None:
    archive.run(
        "rows",
        WEBHOOK,
        of_archive("rows", "expand", "body.body"),
        of_archive("weight", "weigh"),
        told='{"weight": body, "last": $steps.rows.body.rows[-1].number}',
    )
    for count in (10, 20_000):
        archive.headrace.hook("rows", {"rows": count})
    first, second = archive.arrived("rows", 2)
    assert (first["last"], second["last"]) == (9, 19_999)
    rows = [{"number": number, "text": f"row {number} " * 20} for number in range(20_000)]
    text = json.dumps(rows, separators=(",", ":"))
    assert second["weight"] == {"rows": 20_000, "size": len(text), "sha256": sha256(text.encode())}
    assert len(text) > 2 * 1024 * 1024
    assert f"{len(text)} characters came" in archive.headrace("logs", "rows", "weight"), "the runtime library's log"


def test_what_the_platforms_own_interface_would_tell_is_refused_at_once(archive: Stage) -> None:
    archive.run("asking", WEBHOOK | {"reply": "wait"}, of_archive("flow", "flowOf"))
    assert archive.headrace.hook("asking", {}).json()["reason"] == "step-failed"
    assert "Request failed with status code 401" in archive.headrace("logs", "asking", "flow"), (
        "its key opens objects only"
    )


def test_what_was_put_at_a_signed_address_is_an_attachment_like_others(archive: Stage) -> None:
    content = random.Random(2).randbytes(200_000)
    archive.run(
        "signed",
        WEBHOOK,
        of_archive("published", "publish", "body.body"),
        of_archive("digest", "digest", expression="files"),
    )
    archive.headrace.hook("signed", {"content": base64.b64encode(content).decode()})
    assert archive.arrived("signed") == [{"published.bin": {"sha256": sha256(content), "size": len(content)}}]


def test_a_caller_who_waits_is_answered_by_the_message_that_is_routed_to_it(archive: Stage) -> None:
    archive.run("answered", WEBHOOK | {"reply": "wait"}, of_archive("reply", "reply", "body.body"))
    asked = {"responseBody": {"id": 7}, "statusCode": 201, "customHeaders": {"X-Shop": "north"}}
    answer = archive.headrace.hook("answered", asked)
    assert (answer.status_code, answer.json()) == (201, {"id": 7})
    assert (answer.headers["content-type"], answer.headers["x-shop"]) == ("application/json", "north")
    assert not any("eio" in name for name in answer.headers)
    answer = archive.headrace.hook("answered", {"responseBody": "<b>seven</b>", "contentType": "text/html"})
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "<b>seven</b>", "text/html")
    assert archive.arrived("answered", 2)[0] == asked, "the message behind it goes on, the answer does not"
    assert len(archive.office.arrived["answered"]) == 2


def test_a_caller_who_waits_is_answered_with_a_file(archive: Stage) -> None:
    archive.run("file", WEBHOOK | {"reply": "wait"}, of_archive("reply", "replyWithAttachment", "body.body"))
    for size in (0, 15, 16, 3 * 1024 * 1024):
        document = Document(f"{size}.png", "image/png", random.Random(size).randbytes(size))
        archive.office.documents.append(document)
        asked = {"responseUrl": f"{archive.office.url}/open/{document.name}", "contentType": document.type}
        answer = archive.headrace.hook("file", asked)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert answer.content == document.content
    answer = archive.headrace.hook("file", {"responseUrl": f"{archive.office.url}/nothing"})
    assert (answer.status_code, answer.json()["reason"]) == (500, "step-failed")
    assert "404" in archive.headrace("logs", "file", "reply") and "404" not in answer.text


def test_components_on_packages_of_some_years_ago(stage: Stage) -> None:
    said = stage.push("helpdesk")
    assert "warning: package.json asks for Node.js 16.13.0" in said
    stage.credential(
        "helpdesk",
        "helpdesk",
        resourceServerUrl=stage.office.url,
        authorizationServerTokenEndpointUrl=f"{stage.office.url}/token",
        oauth2_field_client_id=desk.CLIENT_ID,
        oauth2_field_client_secret=desk.CLIENT_SECRET,
        oauth2={"refresh_token": desk.REFRESH_TOKEN},
    )
    content = random.Random(3).randbytes(1_500_000)
    stage.office.documents.append(Document("screen.png", "image/png", content))
    stage.office.tickets["7"] = {"id": "7", "file": f"{stage.office.url}/open/screen.png"}
    stage.run(
        "tickets",
        WEBHOOK,
        {"id": "ticket", "action": "helpdesk/lookupTicket", "credential": "helpdesk", "input": "body.body"},
        {"id": "file", "action": "helpdesk/fetchFile", "credential": "helpdesk"},
        {"id": "measure", "action": "helpdesk/measureFile", "credential": "helpdesk"},
    )
    stage.headrace.hook("tickets", {"id": "7"})
    assert stage.arrived("tickets") == [{"ticket": "7", "size": len(content), "sha256": sha256(content)}]
    assert "1500000 bytes came" in stage.headrace("logs", "tickets", "measure")
    stage.headrace.hook("tickets", {"id": "8"})
    until(lambda: "Status code: 404" in stage.headrace("logs", "tickets", "ticket"), what="the error is told")
