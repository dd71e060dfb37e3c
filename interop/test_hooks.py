"""A hook that is a process of its own, killed and started again while many connections say a lot."""

import asyncio
import json
import signal
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from harness.control import Control
from harness.process import Process
from harness.proxy import Proxy
from harness.waiting import PATIENCE_S

HERE = Path(__file__).parent
CLIENTS = 20
# Started again so often, each time when so many more messages have reached their receivers.
ENDS = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL]
MESSAGES_BETWEEN = 400
# That many of one client's messages may be under way.
AHEAD = 10
ATTACK = "attack"
ENDINGS = ["close", "attack up", "attack down"]
UNJUDGED = "could not be inspected"


class Hook:
    """The hook's processes, one after another, on one port and with one log."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.path = directory, directory / "verdicts"
        # Nobody else gets the port while no hook is there.
        self.kept = socket.socket()
        self.kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.kept.bind(("127.0.0.1", 0))
        self.port = self.kept.getsockname()[1]

    def start(self) -> None:
        command = [sys.executable, HERE / "servers/hook.py", str(self.port), self.path]
        self.process = Process("hook", command, self.directory)
        self.process.event(event="listening")

    def end(self, which: signal.Signals) -> None:
        self.process.signal(which)
        self.process.wait()

    def verdicts(self) -> Counter[tuple[int, str]]:
        return Counter(tuple(json.loads(line)) for line in self.path.read_text().splitlines())

    def close(self) -> None:
        self.process.end()
        self.kept.close()


@dataclass
class End:
    """What one end of a connection has said and heard, and how it ended."""

    said: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    code: int | None = None
    reason: str = ""


@dataclass
class Conversation:
    client: End = field(default_factory=End)
    server: End = field(default_factory=End)

    @property
    def is_closed_in_order(self) -> bool:
        return self.client.code == self.server.code == 1000


class Stage:
    """Clients, an upstream, and what has passed between them."""

    def __init__(self, proxy: Proxy, hook: Hook, endings: list[str]) -> None:
        self.proxy, self.hook, self.endings = proxy, hook, endings
        self.conversations: dict[str, Conversation] = {}
        self.over = False
        self.passed = self.failed = 0
        self.moved = asyncio.Event()

    async def say(self, socket: ClientConnection | ServerConnection, end: End, text: str) -> None:
        end.said.append(text)
        # What came before a Close is still to be heard.
        with suppress(ConnectionClosed):
            await socket.send(text)

    async def hear(self, socket: ClientConnection | ServerConnection, end: End) -> str:
        text = await socket.recv()
        end.heard.append(text)
        self.passed += 1
        self.moved.set()
        return text

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            self.moved.clear()
            await self.moved.wait()

    async def pass_more(self, messages: int = MESSAGES_BETWEEN) -> None:
        """Waits until so many more have reached their receivers."""
        enough = self.passed + messages
        await self.until(lambda: self.passed >= enough)

    async def fail_more(self) -> None:
        """Waits until connections have ended because nobody could be asked."""
        enough = self.failed + CLIENTS
        await self.until(lambda: self.failed >= enough)

    async def serve(self, socket: ServerConnection) -> None:
        """Answers each message with one of its own."""
        end = self.conversations[socket.request.path].server
        try:
            while True:
                text = await self.hear(socket, end)
                await self.say(socket, end, f"down {text} {ATTACK}" if "bait" in text else f"down {text}")
        except ConnectionClosed:
            await socket.wait_closed()
        end.code, end.reason = socket.close_code, socket.close_reason
        self.moved.set()

    async def converse(self, name: str, ending: str, url: str) -> None:
        """One connection, to its end: numbered messages until all is over, and then one of the endings."""
        conversation = self.conversations[name] = Conversation()
        end = conversation.client
        room = asyncio.Semaphore(AHEAD)
        async with connect(url + name, proxy=None, compression=None, ping_interval=None) as socket:

            async def say() -> None:
                number = 0
                while not self.over:
                    await room.acquire()
                    await self.say(socket, end, f"{name} {number}")
                    number += 1
                if ending != "close":
                    await self.say(socket, end, f"{name} {'bait' if ending == 'attack down' else ATTACK}")

            saying = asyncio.create_task(say())
            try:
                while not (saying.done() and ending == "close" and len(end.heard) == len(end.said)):
                    await self.hear(socket, end)
                    room.release()
                await socket.close(1000)
            except ConnectionClosed:
                await socket.wait_closed()
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)
        end.code, end.reason = socket.close_code, socket.close_reason
        self.failed += end.reason == UNJUDGED
        self.moved.set()

    async def client(self, at: int, url: str) -> None:
        """A connection after another while there are to be some."""
        life = 0
        while life == 0 or not self.over:
            await self.converse(f"/{at}/{life}", self.endings[at % len(self.endings)], url)
            life += 1

    async def play(self, upstream: int, without: Callable[["Stage"], Awaitable[None]]) -> None:
        """Has them talk, and the hook ended and started again; `without` waits while there is none."""
        url = f"ws://{self.proxy.door('gateway')}"
        async with serve(self.serve, "127.0.0.1", upstream, compression=None, ping_interval=None):
            clients = asyncio.gather(*[self.client(at, url) for at in range(CLIENTS)])
            for end in ENDS:
                await self.pass_more()
                await asyncio.to_thread(self.hook.end, end)
                await without(self)
                await asyncio.to_thread(self.hook.start)
            await self.pass_more()
            self.over = True
            await clients
            await self.until(lambda: all(one.server.code for one in self.conversations.values()))

    def check(self) -> None:
        """What is true whatever becomes of a hook: order, no gap, nothing twice, both ends see one end, no attack."""
        for name, conversation in self.conversations.items():
            client, server = conversation.client, conversation.server
            for sender, receiver in ((client, server), (server, client)):
                assert receiver.heard == sender.said[: len(receiver.heard)], name
                assert not any(ATTACK in text for text in receiver.heard), name
                assert not conversation.is_closed_in_order or len(receiver.heard) == len(sender.said), name
            assert (client.code, client.reason) == (server.code, server.reason), (name, client.code, server.code)
            assert client.code in (1000, 1008), (name, client.code)

    def heard(self) -> list[str]:
        return [text for both in self.conversations.values() for end in (both.client, both.server) for text in end.heard]

    def reasons(self) -> Counter[str]:
        return Counter(conversation.client.reason for conversation in self.conversations.values())


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Hook]:
    hook = Hook(tmp_path)
    hook.start()
    yield hook
    hook.close()


def play(
    proxy: Proxy,
    hook: Hook,
    endings: list[str],
    without: Callable[[Stage], Awaitable[None]],
    settings: dict[str, object],
) -> Stage:
    with socket.create_server(("127.0.0.1", 0)) as free:
        upstream = free.getsockname()[1]
    url = f"http://127.0.0.1:{hook.port}/"
    routes = f'[{{upstream=["ws://127.0.0.1:{upstream}"], send_hook="{url}", receive_hook="{url}"}}]'
    # A question waits for a connection with its time still to begin: a busy machine makes none fail.
    own = {"routes": routes, "record.enabled": "false", "hook.pool_size": 16}
    proxy.start("gateway@127.0.0.1:0", settings=own | settings)

    async def bounded() -> Stage:
        stage = Stage(proxy, hook, endings)
        await asyncio.wait_for(stage.play(upstream, without), 3 * PATIENCE_S)
        return stage

    stage = asyncio.run(bounded())
    stage.check()
    return stage


def numbers(proxy: Proxy) -> Counter[str]:
    """The numbers that have a direction, of both together, by name and by the label behind it."""
    sums: Counter[str] = Counter()
    with closing(Control(proxy)) as control:
        samples = control.metrics()
    for sample, value in samples.items():
        name, _, labels = sample.partition('{direction="')
        sums["".join([name, *labels.partition('"')[2:]]).strip("}")] += int(value)
    return sums


def total(numbers: Counter[str], name: str) -> int:
    return sum(value for sample, value in numbers.items() if sample.startswith(name))


async def at_once(_: Stage) -> None:
    """Starts it again before anything can happen without it."""


def test_a_restart_within_the_time_loses_nothing(new_proxy, hook: Hook) -> None:
    """No connection notices: what the hook could not answer it is asked again."""
    stage = play(new_proxy(), hook, ENDINGS, at_once, {"hook.timeout_ms": 60_000})
    assert len(stage.conversations) == CLIENTS
    allowed = hook.verdicts()
    assert all((200, text) in allowed for text in stage.heard())
    for at, conversation in enumerate(stage.conversations.values()):
        ending, client, server = ENDINGS[at % len(ENDINGS)], conversation.client, conversation.server
        assert client.reason == ("" if ending == "close" else "blocked by policy"), ending
        # All but the attack itself has arrived, except for what was on its way down when it was to go up.
        assert len(server.heard) == len(client.said) - (ending == "attack up")
        assert ending == "attack up" or len(client.heard) == len(server.said) - (ending == "attack down")
    counted = numbers(stage.proxy)
    assert counted["framegate_hook_retries_total"] > 0
    assert total(counted, "framegate_hook_failures") == total(counted, "framegate_inspections_skipped") == 0


def test_without_a_hook_in_time_connections_end_and_nothing_passes_unseen(new_proxy, hook: Hook) -> None:
    settings = {"hook.timeout_ms": 250, "hook.breaker_ms": 50}
    stage = play(new_proxy(), hook, ENDINGS, Stage.fail_more, settings)
    allowed = hook.verdicts()
    assert all((200, text) in allowed for text in stage.heard())
    assert set(stage.reasons()) == {"", "blocked by policy", UNJUDGED}
    assert total(numbers(stage.proxy), "framegate_inspections_skipped") == 0


def test_an_open_hook_lets_all_pass_and_counts_what_it_has_not_seen(new_proxy, hook: Hook) -> None:
    settings = {"hook.timeout_ms": 250, "hook.breaker_ms": 50, "hook.fail": "open"}
    stage = play(new_proxy(), hook, ["close"], Stage.pass_more, settings)
    assert len(stage.conversations) == CLIENTS
    assert all(conversation.is_closed_in_order for conversation in stage.conversations.values())
    heard, counted = stage.heard(), numbers(stage.proxy)
    skipped = counted['framegate_inspections_skipped_total,reason="open"']
    assert skipped == total(counted, "framegate_hook_failures") > 0
    assert skipped + counted['framegate_hook_verdicts_total,outcome="passed"'] == len(heard)
    # Of what is skipped the hook may have judged some all the same, too late or as it was killed.
    unseen = set(heard) - {text for _, text in hook.verdicts()}
    assert 0 < len(unseen) <= skipped
