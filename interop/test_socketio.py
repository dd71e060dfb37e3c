"""Socket.IO: it begins with HTTP polling, upgrades to a WebSocket, and mixes text with binary attachments."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import node, record
from harness.certificates import Certificates
from harness.process import Process, run
from harness.proxy import Proxy
from harness.servers import listening
from harness.ways import PROXIED, Server, Way, way


@pytest.fixture(scope="module")
def app(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Server]]:
    node.needed()
    command = node.command("servers/socketio_server.cjs", certificates.chain, certificates.key)
    process, server = listening("socketio", command, tmp_path_factory.mktemp("socketio"))
    yield process, server
    process.end()


@pytest.fixture(scope="module")
def proxy(app: tuple[Process, Server], module_proxy: Proxy, certificates: Certificates) -> Proxy:
    settings = {"tls.upstream_ca": certificates.authority}
    return module_proxy.start("regular@127.0.0.1:0", *app[1].reverse_modes(), settings=settings)


def talk(route: Way, mark: str, app: Process, home: Path) -> None:
    ca = route.ca.read_text() if route.ca else None
    job = {"url": route.http_base, "proxy": route.proxy, "way": route.name, "ca": ca, "mark": mark}
    options = {"input": json.dumps(job), "env": node.ENVIRONMENT}
    done = run(node.command("clients/socketio_client.cjs"), home, 60, **options)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)["answers"]
    told = {"transport": "websocket", "size": 3}
    assert answers == [[told, ["hello", [0, 255, 1]]], [told, ["Grüße 🦀", [0, 255, 1]]]]
    assert app.event(event="close", mark=mark)["reason"] == "client namespace disconnect"


@pytest.mark.parametrize("route", ["direct", "direct-tls"])
def test_direct(route: str, app: tuple[Process, Server], certificates: Certificates, mark: str, tmp_path: Path) -> None:
    """The harness itself."""
    talk(way(route, app[1], certificates), mark, app[0], tmp_path)


@pytest.mark.parametrize("route", PROXIED)
def test_through_the_proxy(
    route: str, app: tuple[Process, Server], proxy: Proxy, certificates: Certificates, mark: str, tmp_path: Path
) -> None:
    talk(way(route, app[1], certificates, proxy), mark, app[0], tmp_path)
    flow = proxy.flow(f"mark={mark}")
    messages = proxy.messages(flow)
    record.check_upgrade(messages)
    rows = record.rows(messages)
    assert rows[:3] == [("send", "text", b"2probe"), ("receive", "text", b"3probe"), ("send", "text", b"5")]
    assert ("send", "binary", b"\x00\xff\x01") in rows and ("receive", "binary", b"\x00\xff\x01") in rows
    texts = [data for direction, kind, data in rows if (direction, kind) == ("receive", "text")]
    assert any("Grüße 🦀".encode() in data for data in texts)
    polls = [f for f in proxy.flows() if f"mark={mark}" in f["url"] and f["protocol"] == "HTTP"]
    assert len(polls) >= 2 and all("transport=polling" in poll["url"] for poll in polls)
