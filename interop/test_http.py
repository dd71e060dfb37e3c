"""A web application through the proxy: everything that is not a WebSocket just works, and is recorded as exchanges."""

import base64
import hashlib
import http.client
import json
import shutil
import socket
import ssl
from pathlib import Path

import pytest

from harness import record
from harness.certificates import Certificates, trusting
from harness.process import run
from harness.proxy import Proxy, split
from harness.sockets import dial, listener, tunnel, upgrade
from harness.ways import Way, way
from harness.web import WebApp

MIB = 1 << 20
ROUTES = ["direct", "direct-tls", "absolute", "connect", "intercepted", "reverse", "reverse-tls"]


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest, web_app: WebApp, certificates: Certificates) -> Way:
    proxy = None if request.param.startswith("direct") else request.getfixturevalue("web_proxy")
    return way(request.param, web_app.server, certificates, proxy)


def curl(route: Way, path: str, home: Path, *words: object) -> str:
    """What curl prints; a failing curl fails the test."""
    if not shutil.which("curl"):
        pytest.skip("curl: not installed")
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "60", *words]
    if route.proxy:
        command += ["--proxy", route.proxy]
    if route.name == "connect":
        command += ["--proxytunnel"]
    if route.ca:
        command += ["--cacert", route.ca]
    done = run([*command, route.http_base + path], home, 90)
    assert done.returncode == 0, f"curl exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_page(route: Way, request: pytest.FixtureRequest, mark: str, tmp_path: Path) -> None:
    """One GET, and its record: one HTTP flow with request and response."""
    body = curl(route, f"/page/talk.css?{mark}", tmp_path)
    assert body == (Path(__file__).parent / "pages/talk.css").read_text()
    if route.name.startswith("direct"):
        return
    proxy = request.getfixturevalue("web_proxy")
    flow = proxy.flow(mark, "HTTP")
    sent, received = proxy.messages(flow)
    assert flow["state"] == "complete" and flow["close"] is None, flow
    assert flow["url"].startswith("https://" if "tls" in route.name or route.tls else "http://"), flow
    assert (sent["kind"], sent["direction"], sent["sequence"]) == ("request", "send", 0)
    assert (received["kind"], received["direction"], received["sequence"]) == ("response", "receive", 1)
    assert record.payload(received).endswith(body.encode())


