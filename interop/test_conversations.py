"""Every client has the whole conversation with every server, each way through the proxy, and all of it is on record."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from clients import aiohttp_client, undici_client, websockets_client, ws_client
from harness import conversation, node, record
from harness.certificates import Certificates
from harness.conversation import CHOSEN, CLIENT_CLOSES, SERVER_CLOSES, Result, Step
from harness.process import Process
from harness.proxy import Proxy
from harness.servers import ECHO_SERVERS, start_echo
from harness.ways import DIRECT, Server, Way, baseline, way

CLIENTS = {"websockets": websockets_client, "aiohttp": aiohttp_client, "ws": ws_client, "undici": undici_client}


@dataclass
class Running:
    """One echo server, and the directory of its clients."""

    process: Process
    server: Server
    directory: Path


@pytest.fixture(scope="module", params=ECHO_SERVERS)
def echo(request: pytest.FixtureRequest, certificates: Certificates, tmp_path_factory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp(request.param)
    process, server = start_echo(request.param, certificates, directory)
    yield Running(process, server, directory)
    process.end()


@pytest.fixture(scope="module")
def proxied(binary: Path, echo: Running, certificates: Certificates) -> Iterator[Proxy]:
    proxy = Proxy(binary, echo.directory / "data")
    modes = ["regular@127.0.0.1:0", *echo.server.reverse_modes()]
    proxy.start(*modes, settings={"tls.upstream_ca": certificates.authority})
    yield proxy
    if proxy.process.running():
        proxy.stop()


def steps_for(client: ModuleType, closing: Step) -> list[Step]:
    """All that this client can say; the short form when the server closes, as the rest was said already."""
    if closing is SERVER_CLOSES:
        return [conversation.text("nearly done"), closing]
    return [*conversation.everything(client.CAN_PING, client.CAN_FRAGMENT), closing]


def talk(client: ModuleType, route: Way, path: str, steps: list[Step], directory: Path) -> Result:
    result = asyncio.run(asyncio.wait_for(client.converse(route, path, steps, directory), 90))
    expected = [(kind, record.brief(data)) for kind, data in conversation.received(steps)]
    assert [(kind, record.brief(data)) for kind, data in result.received] == expected
    assert result.subprotocol == CHOSEN
    return result


def outcome(echo: Running, path: str, result: Result) -> tuple:
    """What must be the same with and without the proxy: what both ends know of the handshake and of the close."""
    close = echo.process.event(event="close", path=path)
    opened = echo.process.event(event="open", path=path)
    names = {name.lower() for name, _ in opened["headers"]} - {"connection"}
    ends = (close["code"], close["reason"], result.close_code, result.close_reason)
    return (result.extensions, opened["subprotocol"], names, *ends)


directly: dict[tuple, tuple] = {}


def without_proxy(name: str, echo: Running, certificates: Certificates, route: str, closing: Step) -> tuple:
    """The outcome of the same conversation without the proxy; had once, then remembered."""
    key = (name, echo.server, route, closing.do)
    if key not in directly:
        client, path = CLIENTS[name], f"/{name}-{route}-{closing.do}"
        steps = steps_for(client, closing)
        result = talk(client, way(route, echo.server, certificates), path, steps, echo.directory)
        directly[key] = outcome(echo, path, result)
    return directly[key]


def combinations(direct: bool) -> list[tuple[str, str]]:
    return [(name, each) for name, client in CLIENTS.items() for each in client.WAYS if (each in DIRECT) == direct]


@pytest.mark.parametrize("closing", [CLIENT_CLOSES, SERVER_CLOSES], ids=["client-closes", "server-closes"])
@pytest.mark.parametrize(("name", "route"), combinations(direct=True))
def test_direct(name: str, route: str, closing: Step, echo: Running, certificates: Certificates) -> None:
    """The harness itself: client and server understand each other without a proxy."""
    if name in ("ws", "undici"):
        node.needed()
    extensions, *_, server_code, _, client_code, _ = without_proxy(name, echo, certificates, route, closing)
    assert ("permessage-deflate" in extensions) == (echo.server.name != "ws-without-deflate")
    assert closing.code in (server_code, client_code)


@pytest.mark.parametrize("closing", [CLIENT_CLOSES, SERVER_CLOSES], ids=["client-closes", "server-closes"])
@pytest.mark.parametrize(("name", "route"), combinations(direct=False))
def test_through_the_proxy(
    name: str, route: str, closing: Step, echo: Running, proxied: Proxy, certificates: Certificates, mark: str
) -> None:
    if name in ("ws", "undici"):
        node.needed()
    client, path = CLIENTS[name], f"/{mark}?for={name}"
    steps = steps_for(client, closing)
    result = talk(client, way(route, echo.server, certificates, proxied), path, steps, echo.directory)
    assert outcome(echo, path, result) == without_proxy(name, echo, certificates, baseline(route), closing)

    flow = proxied.flow(mark)
    messages = proxied.messages(flow)
    record.check(flow, messages, conversation.record(steps))
    record.check_complete(flow, "client" if closing is CLIENT_CLOSES else "server", closing.code, closing.reason)
    check_facts(flow, messages, route, echo.server, result)
    if client.CAN_FRAGMENT and closing is CLIENT_CLOSES:
        fragments = next(step.parts for step in steps if step.do == "fragments")
        message = next(m for m in messages[2:] if record.payload(m) == "".join(fragments).encode())
        assert message["frames"] == len(fragments) + client.FRAGMENTS_EXTRA


def check_facts(flow: dict, messages: list[dict], route: str, server: Server, result: Result) -> None:
    """What the flow says of the connection, beside its messages."""
    assert flow["subprotocol"] == CHOSEN
    # The package `ws` tells its user the names alone, without the parameters.
    extensions = flow["extensions"] or ""
    assert result.extensions in (extensions, extensions.partition(";")[0])
    assert flow["mode"].startswith("reverse" if route.startswith("reverse") else "regular"), flow["mode"]
    upstream_tls = route in ("intercepted", "reverse-tls")
    scheme, port = ("wss", server.tls_port) if upstream_tls else ("ws", server.port)
    assert flow["url"].startswith(f"{scheme}://") and f":{port}/mark-" in flow["url"], flow["url"]
    assert flow["server_addr"] == f"127.0.0.1:{port}"
    if upstream_tls:
        assert flow["tls"]["server"]["version"].startswith("TLSv1."), flow["tls"]
        assert "framegate outside test" in flow["tls"]["server"]["subject"], flow["tls"]
        assert flow["tls"]["server"]["cipher"], flow["tls"]
        assert bool(flow["tls"].get("client")) == (route == "intercepted"), flow["tls"]
    else:
        assert flow["tls"] is None, flow["tls"]
    data = [m for m in messages if m["kind"] in ("text", "binary") and m["size"] > 1000]
    if "permessage-deflate" not in result.extensions:
        assert all(m["metadata"].get("compressed") != "true" for m in messages)
    elif data:
        # Servers and clients may leave a message as it is; two of a mebibyte each way they do compress.
        assert any(m["metadata"].get("compressed") == "true" for m in data), "nothing was compressed"
