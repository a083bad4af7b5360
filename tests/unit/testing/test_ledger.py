"""What a ledger says of its connections."""

from __future__ import annotations

import socket

from headrace.testing.ledger import Ledger
from headrace.testing.plane import until


async def taker(ledger: Ledger, count: int) -> socket.socket:
    """Somebody who takes events, once the ledger has noticed that there were ``count`` of them."""
    came = socket.create_connection(("127.0.0.1", ledger.source_port))
    await until(lambda: ledger.account.connections == count)
    return came


async def test_two_at_once_are_counted() -> None:
    async with Ledger() as ledger:
        with await taker(ledger, 1), await taker(ledger, 2):
            assert ledger.sources == ledger.account.most_connections == 2


async def test_one_that_is_gone_does_not_count_though_what_it_said_is_still_unread() -> None:
    async with Ledger() as ledger:
        for number in range(1, 6):
            gone = await taker(ledger, number)
            gone.sendall(b"0\n" * 200_000)
            gone.close()
        assert ledger.account.most_connections == 1
