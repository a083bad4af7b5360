from headrace_sdk import Context, Message


async def process(ctx: Context, msg: Message, cfg: dict, snapshot: dict):
    """Called again and again. The snapshot is kept between calls and across versions."""
    count = snapshot.get("count", 0) + 1
    await ctx.emit({"name": f"tick {count}"})
    await ctx.update_snapshot({"count": count})
