"""One line a message: number, age in nanoseconds, mark of this code, id of the message."""

import asyncio
import socket
import time

from headrace_sdk import Context, Message

MARK = 1
connection: socket.socket | None = None


async def process(ctx: Context, msg: Message, cfg: dict[str, str]) -> None:
    global connection
    if "pace" in cfg:
        await asyncio.sleep(float(cfg["pace"]) / 1000)
    age = time.time_ns() - msg.body["sent"]
    if connection is None:
        connection = socket.create_connection(("127.0.0.1", int(cfg["port"])))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"%d %d %d %b\n" % (msg.body["n"], age, MARK, str(msg.id).encode()))
