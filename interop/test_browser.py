"""A browser loads a web application through the proxy and has a conversation, with the CA installed as people do it."""

from pathlib import Path

import pytest

from harness import browser, conversation, record
from harness.certificates import Certificates
from harness.conversation import CHOSEN, CLIENT_CLOSES, SERVER_CLOSES, Result, Step
from harness.proxy import Proxy
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
