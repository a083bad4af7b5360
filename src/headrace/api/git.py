"""Smart HTTP for git: requests below ``/git/`` are handed to ``git http-backend`` as they stream in.

Only what git's own client asks for is answered, so no path of a request ever reaches the file system but a component's
name that was checked. A push to a name that is not there creates the component once its content was accepted.

When the client goes away, a fetch and an unfinished push are killed. A push that was received whole goes on to its
end, unheard: the commit is stored and the server must learn of it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from fastapi import APIRouter
from starlette.datastructures import Headers, QueryParams
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from headrace.components import hook
from headrace.components.repositories import Repositories, git_environment
from headrace.errors import HeadraceError, Invalid, NotFound, TooLarge, Unauthorized, Unavailable

__all__ = ["Authenticate", "Exists", "GitBackend", "router"]

Authenticate = Callable[[str], Awaitable[str | None]]
"""The name of a token given in plain text, or `None` when it does not count."""
Exists = Callable[[str], Awaitable[bool]]
"""Whether there is a component of that name."""

UPLOAD, RECEIVE = "git-upload-pack", "git-receive-pack"
BODY_LIMIT = 300 * 1024 * 1024
CHUNK = 64 * 1024
LINGER = 30.0
"""Seconds that a client may go on sending what nobody wants, so that it hears why."""
PLAIN = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
PASSED_ON = {
    "content-type": "CONTENT_TYPE",
    "content-length": "CONTENT_LENGTH",
    "content-encoding": "HTTP_CONTENT_ENCODING",
}

log = structlog.get_logger("git")


def router(
    repositories: Repositories,
    authenticate: Authenticate,
    exists: Exists,
    *,
    body_limit: int = BODY_LIMIT,
    hook_url: str | None = None,
) -> APIRouter:
    """Routes for ``/git/NAME.git/…``.

    ``body_limit`` is in bytes as sent. ``hook_url`` is where the repositories' hooks reach the API; without it, the
    address the request came in at.
    """
    backend = GitBackend(repositories, authenticate, exists, body_limit=body_limit, hook_url=hook_url)
    route = Route("/git/{repository}/{rest:path}", backend, methods=["GET", "POST"], include_in_schema=False)
    return APIRouter(routes=[route])


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that may pass: ``service`` of component ``name`` for the holder of ``token``."""

    name: str
    service: str
    method: str
    path: str
    query: str
    caller: str
    token: str
    new: bool

    @property
    def stores(self) -> bool:
        """Whether it can change the repository."""
        return self.method == "POST" and self.service == RECEIVE


