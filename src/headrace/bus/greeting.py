"""Whether a broker answers, and to our credentials: a sign-in by hand, which needs no client.

The handshake is that of https://docs.nats.io/reference/reference-protocols/nats-protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field

from headrace import identity
from headrace.errors import Unavailable
from headrace.identity import Identity

__all__ = ["Access", "greet"]

ANSWER_WITHIN = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.1


@dataclass(frozen=True, slots=True)
class Access:
    """Where a broker is (``nats://host:port``) and the credentials it accepts."""

    url: str
    user: str
    password: str = field(repr=False)

    @property
    def host(self) -> str:
        """The host in ``url``."""
        return self.url.removeprefix("nats://").rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port in ``url``."""
        return int(self.url.rpartition(":")[2])


async def greet(access: Access, process: Identity, within: float) -> str:
    """Wait until the broker accepts our credentials; its version.

    Raises `Unavailable` (``broker-failed``) when its process has ended or ``within`` seconds are over.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    pause = FIRST_PAUSE
    while True:
        refused: Exception
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await _sign_in(access)
        except (OSError, EOFError, ValueError, KeyError) as error:  # OSError: TimeoutError is one
            refused = error
        if not identity.alive(process) or loop.time() > deadline:
            raise Unavailable("broker-failed", f"the broker at {access.url} does not answer: {refused}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


async def _sign_in(access: Access) -> str:
    reader, writer = await asyncio.open_connection(access.host, access.port)
    try:
        hello = (await reader.readline()).decode(errors="replace")
        if not hello.startswith("INFO "):
            raise EOFError("it does not speak the NATS protocol")
        told = json.loads(hello.removeprefix("INFO "))
        sign_in = {"user": access.user, "pass": access.password, "verbose": False, "pedantic": False}
        writer.write(f"CONNECT {json.dumps(sign_in)}\r\nPING\r\n".encode())
        answer = (await reader.readline()).decode(errors="replace").strip()
        if answer != "PONG":
            raise EOFError(answer or "it closed the connection")
        if not told.get("jetstream"):
            raise EOFError("JetStream is not enabled")
        return str(told["version"])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
