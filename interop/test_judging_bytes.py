"""What judges leave alone leaves byte for byte as it came, and what is compressed anew keeps to the window agreed on."""

import random
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import record
from harness.control import Control
from harness.frames import BINARY, PING, PONG, TEXT, Deflater, StrictInflater, close, frame, frames
from harness.proxy import Proxy
from harness.sockets import Listener, Peer
from harness.talkers import Pair, open_pair
from harness.waiting import eventually

CONFIGURATION = """
[[rewrite]]
literal = "change me"
replacement = "changed, and no longer as long as it was"

[[intercept.rules]]
id = "word"
payload = "hold me"
"""
DIRECTIONS = ["send", "receive"]
RSV1 = 4
CHANGED = b"changed, and no longer as long as it was"


@pytest.fixture(scope="module")
def proxy(configured: Callable[[str], Proxy]) -> Proxy:
    return configured(CONFIGURATION)


def agreement(bits: int | None, takeover: bool) -> tuple[str, str]:
    """An offer that allows everything, and an answer with these for both directions."""
    answer = ["permessage-deflate"]
    for peer in ("client", "server"):
        answer += [f"{peer}_max_window_bits={bits}"] if bits else []
        answer += [] if takeover else [f"{peer}_no_context_takeover"]
    return "permessage-deflate; client_max_window_bits", "; ".join(answer)


class Author:
    """Writes messages as no library would: any masking key, fragments anywhere, compressed or not."""

    def __init__(self, seed: object, direction: str, deflate: Deflater | None) -> None:
        self.chance = random.Random(str(seed))
        self.masked = direction == "send"
        self.deflate = deflate
        self.words = ["".join(self.chance.choices("abcdefgh", k=6)) for _ in range(60)]

    def text(self, most: int = 200) -> bytes:
        return " ".join(self.chance.choices(self.words, k=self.chance.randrange(most))).encode()

    def frame(self, opcode: int, payload: bytes, **how: object) -> bytes:
        key = self.chance.choice([bytes(4), self.chance.randbytes(4)])
        return frame(opcode, payload, mask=key if self.masked else None, **how)

    def message(self, payload: bytes) -> bytes:
        """A message in one frame or some, with a Ping or Pong that nobody asked for in between and behind it."""
        opcode, reserved = self.chance.choice([TEXT, BINARY]), 0
        if self.deflate and self.chance.random() < 0.8:
            payload, reserved = self.deflate(payload), RSV1
        cuts = sorted(self.chance.choices(range(len(payload) + 1), k=self.chance.choice([0, 0, 0, 1, 4])))
        starts, ends = [0, *cuts], [*cuts, len(payload)]
        parts = [payload[start:end] for start, end in zip(starts, ends, strict=True)]
        data = b""
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            first = {"opcode": opcode, "reserved": reserved} if number == 0 else {"opcode": 0}
            data += self.frame(payload=part, fin=last, **first)
            if self.chance.random() < 0.2:
                data += self.frame(self.chance.choice([PING, PONG]), self.chance.randbytes(self.chance.randrange(126)))
        return data


def lanes(stream: bytes) -> tuple[bytes, bytes]:
    """Frames of data, and control frames: with a judge these do not wait for those, and both keep their order."""
    control = [bool(one.opcode & 8) for one in frames(stream)]
    raw = [one.raw for one in frames(stream)]
    data = b"".join(one for one, is_control in zip(raw, control, strict=True) if not is_control)
    return data, b"".join(one for one, is_control in zip(raw, control, strict=True) if is_control)


def ends(pair: Pair, direction: str) -> tuple[Peer, Peer]:
    """Who says something in this direction, and who hears it."""
    return (pair.client, pair.server) if direction == "send" else (pair.server, pair.client)


def through(pair: Pair, direction: str, data: bytes) -> bytes:
    """Sends all of it; what came of it when the sender has closed and the receiver's stream has ended."""
    sender, receiver = ends(pair, direction)
    masked = direction == "send"
    with ThreadPoolExecutor() as pool:
        hearing = pool.submit(until_close, receiver)
        sender.send(data + close(1000, "", bytes(4) if masked else None))
        heard = hearing.result()
    answer = close(1000, "", None if masked else bytes(4))
    receiver.send(answer)
    assert sender.exactly(len(answer)) == answer
    pair.drop()
    return heard


