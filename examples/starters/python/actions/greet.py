from headrace_sdk import Context, Message


async def process(ctx: Context, msg: Message, cfg: dict, snapshot: dict):
    """Called for every message. Raise to fail; what is yielded goes to the next steps."""
    ctx.logger.info("greeting %s", msg.body["name"])
    yield {"text": f"{cfg['greeting']}, {msg.body['name']}!"}
