"""A step's configuration: its fields and, among them, the values of its credential as they are now.

And the environment variables of its component, which a host gets when it starts.

The values come from the broker, encrypted, and are followed there: each call gets the newest. What a component writes
back (``updateKeys``) goes there, too, and is durable before it is confirmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, cast

import msgspec

from headrace.bus.secrets import Secret, Secrets, merged
from headrace.errors import HeadraceError, NotFound, Refused, Unavailable
from headrace.flows.deployment import StepSpec
from headrace.flows.redaction import Redaction
from headrace.worker.writes import Done, Writes

__all__ = ["Config"]

AGAIN = 0.25
ACCOUNT = "_account"
"""Under which elastic.io's components find the credential's id."""


class Config:
    """One step's. `load` it before its host starts; `follow` it for as long as the worker runs."""

    def __init__(self, secrets: Secrets, step: StepSpec) -> None:
        self._secrets = secrets
        self._id = step.credential
        self._fields = step.fields
        self._value: dict[str, Any] = dict(step.fields)
        self._secret = Secret({})
        self._trouble: HeadraceError | None = None
        self._variables = step.variables
        self.variables: Mapping[str, str] = {}
        """The component's environment variables, as they were when they were read last."""
        self._writes = Writes(f"credential {self._id}")
        self.redaction = Redaction()
        """Knows what must not get into a log."""
        self.raw = msgspec.json.encode(self._value)
        """What a call gets, as JSON."""

    @property
    def secret(self) -> bool:
        """Whether there is a credential at all."""
        return bool(self._id)

    @property
    def redacts(self) -> bool:
        """Whether there is anything that must not get into a log."""
        return bool(self._id or self.variables)

    @property
    def value(self) -> dict[str, Any]:
        """What hooks get. `Refused` (``credential-unreadable``) while the credential has no values to give."""
        if self._trouble is not None:
            raise Refused("credential-unreadable", f"the credential cannot be read: {self._trouble.message}")
        return self._value

    async def load(self) -> None:
        """Read the values. `Unavailable` when the broker does not answer; other trouble is `value`'s to tell."""
        if self._id:
            try:
                self._take(await self._secrets.get(self._id))
            except (NotFound, Refused) as error:
                self._trouble = error
        await self._read_variables()

    async def refresh(self) -> None:
        """Read the environment variables again; while the broker does not answer, those read last serve."""
        with suppress(Unavailable):
            await self._read_variables()

    async def _read_variables(self) -> None:
        if self._variables:
            try:
                self.variables = (await self._secrets.get(self._variables)).values
            except NotFound:
                self.variables = {}
            self.redaction.learn(self.variables)

    async def follow(self, edited: Callable[[], None]) -> None:
        """Take every change, and call ``edited`` after those that a person made. Runs until it is cancelled."""
        if not self._id:
            return
        watching = cast("AsyncGenerator[Secret | HeadraceError]", self._secrets.watch(self._id))
        async with aclosing(watching) as changes:
            async for change in changes:
                if isinstance(change, HeadraceError):  # what is known still serves
                    continue
                before = self._secret.edition
                self._take(change)
                if before and self._secret.edition > before:
                    edited()

    def write_back(self, keys: Mapping[str, Any], done: Done) -> None:
        """Set these values for everyone; ``done`` is called when that is durable, or with the error."""
        self._writes.add(partial(self._merge, keys), done)

    async def settled(self) -> None:
        """Return when everything written back is durable or refused."""
        await self._writes.settled()

    async def _merge(self, keys: Mapping[str, Any]) -> None:
        """Setting them twice sets them once, so it is simply tried until the broker is back."""
        while True:
            try:
                self._take(await self._secrets.change(self._id, merged(keys)))
            except Unavailable as error:
                if error.reason == "bus-closed":
                    raise
                await asyncio.sleep(AGAIN)
            else:
                return

    def _take(self, secret: Secret) -> None:
        if secret.revision <= self._secret.revision:
            return
        self._secret, self._trouble = secret, None
        self._value = {**self._fields, **secret.values, ACCOUNT: self._id}
        self.raw = msgspec.json.encode(self._value)
        self.redaction.learn(secret.values)
