from urllib.error import HTTPError

from headrace_sdk import Context, Message, Rebound
from helpdesk_api import Cfg, call


def process(ctx: Context, msg: Message, cfg: Cfg) -> dict[str, int]:
    number = msg.body["number"]
    try:
        call(cfg, f"/tickets/{number}/answers", {"text": msg.body["text"]}).close()
    except HTTPError as error:
        if error.code in (429, 503):
            raise Rebound(f"the helpdesk is busy: {error}") from error
        raise
    ctx.logger.info("answered ticket %d", number)
    return {"answered": number}
