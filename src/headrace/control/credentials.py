"""Credentials: make, change, verify, remove. The one place that knows of all their parts.

What is known of a credential is in the store, its values are in the broker, whether they are good the component says,
and tokens come from a provider. Values leave this room for hosts only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from headrace.bus.secrets import Secret, Secrets, merged
from headrace.components import oauth2
from headrace.components.descriptor import Descriptor
from headrace.components.oauth2 import Provider, Token
from headrace.control.design import Design, Verdict
from headrace.control.tokens import Tokens
from headrace.control.variables import values_of
from headrace.errors import HeadraceError, Invalid, NotFound, Problem, Refused
from headrace.flows import document
from headrace.flows.catalog import Field
from headrace.flows.excerpt import written
from headrace.flows.redaction import Redaction
from headrace.store import components, deployments, flows, variables
from headrace.store import credentials as store
from headrace.store.components import ComponentVersion
from headrace.store.credentials import Credential
from headrace.store.database import Database

__all__ = ["NOT_CONNECTED", "Credentials", "Shown", "users"]

NOT_CONNECTED = "it is not connected yet"
"""Why a credential is unverified for which a person has to agree."""
_EMPTY = (None, "")


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be told of a credential: which fields have a value, not which."""

    credential: Credential
    fields: tuple[tuple[Field, bool], ...]
    """The component's fields, each with whether it has a value."""
    others: tuple[str, ...]
    """Names of values that are none of its fields."""
    connects: bool
    """A person has to agree at a provider."""
    connected: bool
    trouble: str
    """Why its values cannot be read."""


