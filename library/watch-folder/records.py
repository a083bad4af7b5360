"""One event per record of every file that is put into a folder.

What is done is kept in the snapshot. After a crash in the middle of a file its records are emitted again under the
same ids, so the platform removes those it already has.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from formats import ENCODING, Broken, format_of, records
from watch import File, Watch, done_in, look, patterns

from headrace_sdk import BodyError, Context, EmitError, Message

PAUSE = 0.2
"""Seconds between looks; longer when looking itself takes long."""
SETTLE = 0.4
IN_FLIGHT = 64
"""Emissions at once: waiting for each alone would make a large file slow."""
SAVE_EVERY = 0.5


async def listen(ctx: Context, cfg: dict[str, Any], snapshot: dict[str, Any]) -> None:
    """Watch the folder until cancelled. `OSError` when it cannot be read; the platform then calls again."""
    watch = Watch(float(cfg.get("settle") or SETTLE), done_in(snapshot))
    wanted = patterns(cfg.get("pattern"))
    ctx.logger.info("watching %s for %s", cfg["folder"], ", ".join(wanted))
    while True:
        start = time.monotonic()
        files = await asyncio.to_thread(look, cfg["folder"], wanted)
        took = time.monotonic() - start
        changed = watch.forget_all_but(file.name for file in files)
        saved = time.monotonic()
        for file in watch.due(files, time.monotonic()):
            await _file(ctx, cfg, file)
            watch.finish(file)
            changed = True
            if time.monotonic() - saved > SAVE_EVERY:
                await ctx.set_snapshot({"done": watch.done})
                saved, changed = time.monotonic(), False
        if changed:
            await ctx.set_snapshot({"done": watch.done})
        await asyncio.sleep(max(PAUSE, 10 * took))


async def _file(ctx: Context, cfg: dict[str, Any], file: File) -> None:
    """Emit all records of one file, or report why it has none."""
    path = Path(cfg["folder"], file.name)
    try:
        found = await asyncio.to_thread(_all_records, path, cfg)
    except FileNotFoundError:
        return
    except (Broken, OSError) as error:
        reason = f"{error.strerror}; touch it to try again" if isinstance(error, OSError) else error
        await ctx.error(f"{file.name} was not read: {reason}")
        return
    await _emit_all(ctx, file, found)
    ctx.logger.info("%s: %d records", file.name, len(found))


def _all_records(path: Path, cfg: dict[str, Any]) -> list[Any]:
    """The whole file before its first record is emitted, so that a broken one emits nothing."""
    format_ = format_of(path.name, cfg.get("format") or "auto")
    return list(records(path, format_, cfg.get("encoding") or ENCODING))


async def _emit_all(ctx: Context, file: File, found: list[Any]) -> None:
    """In order, a bounded number at once. A record that is too large is reported, the others go on."""
    about = {
        "name": file.name,
        "size": file.size,
        "modified": datetime.fromtimestamp(file.modified_ns / 1e9, UTC).isoformat(),
    }
    flying: deque[tuple[int, Awaitable[None]]] = deque()
    for index, record in enumerate(found):
        body = {"record": record, "index": index, "file": about}
        try:
            flying.append((index, ctx.emit(Message(body, id=f"{file.identity}-{index}"))))
        except BodyError as error:
            await ctx.error(f"{file.name}, record {index}: {error}")
        if len(flying) >= IN_FLIGHT:
            await _landed(ctx, file, *flying.popleft())
    while flying:
        await _landed(ctx, file, *flying.popleft())


async def _landed(ctx: Context, file: File, index: int, emission: Awaitable[None]) -> None:
    try:
        await emission
    except EmitError as error:
        if error.reason != "too-large":
            raise
        await ctx.error(f"{file.name}, record {index}: {error}")
