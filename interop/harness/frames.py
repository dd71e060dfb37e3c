"""Frames as bytes, legal and not; and reading them back."""

import zlib
from dataclasses import dataclass

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = bytes.fromhex("37fa213d")


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    mask: bytes | None = None,
    fin: bool = True,
    reserved: int = 0,
    length_bytes: int | None = None,
) -> bytes:
    """One frame; `length_bytes` 0, 2 or 8 forces the form of the length, `reserved` is RSV1 to RSV3 as 4, 2, 1."""
    length = len(payload)
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length < 65536 else 8
    short = length if length_bytes == 0 else 126 if length_bytes == 2 else 127
    head = bytes([fin << 7 | reserved << 4 | opcode, (mask is not None) << 7 | short])
    head += length.to_bytes(length_bytes, "big") if length_bytes else b""
    return head + (mask or b"") + (unmask(payload, mask) if mask else payload)


def unmask(payload: bytes, mask: bytes) -> bytes:
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")


def close(code: int, reason: str = "", mask: bytes | None = None) -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode(), mask=mask)


class Deflater:
    """permessage-deflate (RFC 7692 §7.2.1), with context takeover or without.

    zlib does not compress a raw stream with a window of 256 bytes. With 9 for 8 it refers back no farther than 250 bytes,
    which is within it.
    """

    def __init__(self, bits: int = 15, takeover: bool = True) -> None:
        self.bits = max(bits, 9)
        self.zlib = zlib.compressobj(wbits=-self.bits) if takeover else None

    def __call__(self, payload: bytes) -> bytes:
        deflate = self.zlib or zlib.compressobj(wbits=-self.bits)
        data = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(b"\x00\x00\xff\xff")


class StrictInflater:
    """Reads permessage-deflate with the window that was agreed on and not a byte more.

    zlib takes a reference for good that reaches beyond the window into what the same call has put out; so each call puts out
    one byte.
    """

    def __init__(self, bits: int = 15, takeover: bool = True) -> None:
        self.bits = bits
        self.zlib = zlib.decompressobj(wbits=-bits) if takeover else None

    def __call__(self, payload: bytes) -> bytes:
        inflate = self.zlib or zlib.decompressobj(wbits=-self.bits)
        data, rest = bytearray(), payload + b"\x00\x00\xff\xff"
        while True:
            piece, before = inflate.decompress(rest, 1), rest
            data += piece
            rest = inflate.unconsumed_tail
            if not piece and rest == before:
                break
        assert not rest, f"{len(rest)} bytes behind the end"
        return bytes(data)


@dataclass(frozen=True)
class Frame:
    """A frame as it came."""

    first: int
    mask: bytes
    payload: bytes
    raw: bytes

    @property
    def opcode(self) -> int:
        return self.first & 15


def frames(stream: bytes) -> list[Frame]:
    """The whole frames in a stream; what is left over must be nothing."""
    found = []
    while stream:
        assert len(stream) > 1, f"left over: {stream!r}"
        short = stream[1] & 127
        at = {126: 4, 127: 10}.get(short, 2)
        length = int.from_bytes(stream[2:at], "big") if short > 125 else short
        mask = stream[at : at + 4] if stream[1] & 128 else b""
        at += len(mask)
        payload = stream[at : at + length]
        assert len(payload) == length, f"{len(stream)} bytes left over: {stream[:20]!r}"
        plain = unmask(payload, mask) if mask else payload
        found.append(Frame(stream[0], mask, plain, stream[: at + length]))
        stream = stream[at + length :]
    return found


def parse(stream: bytes) -> list[tuple[int, bytes]]:
    """Opcode and payload of the whole frames in a stream; what is left over must be nothing."""
    return [(one.opcode, one.payload) for one in frames(stream)]
