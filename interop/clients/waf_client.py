"""The client of judged conversations behind a firewall: a message of the table between two harmless ones, sent in many ways."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from harness.waf import AGENT, HOST, Row

PATIENCE_S = 60
BEFORE, AFTER = b"hello before", b"hello after"
# With so many fragments between two Pings, a long message has a few hundred of them.
PING_EVERY = 16
DEFLATE = {
    "takeover": {},
    "no-takeover": {"client_no_context_takeover": True, "server_no_context_takeover": True},
}


@dataclass(frozen=True)
class Manner:
    """How a message is sent: in fragments of so many bytes, compressed or not."""

    name: str
    fragment_bytes: int = 0
    deflate: str = ""


MANNERS = [
    Manner("plain"),
    Manner("fragments-of-1", 1),
    Manner("fragments-of-7", 7),
    Manner("compressed", 0, "takeover"),
    Manner("compressed-each-alone", 0, "no-takeover"),
    Manner("compressed-fragments-of-7", 7, "takeover"),
]


@dataclass
class Heard:
    """What the client has heard."""

    messages: list[tuple[bool, bytes]] = field(default_factory=list)
    code: int | None = None
    reason: str | None = None
    extensions: str = ""


async def converse(port: int, path: str, manner: Manner, one: Row | None, expected: int, **fields: str) -> Heard:
    """Says BEFORE, the row and AFTER without waiting, and listens for so many messages or until it is closed."""
    factory = [ClientPerMessageDeflateFactory(**DEFLATE[manner.deflate])] if manner.deflate else None
    options = {"compression": None, "extensions": factory, "max_size": None, "ping_interval": None, "proxy": None}
    agent = fields.pop("agent", AGENT)
    there = {"host": "127.0.0.1", "port": port, "additional_headers": fields, "user_agent_header": agent}
    heard = Heard()
    async with asyncio.timeout(PATIENCE_S):
        socket = await connect(f"ws://{HOST}{path}", **there, **options)
        heard.extensions = socket.response.headers.get("Sec-WebSocket-Extensions", "")
        speaking = asyncio.create_task(speak(socket, manner, one)) if one else None
        try:
            while len(heard.messages) < expected:
                message = await socket.recv()
                binary = isinstance(message, bytes)
                heard.messages.append((binary, message if binary else message.encode()))
        except ConnectionClosed:
            pass
        if speaking:
            await speaking
        await socket.close()
        heard.code, heard.reason = socket.close_code, socket.close_reason
    return heard


async def speak(socket: Connection, manner: Manner, one: Row) -> None:
    try:
        await socket.send(BEFORE, text=True)
        whole = manner.fragment_bytes == 0 or len(one.payload) <= 1
        await socket.send(one.payload if whole else fragments(socket, manner, one.payload), text=not one.binary)
        await socket.send(AFTER, text=True)
    except ConnectionClosed:
        # The gateway has closed it in the middle of a sentence.
        pass


async def fragments(socket: Connection, manner: Manner, payload: bytes) -> AsyncIterator[bytes]:
    for number, start in enumerate(range(0, len(payload), manner.fragment_bytes)):
        if number % PING_EVERY == 1:
            await socket.ping()
        yield payload[start : start + manner.fragment_bytes]
