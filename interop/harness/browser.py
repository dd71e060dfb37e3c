"""Headless Chromium with a certificate store of its own."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from .process import Process, run
from .ways import Way

SWITCHES = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--remote-debugging-port=0",
    "--enable-logging=stderr",
]


@cache
def missing() -> str:
    """Why no browser can run here; empty if one can."""
    for program, package in (("chromium", "chromium"), ("certutil", "libnss3-tools")):
        if not shutil.which(program):
            return f"chromium: {program} is not installed (package {package})"
    return ""


def needed() -> None:
    if missing():
        pytest.skip(missing())


def trust(home: Path, ca: Path) -> None:
    """Puts an authority into the browser's store, as a person would."""
    store = home / ".pki/nssdb"
    store.mkdir(parents=True)
    for words in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "outside test", "-i", ca]):
        done = run(["certutil", "-d", f"sql:{store}", *words], home)
        assert done.returncode == 0, done.stderr


def open_page(way: Way, path: str, home: Path) -> Process:
    """Starts a browser on a page of the way's server; the caller ends it."""
    home.mkdir()
    if way.ca:
        trust(home, way.ca)
    command = ["chromium", *SWITCHES, f"--user-data-dir={home / 'profile'}"]
    if way.proxy:
        command += [f"--proxy-server={way.proxy}", "--proxy-bypass-list=<-loopback>"]
    else:
        command += ["--no-proxy-server"]
    return Process("chromium", [*command, way.http_base + path], home)


def version() -> str:
    return subprocess.run(["chromium", "--version"], capture_output=True, text=True, timeout=60).stdout.strip()
