"""Who answers held messages of one conversation through the HTTP API, and sends messages of its own in between."""

import base64
import random
import threading
import time

from .control import Control
from .judging import INJECTED, RECEIVE, SEND, THE_END, answer
from .proxy import Proxy

PATIENCE_S = 90.0
DIRECTIONS = {"client_to_server": SEND, "server_to_client": RECEIVE}
PEERS = {SEND: "server", RECEIVE: "client"}


class Controller(threading.Thread):
    """Works until it has let go of the last message of the conversation."""

    def __init__(self, proxy: Proxy, seed: str) -> None:
        super().__init__(daemon=True)
        self.control = Control(proxy)
        self.chance = random.Random(seed)
        self.stopped = threading.Event()
        self.answered = 0
        self.failure: str | None = None
        # What it has sent, by direction and in order: kind and payload.
        self.injected: dict[str, list[tuple[str, bytes]]] = {SEND: [], RECEIVE: []}

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:  # the test shows it
            self.failure = repr(error)
        finally:
            self.control.close()

    def finish(self) -> None:
        """Waits for its end; what went wrong with it fails the test."""
        self.stopped.set()
        self.join(PATIENCE_S)
        assert self.failure is None, self.failure
        assert not self.is_alive(), "the controller is still at work"

    def _work(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            held = self.control.ask("held")
            self.chance.shuffle(held)
            # The end waits until all the others are done.
            held.sort(key=is_end)
            for message in held:
                if self.chance.random() < 0.3:
                    self._inject(message["flow_id"])
                self._answer(message)
                if is_end(message):
                    return
            assert time.monotonic() < deadline, f"no end after {self.answered} answers"
            if not held:
                assert not self.stopped.is_set(), f"the conversation is over without its end, {self.answered} answers"
                time.sleep(0.005)

    def _answer(self, message: dict) -> None:
        word, payload = answer(DIRECTIONS[message["direction"]], payload_of(message))
        words: dict[str, object] = {"id": message["id"]}
        body = payload if word == "modify" else b""
        if word == "modify" and not payload:
            words["text" if message["opcode"] == "Text" else "base64"] = ""
        status, said = self.control.tell(word, body, **words)
        assert status == 200, f"{word} {words}: {status} {said}"
        self.answered += 1

    def _inject(self, flow: str) -> None:
        direction = self.chance.choice([SEND, RECEIVE])
        to = PEERS[direction]
        if self.chance.random() < 0.15:
            status, said = self.control.tell("inject", b"from the side", flow=flow, to=to, kind="ping")
            assert status == 200, f"inject a ping: {status} {said}"
            return
        kind = self.chance.choice(["text", "binary"])
        payload = INJECTED + b"and tagged send=longer+hold_drop receive=empty " * self.chance.randrange(40)
        payload += str(len(self.injected[direction])).encode()
        status, said = self.control.tell("inject", payload, flow=flow, to=to, kind=kind)
        assert status == 200, f"inject: {status} {said}"
        self.injected[direction].append((kind, payload))


def is_end(message: dict) -> bool:
    return message["direction"] == "server_to_client" and message["body"] == THE_END.decode()


def payload_of(message: dict) -> bytes:
    """The payload of a message in the list of held ones."""
    raw = message["raw_bytes"]
    return base64.b64decode(raw) if raw is not None else message["body"].encode()
