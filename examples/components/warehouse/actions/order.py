from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any

from headrace_sdk import Context, Message
from warehouse_api import Cfg, warehouse

Body = dict[str, Any]


async def process(ctx: Context, msg: Message, cfg: Cfg) -> AsyncIterator[Body]:
    """One order for each supplier of the articles."""
    articles = sorted(msg.body["articles"], key=_supplier)
    for supplier, group in groupby(articles, _supplier):
        lines = list(group)
        ctx.logger.info("%s: %d articles of kind %s", supplier, len(lines), cfg["kind"])
        yield {"supplier": supplier, "lines": lines}


async def kinds(cfg: Cfg) -> dict[str, str]:
    """The choices for the field `kind`."""
    async with warehouse(cfg) as session:
        return {name: kind["title"] for name, kind in (await session.kinds()).items()}


async def meta_model(cfg: Cfg) -> dict[str, Any]:
    """What an article has depends on its kind."""
    async with warehouse(cfg) as session:
        article = {"type": "object", "properties": (await session.kinds())[cfg["kind"]]["properties"]}
    lines = {"type": "array", "items": article}
    return {
        "in": {"type": "object", "properties": {"articles": {**lines, "required": True}}},
        "out": {"type": "object", "properties": {"supplier": {"type": "string"}, "lines": lines}},
    }


def _supplier(article: Body) -> str:
    return str(article["supplier"])