def until_close(peer: Peer) -> bytes:
    """The frames before a Close."""
    heard = b""
    while True:
        head = peer.exactly(2)
        more = {126: 2, 127: 8}.get(head[1] & 127, 0)
        length_bytes = peer.exactly(more)
        length = int.from_bytes(length_bytes, "big") if more else head[1] & 127
        whole = head + length_bytes + peer.exactly((4 if head[1] & 128 else 0) + length)
        if head[0] & 15 == 8:
            return heard
        heard += whole


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("takeover", [True, False], ids=["takeover", "no-takeover"])
@pytest.mark.parametrize("changed", ["compressed", "fragments", "plain"])
def test_up_to_the_first_change(
    direction: str, takeover: bool, changed: str, proxy: Proxy, origin: Listener, mark: str
) -> None:
    """Up to the first change nothing differs. Without context takeover nothing differs behind it either."""
    deflate = Deflater(12, takeover)
    author = Author(mark, direction, deflate)
    before = b"".join(author.message(author.text()) for _ in range(60))
    said = b"please change me, " + author.text()
    squeezed = said if changed == "plain" else deflate(said)
    reserved = 0 if changed == "plain" else RSV1
    if changed == "fragments":
        target = author.frame(TEXT, squeezed[:3], fin=False, reserved=reserved) + author.frame(0, squeezed[3:])
    else:
        target = author.frame(TEXT, squeezed, reserved=reserved)
    texts = [author.text() for _ in range(60)]
    after = [author.message(text) for text in texts]
    pair = open_pair(proxy, origin, f"/{mark}", *agreement(12, takeover))
    said_all = before + target + b"".join(after)
    heard, control = lanes(through(pair, direction, said_all))
    assert control == lanes(said_all)[1]
    before = lanes(before)[0]
    assert heard.startswith(before)
    rest = frames(heard[len(before) :])
    inflate = StrictInflater(12, takeover)
    for one in whole(before):
        inflated(inflate, one)
    assert inflated(inflate, (rest[0].first, rest[0].payload)) == said.replace(b"change me", CHANGED)
    assert rest[0].first & 128 and bool(rest[0].mask) == (direction == "send")
    behind = heard[len(before) + len(rest[0].raw) :]
    if takeover:
        assert [inflated(inflate, one) for one in whole(behind)] == texts
    else:
        assert behind == lanes(b"".join(after))[0]


def whole(stream: bytes) -> list[tuple[int, bytes]]:
    """First byte and payload of the data messages in a stream, put together."""
    messages: list[tuple[int, bytes]] = []
    for one in frames(stream):
        if one.opcode in (TEXT, BINARY):
            messages.append((one.first, one.payload))
        elif one.opcode == 0:
            first, payload = messages.pop()
            messages.append((first, payload + one.payload))
    return messages


