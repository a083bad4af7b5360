import csv
import json
from typing import Any

from headrace_sdk import Context, Message
from warehouse_api import Cfg, warehouse


async def process(ctx: Context, msg: Message, cfg: Cfg) -> Message:
    """Compare what was counted with what there should be."""
    counted = await _counted(ctx)
    async with warehouse(cfg) as session:
        stock = await session.stock()
    report = [
        {"article": article, "stock": stock.get(article, 0), "counted": counted.get(article, 0)}
        for article in sorted(stock.keys() | counted.keys())
        if stock.get(article, 0) != counted.get(article, 0)
    ]
    stored = await ctx.attachments.put(json.dumps(report).encode(), content_type="application/json")
    return Message({"differences": len(report)}, attachments={"report.json": stored})


async def _counted(ctx: Context) -> dict[str, int]:
    """Article → count, from the first attachment."""
    name = next(iter(ctx.attachments))
    async with ctx.attachments.open(name) as file:
        parts = [chunk async for chunk in file]
    rows: Any = csv.DictReader(b"".join(parts).decode().splitlines())
    return {row["article"]: int(row["count"]) for row in rows}
