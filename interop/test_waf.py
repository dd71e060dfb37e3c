"""A real web application firewall judges messages: nginx with ModSecurity and the OWASP core rule set of Debian, unchanged.

It says the same of a message as of its content in a plain HTTP request, however the message is cut and compressed.
"""

import asyncio
import sys
from collections.abc import Iterator

import pytest

from clients.waf_client import AFTER, BEFORE, MANNERS, Heard, Manner, converse
from harness import waf
from harness.process import Process
from harness.proxy import Proxy
from harness.servers import HERE
from harness.waf import Row, Waf, brief
from waf import shapes

ROWS = waf.rows()
PLAIN = MANNERS[0]
POLICY_VIOLATION = 1008
REASONS = {403: "blocked by policy", 400: "could not be inspected"}


def of_table(one: Row) -> str:
    return one.id


@pytest.fixture(scope="module")
def firewall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waf]:
    waf.needed()
    started = waf.start(tmp_path_factory.mktemp("firewall"))
    yield started
    started.process.end()


@pytest.fixture(scope="module")
def server(firewall: Waf) -> Iterator[Process]:
    command = [sys.executable, HERE / "servers/waf_echo.py", firewall.ports[9000]]
    # The library takes no message of more fragments than 4096, unless it is told to.
    process = Process("waf-echo", command, firewall.place, WEBSOCKETS_MAX_FRAGMENTS="100000")
    try:
        process.event(event="listening")
        yield process
    finally:
        process.end()


@pytest.fixture(scope="module")
def gateway(firewall: Waf, server: Process, module_proxy: Proxy) -> Proxy:
    """The proxy with the file of the example. A loaded machine is no reason to fail: verdicts may take their time."""
    door = f"gateway@127.0.0.1:{firewall.ports[8080]}"
    settings = {"hook.timeout_ms": 30_000}
    return module_proxy.start(door, settings=settings, config=firewall.place / "framegate.toml")


@pytest.mark.parametrize("one", ROWS, ids=of_table)
def test_the_table_is_true(one: Row, firewall: Waf) -> None:
    assert waf.verdict(firewall.direct(one)) == one.verdict


@pytest.mark.parametrize("one", ROWS, ids=of_table)
def test_the_shapes_of_the_guide_lead_to_the_same_verdict(one: Row, firewall: Waf) -> None:
    """As written once more from the guide: independent of the proxy, which has to do no worse."""
    content_type, body = shapes.shaped(one.payload, one.binary)
    assert firewall.status(content_type, body) == one.status, body[:2000]


@pytest.mark.parametrize("manner", MANNERS, ids=lambda manner: manner.name)
@pytest.mark.parametrize("one", ROWS, ids=of_table)
def test_to_the_server(one: Row, manner: Manner, gateway: Proxy, firewall: Waf, server: Process, mark: str) -> None:
    heard, told = conversation(f"/chat/{mark}", manner, one, firewall, server)
    assert ("permessage-deflate" in heard.extensions) == bool(manner.deflate), heard.extensions
    if one.verdict == "pass":
        said = [(False, BEFORE), (one.binary, one.payload), (False, AFTER)]
        assert told["received"] == [brief(*message) for message in said]
        assert heard.messages == said and heard.code == 1000
    else:
        # Nothing of it arrives, and nothing of what was said behind it.
        assert told["received"] == [brief(False, BEFORE)]
        assert (heard.code, told["code"]) == (POLICY_VIOLATION, POLICY_VIOLATION)
        assert heard.reason == REASONS[one.status]


@pytest.mark.parametrize("manner", [PLAIN, MANNERS[3]], ids=lambda manner: manner.name)
@pytest.mark.parametrize("one", ROWS, ids=of_table)
def test_to_the_client(one: Row, manner: Manner, gateway: Proxy, firewall: Waf, server: Process, mark: str) -> None:
    """The server says a message: the second hook is asked."""
    path = f"/say/{ROWS.index(one)}/{mark}"
    heard = asyncio.run(converse(firewall.ports[8080], path, manner, None, 3))
    told = server.event(event="closed", path=path)
    said = [(False, BEFORE), (one.binary, one.payload), (False, AFTER)]
    if one.verdict == "pass":
        assert heard.messages == said and heard.code == 1000
    else:
        assert heard.messages == said[:1]
        assert (heard.code, told["code"]) == (POLICY_VIOLATION, POLICY_VIOLATION)
        assert heard.reason == REASONS[one.status]


@pytest.mark.parametrize("name", ["hello", "json-chat", "msgpack", "sqli-json-escaped", "socketio-rce-escaped", "msgpack-xss"])
def test_behind_an_nginx_that_sets_the_fields(name: str, gateway: Proxy, firewall: Waf, server: Process, mark: str) -> None:
    """The fields that a client sends itself are emptied on the way: neither do they move a hook, nor are they refused."""
    one = next(one for one in ROWS if one.id == name)
    nowhere = "http://127.0.0.1:1/"
    own = {"x-wsproxy-inboundhook": nowhere, "x-wsproxy-inboundhook-method": "GET", "x-wsproxy-upstream": "ws://127.0.0.1:1"}
    heard, told = conversation(f"/chat/{mark}", PLAIN, one, firewall, server, port=8000, **own)
    passed = one.verdict == "pass"
    assert len(told["received"]) == (3 if passed else 1)
    assert heard.code == (1000 if passed else POLICY_VIOLATION)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("?q=%3Cscript%3Ealert(1)%3C/script%3E", {}),
        ("/.git/config", {}),
        ("", {"agent": "sqlmap/1.7"}),
        ("", {"Cookie": "name=<script>alert(1)</script>"}),
    ],
    ids=["query", "path", "agent", "cookie"],
)
def test_rules_see_the_handshake(
    path: str, fields: dict[str, str], gateway: Proxy, firewall: Waf, server: Process, mark: str
) -> None:
    """An attack in what the client said before its first message has that message blocked, as it would a request."""
    one = next(one for one in ROWS if one.id == "hello")
    heard, told = conversation(f"/chat/{mark}{path}", PLAIN, one, firewall, server, **fields)
    assert told["received"] == [] and heard.code == POLICY_VIOLATION


@pytest.mark.parametrize("payload", [b"\xff<script>alert(1)</script>", b'{"a":"<script>alert(1)</script>\xff"}'])
def test_a_text_that_is_no_utf_8_is_looked_at_too(
    payload: bytes, gateway: Proxy, firewall: Waf, server: Process, mark: str
) -> None:
    one = Row("no-utf-8", payload, False, "form", payload, "block", 403)
    heard, told = conversation(f"/chat/{mark}", PLAIN, one, firewall, server)
    assert told["received"] == [brief(False, BEFORE)] and heard.code == POLICY_VIOLATION


def conversation(
    path: str, manner: Manner, one: Row, firewall: Waf, server: Process, port: int = 8080, **fields: str
) -> tuple[Heard, dict]:
    """What the client heard of a conversation of three messages, and what the server says of it."""
    heard = asyncio.run(converse(firewall.ports[port], path, manner, one, 3, **fields))
    return heard, server.event(event="closed", path=path)
