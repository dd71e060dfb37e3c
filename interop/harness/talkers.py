"""Raw WebSocket connections through the forward proxy, for the tests that care about the ends and not about clients."""

from dataclasses import dataclass

from .frames import MASK, TEXT, close, frame, parse
from .proxy import Proxy
from .sockets import Listener, Peer, dial, switching, upgrade


@dataclass
class Pair:
    """An open WebSocket: the client's end and the server's end."""

    client: Peer
    server: Peer

    def say(self, words: str) -> None:
        """Client to server, and there."""
        self.pass_on(self.client, self.server, frame(TEXT, words.encode(), mask=MASK))

    def answer(self, words: str) -> None:
        """Server to client, and there."""
        self.pass_on(self.server, self.client, frame(TEXT, words.encode()))

    @staticmethod
    def pass_on(source: Peer, sink: Peer, data: bytes) -> None:
        source.send(data)
        assert sink.exactly(len(data)) == data

    def close(self, code: int = 1000, reason: str = "") -> None:
        """The client closes, the server answers, both ends are done."""
        self.pass_on(self.client, self.server, close(code, reason, MASK))
        self.pass_on(self.server, self.client, close(code, reason))
        self.drop()

    def drop(self) -> None:
        self.client.close()
        self.server.close()


def open_pair(proxy: Proxy, origin: Listener, path: str, offer: str = "", agreed: str = "", early: bytes = b"") -> Pair:
    """Opens a WebSocket through the forward proxy by an absolute-form request.

    `offer` and `agreed`: the extensions on either side. `early`: what the client writes together with its request.
    """
    authority = f"127.0.0.1:{origin.server.port}"
    offered, answered = ([f"Sec-WebSocket-Extensions: {words}"] if words else [] for words in (offer, agreed))
    client = dial(proxy.address)
    client.send(upgrade(f"http://{authority}", path, authority, *offered) + early)
    server = origin.accept()
    server.head()
    server.send(switching(*answered))
    assert client.head() == switching(*answered)
    return Pair(client, server)


def closes(stream: bytes) -> list[tuple[int, str]]:
    """Code and reason of every Close in a stream of whole frames."""
    found = [payload for opcode, payload in parse(stream) if opcode == 8]
    return [(int.from_bytes(payload[:2], "big"), payload[2:].decode()) for payload in found]
