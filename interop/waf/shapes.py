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
STOMP = re.compile(r"\n*([A-Z]{3,12})\r?\n((?:[^\n]*[^\n\r]\r?\n)*)\r?\n([^\x00]*)\x00[\r\n]*")
# Bytes that are no UTF-8 are surrogates here. One of them is a space, in ISO 8859-1.
CUTS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\udc80-\udc9f\udca1-\udcff]+")
# ASCII in a run. Less is found in any data: of 8 KiB at random, runs of four would have a third of the messages blocked.
RUN_MIN = 8
QUOTE = re.compile(rb'(?<!\\)(?:\\\\)*"')
ESCAPE = re.compile(rb'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
LETTERS = dict(zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True))


def shaped(payload: bytes, binary: bool) -> Body:
    """The request that is made of a message."""
    text = payload.decode(errors="surrogateescape")
    if frames := sockjs(text) or stomp(text):
        return frames
    if is_json(payload):
        return waf.JSON, payload
    if (found := SOCKET_IO.match(payload)) and is_json(payload[found.end() :]):
        # What stands before the JSON is its sender's to choose as well: it is looked at beside it.
        return waf.JSON, b'{"prefix":' + text_as_json(found[1]) + b',"payload":' + payload[found.end() :] + b"}"
    if binary and not is_text(payload):
        return form(base64.urlsafe_b64encode(payload).rstrip(b"="), *runs(payload), b" ".join(runs(payload)))
    return form(payload, *runs(payload))


def sockjs(text: str) -> Body | None:
    """Frames in the strings of an array."""
    try:
        strings = json.loads(text.removeprefix("a"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(strings, list) or not all(isinstance(one, str) for one in strings):
        return None
    found = [stomp_frames(one) for one in strings]
    if not any(found):
        return None
    shown = [frames or [text_as_json(one.encode())] for frames, one in zip(found, strings, strict=True)]
    return waf.JSON, b"[" + b",".join(sum(shown, [])) + b"]"


def stomp(text: str) -> Body | None:
    frames = stomp_frames(text)
    return (waf.JSON, b"[" + b",".join(frames) + b"]") if frames else None


def stomp_frames(text: str) -> list[bytes]:
    """Each header is a string of its own: two lines in one would be taken for a split response (921120)."""
    frames = []
    while found := STOMP.match(text):
        text = text[found.end() :]
        command, headers, body = (group.encode(errors="surrogateescape") for group in found.groups())
        values = [line.partition(b":")[2] for line in headers.splitlines()]
        undone = [value.replace(b"\\c", b":") for value in values]
        strings = b",".join(text_as_json(line) for line in (command, *headers.splitlines(), *values, *undone))
        bodies = body if is_json(body) else b",".join(text_as_json(one) for one in readings(body))
        frames.append(b"[" + strings + b"," + bodies + b"]")
    return [] if text else frames


def form(*fields: bytes) -> Body:
    read = [reading for field in fields for reading in readings(field)]
    return waf.FORM, "&".join(f"field{n}={quote_from_bytes(one, safe='')}" for n, one in enumerate(read)).encode()


def readings(text: bytes) -> list[bytes]:
    """A text, the same with its escapes undone, and each of its strings for itself."""
    strings = [one for one in QUOTE.split(text) if one.strip(b"{}[]:, \t\r\n")] if b'"' in text else []
    return [text, *filter(None, [unescaped(text)]), *(unescaped(one) or one for one in strings)]


def runs(payload: bytes) -> list[bytes]:
    """What of it somebody could read."""
    text = payload.decode(errors="surrogateescape")
    found = (run.encode(errors="surrogateescape") for run in CUTS.split(text))
    return [run for run in found if sum(byte < 0x80 for byte in run) >= RUN_MIN and run != payload]


def unescaped(text: bytes) -> bytes | None:
    """The text with the escapes of JSON undone; nothing where there are none."""
    plain = ESCAPE.sub(lambda m: chr(int(m[1], 16)).encode(errors="replace") if m[1] else bytes([LETTERS[m[2][0]]]), text)
    return None if plain == text else plain


def is_text(payload: bytes) -> bool:
    try:
        return "\0" not in payload.decode()
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
    return waf.FORM, b"payload=" + quote_from_bytes(payload, safe="").encode()


def form_unescaped(payload: bytes, _: bool) -> Body:
    content_type, body = plain_form(payload, False)
    return content_type, body + b"&unescaped=" + quote_from_bytes(unescaped(payload) or b"", safe="").encode()


def bare(payload: bytes, _: bool) -> Body:
    """As gateways do that know no shapes: the payload, and no type."""
    return None, payload


def only_base64(payload: bytes, _: bool) -> Body:
    return plain_form(base64.urlsafe_b64encode(payload).rstrip(b"="), False)


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
