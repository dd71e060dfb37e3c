"""A small web application on aiohttp: `web_app.py CHAIN KEY STEPS_DIRECTORY`; pages, uploads, a WebSocket, refusals."""

import asyncio
import hashlib
import json
import ssl
import sys
from pathlib import Path

from aiohttp import WSMsgType, web

PAGES = Path(__file__).parents[1] / "pages"
STEPS = web.AppKey("steps", Path)
routes = web.RouteTableDef()


def tell(**event: object) -> None:
    print(json.dumps(event), flush=True)


@routes.get("/page/{name}")
async def page(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(PAGES / request.match_info["name"])


@routes.get("/steps/{mark}")
async def steps(request: web.Request) -> web.StreamResponse:
    """The conversation that the page is to have."""
    return web.FileResponse(request.app[STEPS] / f"{request.match_info['mark']}.json")


@routes.get("/numbers.json")
async def numbers(_: web.Request) -> web.Response:
    return web.json_response(list(range(100)))


@routes.post("/upload")
async def upload(request: web.Request) -> web.Response:
    digest, size = hashlib.sha256(), 0
    async for part in request.content.iter_chunked(1 << 16):
        digest.update(part)
        size += len(part)
    headers = {name.decode().lower(): value.decode() for name, value in request.raw_headers}
    return web.json_response({"size": size, "sha256": digest.hexdigest(), "headers": headers})


@routes.get("/download")
async def download(request: web.Request) -> web.StreamResponse:
    """As many bytes as asked for, without a Content-Length: chunked."""
    response = web.StreamResponse()
    await response.prepare(request)
    left = int(request.query["bytes"])
    while left > 0:
        part = bytes(min(left, 1 << 16))
        await response.write(part)
        left -= len(part)
    await response.write_eof()
    return response


@routes.get("/refuse")
async def refuse(_: web.Request) -> web.Response:
    return web.Response(status=401, text="not without a ticket", headers={"WWW-Authenticate": 'Basic realm="door"'})


@routes.get("/encoded")
async def encoded(_: web.Request) -> web.Response:
    response = web.Response(text="squeeze me " * 1000)
    response.enable_compression(web.ContentCoding.gzip)
    return response


@routes.get("/connection")
async def connection(request: web.Request) -> web.Response:
    """The server's view of the connection: the same answer twice means that it was kept alive."""
    return web.Response(text=str(request.transport.get_extra_info("peername")[1]))


@routes.post("/result/{mark}")
async def result(request: web.Request) -> web.Response:
    tell(event="result", mark=request.match_info["mark"], result=await request.json())
    return web.Response(text="thank you")


@routes.get("/socket")
async def socket(request: web.Request) -> web.WebSocketResponse:
    """An echo that knows "ping me", for pages."""
    door = web.WebSocketResponse(protocols=("chat.v2",), autoping=False, max_msg_size=0, compress=True)
    await door.prepare(request)
    async for message in door:
        if message.type is WSMsgType.PONG:
            await door.send_str("pong: " + message.data.decode())
        elif message.type is WSMsgType.BINARY:
            await door.send_bytes(message.data)
        elif message.data == "ping me":
            await door.ping(b"from the server")
        elif message.data.startswith("close "):
            _, code, reason = message.data.split(" ", 2)
            await door.close(code=int(code), message=reason.encode())
        else:
            await door.send_str(message.data)
    return door


async def main(chain: str, key: str, steps: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    app = web.Application(client_max_size=1 << 30)
    app[STEPS] = Path(steps)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    plain, tls = web.TCPSite(runner, "127.0.0.1", 0), web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await plain.start()
    await tls.start()
    ports = [address[1] for address in runner.addresses]
    tell(event="listening", port=ports[0], tls_port=ports[1])
    await asyncio.get_running_loop().create_future()


asyncio.run(main(*sys.argv[1:]))
