"""Child processes: their output goes to files, they are ended by pid, and a failing test shows what they said."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

from .waiting import PATIENCE_S, eventually


def environment(home: Path) -> dict[str, str]:
    """This environment without proxies and without our own settings, and with a home that nobody lives in."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(("FRAMEGATE", "WSPROXY"))
    }
    return kept | {"HOME": str(home)}


class Process:
    """One child process."""

    alive: ClassVar[list["Process"]] = []
    count: ClassVar[int] = 0

    def __init__(self, name: str, command: list[str], directory: Path, **extra_environment: str) -> None:
        Process.count += 1
        self.name = f"{name}-{Process.count}"
        self.out = directory / f"{self.name}.out"
        self.err = directory / f"{self.name}.err"
        self.marks = {self.out: 0, self.err: 0}
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=directory,
                env=environment(directory) | extra_environment,
                start_new_session=True,
            )
        Process.alive.append(self)

    @property
    def pid(self) -> int:
        return self.child.pid

    def running(self) -> bool:
        return self.child.poll() is None

    def signal(self, which: signal.Signals) -> None:
        self.child.send_signal(which)

    def wait(self, seconds: float = PATIENCE_S) -> int:
        """The exit code; ends a process that does not end itself, and fails."""
        try:
            code = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} was still running after {seconds:.0f} s\n{self.tail()}") from None
        self._forget()
        return code

    def end(self) -> None:
        """Ends it, with patience first; for finalisers, which do not care how it goes."""
        if self.running():
            self.child.terminate()
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self._forget()

    def kill(self) -> None:
        """SIGKILL, to the process and to the children it started (its process group is its own)."""
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait(10)
        self._forget()

    def events(self) -> list[dict]:
        """The JSON lines that it has printed so far."""
        lines = self.out.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith(b"{")]

    def event(self, seconds: float = PATIENCE_S, **wanted: object) -> dict:
        """The first event that has all the `wanted` values; fails if the process ends before it."""

        def probe() -> dict | None:
            over = not self.running()
            for event in self.events():
                if all(event.get(key) == value for key, value in wanted.items()):
                    return event
            assert not over, f"{self.name} exited {self.child.returncode} before {wanted}\n{self.tail()}"
            return None

        return eventually(f"{self.name} says {wanted}", probe, seconds)

    def mark(self) -> None:
        """A test begins: what was printed before it is not its own."""
        self.marks = {path: path.stat().st_size for path in self.marks}

    def tail(self, bytes_max: int = 6000) -> str:
        """The end of what it printed since the last mark."""
        parts = []
        for path, start in self.marks.items():
            text = path.read_bytes()[start:][-bytes_max:].decode(errors="replace")
            # An event line may carry a megabyte; a reader needs its beginning.
            text = "\n".join(line if len(line) < 400 else line[:400] + " …" for line in text.splitlines())
            if text.strip():
                parts.append(f"--- {path.name}\n{text}")
        return "\n".join(parts) or f"--- {self.name}: (no output in this test)"

    def _forget(self) -> None:
        if self in Process.alive:
            Process.alive.remove(self)


def run(command: list, home: Path, seconds: float = 60, **options: object) -> subprocess.CompletedProcess:
    """Runs a command to its end, with its output as text; a hung one is a failure."""
    options.setdefault("text", True)
    return subprocess.run(
        [str(word) for word in command],
        stdin=None if "input" in options else subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
        env=environment(home) | options.pop("env", {}),
        **options,
    )
