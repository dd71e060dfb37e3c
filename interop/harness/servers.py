"""The echo servers that other people's libraries make, by name."""

import sys
from pathlib import Path

from . import node
from .certificates import Certificates
from .process import Process
from .ways import Server

HERE = Path(__file__).parents[1]
ECHO_SERVERS = ["websockets", "aiohttp", "ws", "ws-without-deflate"]


def start_echo(name: str, certificates: Certificates, directory: Path) -> tuple[Process, Server]:
    """Starts an echo server; skips the test where Node.js is missing."""
    files = [str(certificates.chain), str(certificates.key)]
    if name.startswith("ws") and name != "websockets":
        node.needed()
        compression = "plain" if name == "ws-without-deflate" else "deflate"
        command = node.command("servers/ws_echo.cjs", *files, compression)
    else:
        command = [sys.executable, str(HERE / f"servers/{name}_echo.py"), *files]
    return listening(name, command, directory)


def listening(name: str, command: list[str], directory: Path) -> tuple[Process, Server]:
    """Starts a server that says where it listens."""
    process = Process(f"{name}-server", command, directory, **node.ENVIRONMENT)
    try:
        told = process.event(event="listening")
    except BaseException:
        process.end()
        raise
    return process, Server(name, told["port"], told["tls_port"])
