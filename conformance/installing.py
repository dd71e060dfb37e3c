"""What the run needs, below target/conformance: the suite on CPython 2.7, `ws` on Node.js, the certificates, the binary."""

import glob
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PLACE = ROOT / "target/conformance"
NODE_OLDEST = (20, 18)


class NotHere(Exception):
    """The run cannot take place on this machine; the text says what is missing."""


@dataclass(frozen=True)
class Tools:
    """Paths of everything a job starts."""

    binary: Path
    python27: Path
    node: Path
    node_modules: Path
    certificates: Path


def install() -> Tools:
    """Installs what is missing and builds the binary unless $FRAMEGATE names one; raises `NotHere`."""
    PLACE.mkdir(parents=True, exist_ok=True)
    node = find_node()
    python27 = suite_environment()
    modules = node_packages()
    certificates = PLACE / "certificates"
    certificates.mkdir(exist_ok=True)
    execute([python27, HERE / "suite.py", "certificates", certificates], 60)
    return Tools(binary(), python27, node, modules, certificates)


def find_python27() -> Path:
    """A CPython 2.7: $PYTHON27, `python2.7` on the path, or one that pyenv made."""
    pyenv = os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv"
    found = [os.environ.get("PYTHON27"), shutil.which("python2.7"), *sorted(glob.glob(f"{pyenv}/versions/2.7*/bin/python2.7"))]
    is_it = "import platform, sys; sys.exit((platform.python_implementation(), sys.version_info[:2]) != ('CPython', (2, 7)))"
    for path in filter(None, found):
        # pyenv puts a `python2.7` on the path that only works where one is chosen.
        try:
            if subprocess.run([path, "-c", is_it], capture_output=True, timeout=30).returncode == 0:
                return Path(path)
        except (OSError, subprocess.TimeoutExpired):
            pass
    raise NotHere(f"no CPython 2.7, which the Autobahn suite needs: neither $PYTHON27, python2.7 on the path nor {pyenv}/versions/2.7*")


def suite_environment() -> Path:
    """The Python of an environment that has the suite, made again when the pinned versions change."""
    made = PLACE / "venv-2.7"
    wanted = HERE / "requirements-2.7.txt"
    python = made / "bin/python"
    if not current(wanted) or not python.exists():
        base = find_python27()
        maker = PLACE / "venv"
        execute([sys.executable, "-m", "venv", "--clear", maker], 120)
        execute([maker / "bin/pip", "install", "-q", "-r", HERE / "requirements.txt"], 600)
        execute([maker / "bin/virtualenv", "-q", "--clear", "-p", base, made], 120)
        execute([made / "bin/pip", "install", "-q", "-r", wanted], 900)
        remember(wanted)
    return python


def find_node() -> Path:
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        raise NotHere("no node and npm: install Node.js")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30).stdout.strip()
    if tuple(int(part) for part in version.lstrip("v").split(".")[:2]) < NODE_OLDEST:
        raise NotHere(f"node {version} is older than {NODE_OLDEST[0]}.{NODE_OLDEST[1]}")
    return Path(node)


def node_packages() -> Path:
    wanted = HERE / "package.json"
    modules = PLACE / "node_modules"
    if not current(wanted) or not modules.is_dir():
        shutil.copy(wanted, PLACE)
        quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        execute(["npm", "install", "--prefix", PLACE, *quiet], 600)
        remember(wanted)
    return modules


def binary() -> Path:
    """$FRAMEGATE, or else the release build of this tree."""
    named = os.environ.get("FRAMEGATE")
    if not named:
        execute(["cargo", "build", "--release", "-p", "framegate"], 1800, cwd=ROOT)
        named = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "release/framegate"
    path = Path(named).absolute()
    if not path.is_file():
        raise NotHere(f"no binary at {path}")
    return path


def current(wanted: Path) -> bool:
    """Whether these pinned versions are the installed ones."""
    installed = PLACE / f"{wanted.name}.installed"
    return installed.is_file() and installed.read_bytes() == wanted.read_bytes()


def remember(wanted: Path) -> None:
    shutil.copy(wanted, PLACE / f"{wanted.name}.installed")


def execute(command: list, seconds: float, **options: object) -> None:
    """Runs a step of the installation; what it says is shown when it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHere(f"{' '.join(words)}: {error}") from error
    if done.returncode != 0:
        raise NotHere(f"{' '.join(words)}: exit {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}")
