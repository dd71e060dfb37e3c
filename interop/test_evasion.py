"""A client that wants to get something past a rule that blocks it: whatever it says, the server never sees it."""

import asyncio
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from clients.judged_client import PATIENCE_S
from harness import node, record
from harness.blocking import CONFIGURATION, DEFLATE, EVIL, RSV1, said
from harness.control import Control
from harness.frames import BINARY, CLOSE, MASK, PING, TEXT, Deflater, close, frame, frames
from harness.process import run
from harness.proxy import Proxy
from harness.sockets import Listener, Peer
from harness.talkers import Pair, closes, open_pair
from harness.waiting import eventually

AFTER = frame(TEXT, b"still here", mask=MASK)


@pytest.fixture(scope="module")
def proxy(configured: Callable[[str], Proxy]) -> Proxy:
    return configured(CONFIGURATION)


def fragments(payload: bytes, reserved: int = 0, opcode: int = TEXT, between: bytes = b"") -> bytes:
    """Of one byte each."""
    last = len(payload) - 1
    parts = []
    for number, byte in enumerate(payload):
        first = {"opcode": opcode, "reserved": reserved} if number == 0 else {"opcode": 0}
        parts.append(frame(payload=bytes([byte]), fin=number == last, mask=MASK, **first))
    return between.join(parts)


def nested(levels: int) -> bytes:
    """JSON in a JSON text, so many times."""
    text = "".join(f"\\u{ord(letter):04x}" for letter in EVIL.decode())
    document = f'{{"query": "{text}"}}'
    for _ in range(levels):
        document = json.dumps({"inside": document})
    return document.encode()


# What is blocked: the frames, without compression.
PLAIN = {
    "as-it-is": said(EVIL),
    "mixed-case": said(b"dRoP tAbLe users"),
    "other-space": said(b"DROP\r\n\t \x0b\x0cTABLE users"),
    "far-behind": said(b"x" * 300_000 + EVIL),
    "binary": frame(BINARY, EVIL, mask=MASK),
    "binary-that-is-no-text": frame(BINARY, b"\xff\x00\xfe" + EVIL + b"\x80", mask=MASK),
    "one-byte-fragments": fragments(EVIL),
    "pings-between-fragments": fragments(EVIL, between=frame(PING, b"are you there?", mask=MASK)),
    "empty-fragments": frame(TEXT, fin=False, mask=MASK) + frame(0, EVIL, fin=False, mask=MASK) + frame(0, mask=MASK),
    "no-mask-to-speak-of": frame(TEXT, EVIL, mask=bytes(4)),
    "json-escape": said(rb'{"query": "\u0044ROP TABLE users"}'),
    "json-escapes-all-through": said(nested(0)),
    "json-escaped-space": said(rb'{"query": "DROP\n\u0009TABLE users"}'),
    "json-in-json": said(nested(1)),
    "json-in-json-in-json": said(nested(3)),
    "json-behind-a-prefix": said(rb'42["query","\u0044ROP TABLE users"]'),
    "json-that-is-cut": said(rb'{"query": "\u0044ROP TABLE use'),
    "changed-into-it": said(b"harmless table users"),
    "behind-others": said(b"one") + frame(PING, mask=MASK) + said(b"two") + said(EVIL),
}


def check_blocked(proxy: Proxy, mark: str, pair: Pair, before: bytes = b"") -> None:
    """The conversation goes on, and nothing of the message was in it."""
    pair.client.send(AFTER + close(1000, mask=MASK))
    expected = frames(before) + frames(AFTER)
    heard = until_close(pair.server)
    data = [one.raw for one in frames(heard) if one.opcode < 8]
    assert data == [one.raw for one in expected if one.opcode < 8]
    pair.server.send(close(1000))
    assert pair.client.exactly(4) == close(1000)
    pair.drop()
    flow = proxy.flow(mark)
    blocked = [message for message in proxy.messages(flow) if message["fate"] == "blocked"]
    assert len(blocked) == 1 and blocked[0]["decided_by"].split(", ")[-1] == "safety:no-drop", blocked
    facts = blocked[0]["metadata"]
    assert (facts["safety_blocked"], facts["safety_rule_id"]) == ("true", "no-drop")
    assert flow["state"] == "complete", flow


def whole_frames(stream: bytes) -> list:
    try:
        return frames(stream)
    except (AssertionError, IndexError):
        return []


