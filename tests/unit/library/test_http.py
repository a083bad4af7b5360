from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.unit.library.parts import Platform, load

from headrace_sdk import Message, Rebound

module = load("http", "request")


class Other(BaseHTTPRequestHandler):
    """The other system: /status/N answers N, /moved redirects, /picture is binary, anything else is told back."""

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path.startswith("/status/"):
            self._send(int(self.path.rpartition("/")[2]), "text/plain", b"as you wish")
        elif self.path == "/moved":
            self.send_response(302)
            self.send_header("location", "file:///etc/passwd")
            self.end_headers()
        elif self.path == "/picture":
            self._send(200, "image/png", b"\x89PNG")
        else:
            told = {"method": self.command, "path": self.path, "body": content.decode(), **dict(self.headers.items())}
            self._send(200, "application/json", json.dumps(told).encode())

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def request(body: Any, **fields: Any) -> Any:
    return module.process(Platform(), Message(body), fields)


def test_a_body_is_posted_as_json(url: str) -> None:
    answer = request({"body": {"n": 1}}, url=f"{url}/orders", headers={"X-Key": "k"})
    assert answer["status"] == 200
    assert answer["headers"]["content-type"] == "application/json"
    told = answer["body"]
    assert (told["method"], told["path"], json.loads(told["body"])) == ("POST", "/orders", {"n": 1})
    assert told["Content-Type"] == "application/json"
    assert told["X-Key"] == "k"


def test_the_input_wins_over_the_fields(url: str) -> None:
    body = {"url": f"{url}/b", "method": "put", "headers": {"X-Key": "2"}, "body": "text", "query": {"a": ["1", "ö"]}}
    told = request(body, url=f"{url}/a", method="POST", headers='{"X-Key": "1"}')["body"]
    assert (told["method"], told["path"], told["body"], told["X-Key"]) == ("PUT", "/b?a=1&a=%C3%B6", "text", "2")


def test_without_a_body_it_is_a_get(url: str) -> None:
    assert request({}, url=f"{url}/a b?x=1")["body"]["path"] == "/a%20b?x=1"


def test_binary_answers_arrive_as_base64(url: str) -> None:
    assert request({}, url=f"{url}/picture")["body"] == {"content_type": "image/png", "base64": "iVBORw=="}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_troubles_are_tried_again_later(url: str, status: int) -> None:
    with pytest.raises(Rebound, match=f"answered {status}: as you wish"):
        request({}, url=f"{url}/status/{status}")


def test_a_refusal_fails(url: str) -> None:
    with pytest.raises(module.RequestFailed, match="answered 404"):
        request({}, url=f"{url}/status/404")


def test_everything_fails_when_the_field_says_so(url: str) -> None:
    with pytest.raises(module.RequestFailed, match="answered 503"):
        request({}, url=f"{url}/status/503", onFailure="fail")
    with pytest.raises(module.RequestFailed, match="no answer"):
        request({}, url="http://127.0.0.1:1/", onFailure="fail")


def test_any_status_is_emitted_when_the_field_says_so(url: str) -> None:
    assert request({}, url=f"{url}/status/404", onFailure="emit")["status"] == 404


def test_no_answer_is_tried_again_later() -> None:
    with pytest.raises(Rebound, match="got no answer"):
        request({}, url="http://127.0.0.1:1/")


@pytest.mark.parametrize("wrong", ["", "ftp://host/x", "file:///etc/passwd", "http://", "example.com"])
def test_only_http_is_spoken(wrong: str) -> None:
    with pytest.raises(ValueError, match="no http or https URL"):
        request({}, url=wrong)


@pytest.mark.parametrize("wrong", ["BO GUS", "GET / HTTP/1.1\r\nX:", 3])
def test_a_method_is_one_word(url: str, wrong: object) -> None:
    with pytest.raises(ValueError, match="no HTTP method"):
        request({"method": wrong}, url=url)


def test_a_url_that_is_no_text_is_refused_like_another() -> None:
    with pytest.raises(ValueError, match="'3' is no http or https URL"):
        request({"url": 3})


def test_no_answer_is_told_without_what_led_to_it() -> None:
    with pytest.raises(module.RequestFailed) as caught:
        request({}, url="http://127.0.0.1:1/", onFailure="fail")
    assert caught.value.__suppress_context__


def test_a_redirect_elsewhere_is_not_followed(url: str) -> None:
    with pytest.raises(module.RequestFailed, match="answered 302"):
        request({}, url=f"{url}/moved", onFailure="fail")
