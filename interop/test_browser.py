"""A browser loads a web application through the proxy and has a conversation, with the CA installed as people do it."""

from pathlib import Path

import pytest

from harness import browser, conversation, record
from harness.certificates import Certificates
from harness.conversation import CHOSEN, CLIENT_CLOSES, SERVER_CLOSES, Result, Step
from harness.proxy import Proxy
from harness.waiting import eventually
from harness.ways import Way, way
from harness.web import WebApp

CLOSINGS = pytest.mark.parametrize("closing", [CLIENT_CLOSES, SERVER_CLOSES], ids=["client-closes", "server-closes"])


def steps(closing: Step) -> list[Step]:
    return [*conversation.everything(can_ping=False, can_fragment=False), closing]


def browse(route: Way, app: WebApp, mark: str, closing: Step, home: Path) -> Result:
    """Opens the page, and returns what it saw."""
    app.plan(mark, steps(closing))
    chromium = browser.open_page(route, f"/page/talk.html?mark={mark}", home)
    try:
        told = app.process.event(60, event="result", mark=mark)["result"]
    finally:
        chromium.end()
    result = Result.of_json(told)
    assert told["colour"] == "rgb(1, 2, 3)", "the style sheet did not load"
    expected = [(kind, record.brief(data)) for kind, data in conversation.received(steps(closing))]
    assert [(kind, record.brief(data)) for kind, data in result.received] == expected
    assert result.subprotocol == CHOSEN
    assert "permessage-deflate" in result.extensions
    # aiohttp answers a Close with one of its own.
    expected_close = (closing.code, closing.reason) if closing is SERVER_CLOSES else (1000, "")
    assert (result.close_code, result.close_reason) == expected_close
    return result


@CLOSINGS
@pytest.mark.parametrize("route", ["direct", "direct-tls"])
def test_direct(
    route: str, closing: Step, web_app: WebApp, certificates: Certificates, mark: str, tmp_path: Path
) -> None:
    """The harness itself: the page works without a proxy."""
    browser.needed()
    browse(way(route, web_app.server, certificates), web_app, mark, closing, tmp_path / "home")


@CLOSINGS
@pytest.mark.parametrize("route", ["connect", "intercepted", "reverse", "reverse-tls"])
def test_through_the_proxy(
    route: str, closing: Step, web_app: WebApp, web_proxy: Proxy, certificates: Certificates, mark: str, tmp_path: Path
) -> None:
    browser.needed()
    chosen = way(route, web_app.server, certificates, web_proxy)
    result = browse(chosen, web_app, mark, closing, tmp_path / "home")
    flow = web_proxy.flow(f"/socket?mark={mark}")
    messages = web_proxy.messages(flow)
    record.check(flow, messages, conversation.record(steps(closing)))
    record.check_complete(flow, "client" if closing is CLIENT_CLOSES else "server", closing.code, closing.reason)
    assert flow["subprotocol"] == CHOSEN and flow["extensions"] == result.extensions
    page = web_proxy.flow(f"talk.html?mark={mark}", "HTTP")
    request, response = web_proxy.messages(page)
    assert (request["kind"], response["kind"]) == ("request", "response")
    assert b"A conversation" in record.payload(response)


FIFTY = 50
# What each of the fifty says, and hears again.
TEN = [[f"socket {number}, message {i}" for i in range(10)] for number in range(FIFTY)]


def browse_fifty(route: Way, app: WebApp, mark: str, home: Path) -> None:
    chromium = browser.open_page(route, f"/page/fifty.html?mark={mark}", home)
    try:
        told = app.process.event(60, event="result", mark=mark)["result"]
    finally:
        chromium.end()
    assert not told.get("error"), told
    assert told["open_at_once"] == FIFTY
    expected = [{"number": number, "received": said, "clean": True} for number, said in enumerate(TEN)]
    assert told["conversations"] == expected


def test_fifty_at_once_direct(web_app: WebApp, certificates: Certificates, mark: str, tmp_path: Path) -> None:
    """The harness itself."""
    browser.needed()
    browse_fifty(way("direct", web_app.server, certificates), web_app, mark, tmp_path / "home")


@pytest.mark.parametrize("route", ["connect", "intercepted", "reverse", "reverse-tls"])
def test_fifty_at_once(
    route: str, web_app: WebApp, web_proxy: Proxy, certificates: Certificates, mark: str, tmp_path: Path
) -> None:
    """A page opens fifty WebSockets before any of them speaks: all are echoed, and each is a flow with its own words."""
    browser.needed()
    browse_fifty(way(route, web_app.server, certificates, web_proxy), web_app, mark, tmp_path / "home")

    def probe() -> list[dict] | None:
        flows = [flow for flow in web_proxy.flows() if f"/socket?mark={mark}&" in flow["url"]]
        ended = [flow for flow in flows if flow["state"] != "active"]
        return flows if len(flows) >= FIFTY and ended == flows else None

    flows = eventually("fifty flows have ended", probe)
    numbers = [int(flow["url"].rpartition("=")[2]) for flow in flows]
    assert sorted(numbers) == list(range(FIFTY))
    for number, flow in zip(numbers, flows, strict=True):
        messages = web_proxy.messages(flow)
        record.check_upgrade(messages)
        rows = [(side, "text", said.encode()) for said in TEN[number] for side in ("send", "receive")]
        close = (4050).to_bytes(2, "big") + f"socket {number}".encode()
        # What the server answers to a Close is its own choice.
        assert record.rows(messages)[:-1] == [*rows, ("send", "close", close)], flow
        record.check_complete(flow, "client", 4050, f"socket {number}")