class GitBackend:
    """ASGI: one ``git http-backend`` for each request."""

    def __init__(
        self,
        repositories: Repositories,
        authenticate: Authenticate,
        exists: Exists,
        *,
        body_limit: int,
        hook_url: str | None,
    ) -> None:
        self._repositories = repositories
        self._authenticate = authenticate
        self._exists = exists
        self._body_limit = body_limit
        self._hook_url = hook_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            ask = await self._admit(scope, headers)
            process = await self._start(ask, scope, headers)
        except HeadraceError as error:
            await _refuse(error, receive, send)
            return
        await _Exchange(process, ask, self._body_limit, receive, send).run()

    async def _admit(self, scope: Scope, headers: Headers) -> Ask:
        token, caller = await self._caller(headers.get("authorization", ""))
        name = scope["path_params"]["repository"].removesuffix(".git")
        method, rest = scope["method"], scope["path_params"]["rest"]
        query = scope["query_string"].decode("latin-1")
        service = QueryParams(query).get("service", "") if method != "POST" else rest
        if (method, rest) != ("POST", service) and (method, rest) not in (("GET", "info/refs"), ("HEAD", "info/refs")):
            raise NotFound("no-such-route", f"git asks for nothing called {rest[:80]!r}")
        if service not in (UPLOAD, RECEIVE):
            raise Invalid("not-smart", "only git's smart protocol is spoken here", next_step="use git 1.6.6 or newer")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._body_limit:
            raise self._too_large()
        known = await self._exists(name)
        if not known and service == UPLOAD:
            raise NotFound("component-not-found", f"there is no component `{name[:80]}`")
        # Also brings hooks and settings of a repository made by an older version up to date.
        await self._repositories.create(name)
        return Ask(name, service, method, f"/{name}.git/{rest}", query, caller, token, new=not known)

    async def _caller(self, authorization: str) -> tuple[str, str]:
        """A token that counts, from a bearer header or as password or user name, and its own name."""
        for token in _tokens(authorization):
            if (caller := await self._authenticate(token)) is not None:
                return token, caller
        told = "this token does not count" if authorization else "a token is needed, as password with any user name"
        raise Unauthorized("bad-token" if authorization else "no-token", told, next_step="headrace token create NAME")

    def _too_large(self) -> TooLarge:
        return TooLarge(
            "too-large", f"the push is larger than {self._body_limit:,} bytes", next_step="keep data elsewhere"
        )

    async def _start(self, ask: Ask, scope: Scope, headers: Headers) -> asyncio.subprocess.Process:
        environment = {
            **git_environment(),
            **hook.environment(
                ask.name,
                url=self._hook_url or _local_url(scope),
                token=ask.token,
                tree_limit=self._repositories.tree_limit,
                new=ask.new,
            ),
            "GIT_PROJECT_ROOT": str(self._repositories.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": ask.method,
            "PATH_INFO": ask.path,
            "QUERY_STRING": ask.query,
            "REMOTE_USER": "".join(char for char in ask.caller if char.isprintable() and char not in "<>\n") or "token",
            "REMOTE_ADDR": scope["client"][0] if scope.get("client") else "",
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            **{variable: headers[header] for header, variable in PASSED_ON.items() if header in headers},
        }
        try:
            return await asyncio.create_subprocess_exec(
                "git", "http-backend", env=environment, start_new_session=True, limit=CHUNK,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except FileNotFoundError:
            raise Unavailable("no-git", "git is not installed on the server", next_step="install git") from None


class _Exchange:
    """Carries one request to git and its answer back."""

    def __init__(self, process: asyncio.subprocess.Process, ask: Ask, limit: int, receive: Receive, send: Send) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._in, self._out, self._err = process.stdin, process.stdout, process.stderr
        self._ask = ask
        self._left = limit
        self._receive, self._send = receive, send
        self._started = False
        self._whole = False
        """The request's body has been handed over."""
        self._heard = asyncio.Event()
        """The client has sent all it will."""
        self._gone = False
        """Nobody listens any more."""

    async def run(self) -> None:
        """Return when git has ended and everything of it was sent."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._log_errors())
                body = tasks.create_task(self._take_body())
                await self._give_answer()
                await self._process.wait()
                body.cancel()
        finally:
            self._kill()
            with contextlib.suppress(asyncio.CancelledError):
                await self._process.wait()

    async def _take_body(self) -> None:
        """Hand the body over as it comes; then watch whether the client stays."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._heard.set()
                if not (self._whole and self._ask.stores):
                    self._kill()
                return
            if self._whole:
                continue
            await self._hand_over(message.get("body", b""))
            if not message.get("more_body", False):
                self._whole = True
                self._heard.set()
                self._in.close()

    async def _hand_over(self, part: bytes) -> None:
        self._left -= len(part)
        if self._left < 0:
            self._kill()
        if not part or self._in.is_closing():
            return
        with contextlib.suppress(ConnectionError, RuntimeError):  # git has heard enough, or was killed (uvloop's word)
            self._in.write(part)
            await self._in.drain()

    async def _give_answer(self) -> None:
        try:
            head = await self._out.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await self._give_failure()
            return
        part = await self._out.read(CHUNK)
        if self._left < 0 and not part:  # killed: git prints its head before it looks at the body
            await self._give_failure()
            return
        status, headers = _head(head)
        await self._tell({"type": "http.response.start", "status": status, "headers": headers})
        while part:
            await self._tell({"type": "http.response.body", "body": part, "more_body": True})
            part = await self._out.read(CHUNK)
        await self._tell({"type": "http.response.body", "body": b"", "more_body": False})

    async def _give_failure(self) -> None:
        """Git ended without an answer, most often because it was killed here."""
        status, told = (413, "the push is larger than allowed") if self._left < 0 else (500, "git gave no answer")
        if self._left >= 0 and not self._gone:
            log.error("git http-backend gave no answer", component=self._ask.name, service=self._ask.service)
        await self._tell({"type": "http.response.start", "status": status, "headers": PLAIN})
        await self._tell({"type": "http.response.body", "body": told.encode() + b"\n", "more_body": True})
        await self._linger()
        await self._tell({"type": "http.response.body", "body": b"", "more_body": False})

    async def _linger(self) -> None:
        """Let the client hear the answer before the connection is closed on what it still sends."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                await self._heard.wait()

    async def _tell(self, message: dict[str, object]) -> None:
        if not self._gone:
            try:
                await self._send(message)
            except OSError:
                self._gone = True

    async def _log_errors(self) -> None:
        while said := await self._err.read(CHUNK):
            log.warning("git said", component=self._ask.name, text=said.decode(errors="replace").rstrip())

    def _kill(self) -> None:
        """End git and all it started; nothing happens when they have ended."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _head(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Status and headers of a CGI answer (RFC 3875, section 6)."""
    status, headers = 200, []
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if name.lower() == b"status":
            status = int(value.split()[0])
        elif colon:
            headers.append((name.lower(), value.strip()))
    return status, headers


def _tokens(authorization: str) -> tuple[str, ...]:
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return (value,)
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ()
        return tuple(each for each in (password, user) if each)
    return ()


def _local_url(scope: Scope) -> str:
    """Where this request came in: hooks run on the same machine."""
    host, port = scope.get("server") or ("127.0.0.1", 80)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _refuse(error: HeadraceError, receive: Receive, send: Send) -> None:
    """Plain text: git shows it in the terminal as ``remote: …``."""
    text = f"{error.message}\n{error.next_step}\n" if error.next_step else f"{error.message}\n"
    headers = [*PLAIN, (b"www-authenticate", b'Basic realm="headrace"')] if isinstance(error, Unauthorized) else PLAIN
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
    with contextlib.suppress(TimeoutError):  # as in `_Exchange._linger`
        async with asyncio.timeout(LINGER):
            while (await receive()).get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
