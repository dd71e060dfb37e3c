"""An echo server on the Python library `websockets`: `websockets_echo.py CHAIN KEY`; events as JSON lines."""

import asyncio
import json
import ssl
import sys

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


def tell(**event: object) -> None:
    print(json.dumps(event), flush=True)


async def talk(socket: ServerConnection) -> None:
    path = socket.request.path
    tell(event="open", path=path, headers=list(socket.request.headers.raw_items()), subprotocol=socket.subprotocol)
    try:
        await echo(socket)
    except ConnectionClosed:
        pass
    tell(event="close", path=path, code=socket.close_code, reason=socket.close_reason)


async def echo(socket: ServerConnection) -> None:
    while True:
        message = await socket.recv()
        if message == "ping me":
            await (await socket.ping(b"from the server"))
            await socket.send("pong: from the server")
        elif isinstance(message, str) and message.startswith("close "):
            _, code, reason = message.split(" ", 2)
            await socket.close(int(code), reason)
        else:
            await socket.send(message)


def choose(_: ServerConnection, offered: list[str]) -> str | None:
    return "chat.v2" if "chat.v2" in offered else None


async def main(chain: str, key: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    options = {"select_subprotocol": choose, "max_size": None, "ping_interval": None}
    here = ("127.0.0.1", 0)
    async with serve(talk, *here, **options) as plain, serve(talk, *here, ssl=context, **options) as tls:
        ports = [server.sockets[0].getsockname()[1] for server in (plain, tls)]
        tell(event="listening", port=ports[0], tls_port=ports[1])
        await asyncio.get_running_loop().create_future()


asyncio.run(main(*sys.argv[1:]))
