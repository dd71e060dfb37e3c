"""Fixtures that all tests share, and what is shown when one fails."""

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("harness", "clients")

from harness import certificates as authority
from harness import web
from harness.certificates import Certificates
from harness.process import Process
from harness.proxy import Proxy
from harness.sockets import Listener, listener
from harness.web import WebApp

for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]

# Ended from outside (a time limit), the finalisers still end what was started.
signal.signal(signal.SIGTERM, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
MARKS = itertools.count(1)


@pytest.fixture(scope="session")
def binary() -> Path:
    """The binary under test: $FRAMEGATE, or else the release build of this tree."""
    named = os.environ.get("FRAMEGATE", "")
    if named == "none":
        pytest.skip("FRAMEGATE=none: only what runs without the proxy")
    path = Path(named or ROOT / "target/release/framegate").absolute()
    if not path.is_file():
        pytest.fail(f"no binary at {path}: cargo build --release, or set FRAMEGATE")
    return path


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return authority.issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def web_app(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebApp]:
    app = web.start(certificates, tmp_path_factory.mktemp("web-app"))
    yield app
    app.process.end()


@pytest.fixture(scope="module")
def web_proxy(module_proxy: Proxy, web_app: WebApp, certificates: Certificates) -> Proxy:
    """A proxy that knows the web application: as a forward proxy, and by reverse doors."""
    modes = ["regular@127.0.0.1:0", *web_app.server.reverse_modes()]
    return module_proxy.start(*modes, settings={"tls.upstream_ca": certificates.authority})


@pytest.fixture
def new_proxy(binary: Path, tmp_path: Path) -> Iterator[Callable[..., Proxy]]:
    """Makes proxies that end with the test: `new_proxy()` with a data directory of its own, or `new_proxy(name)`."""
    made: list[Proxy] = []

    def make(name: str = "data") -> Proxy:
        made.append(Proxy(binary, tmp_path / name))
        return made[-1]

    yield make
    for proxy in made:
        if proxy.process:
            proxy.process.end()


@pytest.fixture(scope="module")
def module_proxy(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """One proxy for all tests of a file; the file's own fixture starts it."""
    proxy = Proxy(binary, tmp_path_factory.mktemp("proxy") / "data")
    yield proxy
    if proxy.process and proxy.process.running():
        proxy.stop()


@pytest.fixture(scope="module")
def configured(module_proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Proxy]:
    """Starts the file's proxy with this as its file of settings."""

    def start(settings: str) -> Proxy:
        configuration = tmp_path_factory.mktemp("configuration") / "framegate.toml"
        configuration.write_text(settings)
        return module_proxy.start(config=configuration)

    return start


@pytest.fixture(scope="module")
def origin(certificates: Certificates) -> Iterator[Listener]:
    """Where a test itself is the server, byte by byte."""
    with listener(certificates) as opened:
        yield opened


@pytest.fixture
def mark() -> str:
    """A word for the URL by which a test finds its own flow again."""
    return f"mark-{next(MARKS)}-"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    for process in Process.alive:
        process.mark()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """A failing test shows what the proxy and the servers said."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for process in Process.alive:
            report.sections.append((f"output of {process.name}", process.tail()))
