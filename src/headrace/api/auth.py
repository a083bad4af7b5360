"""Who may ask: tokens, sessions, and two guards against other people's web pages.

Every request needs a token but those to `OPEN` paths, to the designer's `PAGES`, which hold no data, and to webhooks,
which never come here:

    programs    ``Authorization: Bearer hr_…``
    git         HTTP basic, the token as password or user name (only under ``/git/``)
    browsers    ``/signin`` once, then a cookie that scripts cannot read and other sites cannot send

A request that proves itself by cookie and changes something must come from a page of this server. When the server
listens on a loopback address only, its name must be a local one: a page whose host name was re-bound to 127.0.0.1
gets nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from headrace.api.problems import problem, problem_of
from headrace.errors import HeadraceError, Unauthorized

__all__ = ["OPEN", "PAGES", "CheckToken", "Guard", "Identities", "from_our_page", "local_names", "session_cookie"]

OPEN = frozenset({"/healthz", "/readyz", "/signin", "/oauth2/callback"})
PAGES = ("/", "/flows", "/executions", "/components", "/credentials", "/settings")
"""Addresses of the designer's pages. What is below them is a page too."""
BELOW = ("/assets/", *(f"{page}/" for page in PAGES if page != "/"))
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
REMEMBER = 10.0
"""Seconds for which a token that was found good is not looked up again."""
REMEMBER_MOST = 1000


class CheckToken(Protocol):
    """Looks a token up."""

    async def __call__(self, plaintext: str) -> str | None:
        """The name of the token, or `None` when it does not count (any more)."""
        ...


class Identities:
    """Whom tokens belong to. Good answers are remembered for a moment; `forget` them when a token is revoked."""

    def __init__(self, check: CheckToken, clock: Callable[[], float] = time.monotonic) -> None:
        self._check = check
        self._clock = clock
        self._known: dict[bytes, tuple[str, float]] = {}

    async def of(self, plaintext: str) -> str | None:
        """The name of the token, or `None`. The token itself is not kept."""
        digest = hashlib.sha256(plaintext.encode()).digest()
        known = self._known.get(digest)
        if known is not None and self._clock() < known[1]:
            return known[0]
        name = await self._check(plaintext)
        if name is None:
            self._known.pop(digest, None)
        else:
            if len(self._known) >= REMEMBER_MOST:
                self._known.clear()
            self._known[digest] = (name, self._clock() + REMEMBER)
        return name

    def forget(self) -> None:
        """Look every token up again."""
        self._known.clear()


def session_cookie(port: int) -> str:
    """Name of the session cookie. Browsers share cookies between the ports of a host, so each server has its own."""
    return f"headrace_session_{port}"


def local_names(host: str, more: Iterable[str] = ()) -> frozenset[str] | None:
    """Names by which a server that listens on ``host`` may be called; `None` when that is not limited."""
    name = f"[{host}]" if ":" in host else host
    if name not in LOOPBACK and not name.startswith("127."):
        return None
    return LOOPBACK | {name} | {each.lower() for each in more}


class Guard:
    """ASGI: lets a request pass to ``app`` when it may, with ``state["caller"]``, the name of its token."""

    def __init__(self, app: ASGIApp, identities: Identities, *, cookie: str, names: frozenset[str] | None) -> None:
        self._app = app
        self._identities = identities
        self._cookie = cookie
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refusal = self._misdirected(headers)
        if refusal is None and not _is_open(scope["path"]):
            try:
                scope.setdefault("state", {})["caller"] = await self._caller(scope, headers)
            except HeadraceError as error:
                refusal = _unauthorized(scope["path"], error)
        if refusal is not None:
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _misdirected(self, headers: Headers) -> Response | None:
        host = _without_port(headers.get("host", "").lower())
        if self._names is None or host in self._names:
            return None
        return problem(
            421,
            "wrong-host",
            f"this server is not called {host!r}",
            next_step=f"Use one of {', '.join(sorted(self._names))}, or add the name to the setting `server_names`.",
        )

    async def _caller(self, scope: Scope, headers: Headers) -> str:
        path = scope["path"]
        authorization = headers.get("authorization")
        if authorization is not None:
            tokens = _tokens_in(authorization, basic=path.startswith("/git/"))
            return await self._known(tokens, "the Authorization header")
        token = cookie_parser(headers.get("cookie", "")).get(self._cookie)
        if token is None:
            raise Unauthorized("no-token", f"{path} needs a token", next_step=HOW_TO_GET_ONE)
        if scope["method"] not in SAFE and not from_our_page(headers):
            raise Unauthorized(
                "cross-site",
                "a page of another site sent this request with your session",
                next_step="Use the designer itself, or a token in the Authorization header.",
            )
        return await self._known([token], "your session")

    async def _known(self, tokens: Iterable[str], where: str) -> str:
        for token in filter(None, tokens):
            name = await self._identities.of(token)
            if name is not None:
                return name
        told = f"the token in {where} does not count: it is unknown or revoked"
        raise Unauthorized("bad-token", told, next_step=HOW_TO_GET_ONE)


HOW_TO_GET_ONE = (
    "`headrace token create NAME` makes a token; send it as `Authorization: Bearer …`, "
    "or open the sign-in URL that `headrace up` prints."
)


def _is_open(path: str) -> bool:
    return path in OPEN or path in PAGES or path.startswith(BELOW)


def _unauthorized(path: str, error: HeadraceError) -> Response:
    if error.reason == "cross-site":
        return problem(403, error.reason, error.message, next_step=error.next_step)
    response = problem_of(error)
    if path.startswith("/git/"):
        response.headers["www-authenticate"] = 'Basic realm="headrace"'
    return response


def _tokens_in(authorization: str, *, basic: bool) -> Sequence[str]:
    """What the header offers as tokens; of a basic one the password, else the user name."""
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return (value,)
    if not basic or scheme.lower() != "basic":
        return ()
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ()
    return (password, user)


def from_our_page(headers: Headers) -> bool:
    """Whether a page of this server sent it. Browsers say so; one that does not is not trusted to change anything."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(headers.get("origin", "")).netloc.lower() == headers.get("host", "").lower() != ""


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
