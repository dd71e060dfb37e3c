"""The control door as a program asks it: HTTP with the token of `run.json`."""

import http.client
import json
from urllib.parse import urlencode

from .proxy import Proxy, split


class Control:
    """One connection to the control door of a running proxy; not for two threads at once."""

    def __init__(self, proxy: Proxy) -> None:
        run = json.loads((proxy.data_dir / "run.json").read_text())
        self.token = run["token"]
        self.connection = http.client.HTTPConnection(*split(run["control"]), timeout=30)

    def ask(self, operation: str, **words: object) -> list[dict]:
        """The objects that an operation which only reads gives."""
        status, text = self._request("GET", operation, words, b"")
        assert status == 200, f"{operation} {words}: {status} {text}"
        return [json.loads(line) for line in text.splitlines()]

    def tell(self, operation: str, body: bytes = b"", **words: object) -> tuple[int, dict]:
        """Has something done; the status, and the object that says what became of it."""
        status, text = self._request("POST", operation, words, body)
        return status, json.loads(text or "{}")

    def metrics(self) -> dict[str, float]:
        """Each sample, with its labels, and its value."""
        status, text = self._send("GET", "/metrics", b"")
        assert status == 200, f"{status} {text}"
        samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {sample: float(value) for sample, _, value in samples}

    def close(self) -> None:
        self.connection.close()

    def _request(self, method: str, operation: str, words: dict, body: bytes) -> tuple[int, str]:
        return self._send(method, f"/api/v1/{operation}?{urlencode(words)}", body)

    def _send(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {self.token}"}
        self.connection.request(method, path, body or None, headers)
        response = self.connection.getresponse()
        return response.status, response.read().decode()
