"""The web application firewall of `examples/waf/`, started as it stands there, on free ports; and asked directly."""

import http.client
import shutil
import socket
import tomllib
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
    return Row(raw["id"], payload, "hex" in raw, raw["direct"], content, raw["verdict"])


@dataclass
class Waf:
    """A running firewall."""

    process: Process
    port: int
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def start(directory: Path) -> Waf:
    """Starts it on a copy of the example in which nothing but the ports is changed."""
    place = directory / "waf"
    shutil.copytree(EXAMPLE, place)
    # Where nginx is started by root, its workers are somebody else, who must get at their temporary files.
    for above in (place, *place.parents):
        if above.stat().st_uid == 0 and above.is_relative_to(directory.parents[1]):
            above.chmod(above.stat().st_mode | 0o011)
    port = free_port()
    configuration = place / "nginx.conf"
    text = configuration.read_text()
    for example, free in (("127.0.0.1:8090", port), ("127.0.0.1:8091", free_port())):
        assert example in text, f"{example} is not in examples/waf/nginx.conf any more"
        text = text.replace(example, f"127.0.0.1:{free}")
    configuration.write_text(text)
    process = Process("nginx", [nginx(), "-p", f"{place}/", "-c", "nginx.conf"], place)
    waf = Waf(process, port)

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
