"""Runs a client in JavaScript: it reads its job as JSON from standard input and prints what it saw."""

import asyncio
import json
from pathlib import Path

from harness import node
from harness.conversation import SUBPROTOCOLS, Result, Step
from harness.process import run
from harness.ways import Way


async def converse(script: str, way: Way, path: str, steps: list[Step], directory: Path) -> Result:
    job = {
        "url": way.base + path,
        "proxy": way.proxy,
        "way": way.name,
        "ca": way.ca.read_text() if way.ca else None,
        "subprotocols": SUBPROTOCOLS,
        "steps": [step.json() for step in steps if step.do != "closed"],
        "closed_by_server": next((step.data.decode() for step in steps if step.do == "closed"), None),
    }
    command, options = node.command(script), {"input": json.dumps(job), "env": node.ENVIRONMENT}
    done = await asyncio.to_thread(run, command, directory, 60, **options)
    assert done.returncode == 0, f"{script}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return Result.of_json(json.loads(done.stdout))
