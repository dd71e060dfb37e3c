"""What nobody changed leaves byte-identical: two peers with scripted bytes, and what came out of the other leg."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import record
from harness.certificates import Certificates
from harness.frames import BINARY, CLOSE, MASK, PING, PONG, TEXT, Deflater, close, frame
from harness.proxy import Proxy
from harness.sockets import Listener, reach, switching, tunnel, upgrade
from harness.ways import PROXIED, Way, way

ROUTES = ["direct", *PROXIED]
# The handshake is as odd as clients make it: spelling, order, empty and repeated header fields, spaces.
ODD_REQUEST = (
    "user-agent:  Odd/1.0 ",
    "X-Twice: one",
    "cookie: a=b; c=d",
    "x-TWICE: two",
    "X-Empty:",
    "Accept-Language: de, en;q=0.5",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    "Sec-WebSocket-Protocol: one,two",
    "Origin: http://example.test",
)
ODD_RESPONSE = (
    "sec-websocket-protocol: two",
    "Sec-WebSocket-Extensions: permessage-deflate",
    "X-Twice: 1",
    "Set-Cookie: a=b; Path=/",
    "x-twice: 2",
    "sErVeR: odd",
)


@pytest.fixture(scope="module")
def proxy(request: pytest.FixtureRequest, origin: Listener, certificates: Certificates) -> Proxy:
    modes = ["regular@127.0.0.1:0", *origin.server.reverse_modes()]
    settings = {"tls.upstream_ca": certificates.authority}
    return request.getfixturevalue("module_proxy").start(*modes, settings=settings)


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest, origin: Listener, certificates: Certificates) -> Way:
    """A way to the raw server; the direct one proves the scripts themselves and needs no proxy."""
    running = None if request.param == "direct" else request.getfixturevalue("proxy")
    return way(request.param, origin.server, certificates, running)


def legal(mask: bytes | None) -> bytes:
    """All that RFC 6455 and 7692 allow, from a peer that masks or one that does not."""
    deflate = Deflater()
    squeezed, again = deflate(b"compressed " * 500), deflate(b"compressed " * 500)
    return b"".join([
        frame(TEXT, b"hello", mask=mask),
        frame(TEXT, b"", mask=mask),
        frame(BINARY, bytes(range(256)), mask=mask and b"\x00\x00\x00\x00"),
        frame(TEXT, "Grüße, ".encode(), fin=False, mask=mask),
        frame(PING, b"between fragments", mask=mask),
        frame(0, b"", fin=False, mask=mask),
        frame(PONG, b"nobody asked", mask=mask),
        frame(0, "漢字".encode()[:2], fin=False, mask=mask),
        frame(0, "漢字".encode()[2:], mask=mask),
        frame(TEXT, squeezed, reserved=4, mask=mask),
        frame(TEXT, again[:5], fin=False, reserved=4, mask=mask),
        frame(PING, b"", mask=mask),
        frame(0, again[5:], mask=mask),
        frame(BINARY, b"\x01" * 125, mask=mask),
        frame(BINARY, b"\x02" * 126, mask=mask),
        frame(BINARY, b"\x03" * 65535, mask=mask),
        frame(BINARY, b"\x04" * 65536, mask=mask),
        close(4321, "enough said", mask),
    ])


# What is on record of `legal`, in one direction.
LEGAL_ROWS = [
    ("text", b"hello", 1),
    ("text", b"", 1),
    ("binary", bytes(range(256)), 1),
    ("ping", b"between fragments", 1),
    ("pong", b"nobody asked", 1),
    ("text", "Grüße, 漢字".encode(), 4),
    ("text", b"compressed " * 500, 1),
    ("ping", b"", 1),
    ("text", b"compressed " * 500, 2),
    ("binary", b"\x01" * 125, 1),
    ("binary", b"\x02" * 126, 1),
    ("binary", b"\x03" * 65535, 1),
    ("binary", b"\x04" * 65536, 1),
    ("close", (4321).to_bytes(2, "big") + b"enough said", 1),
]


def exchange(route: Way, origin: Listener, path: str, scripts: tuple[bytes, bytes], chunk: int = 0, early: bool = True):
    """Both peers write their script and read the other's; returns both heads as they came and both streams."""
    to_server, to_client = scripts
    response = switching(*ODD_RESPONSE)
    with ThreadPoolExecutor() as pool:
        # Who dials when is the proxy's own business, so the server waits for it from the beginning.
        accepted = pool.submit(origin.accept, route.name in ("intercepted", "reverse-tls", "direct-tls"))
        client, prefix, authority = reach(route)
        request = upgrade(prefix, path, authority, *ODD_REQUEST)

        def client_side() -> tuple[bytes, bytes]:
            client.send(request + (to_server if early else b""), chunk)
            head = client.head()
            if not early:
                client.send(to_server, chunk)
            return head, client.exactly(len(to_client))

        def server_side() -> tuple[bytes, bytes]:
            server = accepted.result()
            head = server.head()
            server.send(response + to_client, chunk)
            return head, server.exactly(len(to_server))

        at_client, at_server = pool.submit(client_side), pool.submit(server_side)
        (head_at_server, stream_at_server), (head_at_client, stream_at_client) = at_server.result(), at_client.result()
    for end in (client, accepted.result()):
        assert not end.kept, end.kept
        end.close()
    return (request, head_at_server, response, head_at_client), (stream_at_server, stream_at_client)


