from __future__ import annotations

import asyncio

from headrace.errors import HeadraceError, Refused
from headrace.worker.writes import Writes


async def test_writes_follow_each_other_in_order_and_one_that_fails_stops_none() -> None:
    writes, told = Writes("test"), []
    may_end = asyncio.Event()

    def done(name: str) -> None:
        async def write() -> None:
            told.append(f"{name} begins")
            await may_end.wait()
            if name == "b":
                raise Refused("changed", "no")

        def ended(error: HeadraceError | None) -> None:
            told.append(f"{name}: {error.reason if error else 'ok'}")
            if name == "c":
                done("d")

        writes.add(write, ended)

    for name in "abc":
        done(name)
    await asyncio.sleep(0)
    assert told == ["a begins"]
    may_end.set()
    await writes.settled()
    assert told == [
        "a begins", "a: ok", "b begins", "b: changed", "c begins", "c: ok", "d begins", "d: ok",
    ]  # fmt: skip
    await writes.settled()
    done("e")
    await writes.settled()
    assert told[-1] == "e: ok"
