"""Standard input and output through CONNECT: `tunnel.py PROXY_HOST:PORT TARGET_HOST:PORT`, for clients that know no proxy."""

import os
import socket
import sys
import threading

proxy, target = sys.argv[1:]
host, _, port = proxy.rpartition(":")
connection = socket.create_connection((host, int(port)))
connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
head = b""
while not head.endswith(b"\r\n\r\n"):
    byte = connection.recv(1)
    if not byte:
        sys.exit(f"no tunnel: {head!r}")
    head += byte
if not head.startswith(b"HTTP/1.1 200"):
    sys.exit(f"no tunnel: {head!r}")


def up() -> None:
    while data := os.read(0, 65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


threading.Thread(target=up, daemon=True).start()
while data := connection.recv(65536):
    os.write(1, data)
