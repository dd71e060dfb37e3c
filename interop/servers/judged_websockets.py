"""An echo server on the Python library `websockets` that compresses as the query of the URL says; events as JSON lines."""

import asyncio
import json
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request

sys.path.insert(0, str(Path(__file__).parents[1]))

from clients.judged_client import note, say


def tell(**event: object) -> None:
    print(json.dumps(event), flush=True)


def agree(socket: ServerConnection, request: Request) -> None:
    """The library has one set of extensions for a server; here the URL chooses."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
    if query.get("deflate") == "no":
        return
    factory = ServerPerMessageDeflateFactory(
        server_no_context_takeover=query["server_takeover"] == "no",
        client_no_context_takeover=query["client_takeover"] == "no",
        server_max_window_bits=int(query["server_bits"]),
        client_max_window_bits=int(query["client_bits"]),
    )
    socket.protocol.available_extensions = [factory]


async def talk(socket: ServerConnection) -> None:
    seen: dict = {"received": [], "injected": []}
    try:
        async for message in socket:
            if note(seen, message):
                await say(socket, message)
    except ConnectionClosed as error:
        seen["error"] = repr(error)
    tell(event="closed", path=socket.request.path, code=socket.close_code, **seen)


async def main() -> None:
    options = {"compression": None, "max_size": None, "ping_interval": None, "process_request": agree}
    async with serve(talk, "127.0.0.1", 0, **options) as server:
        tell(event="listening", port=server.sockets[0].getsockname()[1], tls_port=0)
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
