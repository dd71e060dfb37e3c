"""Messages that say in their own words what is to become of them, and what is expected of each.

A message's tags are for one direction each: `send=longer+hold_drop receive=regex` is made longer by a rule on its way to
the server and then held, and dropped by whoever answers; were it echoed, another rule would mean it on its way back. What
the proxy is told in its configuration, `Passage` does again in Python.
"""

import random
import re
from dataclasses import dataclass, field

SEND, RECEIVE = "send", "receive"
# Nothing is held behind it: its echo is the last message of a conversation, and is held until all else is done.
THE_END = b"the end send=pass receive=hold_release"
INJECTED = b"injected "
PARTS = b"parts=3"
REPLACING = ["regex", "shorter", "longer", "json", "empty"]
HOLDING = ["hold_release", "hold_modify", "hold_drop"]
BLOCKED = "drop table"
PLUGIN = ["quiet", "append", "retype"]
WORDS_MAX = 6000

PLUGIN_FILE = """
def judge(message, side):
    if side + b"=quiet" in message.bytes:
        return drop()
    if side + b"=append" in message.bytes:
        more = b" and the mountain said a plugin" + message.bytes[:len(message.bytes) // 2]
        return text(message.text + " and the mountain") if message.opcode == "text" else binary(message.bytes + more)
    if side + b"=retype" in message.bytes:
        return binary(message.bytes) if message.opcode == "text" else text("retyped " + message.bytes.hex())
    return None

def on_receive_from_client(message):
    return judge(message, b"send")

def on_receive_from_server(message):
    return judge(message, b"receive")
"""

# Each rule is for the messages that have its name behind the direction it is for.
CONFIGURATION = r"""
[safety.input]
binary = true
receive = true

[[safety.input.rules]]
id = "there"
pattern = 'send=drop table'
when = 'direction == "send"'

[[safety.input.rules]]
id = "back"
pattern = 'receive=drop table'
when = 'direction == "receive"'

[[plugins]]
path = "PLUGIN"

[intercept]
held_max = 100000
held_bytes_max = 1000000000

[[intercept.rules]]
id = "there"
direction = "send"
payload = 'send=[a-z_+]*hold'

[[intercept.rules]]
id = "back"
direction = "receive"
payload = 'receive=[a-z_+]*hold'

""" + "\n".join(
    f"""
[[rewrite]]
id = "{name}-{direction}"
direction = "{direction}"
when = 'body.matches(r"{direction}=[a-z_+]*{name}")'
{what}
"""
    for direction in (SEND, RECEIVE)
    for name, what in (
        ("regex", "pattern = '([a-z]+) and ([a-z]+)'\nreplacement = '$2 und $1'"),
        ("shorter", "literal = 'mountain'\nreplacement = 'hill'"),
        ("longer", "literal = 'sea'\nreplacement = 'the wide and open ocean'"),
        ("json", "json = 'order.items[1].price'\nreplacement = '{\"was\": 5, \"is\": [null]}'"),
        ("empty", "pattern = '(?s-u).+'\nreplacement = ''"),
    )
)


@dataclass(frozen=True)
class Said:
    """A message as it is said."""

    kind: str
    data: bytes