def inflated(inflate: Callable[[bytes], bytes], message: tuple[int, bytes]) -> bytes:
    first, payload = message
    return inflate(payload) if first & 0x40 else payload


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_what_is_injected_changes_nothing_else(direction: str, proxy: Proxy, origin: Listener, mark: str) -> None:
    """It is in nobody's window: with context takeover, too, all around it is as it came."""
    author = Author(mark, direction, Deflater())
    before, after = (b"".join(author.message(author.text()) for _ in range(40)) for _ in range(2))
    pair = open_pair(proxy, origin, f"/{mark}", *agreement(None, True))
    sender, receiver = ends(pair, direction)
    sender.send(before)
    assert lanes(receiver.exactly(len(before))) == lanes(before)
    flow = next(flow for flow in proxy.flows() if mark in flow["url"])["flow_id"]
    control = Control(proxy)
    to = "server" if direction == "send" else "client"
    status, said = control.tell("inject", flow=flow, to=to, text="from the side")
    assert status == 200, said
    control.close()
    heard, _ = lanes(through(pair, direction, after))
    first = frames(heard)[0]
    assert (first.first, first.payload, bool(first.mask)) == (0x81, b"from the side", direction == "send")
    assert heard == first.raw + lanes(after)[0]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_what_was_held_and_released_is_as_it_came(direction: str, proxy: Proxy, origin: Listener, mark: str) -> None:
    """Fragments, keys and compressed bytes of the one that was held, and of all that waited behind it."""
    deflate = Deflater()
    author = Author(mark, direction, deflate)
    before = b"".join(author.message(author.text()) for _ in range(20))
    squeezed = deflate(b"hold me " + author.text())
    held = author.frame(TEXT, squeezed[:4], fin=False, reserved=RSV1) + author.frame(0, squeezed[4:])
    # Control frames do not wait, so there is none here.
    after = b"".join(author.frame(TEXT, deflate(author.text()), reserved=RSV1) for _ in range(20))
    pair = open_pair(proxy, origin, f"/{mark}", *agreement(None, True))
    sender, receiver = ends(pair, direction)
    sender.send(before + held + after)
    assert lanes(receiver.exactly(len(before))) == lanes(before)
    control = Control(proxy)
    release_all(control, 1)
    control.close()
    assert through(pair, direction, b"") == held + after
    messages = proxy.messages(proxy.flow(mark))
    assert [m["decided_by"] for m in messages if b"hold me" in record.payload(m)] == ["intercept"]
    assert {m["fate"] for m in messages if m["kind"] in ("text", "binary")} == {"sent"}


def release_all(control: Control, count: int) -> None:
    held = eventually(f"{count} held", lambda: (found := control.ask("held")) and len(found) == count and found)
    for one in held:
        status, said = control.tell("release", id=one["id"])
        assert status == 200, said


@pytest.mark.parametrize("takeover", [True, False], ids=["takeover", "no-takeover"])
@pytest.mark.parametrize("bits", range(8, 16))
def test_the_window_agreed_on_is_kept(bits: int, takeover: bool, proxy: Proxy, origin: Listener, mark: str) -> None:
    """Compressed anew after a change, a direction refers back no farther than its receiver remembers."""
    texts = {}
    pair = open_pair(proxy, origin, f"/{mark}", *agreement(bits, takeover))
    streams = {}
    for direction in DIRECTIONS:
        author = Author(f"{mark} {direction}", direction, None)
        deflate = Deflater(bits, takeover)
        # Half of them are changed, and so compressed by the proxy in every case.
        texts[direction] = [b"change me " * (number % 2) + author.text(120) for number in range(120)]
        data = (author.frame(TEXT, deflate(text), reserved=RSV1) for text in texts[direction])
        streams[direction] = b"".join(data)
    with ThreadPoolExecutor() as pool:
        hearing = {direction: pool.submit(until_close, ends(pair, direction)[1]) for direction in DIRECTIONS}
        pair.client.send(streams["send"] + close(1000, "", bytes(4)))
        pair.server.send(streams["receive"] + close(1000))
        heard = {direction: hearing[direction].result() for direction in DIRECTIONS}
    pair.drop()
    for direction in DIRECTIONS:
        inflate = StrictInflater(bits, takeover)
        wanted = [text.replace(b"change me", CHANGED) for text in texts[direction]]
        assert [inflated(inflate, one) for one in whole(heard[direction])] == wanted
        compressed = {bool(one.first & 0x40) for one in frames(heard[direction])}
        # For the smallest window nothing is compressed anew, but leaves as it is, which is always right.
        assert compressed == ({True} if bits > 8 else {True, False})


def test_the_strict_inflater_is_strict() -> None:
    """The harness itself: a reference that goes too far is found, also within one message."""
    text = random.Random(8).randbytes(300)
    for bits in (8, 9):
        assert StrictInflater(bits)(Deflater(bits)(text * 4)) == text * 4
    with pytest.raises(zlib.error):
        StrictInflater(8)(Deflater(10)(text * 4))
