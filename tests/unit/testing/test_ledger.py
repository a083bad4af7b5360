"""The ledger's own counting."""

from __future__ import annotations

import asyncio
import socket
import struct

from headrace.testing.ledger import Ledger


async def test_a_source_whose_other_end_was_killed_is_counted_out_at_every_moment() -> None:
    async with Ledger() as ledger:
        killed = socket.create_connection(("127.0.0.1", ledger.source_port))
        await asyncio.wait_for(ledger.connected.wait(), 10)
        assert ledger.sources == 1
        killed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        killed.close()  # a reset, as of a process that had more to read
        while ledger.connected.is_set():
            assert ledger.sources == 0
            await asyncio.sleep(0)
        assert ledger.sources == 0
