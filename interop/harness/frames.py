"""Frames as bytes, legal and not; and reading them back."""

import zlib

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
    """permessage-deflate with context takeover (RFC 7692 §7.2.1)."""

    def __init__(self) -> None:
        self.zlib = zlib.compressobj(wbits=-15)

    def __call__(self, payload: bytes) -> bytes:
        data = self.zlib.compress(payload) + self.zlib.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(b"\x00\x00\xff\xff")


def parse(stream: bytes) -> list[tuple[int, bytes]]:
    """Opcode and payload of the whole frames in a stream; what is left over must be nothing."""
    frames = []
    while stream:
        opcode, short = stream[0] & 15, stream[1] & 127
        at, length = 2, short
        if short > 125:
            at = 4 if short == 126 else 10
            length = int.from_bytes(stream[2:at], "big")
        mask = stream[at : at + 4] if stream[1] & 128 else b""
        at += len(mask)
        payload = stream[at : at + length]
        assert len(payload) == length, f"{len(stream)} bytes left over: {stream[:20]!r}"
        frames.append((opcode, unmask(payload, mask) if mask else payload))
        stream = stream[at + length :]
    return frames
