"""Sockets without a library on top: every byte that is sent and received is the test's own."""

import base64
import hashlib
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .certificates import Certificates, trusting
from .ways import Server, Way
from .proxy import split

PATIENCE_S = 15.0
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


class Peer:
    """One end of a connection, with what was read too far kept for the next read."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(PATIENCE_S)
        self.kept = b""

    def send(self, data: bytes, chunk: int = 0) -> None:
        """Sends all of it, in writes of `chunk` bytes."""
        if not chunk:
            self.sock.sendall(data)
            return
        for start in range(0, len(data), chunk):
            self.sock.sendall(data[start : start + chunk])

    def head(self) -> bytes:
        """Everything up to and including the empty line."""
        while b"\r\n\r\n" not in self.kept:
            self._more("a head")
        head, _, self.kept = self.kept.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def exactly(self, count: int) -> bytes:
        while len(self.kept) < count:
            self._more(f"{count} bytes, {len(self.kept)} came")
        data, self.kept = self.kept[:count], self.kept[count:]
        return data

    def to_the_end(self) -> bytes:
        """Everything until the other side ends its stream (or breaks it)."""
        parts = [self.kept]
        self.kept = b""
        try:
            while part := self.sock.recv(65536):
                parts.append(part)
        except ConnectionResetError:
            pass
        except ssl.SSLEOFError:
            pass
        return b"".join(parts)

    def readable(self, seconds: float) -> bool:
        pending = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        return bool(self.kept or pending or select.select([self.sock], [], [], seconds)[0])

    def close(self) -> None:
        self.sock.close()

    def _more(self, wanted: str) -> None:
        part = self.sock.recv(1 << 18)
        if not part:
            raise AssertionError(f"the stream ended before {wanted}; last: {self.kept[-200:]!r}")
        self.kept += part


class Listener:
    """A plain and a TLS port whose connections the test takes itself, one by one."""

    def __init__(self, certificates: Certificates) -> None:
        self.context = certificates.server_context()
        self.plain = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.tls = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.server = Server("raw", self.plain.getsockname()[1], self.tls.getsockname()[1])

    def accept(self, tls: bool = False) -> Peer:
        listener = self.tls if tls else self.plain
        listener.settimeout(PATIENCE_S)
        sock, _ = listener.accept()
        sock.settimeout(PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Peer(self.context.wrap_socket(sock, server_side=True) if tls else sock)

    def close(self) -> None:
        self.plain.close()
        self.tls.close()


@contextmanager
def listener(certificates: Certificates) -> Iterator[Listener]:
    opened = Listener(certificates)
    yield opened
    opened.close()


def dial(address: tuple[str, int]) -> Peer:
    sock = socket.create_connection(address, PATIENCE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Peer(sock)


def tunnel(proxy: str, target: str, early: bytes = b"") -> Peer:
    """A CONNECT tunnel through the proxy; `early` is written together with the request."""
    peer = dial(split(proxy.removeprefix("http://")))
    peer.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode() + early)
    head = peer.head()
    assert head.startswith(b"HTTP/1.1 200"), head
    return peer


def secured(peer: Peer, host: str, ca: Path) -> Peer:
    """TLS over a peer."""
    assert not peer.kept, peer.kept
    return Peer(trusting(ca).wrap_socket(peer.sock, server_hostname=host))


def reach(way: Way) -> tuple[Peer, str, str]:
    """A connection that takes requests, what stands before the path in a request line, and the authority for Host."""
    authority = way.base.split("://")[1]
    host, _ = split(authority)
    if way.name == "absolute":
        return dial(split(way.proxy.removeprefix("http://"))), f"http://{authority}", authority
    peer = tunnel(way.proxy, authority) if way.proxy else dial(split(authority))
    return (secured(peer, host, way.ca) if way.tls else peer), "", authority


def accept_key(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def switching(*more: str) -> bytes:
    """A 101 for `KEY`, with further header lines."""
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Accept: {accept_key(KEY).decode()}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def upgrade(prefix: str, path: str, authority: str, *more: str) -> bytes:
    """An upgrade request with `KEY`, with further header lines."""
    lines = [f"GET {prefix}{path} HTTP/1.1", f"Host: {authority}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {KEY.decode()}", "Sec-WebSocket-Version: 13", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
