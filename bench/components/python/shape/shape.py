"""The cheapest action there is: what is measured is the platform."""

from headrace_sdk import Message


async def process(msg: Message) -> object:
    return msg.body
