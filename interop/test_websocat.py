"""websocat pipes lines through the proxy, as people do in a shell; skipped where it is not installed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import record, websocat
from harness.certificates import Certificates
from harness.process import environment
from harness.proxy import Proxy
from harness.servers import HERE, start_echo
from harness.ways import Server, Way, way

LINES = ["hello", "Grüße, 世界 🦀", "x" * 5000]


@pytest.fixture(scope="module")
def echo(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    websocat.needed()
    process, server = start_echo("websockets", certificates, tmp_path_factory.mktemp("websocat"))
    yield server
    process.end()


@pytest.fixture(scope="module")
def proxy(echo: Server, module_proxy: Proxy, certificates: Certificates) -> Proxy:
    settings = {"tls.upstream_ca": certificates.authority}
    return module_proxy.start("regular@127.0.0.1:0", *echo.reverse_modes(), settings=settings)


def words(route: Way, path: str) -> list[str]:
    """What to say to websocat. It knows no HTTP proxy, so a command makes the tunnel for it."""
    url = route.base + path
    if not route.proxy:
        return [url]
    scheme, authority = route.base.split("://")
    tunnel = f"cmd:{sys.executable} {HERE / 'clients/tunnel.py'} {route.proxy.removeprefix('http://')} {authority}"
    tls = ["--tls-domain", "localhost"] if route.tls else []
    return [f"--ws-c-uri={url}", *tls, "-", f"ws-c:{'ssl-connect:' if scheme == 'wss' else ''}{tunnel}"]


def pipe(route: Way, path: str, home: Path) -> None:
    """Each line is there and back before the next; then the end of the input closes the WebSocket."""
    trusted = {"SSL_CERT_FILE": str(route.ca)} if route.ca else {}
    command = [websocat.needed(), "--text", "--exit-on-eof", "--protocol", "chat.v2", *words(route, path)]
    with (home / "websocat.err").open("wb") as said:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment(home) | trusted,
        )
        try:
            for line in LINES:
                child.stdin.write(f"{line}\n".encode())
                child.stdin.flush()
                assert child.stdout.readline().decode() == f"{line}\n", (home / "websocat.err").read_text()
            child.stdin.close()
            assert child.stdout.read() == b""
            assert child.wait(30) == 0, (home / "websocat.err").read_text()
        finally:
            child.kill()
            child.wait()


@pytest.mark.parametrize("route", ["direct", "direct-tls"])
def test_direct(route: str, echo: Server, certificates: Certificates, mark: str, tmp_path: Path) -> None:
    """The harness itself."""
    pipe(way(route, echo, certificates), f"/{mark}", tmp_path)


@pytest.mark.parametrize("route", ["connect", "intercepted", "reverse", "reverse-tls"])
def test_through_the_proxy(
    route: str, echo: Server, proxy: Proxy, certificates: Certificates, mark: str, tmp_path: Path
) -> None:
    pipe(way(route, echo, certificates, proxy), f"/{mark}", tmp_path)
    flow = proxy.flow(mark)
    messages = proxy.messages(flow)
    record.check_upgrade(messages)
    assert flow["subprotocol"] == "chat.v2", flow
    expected = [(way, "text", record.brief(f"{line}\n".encode())) for line in LINES for way in ("send", "receive")]
    assert record.rows(messages)[: len(expected)] == expected
    assert flow["state"] == "complete", flow
    assert flow["close"]["by"] == "client", flow
