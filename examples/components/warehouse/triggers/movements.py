from typing import Any

from headrace_sdk import Context, Message
from warehouse_api import Cfg, warehouse


async def process(ctx: Context, msg: Message, cfg: Cfg, snapshot: dict[str, Any]) -> None:
    """Emit what has moved since the last call. The snapshot holds the number of the last movement."""
    async with warehouse(cfg) as session:
        for movement in await session.movements(cfg["shelf"], snapshot.get("last", 0)):
            number = movement.pop("number")
            await ctx.emit(Message(movement, id=f"{cfg['shelf']}-{number}"))
            await ctx.update_snapshot({"last": number})


async def shelves(cfg: Cfg) -> dict[str, str]:
    """The choices for the field `shelf`."""
    async with warehouse(cfg) as session:
        return {each["id"]: each["name"] for each in await session.shelves()}