@pytest.mark.parametrize("chunk", [0, 1, 1000], ids=["at-once", "bytewise", "by-1000"])
def test_legal_streams(route: Way, origin: Listener, request: pytest.FixtureRequest, mark: str, chunk: int) -> None:
    """Frames right behind the request and right behind the 101, in any chunks: identical, and all on record."""
    scripts = legal(MASK), legal(None)
    _, streams = exchange(route, origin, f"/{mark}", scripts, chunk)
    assert streams[0] == scripts[0], first_difference(streams[0], scripts[0])
    assert streams[1] == scripts[1], first_difference(streams[1], scripts[1])
    if route.name == "direct":
        return
    proxy = request.getfixturevalue("proxy")
    flow = proxy.flow(mark)
    messages = proxy.messages(flow)
    record.check_upgrade(messages)
    assert [message["sequence"] for message in messages] == list(range(len(messages)))
    for direction in ("send", "receive"):
        ours = [message for message in messages[2:] if message["direction"] == direction]
        seen = [(m["kind"], record.brief(record.payload(m)), m["frames"]) for m in ours]
        assert seen == [(kind, record.brief(data), frames) for kind, data, frames in LEGAL_ROWS]
        assert sum(m["wire_bytes"] for m in ours) == len(scripts[direction == "receive"])
        assert [m["metadata"].get("compressed") == "true" for m in ours].count(True) == 2
        assert not [m for m in ours if "violation" in m["metadata"]]
    assert flow["state"] == "complete", flow
    assert flow["close"]["code"] == 4321, flow


def test_handshake(route: Way, origin: Listener, mark: str) -> None:
    """Order, spelling and spaces of the header fields arrive as they were sent."""
    heads, _ = exchange(route, origin, f"/{mark}?a=%20b&c=d;e", (close(1000, mask=MASK), close(1000)), early=False)
    request, at_server, response, at_client = heads
    assert at_client == response
    sent, seen = request.split(b"\r\n"), at_server.split(b"\r\n")
    assert seen[0] == f"GET /{mark}?a=%20b&c=d;e HTTP/1.1".encode()
    if route.name.startswith("reverse"):
        sent = [line for line in sent if not line.startswith(b"Host:")]
        seen = [line for line in seen if not line.lower().startswith(b"host:")]
    assert seen[1:] == sent[1:]


