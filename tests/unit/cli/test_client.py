from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.unit.cli.double import Refusal, Server, page

from headrace.cli import client
from headrace.errors import Busy, HeadraceError, Invalid, NotFound, Refused, Unauthorized, Unavailable


def test_lists_are_followed_page_by_page(server: Server) -> None:
    pages = iter([{"items": [1, 2], "next": "c"}, {"items": [3], "next": None}])
    server.answers["GET /flows"] = lambda _request: next(pages)
    assert client.connect(None).items("/flows") == [1, 2, 3]
    assert server.queries["GET /flows"] == {"cursor": "c"}


def test_no_more_is_asked_for_than_the_limit(server: Server) -> None:
    server.answers["GET /executions"] = {"items": [1, 2], "next": "c"}
    assert client.connect(None).items("/executions", limit=2, flow=None) == [1, 2]
    assert server.queries["GET /executions"] == {"limit": "2"}
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Unauthorized), (404, NotFound), (409, Refused), (422, Invalid), (429, Busy), (503, Unavailable)],
)
def test_problem_documents_become_errors(server: Server, status: int, kind: type[HeadraceError]) -> None:
    server.answers["GET /flows"] = Refusal(status, "some-reason", "told so", next_step="do this")
    with pytest.raises(kind) as caught:
        client.connect(None).get("/flows")
    assert (caught.value.reason, caught.value.message, caught.value.next_step) == ("some-reason", "told so", "do this")


def test_problems_are_kept(server: Server) -> None:
    problem = {"path": "steps[0].input", "reason": "x", "message": "m", "suggestion": "s", "severity": "warning"}
    server.answers["GET /flows"] = Refusal(422, "bad-document", problems=[problem])
    with pytest.raises(Invalid) as caught:
        client.connect(None).get("/flows")
    assert str(caught.value.problems[0]) == "steps[0].input: m (s)"
    assert caught.value.problems[0].severity == "warning"


def test_an_answer_that_is_no_problem_document_is_an_error_too(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = httpx.MockTransport(lambda _request: httpx.Response(502, text="<html>"))
    monkeypatch.setattr(client, "transport", broken)
    with pytest.raises(HeadraceError, match="the server answered 502"):
        client.connect(None).get("/flows")


def test_a_server_that_is_gone_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(client, "transport", httpx.MockTransport(refuse))
    with pytest.raises(Unavailable, match=r"does not answer at http://headrace.test") as caught:
        client.connect(None).get("/flows")
    assert caught.value.reason == "not-up"


def test_a_remote_server_needs_a_token(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_TOKEN")
    with pytest.raises(Unauthorized, match="HEADRACE_TOKEN is not"):
        client.connect(None)


def test_without_a_server_the_next_step_names_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_URL", raising=False)
    with pytest.raises(Unavailable) as caught:
        client.connect(tmp_path)
    assert caught.value.next_step == f"headrace up --data {tmp_path}"


@pytest.mark.parametrize(
    ("url", "local"),
    [("http://127.0.0.1:1", True), ("http://localhost", True), ("http://[::1]:1", True), ("http://example.com", False)],
)
def test_no_proxy_stands_between_us_and_this_machine(url: str, local: bool) -> None:
    assert client.is_local(url) is local


def test_lists_of_one_page_end(server: Server) -> None:
    server.answers["GET /tokens"] = page({"id": 1})
    assert client.connect(None).items("/tokens") == [{"id": 1}]
