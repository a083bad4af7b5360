from headrace_sdk import Context, Message


def process(ctx: Context, msg: Message) -> Message | None:
    """Each request is a form that somebody has sent."""
    filled = msg.body if isinstance(msg.body, dict) else {}
    if not filled.get("text"):
        ctx.http_reply({"error": "write something"}, status=400).result()
        return None
    ctx.http_reply({"thanks": filled.get("from", "")}, status=201).result()
    return Message({"from": filled.get("from", ""), "text": filled["text"]}, id=msg.id)
