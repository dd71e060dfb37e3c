"""A client on aiohttp. It asks a proxy for a plain WebSocket with an absolute-form request."""

import aiohttp
from aiohttp import WSMsgType

from harness.certificates import trusting
from harness.conversation import SUBPROTOCOLS, Result, Step
from harness.ways import Way

CAN_PING = True
CAN_FRAGMENT = False
WAYS = ["direct", "direct-tls", "absolute", "intercepted", "reverse", "reverse-tls"]


async def converse(way: Way, path: str, steps: list[Step], _directory: object) -> Result:
    result = Result()
    options = {"protocols": SUBPROTOCOLS, "compress": 15, "autoping": False, "max_msg_size": 0}
    async with aiohttp.ClientSession() as session:
        ssl = trusting(way.ca) or True
        async with session.ws_connect(way.base + path, proxy=way.proxy, ssl=ssl, **options) as socket:
            result.subprotocol = socket.protocol
            result.extensions = socket._response.headers.get("Sec-WebSocket-Extensions", "")
            for step in steps:
                await take(socket, step, result)
            result.close_code = socket.close_code
    return result


async def take(socket: aiohttp.ClientWebSocketResponse, step: Step, result: Result) -> None:
    match step.do:
        case "ping":
            await socket.ping(step.data)
            answer = await socket.receive()
            assert (answer.type, answer.data) == (WSMsgType.PONG, step.data), answer
            return
        case "close":
            await socket.close(code=step.code, message=step.reason.encode())
            return
        case "closed":
            await socket.send_str(step.data.decode())
            answer = await socket.receive()
            assert answer.type is WSMsgType.CLOSE, answer
            result.close_reason = answer.extra
            return
        case "binary":
            await socket.send_bytes(step.data)
        case _:
            await socket.send_str(step.data.decode())
    answer = await socket.receive()
    while answer.type is WSMsgType.PING:
        await socket.pong(answer.data)
        answer = await socket.receive()
    if answer.type is WSMsgType.TEXT:
        result.received.append(("text", answer.data.encode()))
    else:
        assert answer.type is WSMsgType.BINARY, answer
        result.received.append(("binary", answer.data))
