"""What the firewall says of each message in the shapes in which a gateway might send it: `python interop/waf/shapes.py`.

`shaped` is written from the guide alone and shares nothing with the proxy: where both say the same, the guide is right.
"""

import base64
import json
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote_from_bytes

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import waf

Body = tuple[str | None, bytes]

SOCKET_IO = re.compile(rb'(\d+-?(?:/[^,]*,)?\d*)(?=[\[{"])')
STOMP = re.compile(rb"\n*([A-Z]{3,12})\r?\n((?:[^\n]*[^\n\r]\r?\n)*)\r?\n(.*?)\x00[\r\n]*", re.DOTALL)
# Shorter ones are found in any data: of 8 KiB at random, runs of four would have a third of the messages blocked.
# White space cuts none, or an attack on many lines would be too short to be shown.
RUNS = re.compile(rb"[\t\r\n\x20-\x7e]{8,}")
ESCAPE = re.compile(rb'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
LETTERS = dict(zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True))


def shaped(payload: bytes, binary: bool) -> Body:
    """The request that is made of a message."""
    if is_json(payload):
        return waf.JSON, payload
    if found := STOMP.fullmatch(payload):
        return stomp(*found.groups())
    if (found := SOCKET_IO.match(payload)) and is_json(payload[found.end() :]):
        # What stands before the JSON is its sender's to choose as well: it is looked at beside it.
        return waf.JSON, b'{"prefix":' + text_as_json(found[1]) + b',"payload":' + payload[found.end() :] + b"}"
    if binary and not is_text(payload):
        runs = b" ".join(RUNS.findall(payload))
        return form(base64=base64.urlsafe_b64encode(payload).rstrip(b"="), text=runs, unescaped=unescaped(runs))
    return form(payload=payload, unescaped=unescaped(payload))


def stomp(command: bytes, headers: bytes, body: bytes) -> Body:
    """Each header is a string of its own: two lines in one would be taken for a split response (921120)."""
    lines = b",".join(text_as_json(line) for line in (command, *headers.splitlines()))
    if not is_json(body):
        fields = {f"header{n}": line for n, line in enumerate(headers.splitlines())}
        return form(command=command, **fields, body=body, unescaped=unescaped(body))
    return waf.JSON, b'{"frame":[' + lines + b'],"body":' + body + b"}"


def form(**fields: bytes | None) -> Body:
    pairs = [f"{name}={quote_from_bytes(value, safe='')}" for name, value in fields.items() if value is not None]
    return waf.FORM, "&".join(pairs).encode()


def unescaped(text: bytes) -> bytes | None:
    """The text with the escapes of JSON undone; nothing where there are none."""
    plain = ESCAPE.sub(lambda m: chr(int(m[1], 16)).encode(errors="replace") if m[1] else bytes([LETTERS[m[2][0]]]), text)
    return None if plain == text else plain


def is_text(payload: bytes) -> bool:
    try:
        return not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", payload.decode())
    except UnicodeDecodeError:
        return False


def is_json(payload: bytes) -> bool:
    """Whether it is one document of RFC 8259: any depth, any number, lone surrogates too."""
    try:
        text = payload.decode()
        if not text.strip(" \t\r\n"):
            return False
        json.loads(text, parse_constant=refuse, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True


def refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def text_as_json(text: bytes) -> bytes:
    return json.dumps(text.decode(errors="replace")).encode()


def plain_form(payload: bytes, _: bool) -> Body:
    return form(payload=payload)


def form_unescaped(payload: bytes, _: bool) -> Body:
    return form(payload=payload, unescaped=unescaped(payload))


def bare(payload: bytes, _: bool) -> Body:
    """As gateways do that know no shapes: the payload, and no type."""
    return None, payload


def only_base64(payload: bytes, _: bool) -> Body:
    return form(base64=base64.urlsafe_b64encode(payload).rstrip(b"="))


SHAPES: dict[str, Callable[[bytes, bool], Body]] = {
    "shaped": shaped,
    "form": plain_form,
    "form+unescaped": form_unescaped,
    "bare": bare,
    "base64": only_base64,
}


def main() -> None:
    if waf.missing():
        sys.exit(f"apt-get install {' '.join(waf.missing())}")
    sys.setrecursionlimit(10_000)
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / "shapes" / "0"
        place.mkdir(parents=True)
        firewall = waf.start(place)
        try:
            print(f"{'message':32}{'table':>8}{'direct':>8}", *(f"{name:>16}" for name in SHAPES), sep="")
            for one in waf.rows():
                said = [firewall.status(*shape(one.payload, one.binary)) for shape in SHAPES.values()]
                direct = firewall.direct(one)
                marks = [f"{status}{' ' if waf.verdict(status) == one.verdict else '*'}" for status in said]
                wrong = "" if waf.verdict(direct) == one.verdict else "   the table is wrong"
                print(f"{one.id:32}{one.verdict:>8}{direct:>8}", *(f"{mark:>16}" for mark in marks), wrong, sep="")
        finally:
            firewall.process.end()


if __name__ == "__main__":
    main()
