"""Handshakes after which a client could get something past a rule that blocks it: refused, or judged like the rest."""

import socket
from collections.abc import Callable

import pytest

from harness.blocking import CONFIGURATION, DEFLATE, EVIL, RSV1, said
from harness.frames import MASK, TEXT, Deflater, frame, frames
from harness.proxy import Proxy
from harness.sockets import Listener, Peer, dial, switching, upgrade
from harness.waiting import eventually


@pytest.fixture(scope="module")
def proxy(configured: Callable[[str], Proxy]) -> Proxy:
    return configured(CONFIGURATION)


UNKNOWN = [
    "x-unknown, permessage-deflate; client_max_window_bits",
    "permessage-deflate; client_max_window_bits, x-unknown; a=1",
    "permessage-bzip2",
    "x-webkit-deflate-frame",
    'x-unknown; a="permessage-deflate"',
]


@pytest.mark.parametrize("offer", UNKNOWN)
def test_unknown_extensions(offer: str, proxy: Proxy, origin: Listener, mark: str) -> None:
    """They are not offered to the server; one that agrees all the same is not believed."""
    authority = f"127.0.0.1:{origin.server.port}"
    client = dial(proxy.address)
    request = upgrade(f"http://{authority}", f"/{mark}", authority, f"Sec-WebSocket-Extensions: {offer}")
    client.send(request + said(EVIL))
    server = origin.accept()
    head = server.head().lower()
    for word in (b"x-unknown", b"bzip2", b"webkit"):
        assert word not in head, head
    server.send(switching(f"Sec-WebSocket-Extensions: {offer.split(',')[0]}"))
    # The second offer begins with what is understood, but for a parameter that wants a value in an answer.
    assert client.head().startswith(b"HTTP/1.1 502")
    client.close()
    assert not [one for one in frames(server.to_the_end()) if one.opcode < 8]
    server.close()


ANSWERS = [
    "permessage-deflate, permessage-deflate",
    "permessage-deflate; x=1",
    "permessage-deflate; server_max_window_bits=7",
    "permessage-deflate; client_max_window_bits=16",
    "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
    "permessage-deflate, x-unknown",
    "x-unknown",
    ";",
]


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("offer", [DEFLATE[0], ""], ids=["offered", "not-offered"])
def test_odd_agreements(answer: str, offer: str, proxy: Proxy, origin: Listener, mark: str) -> None:
    """What a server agrees to and nobody can read through is refused, and with it what came early."""
    authority = f"127.0.0.1:{origin.server.port}"
    offered = [f"Sec-WebSocket-Extensions: {offer}"] if offer else []
    client = dial(proxy.address)
    evil = frame(TEXT, Deflater()(EVIL), reserved=RSV1, mask=MASK) if offer else said(EVIL)
    client.send(upgrade(f"http://{authority}", f"/{mark}", authority, *offered) + evil)
    server = origin.accept()
    server.head()
    server.send(switching(f"Sec-WebSocket-Extensions: {answer}"))
    assert client.head().startswith(b"HTTP/1.1 502")
    client.close()
    assert server.to_the_end() == b""
    server.close()


ODD_UPGRADES: dict[str, Callable[[bytes], bytes]] = {
    "other-case": lambda head: head.replace(b"Upgrade: websocket", b"uPGRADE: WebSocket"),
    "other-protocol-first": lambda head: head.replace(b"Upgrade: websocket", b"Upgrade: other, websocket"),
    "other-protocol-behind": lambda head: head.replace(b"Upgrade: websocket", b"Upgrade: websocket, other"),
    "with-a-version": lambda head: head.replace(b"Upgrade: websocket", b"Upgrade: websocket/13"),
    "two-fields": lambda head: head.replace(b"Upgrade: websocket", b"Upgrade: other\r\nUpgrade: websocket"),
    "other-protocol": lambda head: head.replace(b"Upgrade: websocket", b"Upgrade: other"),
    "no-key": lambda head: head.replace(b"Sec-WebSocket-Key", b"X-Key"),
    "old-version": lambda head: head.replace(b"Version: 13", b"Version: 8"),
    "no-version": lambda head: head.replace(b"Sec-WebSocket-Version: 13\r\n", b""),
    "not-in-connection": lambda head: head.replace(b"Connection: Upgrade", b"Connection: keep-alive"),
    "post": lambda head: head.replace(b"GET ", b"POST ", 1),
}


@pytest.mark.parametrize("odd", ODD_UPGRADES)
def test_odd_upgrades(odd: str, proxy: Proxy, origin: Listener, mark: str) -> None:
    """A request that only a lenient server takes for an upgrade is refused, or what follows is judged like the rest."""
    authority = f"127.0.0.1:{origin.server.port}"
    client = dial(proxy.address)
    client.send(ODD_UPGRADES[odd](upgrade(f"http://{authority}", f"/{mark}", authority)))
    origin.plain.settimeout(0.02)
    server = None

    def answered() -> bool:
        nonlocal server
        if server is None:
            try:
                server = Peer(origin.plain.accept()[0])
            except TimeoutError:
                return client.readable(0)
            server.head()
            server.send(switching())
        return client.readable(0)

    eventually("the proxy answers", answered)
    client.send(said(EVIL))
    client.sock.shutdown(socket.SHUT_WR)
    if server:
        assert EVIL not in b"".join(one.payload for one in frames(server.to_the_end()))
        server.close()
    client.to_the_end()
    client.close()