class Credentials:
    """The credentials of a server."""

    def __init__(self, db: Database, secrets: Secrets, design: Design, tokens: Tokens) -> None:
        self._db = db
        self._secrets = secrets
        self._design = design
        self._tokens = tokens

    async def create(
        self, name: str, component: str, values: Mapping[str, Any], *, author: str = "", verify: bool = True
    ) -> Credential:
        """Store a credential and, with ``verify``, say whether it is good: a bad one is stored all the same.

        Raises `Refused` (``credential-exists``, ``no-credentials``, ``not-built``), `NotFound`
        (``component-not-found``) and `Invalid` (``bad-values``, ``bad-oauth2``).
        """
        version = await self._version(component)
        given = {key: value for key, value in values.items() if value not in _EMPTY}
        _check(version, given)
        provider = await self._provider(version, given)
        async with self._db.begin() as conn:
            made = await store.create(conn, name, component, author=author)
        try:
            await self._secrets.create(made.id, given)
        except BaseException:
            async with self._db.begin() as conn:
                await store.remove(conn, made.id)
            raise
        await self._first_token(made, provider, wait=verify)
        return await self.verify(name) if verify else await self.get(name)

    async def edit(self, name: str, changes: Mapping[str, Any], *, author: str = "", verify: bool = True) -> Credential:
        """Set values; `None` takes one away. With ``verify`` nothing is changed unless the component says it is good.

        Steps that run get them at once, which is why a bad one is refused here: `Refused` (``not-verified``). Raises,
        too, `NotFound` (``credential-not-found``) and as `create`.
        """
        credential = await self.get(name)
        version = await self._version(credential.component)
        present = await self._present(credential)
        wanted = _changed(present.values, changes)
        _check(version, wanted)
        provider = await self._provider(version, wanted)
        token = None
        if verify:
            token = await self._fresh(provider)
            if provider is not None and token is not None:
                wanted = {**wanted, provider.field: dict(token.values)}
            verdict = await self._verdict(version, provider, wanted)
            if verdict.good is False:
                told = f"nothing is changed: {verdict.reason}"
                raise Refused("not-verified", told, next_step="correct it, or save it with --no-verify")
        field = None if provider is None else provider.field
        await self._store(credential, changes, author, field, token)
        if verify:
            await self._note(credential, verdict)
            if token is not None:
                await self._tokens.kept(credential, token)
        else:
            await self._first_token(credential, provider, wait=False)
        return await self.get(name)

    async def verify(self, name: str) -> Credential:
        """Ask the component whether the values are good, and keep what it says."""
        credential = await self.get(name)
        version = await self._version(credential.component)
        values = (await self._present(credential)).values
        try:
            verdict = await self._verdict(version, await self._provider(version, values), values)
        except Invalid as error:
            verdict = Verdict(False, error.message)
        await self._note(credential, verdict)
        return await self.get(name)

    async def get(self, name: str) -> Credential:
        """The credential; `NotFound` (``credential-not-found``)."""
        async with self._db.read() as conn:
            return await store.get(conn, name)

    async def remove(self, name: str) -> None:
        """Forget it. `Refused` (``in-use``), naming the flows, while one uses it; `NotFound`."""
        async with self._db.begin() as conn:
            credential = await store.get(conn, name)
            if using := await users(conn, name):
                told = f"credential `{name}` is used by {', '.join(using)}"
                raise Refused("in-use", told, next_step="Remove these flows, or publish versions without it.")
            await store.remove(conn, credential.id)
        await self._secrets.delete(credential.id)

    async def redaction(self, *texts: str, steps: Iterable[Mapping[str, Any]] = ()) -> Redaction:
        """What takes the values that the steps of flow documents are given out of what is shown of their messages.

        Those of credentials and of environment variables; values that cannot be read are not known to anybody. A
        document may have any mistakes. ``steps`` are more of them, as they are written.
        """
        found = Redaction()
        for id_ in await self._ids_of([*(step for text in texts for step in written(text)), *steps]):
            try:
                found.learn((await self._secrets.get(id_)).values)
            except (NotFound, Refused):
                continue
        return found

    async def _ids_of(self, steps: Sequence[Mapping[str, Any]]) -> list[str]:
        """Where the values are that these steps are given."""
        found = []
        named = [step.get("action") or step.get("trigger") for step in steps]
        used = {each.partition("/")[0] for each in named if isinstance(each, str)}
        held_by = {each for step in steps if isinstance(each := step.get("credential"), str)}
        async with self._db.read() as conn:
            for name in sorted(held_by):
                with suppress(NotFound):
                    found.append((await store.get(conn, name)).id)
            for name in sorted(used):
                with suppress(NotFound):
                    held = await variables.find(conn, (await components.get(conn, name)).id)
                    found += [held.id] if held is not None else []
        return found

    async def renew_key(self) -> int:
        """Encrypt all values with a new key and forget the older ones; how many credentials there are."""
        return await self._secrets.renew_key()

    async def shown(self, credential: Credential) -> Shown:
        """What may be told of it."""
        fields, block = await self._described(credential.component)
        try:
            values, trouble = (await self._present(credential)).values, ""
        except HeadraceError as error:
            values, trouble = {}, error.message
        field = oauth2.token_field(fields) if block is not None else ""
        token = values.get(field)
        hidden = {*fields, field}
        return Shown(
            credential=credential,
            fields=tuple((each, values.get(name) not in _EMPTY) for name, each in fields.items()),
            others=tuple(sorted(set(values) - hidden)),
            connects=block is not None and _asks(block),
            connected=isinstance(token, Mapping) and bool(token.get("access_token")),
            trouble=trouble,
        )

    async def consent_url(self, name: str) -> str:
        """Where a person agrees; see `Tokens.consent_url`."""
        return await self._tokens.consent_url(await self.get(name))

    async def agreed(self, state: str, code: str, error: str) -> Credential:
        """A person is back from the provider: get the token, and verify. Raises as `Tokens.agreed`."""
        credential = await self._tokens.agreed(state, code, error)
        return await self.verify(credential.name)

    async def values_for(self, name: str, component: str) -> tuple[Credential, Mapping[str, Any]]:
        """The values, for a host of that component alone. `Refused` (``credential-of-another``), `NotFound`."""
        credential = await self.get(name)
        if credential.component != component:
            told = f"credential `{name}` is for component `{credential.component}`, not for `{component}`"
            raise Refused("credential-of-another", told, next_step="see `headrace credential list`")
        return credential, (await self._present(credential)).values

    async def write_back(self, credential: Credential, keys: Mapping[str, Any]) -> None:
        """Set these values as the component wants it; running hosts just use them from now on."""
        await self._secrets.change(credential.id, merged(keys))

    # -- parts ----------------------------------------------------------------------------------------------

    async def _version(self, component: str) -> ComponentVersion:
        async with self._db.read() as conn:
            version = await components.resolve(conn, component, "latest")
        if not Descriptor(version.descriptor).has_credentials:
            raise Refused("no-credentials", f"component `{component}` takes no credentials")
        return version

    async def _described(self, component: str) -> tuple[Mapping[str, Field], Mapping[str, Any] | None]:
        try:
            async with self._db.read() as conn:
                found = Descriptor((await components.resolve(conn, component, "latest")).descriptor)
        except (NotFound, Refused):
            return {}, None
        return found.credential_fields, found.oauth2

    async def _present(self, credential: Credential) -> Secret:
        try:
            return await self._secrets.get(credential.id)
        except NotFound:  # the server died between the two halves of its creation
            return await self._secrets.create(credential.id, {})

    async def _provider(self, version: ComponentVersion, values: Mapping[str, Any]) -> Provider | None:
        descriptor = Descriptor(version.descriptor)
        block = descriptor.oauth2
        if block is None:
            return None
        variables = await values_of(self._db, self._secrets, version.component_id)
        return oauth2.provider(block, descriptor.credential_fields, values, variables)

    async def _fresh(self, provider: Provider | None) -> Token | None:
        """A token for changed values, where nobody has to agree; `Refused` (``not-verified``) when there is none."""
        if provider is None or provider.grant != "client_credentials":
            return None
        try:
            return await self._tokens.first(provider)
        except HeadraceError as error:
            told = f"nothing is changed: {error.message}"
            raise Refused("not-verified", told, next_step="correct it, or save it with --no-verify") from None

    async def _first_token(self, credential: Credential, provider: Provider | None, *, wait: bool) -> None:
        """The loop gets it, and tries again when it does not; ``wait`` for the first attempt."""
        if provider is None or provider.grant != "client_credentials":
            return
        if wait:
            try:
                await self._tokens.renew(credential)
            except HeadraceError:
                return  # it is told with the credential, and tried again
        else:
            await self._tokens.soon(credential)

    async def _verdict(
        self, version: ComponentVersion, provider: Provider | None, values: Mapping[str, Any]
    ) -> Verdict:
        if provider is not None and not isinstance(values.get(provider.field), Mapping):
            if provider.grant == "authorization_code":
                return Verdict(None, NOT_CONNECTED)
            return Verdict(False, "it has no token")
        verdict = await self._design.verify(version, values)
        return Verdict(verdict.good, Redaction(values).text(verdict.reason))

    async def _store(
        self, credential: Credential, changes: Mapping[str, Any], author: str, field: str | None, token: Token | None
    ) -> None:
        """Onto what is there now, which a step may have written back to meanwhile."""

        def change(secret: Secret) -> Secret:
            values = _changed(secret.values, changes)
            if field is not None and token is not None:
                values[field] = dict(token.values)
            return Secret(values, secret.edition + 1, secret.revision)

        async with self._db.begin() as conn:
            await store.changed(conn, credential.id, author)
        await self._secrets.change(credential.id, change)

    async def _note(self, credential: Credential, verdict: Verdict) -> None:
        state: store.State = "unverified" if verdict.good is None else "verified" if verdict.good else "failed"
        async with self._db.begin() as conn:
            await store.checked(conn, credential.id, state, verdict.reason)