def test_chunked_upload(route: Way, tmp_path: Path, mark: str) -> None:
    data = bytes(range(256)) * 4096
    (tmp_path / "file").write_bytes(data)
    words = ["-H", "Transfer-Encoding: chunked", "--data-binary", f"@{tmp_path / 'file'}"]
    answer = json.loads(curl(route, f"/upload?{mark}", tmp_path, *words))
    assert (answer["size"], answer["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert answer["headers"]["transfer-encoding"] == "chunked"
    assert "proxy-connection" not in answer["headers"]


def test_expect_continue(route: Way, tmp_path: Path, mark: str) -> None:
    """The client waits for the server's own 100 before it sends the body."""
    (tmp_path / "file").write_bytes(b"x" * 5000)
    words = ["--dump-header", tmp_path / "heads", "--expect100-timeout", "50", "--max-time", "40"]
    words += ["-H", "Expect: 100-continue", "--data-binary", f"@{tmp_path / 'file'}"]
    answer = json.loads(curl(route, f"/upload?{mark}", tmp_path, *words))
    assert answer["size"] == 5000 and answer["headers"]["expect"] == "100-continue"
    assert " 100 " in (tmp_path / "heads").read_text()


def test_download_without_length(route: Way, tmp_path: Path, mark: str) -> None:
    words = ["--output", "/dev/null", "--write-out", "%{size_download}"]
    size = curl(route, f"/download?bytes=3000000&{mark}", tmp_path, *words)
    assert int(size) == 3_000_000


def test_encoded(route: Way, tmp_path: Path, mark: str) -> None:
    """A gzip body is passed on as it is, and the client inflates it."""
    assert curl(route, f"/encoded?{mark}", tmp_path, "--compressed") == "squeeze me " * 1000


def connection(route: Way) -> tuple[http.client.HTTPConnection, str]:
    """A connection of Python's own HTTP client, and what stands before a path."""
    authority = route.base.split("://")[1]
    via = (route.proxy or f"http://{authority}").removeprefix("http://")
    if route.name == "absolute":
        return http.client.HTTPConnection(via, timeout=20), f"http://{authority}"
    if route.tls:
        client = http.client.HTTPSConnection(via, timeout=20, context=trusting(route.ca))
    else:
        client = http.client.HTTPConnection(via, timeout=20)
    if route.proxy:
        client.set_tunnel(*split(authority))
    return client, ""


def test_keep_alive(route: Way, mark: str) -> None:
    """Many requests on one connection; a HEAD and a 404 among them do not upset the framing."""
    client, prefix = connection(route)
    answers, local = [], set()
    for number in range(12):
        method = "HEAD" if number == 5 else "GET"
        path = "/nowhere" if number == 7 else f"/connection?{mark}{number}"
        client.request(method, prefix + path)
        response = client.getresponse()
        answers.append((response.status, response.read()))
        local.add(client.sock and client.sock.getsockname())
    client.close()
    assert len(local) == 1, "the client had to connect anew"
    assert [status for status, _ in answers] == [200] * 7 + [404] + [200] * 4
    assert answers[5][1] == b""
    assert {body for status, body in answers if status == 200} - {b""}


def test_refused_upgrade(route: Way, request: pytest.FixtureRequest, mark: str) -> None:
    """The server's own 401 reaches the client; on record it is an HTTP exchange that completed."""
    client, prefix = connection(route)
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    fields["Sec-WebSocket-Key"] = base64.b64encode(bytes(16)).decode()
    client.request("GET", f"{prefix}/refuse?{mark}", headers=fields)
    response = client.getresponse()
    assert response.status == 401
    assert response.read() == b"not without a ticket"
    assert response.headers["WWW-Authenticate"] == 'Basic realm="door"'
    client.close()
    if route.name.startswith("direct"):
        return
    proxy = request.getfixturevalue("web_proxy")
    flow = proxy.flow(mark, "HTTP")
    assert flow["state"] == "complete", flow
    assert b"not without a ticket" in record.payload(proxy.messages(flow)[1])


@pytest.mark.parametrize("method", ["GET", "websocket"])
def test_nobody_there(web_proxy: Proxy, method: str) -> None:
    """502 with a body that says what was tried; not a closed connection."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = dial(web_proxy.address)
    authority = f"127.0.0.1:{port}"
    if method == "GET":
        client.send(f"GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n".encode())
    else:
        client.send(upgrade(f"http://{authority}", "/", authority))
    assert client.head().startswith(b"HTTP/1.1 502 ")
    client.sock.shutdown(socket.SHUT_WR)
    assert str(port).encode() in client.to_the_end()


def test_too_slow(new_proxy, certificates: Certificates) -> None:
    """504 when the server takes the connection and says nothing."""
    with listener(certificates) as silent:
        proxy = new_proxy().start(settings={"limits.handshake_ms": 700})
        client = dial(proxy.address)
        authority = f"127.0.0.1:{silent.server.port}"
        client.send(upgrade(f"http://{authority}", "/", authority))
        server = silent.accept()
        assert client.head().startswith(b"HTTP/1.1 504 ")
        assert server.to_the_end().startswith(b"GET / HTTP/1.1\r\n")
        client.close()
        proxy.stop()


def test_tunnel_of_another_protocol(certificates: Certificates, web_proxy: Proxy) -> None:
    """CONNECT to something that is neither TLS nor HTTP is passed on, both ways, to both ends of stream."""
    with listener(certificates) as origin:
        client = tunnel(web_proxy.url, f"127.0.0.1:{origin.server.port}")
        client.send(b"\x00\x01\x02 not http\r\n\r\n")
        server = origin.accept()
        assert server.exactly(15) == b"\x00\x01\x02 not http\r\n\r\n"[:15]
        server.send(bytes(range(256)))
        assert client.exactly(256) == bytes(range(256))
        client.sock.shutdown(socket.SHUT_WR)
        assert server.to_the_end() == b"\x00\x01\x02 not http\r\n\r\n"[15:]
        server.send(b"after the client's end")
        server.close()
        assert client.to_the_end() == b"after the client's end"


def test_tunnel_where_the_server_speaks_first(certificates: Certificates, web_proxy: Proxy) -> None:
    with listener(certificates) as origin:
        client = tunnel(web_proxy.url, f"127.0.0.1:{origin.server.port}")
        server = origin.accept()
        server.send(b"220 mail.test ready\r\n")
        assert client.exactly(21) == b"220 mail.test ready\r\n"
        client.send(b"EHLO me\r\n")
        assert server.exactly(9) == b"EHLO me\r\n"
        client.close()
        assert server.to_the_end() == b""


def test_certificate_for_an_address(web_app: WebApp, web_proxy: Proxy) -> None:
    """A client that connects to an IP address sends no server name; its certificate names the address."""
    authority = f"127.0.0.1:{web_app.server.tls_port}"
    client = tunnel(web_proxy.url, authority)
    with trusting(web_proxy.ca).wrap_socket(client.sock, server_hostname="127.0.0.1") as secure:
        assert secure.selected_alpn_protocol() in (None, "http/1.1")
        secure.sendall(f"GET /numbers.json HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n".encode())
        assert secure.recv(100).startswith(b"HTTP/1.1 200 ")


def test_untrusted_server(web_app: WebApp, new_proxy) -> None:
    """Without the setting that trusts it, a server with an unknown issuer is not spoken to."""
    proxy = new_proxy().start()
    client = dial(proxy.address)
    authority = f"localhost:{web_app.server.tls_port}"
    client.send(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
    head = client.head()
    secure = client.sock
    if head.startswith(b"HTTP/1.1 200"):
        try:
            secure = trusting(proxy.ca).wrap_socket(client.sock, server_hostname="localhost")
            secure.sendall(f"GET / HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
            head = secure.recv(100)
        except (ssl.SSLError, ConnectionError):
            head = b"HTTP/1.1 502 by alert"
    assert head.startswith(b"HTTP/1.1 502"), head
    secure.close()
    proxy.stop()


@pytest.mark.parametrize("name", ["absolute", "intercepted"])
def test_large_upload_in_bounded_memory(
    name: str, new_proxy, web_app: WebApp, certificates: Certificates, tmp_path: Path
) -> None:
    """64 MiB stream through; the proxy never holds them."""
    proxy = new_proxy().start(settings={"tls.upstream_ca": certificates.authority})
    route = way(name, web_app.server, certificates, proxy)
    with (tmp_path / "file").open("wb") as file:
        file.truncate(64 * MIB)
    curl(route, "/numbers.json", tmp_path)
    before = proxy.memory_peak_bytes()
    answer = json.loads(curl(route, "/upload", tmp_path, "-T", tmp_path / "file", "-X", "POST"))
    assert answer["size"] == 64 * MIB
    grown = proxy.memory_peak_bytes() - before
    assert grown < 24 * MIB, f"grew by {grown / MIB:.0f} MiB"
    proxy.stop()