@dataclass
class Passage:
    """What becomes of one message in one direction."""

    direction: str
    said: Said
    now: bytes = b""
    kind: str = ""
    dropped: bool = False
    fate: str = "sent"
    decided_by: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now, self.kind = self.said.data, self.said.kind
        if f"{self.direction}={BLOCKED}".encode() in self.now:
            self.dropped, self.fate = True, "blocked"
            self.decided_by.append(f"safety:{'there' if self.direction == SEND else 'back'}")
        if self.dropped or self._plugged():
            return
        for name in REPLACING:
            # A rule that puts the same in its place has changed nothing.
            if self._means(name) and (new := rewritten(name, self.now)) not in (None, self.now):
                self.now = new
                self.decided_by.append(f"rewrite:{name}-{self.direction}")
        if self._means("hold"):
            self.decided_by.append("intercept")
            self._answered(answer(self.direction, self.now))
        if not self.dropped and (self.kind, self.now) != (self.said.kind, self.said.data):
            self.fate = "replaced"

    def _plugged(self) -> bool:
        """What the plugin does; whether that is the end of it."""
        name = next((name for name in PLUGIN if f"{self.direction}={name}".encode() in self.now), None)
        if name is None:
            return False
        self.decided_by.append("plugin:judge")
        match name, self.kind:
            case "quiet", _:
                self.dropped, self.fate = True, "dropped"
            case "append", "text":
                self.now += b" and the mountain"
            case "append", _:
                self.now += b" and the mountain said a plugin" + self.now[: len(self.now) // 2]
            case "retype", "text":
                self.kind = "binary"
            case "retype", _:
                self.kind, self.now = "text", b"retyped " + self.now.hex().encode()
        return self.dropped

    def _means(self, name: str) -> bool:
        return means(self.direction, name, self.now)

    def _answered(self, said: tuple[str, bytes]) -> None:
        word, self.now = said
        if word == "drop":
            self.dropped, self.fate = True, "dropped"


def means(direction: str, name: str, payload: bytes) -> bool:
    return re.search(f"{direction}=[a-z_+]*{name}".encode(), payload) is not None


def rewritten(name: str, payload: bytes) -> bytes | None:
    """The payload as the rule of that name leaves it; None if it finds nothing to replace."""
    match name:
        case "regex":
            new, count = re.subn(rb"([a-z]+) and ([a-z]+)", rb"\2 und \1", payload)
        case "shorter":
            new, count = payload.replace(b"mountain", b"hill"), payload.count(b"mountain")
        case "longer":
            new, count = payload.replace(b"sea", b"the wide and open ocean"), payload.count(b"sea")
        case "json" if payload.startswith(b"{") and payload.endswith(b"}"):
            # A price that was replaced on its way there is replaced by the same on its way back.
            price = rb'"price": (?:[0-9.]+|{"was": 5, "is": \[null\]}), "second"'
            new, count = re.subn(price, b'"price": {"was": 5, "is": [null]}, "second"', payload)
        case "empty":
            new, count = b"", len(payload)
        case _:
            return None
    return new if count else None


def answer(direction: str, payload: bytes) -> tuple[str, bytes]:
    """What whoever answers says of a held message: the word, and the payload that leaves."""
    if means(direction, "hold_drop", payload):
        return "drop", payload
    if means(direction, "hold_release", payload):
        return "release", payload
    words = payload.split(b" ")
    match len(payload) % 4:
        case 0:
            return "modify", b""
        case 1:
            return "modify", b" ".join(words[: len(words) // 2])
        case 2:
            return "modify", payload + b" edited " + b" ".join(reversed(words))
    # Again the same: nothing was changed.
    return "modify", payload


def conversation(seed: str, count: int) -> list[Said]:
    """What a client says: words that repeat, in messages of all sizes."""
    chance = random.Random(seed)
    letters = "etaoinshrdlu"
    vocabulary = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(250)]
    vocabulary += ["sea", "mountain", "and"] * 12 + ["Grüße", "漢字", "🦀"]
    return [message(chance, vocabulary) for _ in range(count - 1)] + [Said("text", THE_END)]


def message(chance: random.Random, vocabulary: list[str]) -> Said:
    if chance.random() < 0.02:
        return Said(chance.choice(["text", "binary"]), b"")
    tags = f"{SEND}={decision(chance)} {RECEIVE}={decision(chance)}"
    if chance.random() < 0.15:
        tags += f" {PARTS.decode()}"
    # Most are short, and some are many times longer than the smallest windows.
    count = int(WORDS_MAX ** chance.random() ** 1.5) if chance.random() < 0.9 else 0
    words = " ".join(chance.choices(vocabulary, k=count))
    match chance.random():
        case form if form < 0.15:
            return Said("binary", tags.encode() + b" \xff\x00\xfe " + words.encode() + chance.randbytes(count % 50))
        case form if form < 0.45:
            price = chance.randrange(100_000) / 100
            order = f'{{"items": [{{"price": 1}}, {{"price": {price}, "second": true}}]}}'
            return Said("text", f'{{"tags": "{tags}", "order": {order}, "words": "{words}"}}'.encode())
    return Said("text", f"{tags} {words}".encode())


def decision(chance: random.Random) -> str:
    """Tags of one direction: more than half pass, some are held, some changed, some both."""
    if chance.random() < 0.05:
        return chance.choice([*PLUGIN, BLOCKED])
    names = []
    if chance.random() < 0.25:
        names += chance.choices(REPLACING, weights=[4, 4, 4, 4, 1], k=chance.choice([1, 1, 2]))
    if chance.random() < 0.08:
        names.append(chance.choice(HOLDING))
    return "+".join(names) or "pass"
