"""A thousand messages, and as many decisions: what judges do to some never damages the others, whatever the compression."""

import asyncio
import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from clients.judged_client import brief, messages, on_websockets, on_ws
from harness import browser, node, record
from harness.certificates import Certificates
from harness.controller import Controller
from harness.judging import CONFIGURATION, PLUGIN_FILE, RECEIVE, SEND, THE_END, Passage, Said, conversation
from harness.pairs import Combination, covering, everything
from harness.process import Process
from harness.proxy import Proxy
from harness.servers import HERE, listening
from harness.ways import Server, Way, way
from harness.web import WebApp

MESSAGES = 1000
SEED = os.environ.get("INTEROP_SEED") or str(random.SystemRandom().randrange(1 << 32))
CLIENTS = {"ws": on_ws, "websockets": on_websockets, "chromium": None}
CLIENT_AND_SERVER = ("client", "server")
WINDOWS = [8, 9, 10, 11, 12, 13, 14, 15]
FACTORS: dict[str, list] = {
    "client": list(CLIENTS),
    "server": ["ws", "websockets"],
    "server_takeover": ["yes", "no"],
    "client_takeover": ["yes", "no"],
    "server_bits": WINDOWS,
    "client_bits": WINDOWS,
}


def allowed(chosen: Combination) -> bool:
    """Who can compress with a window of 256 bytes.

    zlib cannot, for a raw stream: it refuses, and with it Python, where `websockets` refuses to agree. Node.js and Chromium
    give it 9 for 8 and get away with it: zlib refers back no farther than the window less 262 bytes, which is 250. All of
    them can read what was compressed with 8.
    """
    compressors = {"server": chosen["server_bits"], "client": chosen["client_bits"]}
    return not any(chosen[peer] == "websockets" and bits == 8 for peer, bits in compressors.items())


def combinations() -> list[Combination]:
    """With INTEROP_ALL all of them, which takes an hour; else each pair of values at least once.

    The windows of the two directions are no pair: no code and no bytes belong to both.
    """
    compressed = everything(FACTORS, allowed)
    if not os.environ.get("INTEROP_ALL"):
        compressed = covering(compressed, {frozenset({"server_bits", "client_bits"})})
    plain = everything({"client": FACTORS["client"], "server": FACTORS["server"], "deflate": ["no"]}, lambda _: True)
    return compressed + plain


def name(chosen: Combination) -> str:
    if "deflate" in chosen:
        return f"{chosen['client']}-{chosen['server']}-uncompressed"
    windows = [f"{chosen[f'{peer}_bits']}" for peer in ("client", "server")]
    forgets = ["" if chosen[f"{peer}_takeover"] == "yes" else "n" for peer in ("client", "server")]
    return "-".join([chosen["client"], chosen["server"], windows[0] + forgets[0], windows[1] + forgets[1]])


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Process, Server]]]:
    directory = tmp_path_factory.mktemp("servers")
    command = [sys.executable, HERE / "servers/judged_websockets.py"]
    running = {"websockets": listening("judged-websockets", command, directory)}
    if not node.missing():
        running["ws"] = listening("judged-ws", node.command("servers/judged_ws.cjs"), directory)
    yield running
    for process, _ in running.values():
        process.end()


@pytest.fixture(scope="module")
def proxy(configured: Callable[[str], Proxy], tmp_path_factory: pytest.TempPathFactory) -> Proxy:
    plugin = tmp_path_factory.mktemp("plugin") / "judge.star"
    plugin.write_text(PLUGIN_FILE)
    return configured(CONFIGURATION.replace("PLUGIN", str(plugin)))


