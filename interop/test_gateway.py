"""The gateway's legs between clients and servers of other makes: each compressed or not, whatever the other is."""

import asyncio
import itertools
import random

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

from harness.proxy import Proxy

MESSAGES = 200
SEED = 20_261_126
LEGS = ["plain", "takeover", "no takeover", "9 bits"]


def client_factory(leg: str) -> list[ClientPerMessageDeflateFactory]:
    options = {
        "takeover": {},
        "no takeover": {"server_no_context_takeover": True, "client_no_context_takeover": True},
        "9 bits": {"server_max_window_bits": 9, "client_max_window_bits": 9},
    }
    return [] if leg == "plain" else [ClientPerMessageDeflateFactory(**options[leg])]


def server_factory(leg: str) -> list[ServerPerMessageDeflateFactory]:
    options = {
        "takeover": {},
        "no takeover": {"server_no_context_takeover": True, "client_no_context_takeover": True},
        "9 bits": {"server_max_window_bits": 9},
    }
    return [] if leg == "plain" else [ServerPerMessageDeflateFactory(**options[leg])]


def messages(seed: int) -> list[str | bytes]:
    made = random.Random(seed)
    words = ["framegate", "gateway", "ünïcode", "0" * 40, "{}", "\u2028", "message"]

    def one() -> str | bytes:
        text = " ".join(made.choices(words, k=made.choice([0, 1, 3, 20, 150])))
        if made.random() < 0.2:
            return made.randbytes(made.choice([0, 1, 125, 126, 5000]))
        return text

    return [one() for _ in range(MESSAGES)]


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


@pytest.fixture(params=[True, False], ids=["upstream-too", "client-only"], scope="module")
def upstream_compress(request: pytest.FixtureRequest) -> bool:
    """Whether the proxy offers compression to the server as well."""
    return request.param


@pytest.fixture(scope="module")
def gateway(module_proxy: Proxy, upstream_compress: bool) -> Proxy:
    if module_proxy.process and module_proxy.process.running():
        module_proxy.stop()
    settings = {"gateway.message_bytes_max": 1 << 20, "gateway.compress_upstream": str(upstream_compress).lower()}
    return module_proxy.start("gateway@127.0.0.1:0", settings=settings)


async def converse(proxy: Proxy, client: str, server: str) -> tuple[list[str], list[str]]:
    """Sends all messages, some in fragments, and takes the echoes; what was agreed on by client and by server."""
    agreed: list[list[str]] = []

    async def handler(socket: ServerConnection) -> None:
        agreed.append([extension.name for extension in socket.protocol.extensions])
        await echo(socket)

    said = messages(SEED)
    async with serve(handler, "127.0.0.1", 0, extensions=server_factory(server), compression=None) as listening:
        port = listening.sockets[0].getsockname()[1]
        fields = {"x-wsproxy-upstream": f"ws://127.0.0.1:{port}", "x-wsproxy-compress": "true"}
        async with connect(
            f"ws://{proxy.door('gateway')}/",
            proxy=None,
            additional_headers=fields,
            extensions=client_factory(client),
            compression=None,
        ) as socket:

            async def send() -> None:
                for at, message in enumerate(said):
                    pieces = [message[: len(message) // 2], message[len(message) // 2 :]]
                    await socket.send(message if at % 3 else iter(pieces))

            sending = asyncio.create_task(send())
            echoes = [await socket.recv() for _ in said]
            await sending
            assert echoes == said
            return [extension.name for extension in socket.protocol.extensions], agreed[0]


@pytest.mark.parametrize(("client", "server"), list(itertools.product(LEGS, LEGS)))
def test_what_one_leg_says_reaches_the_other(client: str, server: str, gateway: Proxy, upstream_compress: bool) -> None:
    to_client, to_server = asyncio.run(converse(gateway, client, server))
    # Where the client's own offer is passed on, a server that cannot take it declines, and the client gets it all the same.
    assert to_client == ([] if client == "plain" else ["permessage-deflate"])
    if not upstream_compress or server == "plain":
        assert to_server == []
