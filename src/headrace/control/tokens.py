"""OAuth2 tokens of credentials: got when a person agrees or a credential is saved, and renewed ahead of their end.

    connect ──▶ a person agrees at the provider ──▶ callback ──▶ token ──ahead of its end──▶ renewed ─┐
                                                                  ▲   └── refused, unreachable ──▶ later again
                                                                  └───────────────────────────────────┘

When the next token is due is in the store, so neither a restart nor a long night loses it. Of one credential only one
token is asked for at a time.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from headrace.bus.secrets import Secrets, merged
from headrace.components import oauth2
from headrace.components.descriptor import Descriptor
from headrace.components.oauth2 import Provider, Request, Token
from headrace.control.variables import values_of
from headrace.errors import HeadraceError, NotFound, Refused, Unavailable
from headrace.flows.redaction import Redaction
from headrace.store import components, variables
from headrace.store import credentials as store
from headrace.store.clock import now_ms
from headrace.store.credentials import Credential
from headrace.store.database import Database

__all__ = ["CALLBACK", "Consent", "Tokens"]

CALLBACK = "/oauth2/callback"
AGREE_WITHIN = 600.0
"""Seconds a person has to agree."""
MOST_CONSENTS = 1000
PROVIDER_WITHIN = 20.0
LARGEST_ANSWER = 256 * 1024
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0
LOOK_EVERY = 30.0

log = structlog.get_logger("tokens")


@dataclass(frozen=True, slots=True)
class Consent:
    """A connection somebody has begun."""

    credential: Credential
    verifier: str
    until: float


class Tokens:
    """`run` it; `hint` wakes it; `stop` ends it."""

    def __init__(self, db: Database, held: Secrets, redirect_uri: str, *, clock: Callable[[], int] = now_ms) -> None:
        self._db = db
        self._held = held
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._consents: dict[str, Consent] = {}
        self._renewing: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._stopping = False

    # -- a person agrees ------------------------------------------------------------------------------------

    async def consent_url(self, credential: Credential) -> str:
        """Where a person agrees. `Refused` (``no-oauth2``), `Invalid` (``bad-oauth2``)."""
        values = (await self._held.get(credential.id)).values
        provider = await self.provider(credential.component, values)
        if provider is None or provider.grant != "authorization_code":
            raise Refused("no-oauth2", f"nobody has to agree to credential `{credential.name}`")
        now = time.monotonic()
        self._consents = {state: each for state, each in self._consents.items() if each.until > now}
        if len(self._consents) >= MOST_CONSENTS:
            raise Unavailable("busy", "too many connections have been begun", next_step="try again in ten minutes")
        state, verifier = secrets.token_urlsafe(32), oauth2.verifier()
        self._consents[state] = Consent(credential, verifier, now + AGREE_WITHIN)
        code_challenge = oauth2.challenge(verifier)
        return provider.consent_url(redirect_uri=self._redirect_uri, state=state, code_challenge=code_challenge)

    async def agreed(self, state: str, code: str, error: str) -> Credential:
        """What the provider sent a person back with: get the token. A ``state`` counts once.

        `Refused` (``unknown-state``, ``not-agreed``, ``token-refused``), `Unavailable` (``provider-unreachable``).
        """
        consent = self._consents.pop(state, None)
        if consent is None or consent.until < time.monotonic():
            again = "start again with `headrace credential connect NAME`"
            raise Refused("unknown-state", "this connection was not begun here, or too long ago", next_step=again)
        if error or not code:
            raise Refused("not-agreed", f"the provider did not agree: {error or 'it sent no code'}"[:500])
        credential = consent.credential
        values = (await self._held.get(credential.id)).values
        provider = await self.provider(credential.component, values)
        if provider is None:
            raise Refused("no-oauth2", f"component `{credential.component}` does not connect by OAuth2 any more")
        request = provider.exchange(code, redirect_uri=self._redirect_uri, code_verifier=consent.verifier)
        await self._keep(credential, provider, await self._fetch(request, {}))
        return credential

    # -- getting tokens -------------------------------------------------------------------------------------

    async def provider(self, component: str, values: Mapping[str, Any]) -> Provider | None:
        """How the component's tokens are got with these values; `None` when it does not use OAuth2."""
        async with self._db.read() as conn:
            version = await components.resolve(conn, component, "latest")
        descriptor = Descriptor(version.descriptor)
        block = descriptor.oauth2
        if block is None:
            return None
        given = await values_of(self._db, self._held, version.component_id)
        return oauth2.provider(block, descriptor.credential_fields, values, given)

    async def first(self, provider: Provider) -> Token:
        """A first token, where nobody has to agree."""
        return await self._fetch(provider.refresh({}), {})

    async def kept(self, credential: Credential, token: Token) -> None:
        """Note until when the token is good that was stored with the values."""
        async with self._db.begin() as conn:
            due_at = oauth2.due_at(token.until, self._clock())
            await store.token_got(conn, credential.id, until=token.until, due_at=due_at)
        self.hint()

    async def soon(self, credential: Credential) -> None:
        """Have the loop get a token, beginning now."""
        async with self._db.begin() as conn:
            await store.token_due(conn, credential.id, self._clock())
        self.hint()

    async def renew(self, credential: Credential) -> None:
        """Get a fresh token now; whoever asks while that is under way waits for the same one."""
        await asyncio.shield(self._renewing.get(credential.id) or self._begin(credential))

    async def _renew(self, credential: Credential) -> None:
        try:
            values = (await self._held.get(credential.id)).values
            provider = await self.provider(credential.component, values)
            if provider is None:
                await self._never(credential)
                return
            held = _token_in(values, provider.field)
            try:
                token = await self._fetch(provider.refresh(held), held)
            except HeadraceError as error:
                error.message = Redaction({**values, "client_secret": provider.client_secret}).text(error.message)
                raise
            await self._keep(credential, provider, token)
            log.info("token.renewed", credential=credential.name, until=token.until)
        except NotFound:
            return  # removed meanwhile
        except HeadraceError as error:
            await self._failed(credential, error)
            raise

    async def _keep(self, credential: Credential, provider: Provider, token: Token) -> None:
        """The values first: a refresh token that counts once must not be lost."""
        await self._held.change(credential.id, merged({provider.field: dict(token.values)}))
        await self.kept(credential, token)

    async def _never(self, credential: Credential) -> None:
        async with self._db.begin() as conn:
            await store.token_got(conn, credential.id, until=None, due_at=None)

    async def _failed(self, credential: Credential, error: HeadraceError) -> None:
        failures = credential.token_failures + 1
        pause = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 20), LONGEST_PAUSE)
        log.warning("token.failed", credential=credential.name, why=error.message, reason=error.reason, again_in=pause)
        due_at = self._clock() + int(pause * 1000)
        async with self._db.begin() as conn:
            await store.token_failed(conn, credential.id, error.message, failures=failures, due_at=due_at)

    async def _fetch(self, request: Request, held: Mapping[str, Any]) -> Token:
        """Redirects are not followed: a token endpoint has no business sending secrets elsewhere."""
        basic = httpx.BasicAuth(*request.basic) if request.basic is not None else None
        headers = {"accept": "application/json"}
        try:
            async with (
                asyncio.timeout(PROVIDER_WITHIN),
                httpx.AsyncClient(timeout=PROVIDER_WITHIN) as client,
                client.stream("POST", request.url, data=dict(request.form), auth=basic, headers=headers) as response,
            ):
                body = b""
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > LARGEST_ANSWER:
                        raise Refused("token-refused", "the provider's answer is far too long for a token")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            told = f"the provider does not answer: {type(error).__name__}"
            raise Unavailable("provider-unreachable", told, next_step="see whether its address is right") from None
        return oauth2.token(response.status_code, response.headers.get("content-type", ""), body, held, self._clock())

    # -- ahead of their end ---------------------------------------------------------------------------------

    def hint(self) -> None:
        """Look now what is due."""
        self._wake.set()

    def stop(self) -> None:
        """Ask `run` to return; a token that is being got still gets stored."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Renew what is due until `stop`."""
        await self._sweep()
        while not self._stopping:
            self._wake.clear()
            pause = await self._renew_due()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
        if self._renewing:
            await asyncio.wait(list(self._renewing.values()), timeout=PROVIDER_WITHIN)

    async def _renew_due(self) -> float:
        """Begin with all that is due; seconds until the next one is, or until it is worth to look again."""
        now = self._clock()
        try:
            async with self._db.read() as conn:
                waiting = await store.with_tokens(conn)
        except HeadraceError as error:
            log.warning("cannot look", why=error.message)
            return FIRST_PAUSE
        for credential in waiting:
            if (credential.token_due_at or 0) > now:
                return min(LOOK_EVERY, ((credential.token_due_at or 0) - now) / 1000)
            if credential.id not in self._renewing:
                self._begin(credential)
        return LOOK_EVERY

    def _begin(self, credential: Credential) -> asyncio.Task[None]:
        task = asyncio.create_task(self._renew(credential), name=f"token of {credential.name}")
        self._renewing[credential.id] = task
        task.add_done_callback(lambda ended: self._ended(credential.id, ended))
        return task

    def _ended(self, id_: str, task: asyncio.Task[None]) -> None:
        self._renewing.pop(id_, None)
        self._wake.set()
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, HeadraceError):
            log.error("a token crashed", exc_info=error)

    async def _sweep(self) -> None:
        """Values whose credential, or component, is gone: the server died between the two."""
        with suppress(HeadraceError):  # next time
            async with self._db.read() as conn:
                known = {each.id for each in await store.list_(conn)}
                known |= await variables.ids(conn)
            for id_ in await self._held.ids():
                if id_ not in known:
                    await self._held.delete(id_)


def _token_in(values: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    held = values.get(field)
    return held if isinstance(held, Mapping) else {}
