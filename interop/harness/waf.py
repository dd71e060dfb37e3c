"""The web application firewall of `examples/waf/`, started as it stands there, on free ports; and asked directly."""

import hashlib
import http.client
import os
import re
import shutil
import socket
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest

from .process import Process
from .waiting import eventually

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/waf"
TABLE = ROOT / "interop/waf/messages.toml"
PATIENCE_S = 20
HOST, AGENT = "chat.example", "Mozilla/5.0 (X11; Linux x86_64) interop"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
# The ports of the example: nginx before framegate, framegate and its control door, the firewall, what is behind it, the
# WebSocket server.
PORTS = (8000, 8080, 8081, 8090, 8091, 9000)
ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")
NEEDS = {
    "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so": "libnginx-mod-http-modsecurity",
    "/usr/share/modsecurity-crs/rules": "modsecurity-crs",
}


@cache
def nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def missing() -> list[str]:
    """The Debian packages that are not there."""
    packages = [] if nginx() else ["nginx"]
    return packages + [package for path, package in NEEDS.items() if not Path(path).exists()]


def needed() -> None:
    """Skips the test, by name, where there is no such firewall."""
    if missing():
        pytest.skip(f"a web application firewall: apt-get install {' '.join(missing())}")


@dataclass(frozen=True)
class Row:
    """A message of the table."""

    id: str
    payload: bytes
    binary: bool
    direct: str
    content: bytes
    verdict: str
    # Of the request that is made of the message.
    status: int


def rows() -> list[Row]:
    """The table."""
    table = tomllib.loads(TABLE.read_text())
    found = [row(raw) for raw in table["message"] + table["long"]]
    assert len({one.id for one in found}) == len(found), "two rows have the same id"
    return found


def row(raw: dict) -> Row:
    if "hex" in raw:
        payload = bytes.fromhex(raw["hex"])
    elif "parts" in raw:
        begin, middle, end = raw["parts"]
        payload = (begin + middle * raw["times"] + end).encode()
    elif "nested" in raw:
        payload = ("[" * raw["depth"] + raw["nested"] + "]" * raw["depth"]).encode()
    else:
        payload = raw["text"].encode()
    content = raw["as"].encode() if "as" in raw else payload
    status = raw.get("status", {"pass": 200, "block": 403}[raw["verdict"]])
    return Row(raw["id"], payload, "hex" in raw, raw["direct"], content, raw["verdict"], status)


def brief(binary: bool, payload: bytes) -> list:
    """A message in few words, for events and comparisons."""
    return ["binary" if binary else "text", len(payload), hashlib.sha256(payload).hexdigest()[:16]]


@dataclass
class Waf:
    """A running firewall."""

    process: Process
    place: Path
    ports: dict[int, int]
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.ports[8090], timeout=PATIENCE_S)

    def status(self, content_type: str | None, body: bytes, path: str = "/chat", **fields: str) -> int:
        """What it answers to a POST with that body."""
        headers = {"Host": HOST, "User-Agent": AGENT} | ({"Content-Type": content_type} if content_type else {})
        self.connection.request("POST", path, body, headers | fields)
        response = self.connection.getresponse()
        response.read()
        return response.status

    def direct(self, one: Row) -> int:
        """What it says of a row's content without any WebSocket."""
        if one.direct == "json":
            return self.status(JSON, one.content)
        return self.status(FORM, b"payload=" + quote_from_bytes(one.content, safe="").encode())


def verdict(status: int) -> str:
    return "pass" if status == 200 else "block"


def start(directory: Path, changes: dict[str, tuple[str, str]] | None = None) -> Waf:
    """Starts it on a copy of the example in which nothing but the ports is changed, and these texts by file."""
    place = directory / "waf"
    shutil.copytree(EXAMPLE, place)
    open_to_workers(place)
    for name, (text, other) in (changes or {}).items():
        whole = (place / name).read_text()
        assert whole.count(text) == 1, f"{name} has {text!r} {whole.count(text)} times"
        (place / name).write_text(whole.replace(text, other))
    ports = free_ports()
    for path in (*place.glob("*.conf"), *place.glob("*.toml")):
        path.write_text(ADDRESS.sub(lambda found: f"127.0.0.1:{ports[int(found[1])]}", path.read_text()))
    process = Process("nginx", [nginx(), "-p", f"{place}/", "-c", "nginx.conf"], place)
    waf = Waf(process, place, ports)

    def answers() -> bool:
        assert process.running(), f"nginx exited {process.child.returncode}\n{process.tail()}"
        try:
            return waf.status(FORM, b"payload=hello") == 200
        except ConnectionRefusedError:
            waf.connection.close()
            return False

    try:
        eventually("the firewall answers", answers)
    except BaseException:
        process.end()
        raise
    return waf


def open_to_workers(place: Path) -> None:
    """Started by root, nginx has workers of another user, who must get at the temporary files of bodies."""
    for above in place.parents:
        if len(above.parts) > 2 and above.stat().st_uid == os.getuid():
            above.chmod(above.stat().st_mode | 0o011)


def free_ports() -> dict[int, int]:
    """A free port for each one of the example."""
    with ExitStack() as taken:
        sockets = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
        return {port: one.getsockname()[1] for port, one in zip(PORTS, sockets, strict=True)}
