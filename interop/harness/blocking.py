"""A rule that blocks, and what it is about."""

from .frames import MASK, TEXT, frame

CONFIGURATION = r"""
[safety.input]
binary = true

[[safety.input.rules]]
id = "no-drop"
pattern = '(?i)drop\s+table'

[[rewrite]]
literal = "harmless"
replacement = "DROP"

[[intercept.rules]]
id = "word"
payload = "hold me"
"""
EVIL = b"DROP TABLE users"
# The compression that is offered, and that which is agreed on, unless a test says otherwise.
DEFLATE = ("permessage-deflate; client_max_window_bits", "permessage-deflate")
RSV1 = 4


def said(payload: bytes) -> bytes:
    """A client's text in one frame."""
    return frame(TEXT, payload, mask=MASK)
