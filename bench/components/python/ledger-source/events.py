"""Emit what the ledger sends, and tell it the number of each event that is durable."""

import asyncio
import json

from headrace_sdk import Context, Message


async def listen(ctx: Context, cfg: dict[str, str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(cfg["port"]))
    window = asyncio.Semaphore(int(cfg.get("window") or 64))
    try:
        async with asyncio.TaskGroup() as group:
            while line := await reader.readline():
                await window.acquire()
                group.create_task(pass_on(ctx, json.loads(line), writer, window))
    finally:
        writer.close()


async def pass_on(ctx: Context, event: dict[str, int], writer: asyncio.StreamWriter, window: asyncio.Semaphore) -> None:
    try:
        await ctx.emit(Message(event, id=str(event["n"])))
        writer.write(b"%d\n" % event["n"])
    finally:
        window.release()
