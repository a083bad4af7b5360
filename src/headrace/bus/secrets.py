"""The values of credentials, encrypted, in the broker: bucket ``credentials``, one entry per credential.

The environment variables of components are kept in the same way, one entry per component.

Here and nowhere else, so a step's ``updateKeys`` is durable, and known to all others, whether the server is up or not.
A change is made with compare-and-set, so of two at once none is lost.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from headrace.bus import subjects
from headrace.bus.buckets import Bucket, Value
from headrace.bus.client import Bus
from headrace.errors import HeadraceError, NotFound, Refused, TooLarge
from headrace.keyring import Keyring

__all__ = ["LARGEST", "VARIABLES", "Secret", "Secrets", "merged"]

LARGEST = 256 * 1024
"""Bytes of JSON the values of one credential may have."""
VARIABLES = "variables-"
"""How ids of entries begin that hold a component's environment variables."""
EDITION = "Headrace-Edition"
"""Header: how often a person has changed the values. Running hosts with an ``init`` hook start again when it grows."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A credential's values as stored at ``revision``. ``edition`` counts a person's changes."""

    values: Mapping[str, Any]
    edition: int = 0
    revision: int = 0


Change = Callable[[Secret], Secret]


def merged(keys: Mapping[str, Any]) -> Change:
    """Set these keys, leave the others: what ``updateKeys`` does.

    A component may write back a token as its provider has answered, and that need not repeat the refresh token: then
    the one there was goes on to count (RFC 6749, section 6).
    """

    def change(secret: Secret) -> Secret:
        given = {name: _with_refresh_token(value, secret.values.get(name)) for name, value in keys.items()}
        return replace(secret, values={**secret.values, **given})

    return change


def _with_refresh_token(value: Any, held: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(held, dict) or "refresh_token" not in held:
        return value
    return {"refresh_token": held["refresh_token"], **value} if "access_token" in value else value


class Secrets:
    """The bucket, opened with the platform's keys."""

    def __init__(self, bus: Bus, keyring: Keyring) -> None:
        self._bucket = Bucket(bus, subjects.CREDENTIALS)
        self._keyring = keyring

    async def get(self, id_: str) -> Secret:
        """The values now; `NotFound` (``no-values``), or what `Keyring.decrypt` raises."""
        found = await self._bucket.get(id_)
        if found is None:
            raise _no_values(id_)
        return self._opened(found)

    async def create(self, id_: str, values: Mapping[str, Any]) -> Secret:
        """Store the values of a new credential; `Refused` (``changed``) when it has some."""
        return await self._write(id_, Secret(values, 1), 0)

    async def change(self, id_: str, change: Change) -> Secret:
        """Apply ``change`` to what is there, again when somebody else was quicker; the outcome.

        After `Unavailable` it may be stored or not.
        """
        while True:
            present = await self.get(id_)
            try:
                return await self._write(id_, change(present), present.revision)
            except Refused as error:
                if error.reason != "changed":
                    raise

    async def renew_key(self) -> int:
        """Encrypt everything with a new key and forget the older ones; how many credentials there are.

        Cut off anywhere it can be done again: older keys go last, when nothing needs them. Of two at once each leaves
        the other's key.
        """
        key = self._keyring.add()
        ids = await self.ids()
        for id_ in ids:
            with suppress(NotFound):  # removed meanwhile
                await self.change(id_, lambda secret: secret)
        self._keyring.forget_before(key)
        return sum(not id_.startswith(VARIABLES) for id_ in ids)

    async def delete(self, id_: str) -> None:
        """Forget the values; nothing happens when there are none."""
        await self._bucket.delete(id_)

    async def ids(self) -> list[str]:
        """Ids of all entries that have values."""
        return await self._bucket.keys()

    async def watch(self, id_: str) -> AsyncIterator[Secret | HeadraceError]:
        """The values now and after every change, until the iterator is closed; an error where they cannot be read."""
        async for value in self._bucket.watch(id_):
            try:
                yield self._opened(value)
            except HeadraceError as error:
                yield error

    def _opened(self, value: Value) -> Secret:
        if value.data is None:
            raise _no_values(value.key)
        values = msgspec.json.decode(self._keyring.decrypt(value.key, value.data), type=dict[str, Any])
        return Secret(values, int(value.headers.get(EDITION, 0)), value.revision)

    async def _write(self, id_: str, secret: Secret, revision: int) -> Secret:
        """The key is read after the revision: whoever re-encrypts everything meanwhile makes this write fail."""
        plain = msgspec.json.encode(secret.values)
        if len(plain) > LARGEST:
            raise TooLarge("too-large", f"the values have {len(plain)} bytes; {LARGEST} are possible")
        token = self._keyring.encrypt(id_, plain)
        stored = await self._bucket.update(id_, token, revision, headers={EDITION: str(secret.edition)})
        return replace(secret, revision=stored)


def _no_values(id_: str) -> NotFound:
    return NotFound("no-values", f"there are no values of credential {id_}", next_step="see `headrace credential list`")
