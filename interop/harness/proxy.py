"""The binary under test: started with its own data directory, asked through its own commands, stopped by a signal."""

import json
import signal
import subprocess
from pathlib import Path

from .process import Process, run
from .waiting import eventually


class Proxy:
    """One data directory, and the running proxy on it if there is one."""

    def __init__(self, binary: Path, data_dir: Path) -> None:
        self.binary = binary
        self.data_dir = data_dir
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.home = data_dir.parent
        self.process: Process | None = None
        self.ready: dict = {}
        self.doors: list[tuple[str, str]] = []

    def start(self, *modes: str, settings: dict[str, object] | None = None, config: Path | None = None) -> "Proxy":
        """Starts `framegate run` and returns when all its doors listen."""
        modes = modes or ("regular@127.0.0.1:0",)
        ready_file = self.data_dir / "ready.json"
        ready_file.unlink(missing_ok=True)
        command = [self.binary, "run", "--data-dir", self.data_dir, "--ready-file", ready_file]
        command += ["--control", "127.0.0.1:0"]
        for mode in modes:
            command += ["--mode", mode]
        for key, value in (settings or {}).items():
            command += ["--set", f"{key}={value}"]
        if config:
            command += ["--config", config]
        self.process = process = Process("framegate", command, self.home)

        def probe() -> dict | None:
            assert process.running(), f"framegate exited {process.child.returncode}\n{process.tail()}"
            return json.loads(ready_file.read_text()) if ready_file.exists() else None

        self.ready = eventually("framegate is ready", probe)
        assert len(self.ready["modes"]) == len(modes), self.ready
        self.doors = [(mode, door["addr"]) for mode, door in zip(modes, self.ready["modes"], strict=True)]
        return self

    @property
    def pid(self) -> int:
        return self.ready["pid"]

    def door(self, begins: str = "regular") -> str:
        """HOST:PORT of the door whose mode begins so."""
        return next(addr for mode, addr in self.doors if mode.startswith(begins))

    @property
    def url(self) -> str:
        """The forward proxy, as clients want it."""
        return f"http://{self.door()}"

    @property
    def address(self) -> tuple[str, int]:
        return split(self.door())

    @property
    def ca(self) -> Path:
        """The certificate that clients must trust."""
        path = Path(self.command("ca", "path").stdout.strip())
        assert path.is_file(), path
        return path

    def stop(self) -> None:
        """SIGTERM; the exit code must be 0."""
        self.process.signal(signal.SIGTERM)
        code = self.process.wait()
        assert code == 0, f"framegate exited {code} after SIGTERM\n{self.process.tail()}"

    def command(self, *words: object, status: int = 0, seconds: float = 60) -> subprocess.CompletedProcess:
        """Another framegate command on the same data directory; its exit code must be `status`."""
        done = run([self.binary, *words, "--data-dir", self.data_dir], self.home, seconds)
        assert done.returncode == status, f"{words}: exit {done.returncode}, not {status}\n{done.stdout}\n{done.stderr}"
        return done

    def lines(self, *words: object) -> list[dict]:
        """The JSON lines of a query command."""
        return [json.loads(line) for line in self.command(*words, "--json").stdout.splitlines()]

    def flows(self) -> list[dict]:
        """All flows, by id."""
        return sorted(self.lines("flows", "--limit", "1000"), key=lambda flow: int(flow["flow_id"]))

    def messages(self, flow: dict) -> list[dict]:
        """All messages of a flow, in the order of the command."""
        return self.lines("messages", flow["flow_id"])

    def flow(self, mark: str, protocol: str = "WebSocket") -> dict:
        """The one flow of that protocol whose URL has `mark` in it, once it has ended."""

        def probe() -> dict | None:
            found = [flow for flow in self.flows() if mark in flow["url"] and flow["protocol"] == protocol]
            assert len(found) < 2, f"more than one flow for {mark}: {found}"
            return found[0] if found and found[0]["state"] != "active" else None

        return eventually(f"one {protocol} flow for {mark} has ended", probe)

    def memory_peak_bytes(self) -> int:
        """The most resident memory it ever had."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")


def split(address: str) -> tuple[str, int]:
    """HOST:PORT as a socket wants it."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
