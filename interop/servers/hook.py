"""A hook: `hook.py PORT LOG`. 403 for what has `attack` in it, 200 for all else; each verdict is in the log before it leaves.

It answers after a moment that looks like chance, so that a signal finds questions under way. SIGTERM ends it between two
answers, with the connections closed in order.
"""

import asyncio
import json
import os
import random
import signal
import sys

SLOW_S = 0.003


class Questions(asyncio.Protocol):
    """One connection: requests with a `Content-Length`, one after another."""

    open: set["Questions"] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport, self.read = transport, b""
        Questions.open.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        Questions.open.discard(self)

    def data_received(self, data: bytes) -> None:
        self.read += data
        head, separator, body = self.read.partition(b"\r\n\r\n")
        if not separator:
            return
        fields = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        length = next(int(value) for name, _, value in fields if name.lower() == b"content-length")
        if len(body) >= length:
            self.read = body[length:]
            asyncio.get_running_loop().call_later(random.uniform(0, SLOW_S), self.answer, body[:length])

    def answer(self, payload: bytes) -> None:
        if self.transport.is_closing():
            return
        status = 403 if b"attack" in payload else 200
        os.write(LOG, json.dumps([status, payload.decode()]).encode() + b"\n")
        self.transport.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)


async def main(port: int) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(Questions, "127.0.0.1", port, reuse_address=True)
    print(json.dumps({"event": "listening", "port": server.sockets[0].getsockname()[1]}), flush=True)
    await ended.wait()
    server.close()
    for connection in list(Questions.open):
        connection.transport.close()
    while Questions.open:
        await asyncio.sleep(0)


LOG = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
asyncio.run(main(int(sys.argv[1])))
