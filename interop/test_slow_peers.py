"""A peer that does not read holds up its sender, and nobody else; the proxy's memory stays bounded."""

import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.certificates import Certificates
from harness.frames import BINARY, CLOSE, MASK, TEXT, frame, parse
from harness.sockets import Listener, Peer, listener
from harness.talkers import Pair, closes, open_pair

MIB = 1 << 20
# Kernel buffers of two connections, and no more than a few reads in the proxy.
HELD_BYTES_MAX = 40 * MIB
MEMORY_BYTES_MAX = 48 * MIB


@pytest.fixture
def origin(certificates: Certificates) -> Iterator[Listener]:
    with listener(certificates) as opened:
        # Small buffers at both ends: what does not move is soon noticed. Accepted connections inherit them.
        opened.plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        opened.plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        yield opened


def flood(peer: Peer, message: bytes, bytes_max: int) -> int:
    """Sends the message again and again until nothing moves any more; how many bytes the kernel took."""
    sent = 0
    peer.sock.setblocking(False)
    try:
        while sent < bytes_max:
            if not select.select([], [peer.sock], [], 3)[1]:
                return sent
            sent += peer.sock.send(message[sent % len(message) :])
    finally:
        peer.sock.settimeout(15)
    raise AssertionError(f"{sent / MIB:.0f} MiB went in, and nobody reads at the other end")


def drain(pair: tuple[Peer, Peer], message: bytes, sent: int, more: int) -> None:
    """The sender finishes the message it was in and sends `more`; the other end reads it all, unchanged."""
    sender, reader = pair
    rest = -sent % len(message)
    total = sent + rest + more * len(message)
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(sender.send, (message[len(message) - rest :] if rest else b"") + message * more)
        seen = 0
        while seen < total:
            at = seen % len(message)
            part = reader.exactly(min(len(message) - at, total - seen))
            assert part == message[at : at + len(part)], f"other bytes after {seen}"
            seen += len(part)
        writing.result()


@pytest.mark.parametrize("flooder", ["server", "client"])
def test_flood(flooder: str, new_proxy, origin: Listener, mark: str) -> None:
    proxy = new_proxy().start()
    pair = open_pair(proxy, origin, f"/{mark}")
    pair.say("hello")
    pair.answer("hello")
    before = proxy.memory_peak_bytes()
    message = frame(BINARY, bytes(range(256)) * 256, mask=MASK if flooder == "client" else None)
    sender, reader = (pair.client, pair.server) if flooder == "client" else (pair.server, pair.client)
    sent = flood(sender, message, HELD_BYTES_MAX)
    other = frame(TEXT, b"can you hear me?", mask=None if flooder == "client" else MASK)
    Pair.pass_on(reader, sender, other)
    neighbour = open_pair(proxy, origin, f"/neighbour-of-{mark}")
    neighbour.say("business as usual")
    neighbour.close()
    drain((sender, reader), message, sent, 100)
    pair.close(1000)
    grown = proxy.memory_peak_bytes() - before
    assert grown < MEMORY_BYTES_MAX, f"grew by {grown / MIB:.0f} MiB"
    flow = proxy.flow(f"/{mark}")
    counted = flow["messages_sent"] if flooder == "client" else flow["messages_received"]
    assert counted >= (sent + len(message) - 1) // len(message) + 100
    proxy.stop()


def test_peer_that_vanishes(new_proxy, origin: Listener, mark: str) -> None:
    """A connection that breaks without a Close is an error on record, and the other leg ends, too."""
    proxy = new_proxy().start()
    for vanishing in ("client", "server"):
        pair = open_pair(proxy, origin, f"/{mark}{vanishing}")
        pair.say("one")
        gone, left = (pair.client, pair.server) if vanishing == "client" else (pair.server, pair.client)
        gone.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        gone.close()
        left.to_the_end()
        left.close()
        flow = proxy.flow(f"{mark}{vanishing}")
        assert flow["state"] == "error" and flow["error"], flow
    proxy.stop()


def test_limits_close_both_legs(new_proxy, origin: Listener, mark: str) -> None:
    """Idle closes 1001, too much closes 1009: at both ends, and none of what was too much went on."""
    proxy = new_proxy().start(settings={"limits.idle_ms": 700, "limits.frame_bytes_max": 1000})
    for code, data in ((1001, b""), (1009, frame(TEXT, b"x" * 1001, mask=MASK))):
        pair = open_pair(proxy, origin, f"/{mark}{code}")
        pair.client.send(data)
        at_client, at_server = pair.client.to_the_end(), pair.server.to_the_end()
        pair.drop()
        assert [close_code for close_code, _ in closes(at_client)] == [code]
        assert [opcode for opcode, _ in parse(at_server)] == [CLOSE]
        assert [close_code for close_code, _ in closes(at_server)] == [code]
        flow = proxy.flow(f"{mark}{code}")
        assert (flow["state"], flow["close"]["by"], flow["close"]["code"]) == ("error", "proxy", code), flow
    proxy.stop()
