"""A job: one way from client to server, with the suite on one side of it and `ws` on the other."""

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from installing import HERE, ROOT, Tools

sys.path.insert(0, str(ROOT / "interop"))

from harness.process import Process
from harness.proxy import Proxy

# The ways of interop/harness/ways.py; -close: the proxy answers violations itself; -judged: a plugin looks at every
# message and lets it pass.
DIRECT = ["direct", "direct-tls"]
PROXIED = ["reverse", "absolute", "connect", "intercepted", "reverse-close", "reverse-judged-close"]
WAYS = DIRECT + PROXIED
# Which side of the conversation the suite is: the fuzzing client, or the fuzzing server.
SIDES = ["client", "server"]

# The suite gives up on a case by itself, after 480 s at the most; this is for when it does not.
CASE_SECONDS_MAX = 500
# Its own second is short for a loaded machine. Less than `limits.close_ms`: a proxy that lets its peers wait for the end of
# the stream is not to pass.
SUITE_OPTIONS = {
    "client": {"openHandshakeTimeout": 20, "closeHandshakeTimeout": 3, "serverConnectionDropTimeout": 3},
    "server": {"openHandshakeTimeout": 20, "closeHandshakeTimeout": 3},
}
SETTINGS = {
    # The cases say hundreds of megabytes: the record keeps all messages, but not all of their bytes.
    "record.payload_bytes_max": 1024,
}

# A plugin whose hooks say nothing.
NOTHING = """
def on_receive_from_client(message):
    return None

def on_before_send_to_client(message):
    return None
"""

stopping = threading.Event()


class Stuck(Exception):
    """A job that cannot go on; the text says why."""


@dataclass
class Job:
    """One way, the side of the suite, and the results so far: (behaviour, behaviour when closing) by case."""

    way: str
    side: str
    cases: list[str]
    seconds_max: float
    part: str = "all"
    messages: int = 0
    results: dict[str, tuple[str, str]] = field(default_factory=dict)
    seconds: float = 0.0
    trouble: str = ""

    @property
    def name(self) -> str:
        return f"{self.way}, suite as {self.side}, {self.part} cases"

    @property
    def tls(self) -> bool:
        return self.way in ("direct-tls", "intercepted")


def together(parts: list[Job]) -> list[Job]:
    """The parts of the same way and side as one, in the order of the first ones."""
    whole: dict[tuple[str, str], Job] = {}
    for part in parts:
        job = whole.setdefault((part.way, part.side), Job(part.way, part.side, [], part.seconds_max))
        job.cases += part.cases
        job.results |= part.results
        job.seconds += part.seconds
    return list(whole.values())


def baseline(way: str) -> str:
    """The direct way that a way through the proxy is compared with."""
    return "direct-tls" if way == "intercepted" else "direct"


def run(job: Job, tools: Tools, directory: Path) -> None:
    """Runs a job in its directory, which it empties; what went wrong is in `job.trouble`."""
    began = time.monotonic()
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    started: list[Process] = []
    try:
        Setting(job, tools, directory, started).run()
    except (Stuck, AssertionError, OSError) as error:
        job.trouble = str(error)
    finally:
        for process in reversed(started):
            process.end()
        # The record is as large as the conversations, and nobody reads it.
        shutil.rmtree(directory / "data", ignore_errors=True)
        job.seconds = time.monotonic() - began