@pytest.mark.parametrize("chosen", combinations(), ids=name)
def test_a_thousand_decisions(
    chosen: Combination, servers: dict, proxy: Proxy, web_app: WebApp, certificates: Certificates, mark: str, tmp_path: Path
) -> None:
    """Messages are passed, changed, held, dropped and injected in both directions; all that arrives is what was meant."""
    print(f"INTEROP_SEED={SEED} replays the messages and their decisions")
    if "ws" in (chosen["server"], chosen["client"]):
        node.needed()
    process, server = servers[chosen["server"]]
    route = way("connect", server, certificates, proxy)
    wanted = {factor: value for factor, value in chosen.items() if factor not in CLIENT_AND_SERVER}
    path = f"/{mark}?{urlencode(wanted)}"
    script = conversation(f"{SEED} {name(chosen)}", MESSAGES)
    controller = Controller(proxy, f"{SEED} {name(chosen)}")
    controller.start()
    try:
        if chosen["client"] == "chromium":
            at_client = browse(route, path, script, web_app, mark, tmp_path)
        else:
            at_client = asyncio.run(CLIENTS[chosen["client"]](route, path, script, tmp_path))
    finally:
        controller.finish()
    at_server = process.event(event="closed", path=path)
    assert not at_server.get("error") and (at_client["code"], at_server["code"]) == (1000, 1000), (at_client, at_server)
    check_compression(chosen, at_client["extensions"])
    there = [Passage(SEND, said) for said in script]
    back = [Passage(RECEIVE, Said(one.kind, one.now)) for one in there if not one.dropped]
    for direction, passages, end in ((SEND, there, at_server), (RECEIVE, back, at_client)):
        arrive = [brief(one.kind, one.now) for one in passages if not one.dropped]
        check_equal(f"{direction}, as it arrived", end["received"], arrive)
        injected = [[kind, payload.decode()] for kind, payload in controller.injected[direction]]
        check_equal(f"{direction}, injected", end["injected"], injected)
        assert {one.fate for one in passages} == {"sent", "replaced", "dropped", "blocked"} and injected
    check_record(proxy, mark, {SEND: there, RECEIVE: back}, controller)


def browse(route: Way, path: str, script: list[Said], app: WebApp, mark: str, directory: Path) -> dict:
    browser.needed()
    job = {"url": route.base + path, "end": THE_END.decode(), "messages": messages(script)}
    (app.directory / f"{mark}.json").write_text(json.dumps(job))
    page = Way(route.name, f"ws://127.0.0.1:{app.server.port}", route.proxy)
    chromium = browser.open_page(page, f"/page/judged.html?mark={mark}", directory / "home")
    try:
        told = app.process.event(90, event="result", mark=mark)["result"]
    finally:
        chromium.end()
    assert not told.get("error"), told
    return told


def check_compression(chosen: Combination, agreed: str) -> None:
    """What the ends agreed on is what this combination is about."""
    if "deflate" in chosen:
        assert agreed == "", agreed
        return
    said = {word.strip() for word in agreed.split(";")}
    for peer in ("server", "client"):
        assert (f"{peer}_no_context_takeover" in said) == (chosen[f"{peer}_takeover"] == "no"), agreed
        assert f"{peer}_max_window_bits={chosen[f'{peer}_bits']}" in said, agreed


def check_equal(what: str, seen: list, wanted: list) -> None:
    """Names the first difference: two lists of a thousand are nothing to read."""
    for number, (one, other) in enumerate(zip(seen, wanted, strict=False)):
        assert one == other, f"{what}: number {number} is not what was meant"
    assert len(seen) == len(wanted), f"{what}: {len(seen)} instead of {len(wanted)}"


def check_record(proxy: Proxy, mark: str, passages: dict[str, list[Passage]], controller: Controller) -> None:
    """Each message is on record with its fate, what came, what left and who decided."""
    flow = proxy.flow(f"/{mark}?")
    all_of_it = proxy.messages(flow)
    assert sorted(message["sequence"] for message in all_of_it) == list(range(len(all_of_it)))
    for direction in (SEND, RECEIVE):
        data = [m for m in all_of_it if m["direction"] == direction and m["kind"] in ("text", "binary")]
        said = [row(message) for message in data if message["fate"] != "injected"]
        check_equal(f"{direction}, on record", said, [expected_row(one) for one in passages[direction]])
        injected = [(m["kind"], record.payload(m)) for m in data if m["fate"] == "injected"]
        check_equal(f"{direction}, injected, on record", injected, controller.injected[direction])
    assert not [message for message in all_of_it if "violation" in message["metadata"]]
    assert flow["state"] == "complete" and flow["close"] == {"by": "client", "code": 1000, "reason": ""}, flow


def row(message: dict) -> tuple:
    original = message.get("original")
    original = None if original is None else record.brief(record.payload(original))
    return message["kind"], message["fate"], message["decided_by"], record.brief(record.payload(message)), original


def expected_row(one: Passage) -> tuple:
    left, original = record.brief(one.now), None
    if one.fate == "replaced":
        original = record.brief(one.said.data)
    elif one.dropped:
        left = record.brief(one.said.data)
    return one.kind, one.fate, ", ".join(one.decided_by) or None, left, original
