"""The clients of judged conversations: they say everything at once, and wait for the last echo alone."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from harness import node
from harness.judging import INJECTED, PARTS, THE_END, Said
from harness.process import run
from harness.ways import Way

PATIENCE_S = 90


def note(seen: dict, message: str | bytes) -> bool:
    """Keeps a short form of each message; says whether it was one of the conversation, or injected by the way."""
    data = message.encode() if isinstance(message, str) else message
    kind = "text" if isinstance(message, str) else "binary"
    if data.startswith(INJECTED):
        seen["injected"].append([kind, data.decode()])
        return False
    seen["received"].append(brief(kind, data))
    return True


def brief(kind: str, data: bytes) -> list:
    return [kind, len(data), hashlib.sha256(data).hexdigest()[:16]]


async def say(socket: Connection, message: str | bytes) -> None:
    """Sends a message; one that says so in three parts, with a Ping in between."""
    wanted = PARTS.decode() if isinstance(message, str) else PARTS
    await socket.send(parts(socket, message) if wanted in message else message)


async def parts(socket: Connection, message: str | bytes) -> AsyncIterator[str | bytes]:
    third = len(message) // 3
    yield message[:third]
    await socket.ping()
    yield message[:0]
    yield message[third:]


async def on_websockets(way: Way, path: str, script: list[Said], _: Path) -> dict:
    seen: dict = {"received": [], "injected": []}
    deflate = ClientPerMessageDeflateFactory(client_max_window_bits=True)
    options = {"compression": None, "extensions": [deflate], "max_size": None, "ping_interval": None}
    async with asyncio.timeout(PATIENCE_S), connect(way.base + path, proxy=way.proxy, **options) as socket:
        seen["extensions"] = socket.response.headers.get("Sec-WebSocket-Extensions", "")

        async def speak() -> None:
            for said in script:
                await say(socket, said.data.decode() if said.kind == "text" else said.data)

        speaking = asyncio.create_task(speak())
        async for message in socket:
            note(seen, message)
            if message == THE_END.decode():
                break
        await speaking
        await socket.close(1000)
    return seen | {"code": socket.close_code}


async def on_ws(way: Way, path: str, script: list[Said], directory: Path) -> dict:
    job = {"url": way.base + path, "proxy": way.proxy, "end": THE_END.decode(), "messages": messages(script)}
    command, options = node.command("clients/judged_ws.cjs"), {"input": json.dumps(job), "env": node.ENVIRONMENT}
    done = await asyncio.to_thread(run, command, directory, PATIENCE_S, **options)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout)


def messages(script: list[Said]) -> list[dict]:
    """The form that the clients in JavaScript take."""
    return [{"kind": said.kind, "base64": base64.b64encode(said.data).decode()} for said in script]
