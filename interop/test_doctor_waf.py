"""`framegate doctor waf` before a real web application firewall: that of the example as it stands, and with the faults
that people make with it.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import waf
from harness.process import run
from harness.waf import Waf

ON = "SecRuleEngine On\n"
PROXIED = "proxy_pass http://passed;"
SHORT = 65_536
SHAPES = ("text", "JSON")


class Report:
    """What the doctor has found, by the names of its checks."""

    def __init__(self, code: int, out: str) -> None:
        self.code = code
        self.checks = {check["check"]: check for check in map(json.loads, out.splitlines())}

    def says(self, name: str, status: str, *words: str) -> None:
        check = self.checks[name]
        said = f"{check['seen']}; {check['advice']}"
        assert check["status"] == status, check
        assert all(word in said for word in words), check


@pytest.fixture
def examine(binary: Path, tmp_path: Path) -> Callable[..., Report]:
    """Has the doctor look at a firewall, with the file of the example and these settings beside it."""

    def examine(firewall: Waf, *settings: str, exits: int) -> Report:
        command = [binary, "doctor", "waf", "--json", "--config", firewall.place / "framegate.toml"]
        # A loaded machine is no finding.
        for setting in ("hook.timeout_ms=30000", *settings):
            command += ["--set", setting]
        done = run([*command, "--data-dir", tmp_path / "data"], tmp_path, 120)
        assert done.returncode == exits, f"exit {done.returncode}, not {exits}\n{done.stdout}\n{done.stderr}"
        return Report(done.returncode, done.stdout)

    return examine


@pytest.fixture(scope="module")
def firewall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waf]:
    waf.needed()
    started = waf.start(tmp_path_factory.mktemp("doctor"))
    yield started
    started.process.end()


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[Callable[[str, str, str], Waf]]:
    """The firewall of the example with one text changed in one of its files."""
    waf.needed()
    started: list[Waf] = []

    def start(name: str, text: str, other: str) -> Waf:
        started.append(waf.start(tmp_path, {name: (text, other)}))
        return started[-1]

    yield start
    for one in started:
        one.process.end()


def test_the_example_is_in_order(firewall: Waf, examine: Callable[..., Report]) -> None:
    report = examine(firewall, exits=0)
    assert {check["status"] for check in report.checks.values()} == {"ok"}, report.checks
    for direction in ("send", "receive"):
        for shape in SHAPES:
            report.says(f"{direction} harmless {shape}", "ok", "200, it goes on")
            report.says(f"{direction} attack in {shape}", "ok", "403, blocked")
        report.says(f"{direction} long text", "ok", "131072 bytes as a form: 200")
        report.says(f"{direction} attack behind it", "ok", "403, blocked")


def test_a_body_without_a_type(firewall: Waf, examine: Callable[..., Report]) -> None:
    report = examine(firewall, "hook.body=raw", exits=1)
    report.says("send harmless text", "ok", "200, it goes on")
    for shape in SHAPES:
        report.says(f"send attack in {shape}", "fail", "200, it goes on", 'Set hook.body = "waf"')


def test_a_message_within_an_object(firewall: Waf, examine: Callable[..., Report]) -> None:
    report = examine(firewall, "hook.body=json", exits=1)
    report.says("send harmless text", "ok", "200, it goes on")
    report.says("send attack in text", "ok", "403, blocked")
    report.says("send attack in JSON", "fail", "200, it goes on", 'hook.body = "waf" sends it itself')


def test_a_body_without_a_type_to_an_address(firewall: Waf, examine: Callable[..., Report]) -> None:
    """Together the two are too much for the rules, whatever is said."""
    report = examine(firewall, "hook.body=raw", "hook.target=url", exits=1)
    report.says("send harmless text", "fail", "403, blocked", 'set hook.body = "waf"', "Host is an address")
    report.says("send attack in text", "warn", "403, blocked", "says nothing of its rules")


@pytest.mark.parametrize(("method", "rule"), [("PUT", "911100"), ("PATCH", "911100"), ("GET", "920170")])
def test_a_method_that_the_rules_do_not_allow(
    method: str, rule: str, firewall: Waf, examine: Callable[..., Report]
) -> None:
    url = f"http://127.0.0.1:{firewall.ports[8090]}/"
    route = f'{{upstream=["ws://127.0.0.1:1"],send_hook="{url}",send_hook_method="{method}"}}'
    report = examine(firewall, f"routes=[{route}]", exits=1)
    report.says("send harmless text", "fail", "403, blocked", f"the method is {method}", rule)


def test_rules_that_only_detect(changed: Callable[[str, str, str], Waf], examine: Callable[..., Report]) -> None:
    report = examine(changed("modsecurity.conf", ON, "SecRuleEngine DetectionOnly\n"), exits=1)
    report.says("send harmless text", "ok", "200, it goes on")
    for shape in SHAPES:
        report.says(f"send attack in {shape}", "fail", "200, it goes on", "SecRuleEngine DetectionOnly")


def test_rules_that_are_not_included(changed: Callable[[str, str, str], Waf], examine: Callable[..., Report]) -> None:
    rules = "Include /usr/share/modsecurity-crs/rules/*.conf"
    report = examine(changed("modsecurity.conf", rules, f"# {rules}"), exits=1)
    report.says("send attack in text", "fail", "200, it goes on", "are not included")


def test_a_location_that_answers_before_the_rules(
    changed: Callable[[str, str, str], Waf], examine: Callable[..., Report]
) -> None:
    report = examine(changed("nginx.conf", PROXIED, f"return 200; {PROXIED}"), exits=1)
    report.says("send attack in text", "fail", "200, it goes on", "return 200 instead of proxy_pass")


def test_a_page_of_status_200(changed: Callable[[str, str, str], Waf], examine: Callable[..., Report]) -> None:
    page = 'location = /blocked { internal; default_type text/html; return 200 "<html>no</html>"; }'
    told = f"modsecurity on; error_page 403 =200 /blocked; {page}"
    report = examine(changed("nginx.conf", "modsecurity on;", told), exits=1)
    report.says("send attack in text", "fail", "200 with a page of HTML", "error_page 403 =200")


def test_json_that_is_not_read_as_such(changed: Callable[[str, str, str], Waf], examine: Callable[..., Report]) -> None:
    report = examine(changed("modsecurity.conf", ON, f"{ON}SecRuleRemoveById 200001\n"), exits=1)
    report.says("send attack in text", "ok", "403, blocked")
    report.says("send attack in JSON", "fail", "200, it goes on", "ctl:requestBodyProcessor=JSON")


def test_a_firewall_that_takes_less(changed: Callable[[str, str, str], Waf], examine: Callable[..., Report]) -> None:
    limit = f"{ON}SecRequestBodyNoFilesLimit {SHORT}\n"
    firewall = changed("modsecurity.conf", ON, limit)
    report = examine(firewall, exits=0)
    advice = f"set hook.body_bytes_max = {SHORT}, or raise SecRequestBodyNoFilesLimit"
    report.says("send long text", "warn", "131072 bytes as a form: 400", advice)
    report = examine(firewall, f"hook.body_bytes_max={SHORT}", exits=0)
    report.says("send long text", "ok", f"{SHORT} bytes as a form: 200")


def test_an_nginx_that_takes_less(changed: Callable[[str, str, str], Waf], examine: Callable[..., Report]) -> None:
    firewall = changed("nginx.conf", "client_max_body_size 256k", f"client_max_body_size {SHORT}")
    report = examine(firewall, exits=0)
    advice = f"set hook.body_bytes_max = {SHORT}, or raise client_max_body_size"
    report.says("send long text", "warn", "131072 bytes as a form: 413", advice)


def test_a_firewall_that_is_stopped(tmp_path: Path, examine: Callable[..., Report]) -> None:
    waf.needed()
    firewall = waf.start(tmp_path)
    firewall.process.end()
    report = examine(firewall, "hook.timeout_ms=500", exits=1)
    closed = 'hook.fail = "closed"'
    report.says("send harmless text", "fail", "Connection refused", "look whether it is running", closed)
    assert "send attack in text" not in report.checks