async def users(conn: AsyncConnection, name: str) -> tuple[str, ...]:
    """Names of the flows whose newest version, or a deployment that has not ended, uses the credential."""
    running: dict[str, set[int]] = {}
    for deployment in await deployments.active(conn):
        running.setdefault(deployment.flow_id, set()).add(deployment.version)
    found = []
    for flow in await flows.list_(conn):
        newest = set() if flow.version is None else {flow.version}
        for number in newest | running.get(flow.id, set()):
            if name in _named((await flows.get_version(conn, flow.id, number)).document):
                found.append(flow.name)
                break
    return tuple(found)


def _named(text: str) -> set[str]:
    try:
        return {step.credential for step in document.parse(text).steps if step.credential}
    except Invalid:
        return set()  # published by another version of Headrace


def _changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**values, **changes}.items() if value not in _EMPTY}


def _asks(block: Mapping[str, Any]) -> bool:
    return bool(block.get("auth_uri")) and block.get("grant_type") != "client_credentials"


def _check(version: ComponentVersion, values: Mapping[str, Any]) -> None:
    """`Invalid` (``bad-values``) with everything that is wrong. Values themselves are not told."""
    descriptor = Descriptor(version.descriptor)
    fields, block = descriptor.credential_fields, descriptor.oauth2
    known = {*fields, *(oauth2.names(block) if block is not None else ())}
    token = oauth2.token_field(fields) if block is not None else ""
    problems = [
        Problem(f"values.{name}", "field-missing", f"`{field.label or name}` is required", f"--set {name}=…")
        for name, field in fields.items()
        if field.required and values.get(name) in _EMPTY and name != token
    ]
    for name in sorted(set(values) - known - {token}):
        near = difflib.get_close_matches(name, known, n=1)
        suggestion = f"did you mean `{near[0]}`?" if near else f"it has {', '.join(sorted(known)) or 'no fields'}"
        told = f"component `{version.component}` has no credential field of this name"
        problems.append(Problem(f"values.{name}", "unknown-field", told, suggestion))
    problems += [
        Problem(f"values.{name}", "field-choice", "is none of its choices", ", ".join(list(field.model)[:12]))
        for name, field in fields.items()
        if isinstance(field.model, Mapping) and isinstance(values.get(name), str) and values[name] not in field.model
    ]
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise Invalid("bad-values", f"{problems[0]}{more}", problems=problems)
