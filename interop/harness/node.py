"""Node.js and its packages: where they are, or why not."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

MODULES = Path(os.environ.get("INTEROP_NODE_MODULES") or Path(__file__).parents[2] / "target/interop/node_modules")
OLDEST = (20, 18)


@cache
def missing() -> str:
    """Why nothing of Node.js can run here; empty if it can."""
    if not shutil.which("node"):
        return "node: not installed"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=30).stdout.strip()
    if tuple(int(part) for part in version.lstrip("v").split(".")[:2]) < OLDEST:
        return f"node: {version} is older than {OLDEST[0]}.{OLDEST[1]}"
    if not MODULES.is_dir():
        return f"node: no packages at {MODULES} (npm install failed?)"
    return ""


def needed() -> None:
    """Skips the test, by name, where Node.js cannot run."""
    if missing():
        pytest.skip(missing())


def command(script: str, *words: object) -> list[str]:
    """Runs a script of this directory; the caller adds `ENVIRONMENT`."""
    return ["node", str(Path(__file__).parents[1] / script), *map(str, words)]


ENVIRONMENT = {"NODE_PATH": str(MODULES)}
