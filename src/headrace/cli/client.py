"""The API as the command line calls it: answers are plain JSON values, refusals are `HeadraceError`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from headrace.cli import place
from headrace.errors import (
    Busy,
    HeadraceError,
    Invalid,
    NotFound,
    Problem,
    Refused,
    TooLarge,
    Unauthorized,
    Unavailable,
)

if TYPE_CHECKING:
    import httpx

__all__ = ["Client", "StaleDraft", "at", "connect", "is_local", "problem", "refusal"]

PREFIX = "/api/v1"
TIMEOUT = 60.0
BY_STATUS: dict[int, type[HeadraceError]] = {
    kind.status: kind for kind in (Unauthorized, NotFound, Refused, TooLarge, Unavailable)
}


class StaleDraft(Refused):
    """The draft was changed in the meantime. ``draft``, as the API tells it, has both texts and the new tag."""

    draft: Mapping[str, Any] = {}


transport: httpx.BaseTransport | None = None
"""Tests put their double of the server here."""


class Client:
    """One server, one token. Paths are relative to ``/api/v1``."""

    def __init__(self, url: str, token: str, *, not_up: str = "") -> None:
        import httpx

        if not (token.isascii() and token.isprintable()):
            raise Unauthorized(
                "bad-token", "the token has characters that no token has", next_step="check HEADRACE_TOKEN"
            )
        self.url = url.rstrip("/")
        self.token = token
        self._not_up = not_up
        self._http = httpx.Client(
            base_url=self.url + PREFIX,
            headers={"authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
            transport=transport,
            trust_env=not is_local(self.url),
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._http.close()

    def get(self, path: str, **query: object) -> Any:
        """The JSON answer; query values that are `None` are left out."""
        return self._call("GET", path, query=query)

    def items(self, path: str, *, limit: int | None = None, **query: object) -> list[Any]:
        """All items of a list, page after page; at most ``limit`` when given."""
        found: list[Any] = []
        cursor: object = None
        while True:
            wanted = None if limit is None else limit - len(found)
            page = self.get(path, **query, limit=wanted, cursor=cursor)
            found += page["items"]
            cursor = page.get("next")
            if not cursor or (limit is not None and len(found) >= limit):
                return found if limit is None else found[:limit]

    def post(self, path: str, body: object = None, **query: object) -> Any:
        return self._call("POST", path, body={} if body is None else body, query=query)

    def put(self, path: str, body: object) -> Any:
        return self._call("PUT", path, body=body)

    def patch(self, path: str, body: object) -> Any:
        return self._call("PATCH", path, body=body)

    def delete(self, path: str, **query: object) -> Any:
        return self._call("DELETE", path, query=query)

    def text(self, path: str, **query: object) -> str:
        """The answer as text."""
        with self._reachable():
            return _checked(self._http.get(path, params=_present(query))).text

    def lines(self, path: str, *, body: object = None, **query: object) -> Iterator[str]:
        """The answer line by line as it comes; no time limit while waiting for the next line. A ``body`` is posted.

        Only a newline ends a line: what httpx takes for one besides may be in the middle of somebody's text.
        """
        import httpx

        follow = httpx.Timeout(TIMEOUT, read=None)
        verb = "GET" if body is None else "POST"
        with (
            self._reachable(),
            self._http.stream(verb, path, json=body, params=_present(query), timeout=follow) as response,
        ):
            if response.is_error:
                response.read()
            rest = ""
            for text in _checked(response).iter_text():
                *whole, rest = (rest + text).split("\n")
                yield from whole
            if rest:
                yield rest

    def ready(self) -> bool:
        """Whether the server answers and all its parts do."""
        import httpx

        try:
            return self._http.get(f"{self.url}/readyz", timeout=2.0).is_success
        except httpx.TransportError:
            return False

    def _call(self, verb: str, path: str, *, body: object = None, query: Mapping[str, object] | None = None) -> Any:
        with self._reachable():
            response = self._http.request(verb, path, json=body, params=_present(query or {}))
        _checked(response)
        try:
            return response.json() if response.content else None
        except ValueError:
            raise Unavailable(
                "not-headrace", f"what answers at {self.url} is no Headrace", next_step=self._not_up
            ) from None

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        """A server that does not answer is an error like any other."""
        import httpx

        try:
            yield
        except httpx.TimeoutException:
            raise Unavailable("timeout", f"Headrace at {self.url} did not answer in time") from None
        except httpx.TransportError as error:
            raise Unavailable(
                "not-up", f"Headrace does not answer at {self.url} ({error})", next_step=self._not_up
            ) from None


def connect(data: Path | None) -> Client:
    """The server that ``HEADRACE_URL`` names, else the one of the data folder. `Unavailable` when there is none."""
    url = os.environ.get("HEADRACE_URL")
    if url:
        token = os.environ.get("HEADRACE_TOKEN")
        if not token:
            raise Unauthorized(
                "no-token",
                "HEADRACE_URL is set, HEADRACE_TOKEN is not",
                next_step="set HEADRACE_TOKEN; `headrace token create NAME` on the server makes one",
            )
        if not _is_address(url):
            raise Invalid(
                "bad-url", f"HEADRACE_URL is no address: {url}", next_step="write it like https://headrace.example.com"
            )
        return Client(url, token, not_up="check HEADRACE_URL")
    here = place.find(data)
    server = here.server()
    up = "headrace up" if data is None else f"headrace up --data {data}"
    if server is None:
        raise Unavailable("not-up", f"Headrace is not up in {here.data}", next_step=up)
    return Client(server.url, here.token(), not_up=up)


def at(*parts: object) -> str:
    """The path that leads to a thing by names and numbers, whatever a person typed for a name."""
    names = [str(part) for part in parts]
    for name in names:
        if name in ("", ".", ".."):
            raise Invalid("bad-name", f"{name!r} is no name", next_step="see `headrace --help`")
    return "".join(f"/{quote(name, safe='')}" for name in names)


def is_local(url: str) -> bool:
    """Whether ``url`` is on this machine, where no proxy belongs in between."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        return False


def refusal(status: int, answer: Mapping[str, Any]) -> HeadraceError:
    """The error that a problem+json answer stands for."""
    reason = str(answer.get("reason") or f"http-{status}")
    message = str(answer.get("detail") or answer.get("title") or f"the server answered {status}")
    next_step = str(answer.get("next_step") or "")
    if status == Invalid.status:
        problems = [problem(each) for each in answer.get("problems") or ()]
        return Invalid(reason, message, problems=problems, next_step=next_step)
    if isinstance(answer.get("draft"), Mapping):
        stale = StaleDraft(reason, message, next_step=next_step)
        stale.draft = answer["draft"]
        return stale
    if status == Busy.status:
        return Busy(reason, message, next_step=next_step)
    return BY_STATUS.get(status, HeadraceError)(reason, message, next_step=next_step)


def problem(written: Mapping[str, Any]) -> Problem:
    """One problem of an answer."""
    return Problem(
        path=str(written.get("path") or ""),
        reason=str(written.get("reason") or ""),
        message=str(written.get("message") or ""),
        suggestion=str(written.get("suggestion") or ""),
        severity="warning" if written.get("severity") == "warning" else "error",
    )


def _present(query: Mapping[str, object]) -> dict[str, str]:
    return {
        key: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for key, value in query.items()
        if value is not None
    }


def _checked(response: httpx.Response) -> httpx.Response:
    """``response`` when it is a success, else its problem as an error."""
    if not response.is_error:
        return response
    try:
        answer = response.json()
    except ValueError:
        answer = {}
    raise refusal(response.status_code, answer if isinstance(answer, dict) else {})
