"""The ways from a client to a server: straight, through the forward proxy, through a reverse door."""

from dataclasses import dataclass
from pathlib import Path

from .certificates import Certificates
from .proxy import Proxy

DIRECT = ["direct", "direct-tls"]
# absolute: `GET http://…` at the proxy; connect: a plain WebSocket in a CONNECT tunnel; intercepted: TLS in one.
PROXIED = ["absolute", "connect", "intercepted", "reverse", "reverse-tls"]


@dataclass(frozen=True)
class Server:
    """A running server with a plain and a TLS port."""

    name: str
    port: int
    tls_port: int

    def reverse_modes(self) -> list[str]:
        return [
            f"reverse:ws://127.0.0.1:{self.port}@127.0.0.1:0",
            f"reverse:wss://localhost:{self.tls_port}@127.0.0.1:0",
        ]


@dataclass(frozen=True)
class Way:
    """What a client needs to know."""

    name: str
    base: str  # "ws://host:port" or "wss://host:port"
    proxy: str | None = None
    ca: Path | None = None

    @property
    def tls(self) -> bool:
        return self.base.startswith("wss:")

    @property
    def http_base(self) -> str:
        return "http" + self.base.removeprefix("ws")


def way(name: str, server: Server, certificates: Certificates, proxy: Proxy | None = None) -> Way:
    """The way of that name to the server; `proxy` must have the server's reverse modes among its doors."""
    plain, secure = f"ws://127.0.0.1:{server.port}", f"wss://localhost:{server.tls_port}"
    match name:
        case "direct":
            return Way(name, plain)
        case "direct-tls":
            return Way(name, secure, ca=certificates.authority)
        case "absolute" | "connect":
            return Way(name, plain, proxy.url)
        case "intercepted":
            return Way(name, secure, proxy.url, proxy.ca)
        case "reverse":
            return Way(name, f"ws://{proxy.door(f'reverse:{plain}@')}")
        case "reverse-tls":
            return Way(name, f"ws://{proxy.door(f'reverse:{secure}@')}")
    raise ValueError(name)


def baseline(name: str) -> str:
    """The direct way that a way through the proxy is compared with."""
    return "direct-tls" if name == "intercepted" else "direct"