class Setting:
    """The processes of a job."""

    def __init__(self, job: Job, tools: Tools, directory: Path, started: list[Process]) -> None:
        self.job = job
        self.tools = tools
        self.directory = directory
        self.started = started
        self.deadline = time.monotonic() + job.seconds_max

    def run(self) -> None:
        if self.job.side == "client":
            self.fuzzing_client()
        else:
            self.fuzzing_server()

    def fuzzing_client(self) -> None:
        """The suite's client -> (tunnel ->) proxy -> an echo server on `ws`."""
        job = self.job
        origin = self.node("echo", *self.server_files())
        told = origin.event(event="listening")
        target = told["tls_port"] if job.tls else told["port"]
        proxy = self.proxy(target)
        port = target
        if job.way in ("absolute", "connect", "intercepted"):
            form = "absolute" if job.way == "absolute" else "connect"
            port = self.node("tunnel", form, proxy.door(), f"localhost:{target}").event(event="listening")["port"]
        elif proxy:
            port = int(proxy.door("reverse").rpartition(":")[2])
        url = f"{'wss' if job.tls else 'ws'}://127.0.0.1:{port}"
        suite = self.suite({"servers": [{"agent": job.way, "url": url}]})
        self.collect(suite, lambda: not suite.running())

    def fuzzing_server(self) -> None:
        """A client on `ws` -> proxy -> the suite's server."""
        job = self.job
        scheme = "wss" if job.tls else "ws"
        spec = {"url": f"{scheme}://localhost:1"}
        if job.tls:
            chain, key = self.server_files()
            spec |= {"cert": str(chain), "key": str(key)}
        suite = self.suite(spec)
        target = suite.event(event="listening")["port"]
        proxy = self.proxy(target)
        url, ca = f"{scheme}://localhost:{target}", self.tools.certificates / "authority.pem"
        if job.way.startswith("reverse"):
            url = f"ws://{proxy.door('reverse')}"
        elif proxy:
            ca = proxy.ca
        task = {"way": job.way, "url": url, "cases": job.cases, "patience_ms": CASE_SECONDS_MAX * 1000}
        task |= {"proxy": proxy.door() if proxy and not job.way.startswith("reverse") else None, "ca": str(ca) if job.tls else None}
        file = self.directory / "job.json"
        file.write_text(json.dumps(task))
        client = self.node("client", file)
        self.collect(suite, lambda: not client.running())

    def collect(self, suite: Process, over: Callable[[], bool]) -> None:
        """Takes results from the suite until all are there, or nothing more can come."""
        job = self.job
        last = time.monotonic()
        grace = 0
        while len(job.results) < len(job.cases):
            # In this order: what is told before the end is seen after it.
            ended = over()
            known = len(job.results)
            for event in suite.events():
                if event["event"] == "case":
                    job.results[event["case"]] = (event["behavior"], event["close"])
            now = time.monotonic()
            if len(job.results) > known:
                last = now
            grace = grace + 1 if ended else 0
            lacking = next((case for case in job.cases if case not in job.results), None)
            if lacking is None:
                return
            # The suite's server learns of the end of its last connection after the client has gone.
            if grace > 50 or not suite.running() and grace > 1:
                raise Stuck(f"no result of case {lacking} and {len(job.cases) - len(job.results) - 1} more\n{self.tails()}")
            if now - last > CASE_SECONDS_MAX + 30:
                raise Stuck(f"nothing for {now - last:.0f} s, at case {lacking}\n{self.tails()}")
            if now > self.deadline:
                raise Stuck(f"not done after {job.seconds_max:.0f} s, at case {lacking}")
            if stopping.wait(0.2):
                raise Stuck("ended from outside")

    def suite(self, spec: dict) -> Process:
        spec |= {"cases": self.job.cases, "messages": self.job.messages, "options": SUITE_OPTIONS[self.job.side]}
        spec |= {"details": str(self.directory / "details.jsonl")}
        file = self.directory / "spec.json"
        file.write_text(json.dumps(spec))
        return self.start("suite", [self.tools.python27, HERE / "suite.py", self.job.side, file])

    def proxy(self, target: int) -> Proxy | None:
        """The binary under test, with the doors of the way."""
        job = self.job
        if job.way in DIRECT:
            return None
        settings = dict(SETTINGS)
        if job.tls:
            settings["tls.upstream_ca"] = self.tools.certificates / "authority.pem"
        if job.way.endswith("-close"):
            settings["wire.violations"] = "close"
        if "-judged" in job.way:
            script = self.directory / "nothing.star"
            script.write_text(NOTHING)
            settings["plugins"] = f'[{{path="{script}"}}]'
        mode = f"reverse:ws://localhost:{target}@127.0.0.1:0" if job.way.startswith("reverse") else "regular@127.0.0.1:0"
        proxy = Proxy(self.tools.binary, self.directory / "data")
        try:
            return proxy.start(mode, settings=settings)
        finally:
            if proxy.process:
                self.started.append(proxy.process)

    def node(self, script: str, *words: object) -> Process:
        command = [self.tools.node, HERE / f"{script}.cjs", *words]
        return self.start(script, command, NODE_PATH=str(self.tools.node_modules))

    def start(self, name: str, command: list, **environment: str) -> Process:
        if stopping.is_set():
            raise Stuck("ended from outside")
        self.started.append(Process(name, command, self.directory, **environment))
        return self.started[-1]

    def server_files(self) -> tuple[Path, Path]:
        return self.tools.certificates / "server.pem", self.tools.certificates / "server.key"

    def tails(self) -> str:
        return "\n".join(process.tail(1500) for process in self.started)
