"""A client on the Python library `websockets`. It reaches plain servers behind a proxy by CONNECT, too."""

from websockets.asyncio.client import connect

from harness.certificates import trusting
from harness.conversation import SUBPROTOCOLS, Result, Step
from harness.ways import Way

CAN_PING = True
CAN_FRAGMENT = True
# It ends a fragmented message with an empty frame.
FRAGMENTS_EXTRA = 1
WAYS = ["direct", "direct-tls", "connect", "intercepted", "reverse", "reverse-tls"]


async def converse(way: Way, path: str, steps: list[Step], _directory: object) -> Result:
    result = Result()
    options = {"subprotocols": SUBPROTOCOLS, "max_size": None, "ping_interval": None}
    async with connect(way.base + path, proxy=way.proxy, ssl=trusting(way.ca), **options) as socket:
        result.subprotocol = socket.subprotocol
        result.extensions = socket.response.headers.get("Sec-WebSocket-Extensions", "")
        for step in steps:
            match step.do:
                case "ping":
                    await (await socket.ping(step.data))
                    continue
                case "close":
                    await socket.close(step.code, step.reason)
                    continue
                case "closed":
                    await socket.send(step.data.decode())
                    await socket.wait_closed()
                    continue
                case "fragments":
                    await socket.send(iter(step.parts))
                case "binary":
                    await socket.send(step.data)
                case "text" | "command":
                    await socket.send(step.data.decode())
            answer = await socket.recv()
            result.received.append(("text", answer.encode()) if isinstance(answer, str) else ("binary", answer))
    result.close_code, result.close_reason = socket.close_code, socket.close_reason
    return result
