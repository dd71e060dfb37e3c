"""Waiting for something to become true: polled, with a deadline, and with a name when it never does."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Long enough for a loaded two-core machine; a test that passes never waits so long.
PATIENCE_S = 20.0


def eventually(what: str, probe: Callable[[], T], seconds: float = PATIENCE_S) -> T:
    """The first truthy value of `probe`; fails and names `what` if there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what} (last seen: {value!r})")
        time.sleep(0.02)
