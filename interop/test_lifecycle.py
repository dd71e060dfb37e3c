"""Start, drain, crash, reload: what signals do to open connections and to the record."""

import re
import signal
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import record
from harness.certificates import Certificates
from harness.frames import MASK, TEXT, frame
from harness.process import run
from harness.sockets import Listener, dial, listener
from harness.talkers import closes, open_pair
from harness.waiting import eventually


@pytest.fixture
def origin(certificates: Certificates) -> Iterator[Listener]:
    with listener(certificates) as opened:
        yield opened


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_drain(which: signal.Signals, new_proxy, origin: Listener, mark: str) -> None:
    """Both peers of an open connection get Close 1001 after the drain time, the record is whole, the exit code is 0."""
    proxy = new_proxy().start(settings={"limits.drain_ms": 300})
    pair = open_pair(proxy, origin, f"/{mark}")
    pair.say("open")
    proxy.process.signal(which)
    at_client, at_server = pair.client.to_the_end(), pair.server.to_the_end()
    assert [code for code, _ in closes(at_client)] == [1001]
    assert [code for code, _ in closes(at_server)] == [1001]
    pair.drop()
    assert proxy.process.wait() == 0
    flow = proxy.flow(mark)
    assert (flow["state"], flow["close"]["by"], flow["close"]["code"]) == ("error", "proxy", 1001), flow
    assert flow["error"], flow
    assert record.rows(proxy.messages(flow))[0] == ("send", "text", b"open")


def test_drain_lets_connections_end(new_proxy, origin: Listener, mark: str) -> None:
    """During the drain no new connection is taken, and an open one may end by itself."""
    proxy = new_proxy().start(settings={"limits.drain_ms": 60000})
    pair = open_pair(proxy, origin, f"/{mark}")
    proxy.process.signal(signal.SIGTERM)
    eventually("no new connections", lambda: not accepts(proxy.address))
    pair.say("still here")
    pair.close(1000, "bye")
    assert proxy.process.wait() == 0
    flow = proxy.flow(mark)
    record.check_complete(flow, "client", 1000, "bye")


def test_second_signal(new_proxy, origin: Listener, mark: str) -> None:
    """A second signal does not wait for the drain; the record is still good."""
    proxy = new_proxy().start(settings={"limits.drain_ms": 600000})
    pair = open_pair(proxy, origin, f"/{mark}")
    eventually("the flow is on disk", proxy.flows)
    proxy.process.signal(signal.SIGTERM)
    eventually("no new connections", lambda: not accepts(proxy.address))
    proxy.process.signal(signal.SIGTERM)
    proxy.process.wait(15)
    pair.drop()
    proxy.start()
    assert proxy.flow(mark)["state"] == "error"
    proxy.stop()


def accepts(address: tuple[str, int]) -> bool:
    """Whether a connection is taken. One that still waits in the queue when the listener closes is reset."""
    try:
        dial(address).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return False
    return True


