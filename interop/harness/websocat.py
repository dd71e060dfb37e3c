"""websocat, if somebody has installed it: Debian has no package of it, and to build it takes minutes."""

import os
import shutil
from functools import cache
from pathlib import Path

import pytest


@cache
def program() -> str | None:
    """`$WEBSOCAT`, or else from the path, or else where `cargo install` puts it."""
    named = os.environ.get("WEBSOCAT")
    home = Path.home() / ".cargo"
    roots = [os.environ.get("CARGO_INSTALL_ROOT"), os.environ.get("CARGO_HOME"), home]
    places = os.pathsep.join(str(Path(root) / "bin") for root in roots if root)
    return shutil.which(named) if named else shutil.which("websocat") or shutil.which("websocat", path=places)


def needed() -> str:
    """The program; skips the test, by name, where there is none."""
    found = program()
    if not found:
        pytest.skip("websocat: not installed (cargo install websocat --locked, or set WEBSOCAT)")
    return found
