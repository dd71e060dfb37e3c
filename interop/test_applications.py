"""Application protocols on WebSockets, by their own clients: GraphQL subscriptions and SignalR."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import node, record
from harness.certificates import Certificates
from harness.process import Process, run
from harness.proxy import Proxy
from harness.servers import listening
from harness.ways import PROXIED, Server, Way, way


@dataclass(frozen=True)
class Application:
    """A client and a server, what the client must have found, and how the record is looked at."""

    name: str
    findings: dict
    farewell: dict
    check: Callable[[Proxy, dict, list[tuple[str, dict]], str], None]


@dataclass
class Running:
    application: Application
    process: Process
    server: Server
    directory: Path


def check_graphql(_: Proxy, flow: dict, said: list[tuple[str, dict]], __: str) -> None:
    """Queries and subscriptions are one protocol: subscribe, next, complete."""
    assert flow["subprotocol"] == "graphql-transport-ws"
    assert flow["close"] == {"by": "client", "code": 1000, "reason": "Normal Closure"}, flow
    assert [(direction, message["type"]) for direction, message in said] == [
        ("send", "connection_init"),
        ("receive", "connection_ack"),
        ("send", "subscribe"),
        ("receive", "next"),
        ("receive", "complete"),
        ("send", "subscribe"),
        *[("receive", "next")] * 5,
        ("receive", "complete"),
    ]
    values = [message["payload"]["data"] for _, message in said if message["type"] == "next"]
    assert values == [{"greeting": "Grüße, 世界"}, *({"count": number} for number in range(1, 6))]


def check_signalr(proxy: Proxy, flow: dict, said: list[tuple[str, dict]], mark: str) -> None:
    """The connection is negotiated over HTTP; then hub messages, each ended by U+001E."""
    negotiation = proxy.flow(f"/hub/negotiate?mark={mark}", "HTTP")
    request, response = proxy.messages(negotiation)
    assert request["metadata"]["method"] == "POST", request
    token = json.loads(record.payload(response))["connectionToken"]
    assert f"id={token}" in flow["url"]
    # The client pings when it likes.
    said = [(direction, message) for direction, message in said if message.get("type") != 6]
    assert [(direction, message.get("type")) for direction, message in said] == [
        ("send", None),
        ("receive", None),
        ("send", 1),
        ("receive", 1),
        ("receive", 3),
        ("send", 4),
        *[("receive", 2)] * 5,
        ("receive", 3),
        ("send", 7),
    ]
    assert said[0][1] == {"protocol": "json", "version": 1}
    assert said[4][1]["result"] == "Grüße, 世界"
    assert [message["item"] for _, message in said if message.get("type") == 2] == [1, 2, 3, 4, 5]


GRAPHQL = Application(
    "graphql",
    {"greeting": [{"greeting": "Grüße, 世界"}], "count": [{"count": number} for number in range(1, 6)]},
    {"code": 1000, "subprotocol": "graphql-transport-ws"},
    check_graphql,
)
SIGNALR = Application(
    "signalr",
    {"echo": "Grüße, 世界", "said": "Grüße, 世界", "count": [1, 2, 3, 4, 5]},
    {"goodbye": True},
    check_signalr,
)


@pytest.fixture(scope="module", params=[GRAPHQL, SIGNALR], ids=lambda application: application.name)
def app(request: pytest.FixtureRequest, certificates: Certificates, tmp_path_factory) -> Iterator[Running]:
    node.needed()
    name = request.param.name
    directory = tmp_path_factory.mktemp(name)
    command = node.command(f"servers/{name}_server.cjs", certificates.chain, certificates.key)
    process, server = listening(name, command, directory)
    yield Running(request.param, process, server, directory)
    process.end()


@pytest.fixture(scope="module")
def proxy(binary: Path, app: Running, certificates: Certificates) -> Iterator[Proxy]:
    running = Proxy(binary, app.directory / "data")
    modes = ["regular@127.0.0.1:0", *app.server.reverse_modes()]
    yield running.start(*modes, settings={"tls.upstream_ca": certificates.authority})
    if running.process.running():
        running.stop()


def talk(route: Way, mark: str, app: Running, home: Path) -> None:
    ca = route.ca.read_text() if route.ca else None
    job = {"url": route.http_base, "proxy": route.proxy, "way": route.name, "ca": ca, "mark": mark}
    options = {"input": json.dumps(job), "env": node.ENVIRONMENT}
    done = run(node.command(f"clients/{app.application.name}_client.cjs"), home, 60, **options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == app.application.findings
    app.process.event(event="close", mark=mark, **app.application.farewell)


@pytest.mark.parametrize("route", ["direct", "direct-tls"])
def test_direct(route: str, app: Running, certificates: Certificates, mark: str, tmp_path: Path) -> None:
    """The harness itself."""
    talk(way(route, app.server, certificates), mark, app, tmp_path)


@pytest.mark.parametrize("route", PROXIED)
def test_through_the_proxy(
    route: str, app: Running, proxy: Proxy, certificates: Certificates, mark: str, tmp_path: Path
) -> None:
    talk(way(route, app.server, certificates, proxy), mark, app, tmp_path)
    flow = proxy.flow(f"mark={mark}")
    messages = proxy.messages(flow)
    record.check_upgrade(messages)
    assert flow["state"] == "complete", flow
    texts = [message for message in messages if message["kind"] == "text"]
    assert any(message["metadata"].get("compressed") == "true" for message in texts)
    parts = [(m["direction"], part) for m in texts for part in record.payload(m).decode().split("\x1e") if part]
    app.application.check(proxy, flow, [(direction, json.loads(part)) for direction, part in parts], mark)
