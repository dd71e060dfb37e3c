"""An echo server on aiohttp: `aiohttp_echo.py CHAIN KEY`; events as JSON lines."""

import asyncio
import json
import ssl
import sys

from aiohttp import WSMsgType, web


def tell(**event: object) -> None:
    print(json.dumps(event), flush=True)


async def talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=("chat.v2",), autoping=False, max_msg_size=0, compress=True)
    await socket.prepare(request)
    headers = [(name.decode(), value.decode()) for name, value in request.raw_headers]
    tell(event="open", path=request.path_qs, headers=headers, subprotocol=socket.ws_protocol)
    async for message in socket:
        if message.type is WSMsgType.PING:
            await socket.pong(message.data)
        elif message.type is WSMsgType.PONG:
            await socket.send_str("pong: " + message.data.decode())
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.data == "ping me":
            await socket.ping(b"from the server")
        elif message.data.startswith("close "):
            _, code, reason = message.data.split(" ", 2)
            await socket.close(code=int(code), message=reason.encode())
        else:
            await socket.send_str(message.data)
    # aiohttp does not hand out the reason of a Close that it was sent.
    tell(event="close", path=request.path_qs, code=socket.close_code, reason=None)
    return socket


async def main(chain: str, key: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    app = web.Application()
    app.router.add_get("/{path:.*}", talk)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    plain, tls = web.TCPSite(runner, "127.0.0.1", 0), web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await plain.start()
    await tls.start()
    ports = [address[1] for address in runner.addresses]
    tell(event="listening", port=ports[0], tls_port=ports[1])
    await asyncio.get_running_loop().create_future()


asyncio.run(main(*sys.argv[1:]))