@pytest.mark.parametrize("writes", [1, 1000], ids=["at-once", "bit-by-bit"])
@pytest.mark.parametrize("spelling", PLAIN)
def test_spellings(spelling: str, writes: int, proxy: Proxy, origin: Listener, mark: str) -> None:
    pair = open_pair(proxy, origin, f"/{mark}")
    pair.client.send(PLAIN[spelling], len(PLAIN[spelling]) // writes or 1)
    before = b"".join(said(word) for word in (b"one", b"two")) if spelling == "behind-others" else b""
    check_blocked(proxy, mark, pair, before)


def test_right_behind_the_request(proxy: Proxy, origin: Listener, mark: str) -> None:
    """In the same write, before the server has agreed to anything."""
    pair = open_pair(proxy, origin, f"/{mark}", early=said(EVIL))
    check_blocked(proxy, mark, pair)


@pytest.mark.parametrize("takeover", [True, False], ids=["takeover", "no-takeover"])
@pytest.mark.parametrize("form", ["whole", "fragments"])
@pytest.mark.parametrize("bits", range(8, 16))
def test_compressed(bits: int, form: str, takeover: bool, proxy: Proxy, origin: Listener, mark: str) -> None:
    """With every window; the words themselves are only referred to, in what was said before."""
    agreed = f"permessage-deflate; client_max_window_bits={bits}" + ("" if takeover else "; client_no_context_takeover")
    pair = open_pair(proxy, origin, f"/{mark}", DEFLATE[0], agreed)
    deflate = Deflater(bits, takeover)
    before = b"".join(frame(TEXT, deflate(word), reserved=RSV1, mask=MASK) for word in (b"say DROP and ", b" TABLE users"))
    pair.client.send(before)
    evil = deflate(EVIL)
    pair.client.send(fragments(evil, RSV1) if form == "fragments" else frame(TEXT, evil, reserved=RSV1, mask=MASK))
    check_blocked(proxy, mark, pair, before)


def raw_deflate(*parts: bytes, end: int = zlib.Z_SYNC_FLUSH, level: int = 6) -> bytes:
    """One raw stream of these parts, flushed behind each, and ended as said."""
    deflate = zlib.compressobj(level, wbits=-15)
    data = b"".join(deflate.compress(part) + deflate.flush(zlib.Z_SYNC_FLUSH) for part in parts[:-1])
    return data + deflate.compress(parts[-1]) + deflate.flush(end)


# Compressed payloads that no usual library makes. Each may be blocked, or be a violation: never may the server get it.
ODD_DEFLATE = {
    "a-final-block": raw_deflate(EVIL, end=zlib.Z_FINISH) + b"\x00",
    "a-final-block-and-no-more": raw_deflate(EVIL, end=zlib.Z_FINISH),
    "behind-a-final-block": raw_deflate(b"hello", end=zlib.Z_FINISH) + raw_deflate(EVIL)[:-4],
    "flushed-inside-the-words": raw_deflate(b"DR", b"OP", b" TAB", b"LE users")[:-4],
    "stored": raw_deflate(EVIL, level=0)[:-4],
    "with-the-tail-that-is-cut-off": raw_deflate(EVIL),
    "behind-an-empty-block": b"\x00\x00\x00\xff\xff" + raw_deflate(EVIL)[:-4],
    "behind-rubbish": b"\xff\xff" + raw_deflate(EVIL)[:-4],
    "cut-off": raw_deflate(EVIL)[:-6],
}


@pytest.mark.parametrize("odd", ODD_DEFLATE)
def test_odd_compression(odd: str, proxy: Proxy, origin: Listener, mark: str) -> None:
    pair = open_pair(proxy, origin, f"/{mark}", *DEFLATE)
    pair.client.send(frame(TEXT, ODD_DEFLATE[odd], reserved=RSV1, mask=MASK) + close(1000, mask=MASK))
    check_never_seen(proxy, mark, pair)


# What breaks the protocol, so that a lenient server could put it together in a way of its own.
VIOLATIONS = {
    "not-masked": frame(TEXT, EVIL),
    "not-masked-behind-masked": frame(TEXT, b"DROP ", fin=False, mask=MASK) + frame(0, b"TABLE users"),
    "data-inside-a-fragmented-message": frame(TEXT, b"DROP ", fin=False, mask=MASK) + said(b"TABLE users"),
    "reserved-opcode": frame(3, EVIL, mask=MASK),
    "reserved-control-opcode": frame(11, EVIL, mask=MASK),
    "continued-by-a-reserved-opcode": frame(TEXT, b"DROP ", fin=False, mask=MASK) + frame(3, b"TABLE users", mask=MASK),
    "continuation-of-nothing": frame(0, EVIL, mask=MASK),
    "rsv1-without-an-agreement": frame(TEXT, Deflater()(EVIL), reserved=RSV1, mask=MASK),
    "rsv2": frame(TEXT, EVIL, reserved=2, mask=MASK),
    "rsv3": frame(TEXT, EVIL, reserved=1, mask=MASK),
    "fragmented-ping": frame(PING, b"DROP ", fin=False, mask=MASK) + frame(0, b"TABLE users", mask=MASK),
    "long-ping": frame(PING, EVIL * 8, mask=MASK),
    "length-not-minimal": frame(TEXT, EVIL, mask=MASK, length_bytes=8),
    "length-beyond-all": b"\x81\xff\xff" + b"\xff" * 7 + MASK + frame(TEXT, EVIL, mask=MASK),
    "never-ended": frame(TEXT, b"DROP ", fin=False, mask=MASK) + frame(0, b"TABLE users", fin=False, mask=MASK),
    "cut-in-the-middle": said(EVIL + b" and more")[:-3],
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_violations(violation: str, proxy: Proxy, origin: Listener, mark: str) -> None:
    pair = open_pair(proxy, origin, f"/{mark}")
    pair.client.send(VIOLATIONS[violation])
    closing = check_never_seen(proxy, mark, pair, ended=violation in ("never-ended", "cut-in-the-middle"))
    assert closing == [] or closing[0] in (1002, 1009), closing
    if violation not in ("never-ended", "cut-in-the-middle"):
        flow = proxy.flow(mark)
        assert flow["state"] == "error" and flow["close"]["by"] == "proxy", flow
        assert [m for m in proxy.messages(flow) if "violation" in m["metadata"]] or flow["close"]["code"] == 1009


def test_control_frames_behind_a_compressed_part(proxy: Proxy, origin: Listener, mark: str) -> None:
    """RSV1 on a continuation, and on a control frame: neither is there for anything."""
    for number, evil in enumerate([
        frame(TEXT, Deflater()(b"DROP "), fin=False, reserved=RSV1, mask=MASK) + frame(0, b"x", reserved=RSV1, mask=MASK),
        frame(PING, Deflater()(EVIL), reserved=RSV1, mask=MASK),
    ]):
        pair = open_pair(proxy, origin, f"/{mark}{number}", *DEFLATE)
        pair.client.send(evil)
        assert check_never_seen(proxy, f"{mark}{number}", pair) == [1002]


def check_never_seen(proxy: Proxy, mark: str, pair: Pair, ended: bool = False) -> list[int]:
    """The server gets no data at all, if anything then a Close; gives its code."""
    if ended:
        pair.client.close()
    heard = pair.server.to_the_end() if ended else until_close(pair.server)
    assert not [one for one in frames(heard) if one.opcode != CLOSE], heard
    pair.drop()
    assert not [m for m in proxy.messages(proxy.flow(mark)) if m["direction"] == "send" and left(m)]
    return [code for code, _ in closes(heard)]


def left(message: dict) -> bool:
    return message["kind"] in ("text", "binary", "unknown", "ping") and message["fate"] not in ("blocked", "dropped")


def until_close(peer: Peer) -> bytes:
    """What comes up to a Close or the end."""
    heard = b""
    while not any(one.opcode == CLOSE for one in whole_frames(heard)):
        part = peer.kept or peer.sock.recv(65536)
        peer.kept = b""
        if not part:
            break
        heard += part
    return heard


def test_through_the_control_door(proxy: Proxy, origin: Listener, mark: str) -> None:
    """What a person injects or puts in a message's place is held against the rules as well."""
    pair = open_pair(proxy, origin, f"/{mark}")
    pair.client.send(said(b"hold me"))
    control = Control(proxy)
    held = eventually("one is held", lambda: control.ask("held"))
    for kind in ("text", "binary"):
        status, answer = control.tell("inject", EVIL, flow=held[0]["flow_id"], to="server", kind=kind)
        assert status == 409 and "no-drop" in answer["detail"], answer
    assert control.tell("modify", EVIL, id=held[0]["id"])[0] == 200
    control.close()
    check_blocked(proxy, mark, pair)


def test_real_clients(proxy: Proxy, mark: str, tmp_path: Path) -> None:
    """`websockets` and `ws`, compressing and in parts: their server gets what is between, and nothing else."""
    node.needed()
    received: list[str | bytes] = []
    ended = asyncio.Semaphore(0)

    async def keep(door: ServerConnection) -> None:
        async for message in door:
            received.append(message)
        ended.release()

    async def talk() -> None:
        async with serve(keep, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/{mark}"
            escaped = '{"q": "\\u0064rop table"}'
            async with connect(url, proxy=proxy.url) as talking:
                for message in (EVIL.decode(), iter("drop table users"), iter([b"DROP ", b"TABLE"]), escaped):
                    await talking.send(message)
                    await talking.send("between")
            job = json.dumps({"url": url, "proxy": proxy.url})
            options = {"input": job, "env": node.ENVIRONMENT}
            done = await asyncio.to_thread(run, node.command("clients/evasive_ws.cjs"), tmp_path, PATIENCE_S, **options)
            assert done.returncode == 0, done.stderr
            async with asyncio.timeout(PATIENCE_S):
                await ended.acquire()
                await ended.acquire()

    asyncio.run(talk())
    assert received == ["between"] * 8
    recorded = [message for flow in proxy.flows() if mark in flow["url"] for message in proxy.messages(flow)]
    blocked = [message for message in recorded if message["fate"] == "blocked"]
    assert len(blocked) == 8
    assert all(b"table" in record.payload(message).lower() for message in blocked)
