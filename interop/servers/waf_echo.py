"""The WebSocket server behind a firewall: `waf_echo.py PORT`. It echoes; at /say/N it says row N of the table itself."""

import asyncio
import json
import sys
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import waf

ROWS = waf.rows()


def tell(**event: object) -> None:
    print(json.dumps(event), flush=True)


async def talk(socket: ServerConnection) -> None:
    path, received = socket.request.path, []
    try:
        if path.startswith("/say/"):
            one = ROWS[int(path.split("/")[2])]
            for payload, binary in ((b"hello before", False), (one.payload, one.binary), (b"hello after", False)):
                await socket.send(payload, text=not binary)
        async for message in socket:
            received.append(waf.brief(*as_row(message)))
            if not path.startswith("/say/"):
                await socket.send(message)
    except ConnectionClosed:
        pass
    await socket.wait_closed()
    tell(event="closed", path=path, code=socket.close_code, received=received)


def as_row(message: str | bytes) -> tuple[bool, bytes]:
    return (False, message.encode()) if isinstance(message, str) else (True, message)


async def main(port: str) -> None:
    async with serve(talk, "127.0.0.1", int(port), max_size=None, ping_interval=None):
        tell(event="listening", port=int(port), tls_port=0)
        await asyncio.get_running_loop().create_future()


asyncio.run(main(*sys.argv[1:]))
