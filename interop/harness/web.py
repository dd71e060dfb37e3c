"""The web application of the tests, running."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from .certificates import Certificates
from .conversation import SUBPROTOCOLS, Step
from .process import Process
from .servers import HERE, listening
from .ways import Server


@dataclass
class WebApp:
    """Where it listens, and where it finds the conversations that its page is to have."""

    process: Process
    server: Server
    directory: Path

    def plan(self, mark: str, steps: list[Step]) -> None:
        """The page asked for with this mark has this conversation."""
        job = {
            "subprotocols": SUBPROTOCOLS,
            "steps": [step.json() for step in steps if step.do != "closed"],
            "closed_by_server": next((step.data.decode() for step in steps if step.do == "closed"), None),
        }
        (self.directory / f"{mark}.json").write_text(json.dumps(job))


def start(certificates: Certificates, directory: Path) -> WebApp:
    command = [sys.executable, HERE / "servers/web_app.py", certificates.chain, certificates.key, directory]
    process, server = listening("web-app", command, directory)
    return WebApp(process, server, directory)