def test_crash(new_proxy, origin: Listener, mark: str) -> None:
    """SIGKILL in the middle of a conversation: the database opens, the flow is interrupted, its messages gap-free."""
    proxy = new_proxy().start()
    pair = open_pair(proxy, origin, f"/{mark}")
    sent = 0

    def on_record() -> list[dict]:
        nonlocal sent
        for _ in range(50):
            pair.client.send(frame(TEXT, f"message {sent}".encode(), mask=MASK))
            sent += 1
        found = [flow for flow in proxy.flows() if mark in flow["url"]]
        return [m for m in proxy.messages(found[0]) if m["kind"] == "text"] if found else []

    eventually("some messages are on disk", on_record)
    pair.client.send(frame(TEXT, b"last words", mask=MASK))
    proxy.process.kill()
    pair.drop()
    proxy.start()
    flow = proxy.flow(mark)
    assert flow["state"] == "error" and flow["error"].startswith("interrupted"), flow
    messages = proxy.messages(flow)
    assert [message["sequence"] for message in messages] == list(range(len(messages)))
    bodies = [record.payload(message) for message in messages[2:]]
    known = [f"message {number}".encode() for number in range(sent)] + [b"last words"]
    assert 0 < len(bodies) <= len(known) and bodies == known[: len(bodies)]
    fresh = open_pair(proxy, origin, f"/{mark}again")
    fresh.close()
    assert proxy.flow(f"{mark}again")["state"] == "complete"
    assert proxy.flow(f"{mark}again")["flow_id"] != flow["flow_id"]
    proxy.stop()
    with sqlite3.connect(proxy.data_dir / "framegate.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_reload(new_proxy, origin: Listener, tmp_path: Path, mark: str) -> None:
    """SIGHUP takes a valid file over and leaves an invalid one alone, while connections live."""
    config = tmp_path / "framegate.toml"
    config.write_text("[limits]\nframe_bytes_max = 1000\n")
    proxy = new_proxy().start(config=config)

    def relayed(size: int, path: str) -> bool:
        """Whether a message of that size reaches the server, and not a Close in its place."""
        pair = open_pair(proxy, origin, path)
        pair.client.send(frame(TEXT, b"x" * size, mask=MASK))
        first = pair.server.exactly(1)
        pair.drop()
        return first[0] & 15 == TEXT

    old = open_pair(proxy, origin, f"/{mark}old")
    assert not relayed(2000, "/one"), "the limit of the file is not in force"
    config.write_text("[limits]\nframe_bytes_max = 'many'\n")
    said = len(proxy.process.err.read_bytes())
    proxy.process.signal(signal.SIGHUP)
    eventually("the log names the bad key", lambda: b"frame_bytes_max" in proxy.process.err.read_bytes()[said:])
    assert proxy.process.running()
    assert not relayed(2000, "/two"), "an invalid file changed something"
    config.write_text("[limits]\nframe_bytes_max = 5000\n")
    proxy.process.signal(signal.SIGHUP)
    eventually("the new limit is in force", lambda: relayed(2000, f"/three-{time.monotonic_ns()}"))
    old.say("still here")
    old.close()
    assert proxy.flow(f"{mark}old")["state"] == "complete"
    proxy.stop()


def test_files(new_proxy) -> None:
    """What lies in the data directory is the owner's alone; run.json is the ready file, and goes with the process."""
    proxy = new_proxy().start()
    run_file = proxy.data_dir / "run.json"
    assert run_file.read_text() == (proxy.data_dir / "ready.json").read_text()
    assert stat.S_IMODE(run_file.stat().st_mode) == 0o600
    assert len(proxy.ready["token"]) >= 20 and proxy.ready["pid"] == proxy.process.pid
    keys = [path for path in (proxy.data_dir / "ca").iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert keys and all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in keys), keys
    token = proxy.ready["token"]
    assert token not in proxy.process.tail(), "the token is in the log"
    assert re.search(rf"^listening regular {re.escape(proxy.door())}$", proxy.process.tail(), re.MULTILINE)
    first = proxy.ca.read_bytes()
    proxy.stop()
    proxy.start()
    assert proxy.ca.read_bytes() == first, "another CA after a restart"
    proxy.stop()


def test_certificate_authority(new_proxy, tmp_path: Path) -> None:
    """The CA is to be had from the command line and, through the proxy, from its own page."""
    proxy = new_proxy()
    path = proxy.ca
    exported = tmp_path / "exported.pem"
    proxy.command("ca", "export", exported)
    assert exported.read_bytes() == path.read_bytes()
    assert exported.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" not in exported.read_text()
    proxy.start()
    fetched = run(["curl", "-sS", "-f", "--proxy", proxy.url, "http://framegate.local/"], tmp_path)
    assert fetched.returncode == 0, fetched.stderr
    links = re.findall(r'href="([^"]+)"', fetched.stdout)
    bodies = []
    for link in links:
        if not link.startswith(("http", "#", "mailto:")) or "framegate.local" in link:
            target = link if link.startswith("http:") else "http://framegate.local/" + link.lstrip("/")
            bodies.append(run(["curl", "-sS", "-f", "--proxy", proxy.url, target], tmp_path, text=False).stdout)
    assert path.read_bytes() in bodies, links
    proxy.stop()
