"""The conversation that every client has with every server, and the record that it must leave.

A client takes one step at a time and waits for the answer, so the order of the record is known. The servers echo, and
know two commands: "ping me" (they ping, wait for the pong and then answer) and "close CODE REASON".
"""

import base64
import random
from dataclasses import dataclass, field

MIB = 1 << 20
# Our clients offer two, the servers choose the second: a proxy that makes up an answer of its own is found out.
SUBPROTOCOLS = ["chat.v1", "chat.v2"]
CHOSEN = "chat.v2"
# Compresses well, but not so well that it looks like a bomb.
COMPRESSIBLE = "".join(f"line {number * 7919 % 100_003}\n" for number in range(100_000))[:MIB]
SERVER_PING = b"from the server"


@dataclass(frozen=True)
class Step:
    """One thing that the client does."""

    do: str
    data: bytes = b""
    parts: tuple[str, ...] = ()
    code: int = 0
    reason: str = ""

    def json(self) -> dict:
        """The form that the clients in JavaScript take."""
        step = {"do": self.do}
        if self.do in ("text", "command"):
            step["text"] = self.data.decode()
        elif self.do in ("binary", "ping"):
            step["base64"] = base64.b64encode(self.data).decode()
        elif self.do == "fragments":
            step["parts"] = list(self.parts)
        elif self.do == "close":
            step |= {"code": self.code, "reason": self.reason}
        return step


@dataclass
class Result:
    """What the client saw."""

    subprotocol: str | None = None
    extensions: str = ""
    received: list[tuple[str, bytes]] = field(default_factory=list)
    close_code: int | None = None
    close_reason: str = ""

    @classmethod
    def of_json(cls, told: dict) -> "Result":
        """From the form that the clients in JavaScript print."""
        assert not told.get("error"), told["error"]
        received = [(kind, base64.b64decode(data)) for kind, data in told["received"]]
        return cls(told["subprotocol"], told["extensions"], received, told["close_code"], told["close_reason"])


def text(words: str) -> Step:
    return Step("text", words.encode())


def everything(can_ping: bool, can_fragment: bool) -> list[Step]:
    """All that a client can say, without the close."""
    steps = [
        text("hello"),
        text(""),
        text("Grüße, 漢字, 🦀 and \x00 too"),
        Step("binary", b""),
        Step("binary", bytes(range(256))),
        Step("binary", random.Random(6455).randbytes(MIB)),
        text(COMPRESSIBLE),
        Step("command", b"ping me"),
    ]
    if can_fragment:
        steps.insert(3, Step("fragments", parts=("one, ", "zwei, ", "三")))
    if can_ping:
        steps.insert(5, Step("ping", b"are you there?"))
        steps.insert(6, Step("ping", b""))
    return steps


CLIENT_CLOSES = Step("close", code=4001, reason="that is all, ça suffit")
SERVER_CLOSES = Step("closed", b"close 4002 enough", code=4002, reason="enough")


def said(step: Step) -> tuple[str, bytes]:
    """Kind and payload of the message with which the step begins."""
    kinds = {"text": "text", "command": "text", "closed": "text", "fragments": "text"}
    data = "".join(step.parts).encode() if step.do == "fragments" else step.data
    return kinds.get(step.do, step.do), data


def received(steps: list[Step]) -> list[tuple[str, bytes]]:
    """The data messages that the client must see."""
    seen = []
    for step in steps:
        kind, data = said(step)
        if step.do in ("text", "binary", "fragments"):
            seen.append((kind, data))
        elif step.do == "command":
            seen.append(("text", b"pong: " + SERVER_PING))
    return seen


def record(steps: list[Step]) -> list[tuple[str, str, bytes | None]]:
    """Direction, kind and payload of every message that must be on record after the upgrade, in this order.

    The payload is None where it is the peer's own choice: the reply to a Close.
    """
    rows: list[tuple[str, str, bytes | None]] = []
    for step in steps:
        kind, data = said(step)
        close = step.code.to_bytes(2, "big") + step.reason.encode()
        match step.do:
            case "close":
                rows += [("send", "close", close), ("receive", "close", None)]
            case "closed":
                rows += [("send", "text", data), ("receive", "close", close), ("send", "close", None)]
            case "command":
                rows += [("send", "text", data), ("receive", "ping", SERVER_PING), ("send", "pong", SERVER_PING)]
                rows += [("receive", "text", b"pong: " + SERVER_PING)]
            case "ping":
                rows += [("send", "ping", data), ("receive", "pong", data)]
            case _:
                rows += [("send", kind, data), ("receive", kind, data)]
    return rows