def test_proxy_fields_stay_here(origin: Listener, proxy: Proxy, certificates: Certificates, mark: str) -> None:
    """What a client tells the proxy alone does not reach the server; everything around it does, untouched."""
    client, prefix, authority = reach(way("absolute", origin.server, certificates, proxy))
    extra = ("X-Before: 1", "Proxy-Connection: keep-alive", "proxy-authorization: Basic eDp5", "X-After: 2")
    client.send(upgrade(prefix, f"/{mark}", authority, *extra))
    server = origin.accept()
    plain = upgrade("", f"/{mark}", authority, "X-Before: 1", "X-After: 2")
    assert server.head() == plain
    server.send(switching() + close(1000))
    client.head()
    assert client.exactly(4) == close(1000)
    client.send(close(1000, mask=MASK))
    assert server.exactly(8) == close(1000, mask=MASK)
    client.close()
    server.close()


def test_bytes_behind_connect(origin: Listener, proxy: Proxy, mark: str) -> None:
    """The upgrade request and a frame, written in one go with the CONNECT request."""
    authority = f"127.0.0.1:{origin.server.port}"
    request, frames = upgrade("", f"/{mark}", authority), frame(TEXT, b"early bird", mask=MASK)
    client = tunnel(proxy.url, authority, request + frames)
    server = origin.accept()
    assert server.head() == request
    server.send(switching() + close(1000))
    assert server.exactly(len(frames)) == frames
    assert client.head() == switching()
    assert client.exactly(4) == close(1000)
    client.send(close(1000, mask=MASK))
    assert server.exactly(8) == close(1000, mask=MASK)
    client.close()
    server.close()
    assert ("send", "text", b"early bird") in record.rows(proxy.messages(proxy.flow(mark)))


VIOLATIONS = {
    "length-not-minimal": frame(TEXT, b"short", mask=MASK, length_bytes=8),
    "reserved-bit": frame(TEXT, b"rsv3", mask=MASK, reserved=1),
    "not-masked": frame(TEXT, b"in the clear"),
    "reserved-opcode": frame(5, b"five", mask=MASK),
    "continuation-of-nothing": frame(0, b"of nothing", mask=MASK),
    "fragmented-ping": frame(PING, b"in parts", mask=MASK, fin=False),
    "long-ping": frame(PING, b"p" * 126, mask=MASK),
    "not-utf8": frame(TEXT, b"\xff\xfe", mask=MASK),
    "one-byte-close": frame(CLOSE, b"\x03", mask=MASK),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_violations_are_relayed_and_flagged(
    violation: str, origin: Listener, proxy: Proxy, certificates: Certificates, mark: str
) -> None:
    """The forward door passes a violation on as it came, and says in the record what was wrong with it."""
    script = frame(TEXT, b"before", mask=MASK) + VIOLATIONS[violation] + close(1000, mask=MASK)
    route = way("absolute", origin.server, certificates, proxy)
    if violation == "one-byte-close":
        script = script.removesuffix(close(1000, mask=MASK))
    _, streams = exchange(route, origin, f"/{mark}", (script, close(1000)), early=False)
    assert streams[0] == script, first_difference(streams[0], script)
    messages = proxy.messages(proxy.flow(mark))
    flagged = [m for m in messages if m["metadata"].get("violation") or m["metadata"].get("invalid_utf8") == "true"]
    assert len(flagged) == 1, messages
    assert flagged[0]["direction"] == "send"
    assert record.rows(messages)[0] == ("send", "text", b"before") or messages[2]["direction"] == "receive"


def first_difference(seen: bytes, sent: bytes) -> str:
    pairs = enumerate(zip(seen, sent, strict=False))
    at = next((index for index, (one, other) in pairs if one != other), min(len(seen), len(sent)))
    return f"differs at byte {at}: {seen[at : at + 16].hex(' ')} instead of {sent[at : at + 16].hex(' ')}"
