"""The commands that ask about the record: with the proxy running and without, as JSON lines, with their exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import record
from harness.certificates import Certificates
from harness.process import Process
from harness.proxy import Proxy
from harness.sockets import Listener, listener
from harness.talkers import open_pair
from harness.waiting import eventually

FLOW_KEYS = {
    *("flow_id", "protocol", "flow_type", "state", "error", "url", "subprotocol", "extensions", "mode", "client_addr"),
    *("server_addr", "started_at", "ended_at", "messages_sent", "messages_received", "bytes_sent", "bytes_received"),
    *("close", "tls"),
}
MESSAGE_KEYS = {
    *("flow_id", "sequence", "direction", "timestamp", "kind", "size", "wire_bytes", "frames", "truncated", "fate"),
    *("decided_by", "metadata"),
}


@pytest.fixture
def origin(certificates: Certificates) -> Iterator[Listener]:
    with listener(certificates) as opened:
        yield opened


def converse(proxy: Proxy, origin: Listener, mark: str) -> None:
    pair = open_pair(proxy, origin, f"/{mark}")
    pair.say("where is the needle?")
    pair.answer("in the haystack, über there")
    pair.close(4001, "found")


def test_queries_with_and_without_the_proxy(new_proxy, origin: Listener, mark: str) -> None:
    proxy = new_proxy().start()
    converse(proxy, origin, mark)
    flow = proxy.flow(mark)
    messages = proxy.messages(flow)
    assert FLOW_KEYS <= set(flow), FLOW_KEYS - set(flow)
    for message in messages:
        assert MESSAGE_KEYS <= set(message), MESSAGE_KEYS - set(message)
        assert all(isinstance(value, str) for value in message["metadata"].values()), message
    found = proxy.lines("search", "needle")
    assert [hit["flow_id"] for hit in found] == [flow["flow_id"]]
    proxy.stop()
    assert proxy.flow(mark) == flow
    assert proxy.messages(flow) == messages
    assert [hit["flow_id"] for hit in proxy.lines("search", "haystack")] == [flow["flow_id"]]
    assert not proxy.lines("search", "elsewhere")
    for words in (["flows"], ["messages", flow["flow_id"]], ["search", "needle"]):
        assert proxy.command(*words).stdout.strip(), f"{words} shows a person nothing"


def test_limit(new_proxy, origin: Listener, mark: str) -> None:
    proxy = new_proxy().start()
    for number in range(3):
        converse(proxy, origin, f"{mark}{number}")
    assert len(proxy.lines("flows", "--limit", "2")) == 2
    assert len(proxy.lines("flows")) == 3
    proxy.stop()


def test_tail(new_proxy, origin: Listener, mark: str) -> None:
    """`tail --json` shows messages while the connection is open."""
    proxy = new_proxy().start()
    tail = Process("tail", [proxy.binary, "tail", "--json", "--data-dir", proxy.data_dir], proxy.home)
    try:
        pair = open_pair(proxy, origin, f"/{mark}")
        count = 0

        def seen() -> bool:
            nonlocal count
            pair.say(f"live {count}")
            count += 1
            return any(str(event.get("body", "")).startswith("live ") for event in tail.events())

        eventually("tail shows a message of the open connection", seen)
        pair.close()
        assert tail.running()
    finally:
        tail.end()
    proxy.stop()


@pytest.mark.parametrize("form", ["jsonl", "har"])
def test_export_and_import(form: str, new_proxy, origin: Listener, mark: str, tmp_path: Path) -> None:
    """What was exported here and imported elsewhere says the same there."""
    proxy = new_proxy().start()
    converse(proxy, origin, mark)
    flow = proxy.flow(mark)
    proxy.stop()
    file = tmp_path / f"export.{form}"
    proxy.command("export", "--format", form, "--output", file)
    assert proxy.command("export", "--format", form).stdout.strip() == file.read_text().strip()
    if form == "har":
        check_har(json.loads(file.read_text()), mark)
    else:
        assert all(isinstance(json.loads(line), dict) for line in file.read_text().splitlines())
    other = new_proxy("elsewhere")
    other.command("import", file)
    copy = other.flow(mark)
    ours, theirs = proxy.messages(flow), other.messages(copy)
    if form == "har":
        # A HAR keeps data messages alone, and has no bytes of the wire.
        ours, theirs = ([m for m in all_ if m["kind"] in ("text", "binary")] for all_ in (ours, theirs))
        assert [essence(m) for m in theirs] == [essence(m) for m in ours]
        return
    assert [without(m, "flow_id") for m in theirs] == [without(m, "flow_id") for m in ours]
    assert without(copy, "flow_id") == without(flow, "flow_id")


def essence(message: dict) -> tuple:
    return message["direction"], message["kind"], record.payload(message)


def without(thing: dict, key: str) -> dict:
    return {name: value for name, value in thing.items() if name != key}


def check_har(document: dict, mark: str) -> None:
    """The form in which browsers write WebSocket messages."""
    assert document["log"]["version"] == "1.2" and document["log"]["creator"]["name"]
    entry = next(entry for entry in document["log"]["entries"] if mark in entry["request"]["url"])
    assert entry["_resourceType"] == "websocket" and entry["response"]["status"] == 101
    messages = [m for m in entry["_webSocketMessages"] if m["opcode"] in (1, 2)]
    assert [(m["type"], m["opcode"], m["data"]) for m in messages] == [
        ("send", 1, "where is the needle?"),
        ("receive", 1, "in the haystack, über there"),
    ]
    assert all(isinstance(m["time"], float | int) for m in messages)


def test_export_csv(new_proxy, origin: Listener, mark: str) -> None:
    proxy = new_proxy().start()
    converse(proxy, origin, mark)
    proxy.flow(mark)
    text = proxy.command("export", "--format", "csv").stdout
    assert "where is the needle?" in text and len(text.splitlines()) >= 5
    proxy.stop()


def test_demo(new_proxy) -> None:
    """The demo shows a recorded conversation and ends well, twice in a row."""
    proxy = new_proxy()
    for _ in range(2):
        assert proxy.command("demo").stdout.strip()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["run", "--no-such-flag"], "--no-such-flag"),
        (["run", "--set", "limits.no_such_key=1"], "no_such_key"),
        (["run", "--set", "limits.frame_bytes_max=many"], "limits.frame_bytes_max"),
        (["run", "--set", "nothing"], "nothing"),
        (["run", "--mode", "sideways@127.0.0.1:0"], "sideways"),
        (["run", "--mode", "regular@nowhere"], "nowhere"),
        (["run", "--config", "no-such-file.toml"], "no-such-file.toml"),
        (["export", "--format", "papyrus"], "papyrus"),
        (["no-such-command"], "no-such-command"),
        (["flows", "--limit", "some"], "some"),
    ],
    ids=" ".join,
)
def test_usage_errors(new_proxy, words: list[str], named: str) -> None:
    """Exit code 2, and the message names what was wrong."""
    done = new_proxy().command(*words, status=2)
    assert named in done.stderr, done.stderr
    assert "panicked" not in done.stderr


def test_bad_environment_and_file(new_proxy, tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text("[limits]\nidle_ms = -1\n")
    assert "idle_ms" in new_proxy().command("config", "check", config, status=2).stderr
    config.write_text("[limits]\nidle_ms = 1\n")
    new_proxy().command("config", "check", config)


def test_not_found(new_proxy) -> None:
    proxy = new_proxy().start()
    proxy.command("messages", "999999", status=3)
    proxy.stop()
    proxy.command("messages", "999999", status=3)


def test_port_taken(new_proxy) -> None:
    """A door that cannot be opened is an error that names it; nothing half-started stays behind."""
    first = new_proxy().start()
    second = new_proxy("second")
    done = second.command("run", "--control", "127.0.0.1:0", "--mode", f"regular@{first.door()}", status=1, seconds=20)
    assert first.door() in done.stderr, done.stderr
    first.stop()


def test_one_proxy_a_data_directory(new_proxy) -> None:
    """A second proxy on the same data directory is refused; two writers would share one record."""
    first = new_proxy().start()
    words = ["run", "--control", "127.0.0.1:0", "--mode", "regular@127.0.0.1:0"]
    assert first.command(*words, status=1, seconds=20).stderr.strip()
    assert first.process.running()
    first.stop()
