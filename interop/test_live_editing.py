"""A person holds messages of real peers with the commands: nothing else stops, nobody waits for ever, one answer counts."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from harness.control import Control
from harness.proxy import Proxy
from harness.waiting import PATIENCE_S, eventually

CONFIGURATION = """
[[intercept.rules]]
id = "word"
payload = "hold"
"""
PEERS = ["client", "server"]


@pytest.fixture
def proxy(new_proxy, tmp_path: Path) -> Proxy:
    configuration = tmp_path / "framegate.toml"
    configuration.write_text(CONFIGURATION)
    return new_proxy().start(config=configuration)


@dataclass
class Open:
    """Both ends of a WebSocket through the proxy."""

    client: ClientConnection
    server: ServerConnection
    done: asyncio.Event

    def ends(self, speaker: str) -> tuple[ClientConnection | ServerConnection, ClientConnection | ServerConnection]:
        return (self.client, self.server) if speaker == "client" else (self.server, self.client)


@asynccontextmanager
async def opened(proxy: Proxy) -> AsyncIterator[Open]:
    arrived: asyncio.Queue[ServerConnection] = asyncio.Queue()
    done = asyncio.Event()

    async def take(connection: ServerConnection) -> None:
        await arrived.put(connection)
        await done.wait()

    options = {"ping_interval": None, "close_timeout": 2}
    async with asyncio.timeout(3 * PATIENCE_S), serve(take, "127.0.0.1", 0, **options) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/live"
        async with connect(url, proxy=proxy.url, **options) as client:
            yield Open(client, await arrived.get(), done)
            done.set()


async def held(proxy: Proxy, count: int) -> list[dict]:
    def probe() -> list[dict] | None:
        found = proxy.lines("intercept", "list")
        return [*found, {}] if len(found) == count else None

    return (await asyncio.to_thread(eventually, f"{count} held", probe))[:-1]


async def command(proxy: Proxy, *words: object, status: int = 0) -> str:
    """A command's words on standard error."""
    return (await asyncio.to_thread(proxy.command, *words, status=status)).stderr


@pytest.mark.parametrize("speaker", PEERS)
def test_only_its_own_direction_waits(speaker: str, proxy: Proxy) -> None:
    """Ping and Pong go on in both directions, also between the parts of a message that waits, and so does the other way."""

    async def talk() -> None:
        async with opened(proxy) as both:
            speaks, listens = both.ends(speaker)
            await speaks.send("hold the first")
            await speaks.send("behind it")
            (first,) = await held(proxy, 1)
            # A Ping in the held direction, and a Pong: the answer to the other peer's Ping.
            await (await speaks.ping())
            await (await listens.ping())
            for number in range(20):
                await listens.send(f"the other way {number}")
                assert await speaks.recv() == f"the other way {number}"

            async def parts() -> AsyncIterator[str]:
                yield "in "
                await (await speaks.ping())
                await (await listens.ping())
                yield "parts"

            await speaks.send(parts())
            await command(proxy, "intercept", "modify", first["id"], "--text", "edited")
            assert [await listens.recv() for _ in range(3)] == ["edited", "behind it", "in parts"]
            await speaks.send("hold the second")
            (second,) = await held(proxy, 1)
            await command(proxy, "intercept", "drop", second["id"])
            await speaks.send("hold the third")
            (third,) = await held(proxy, 1)
            await command(proxy, "intercept", "release", third["id"])
            assert await listens.recv() == "hold the third"

    asyncio.run(talk())
    proxy.stop()


@pytest.mark.parametrize("speaker", PEERS)
@pytest.mark.parametrize("leaver", PEERS)
def test_a_peer_that_leaves_ends_the_hold(speaker: str, leaver: str, proxy: Proxy) -> None:
    """Whoever answers later is told so, with exit code 1; the other peer learns that the conversation is over."""

    async def talk() -> None:
        async with opened(proxy) as both:
            speaks, _ = both.ends(speaker)
            leaves, stays = both.ends(leaver)
            await speaks.send("hold this")
            (message,) = await held(proxy, 1)
            leaves.transport.abort()
            await held(proxy, 0)
            said = await command(proxy, "intercept", "release", message["id"], status=1)
            assert "is not held any more" in said, said
            with pytest.raises(ConnectionClosed):
                while True:
                    await stays.recv()
            both.done.set()

    asyncio.run(talk())
    proxy.stop()


@pytest.mark.parametrize("speaker", PEERS)
def test_a_close_in_order_ends_the_hold(speaker: str, proxy: Proxy) -> None:
    """The receiver says Close: what was held for it is let go, and the handshake of the Close ends as always."""

    async def talk() -> None:
        async with opened(proxy) as both:
            speaks, listens = both.ends(speaker)
            await speaks.send("hold this")
            await held(proxy, 1)
            await listens.close(4000, "enough")
            await held(proxy, 0)
            await speaks.wait_closed()
            assert (speaks.close_code, speaks.close_reason) == (4000, "enough")
            assert (listens.close_code, listens.close_reason) == (4000, "enough")
            both.done.set()

    asyncio.run(talk())
    proxy.stop()


def test_two_answers_at_once(proxy: Proxy) -> None:
    """Of two programs that answer the same message at the same moment one wins, and what arrives is what the winner said."""
    rounds = 30

    async def talk() -> None:
        async with opened(proxy) as both:
            controls = [Control(proxy), Control(proxy)]
            for number in range(rounds):
                await both.client.send(f"hold {number}")
                (message,) = await asyncio.to_thread(ask_until_held, controls[0])
                answers = [("release", b""), ("modify", f"edited {number}".encode())]
                results = await asyncio.to_thread(at_once, controls, message["id"], answers[:: 1 - 2 * (number % 2)])
                assert sorted(status for _, status, _ in results) == [200, 409], results
                won = next(word for word, status, _ in results if status == 200)
                lost = next(said for _, status, said in results if status == 409)
                told = {"release": "it was released", "modify": "it was modified and forwarded"}[won]
                assert lost["detail"] == f"the message {message['id']} is not held any more: {told}", lost
                arrived = await both.server.recv()
                assert arrived == (f"hold {number}" if won == "release" else f"edited {number}")
            for control in controls:
                control.close()

    asyncio.run(talk())
    proxy.stop()


def ask_until_held(control: Control) -> list[dict]:
    return eventually("one is held", lambda: control.ask("held"))


def at_once(controls: list[Control], message: str, answers: list[tuple[str, bytes]]) -> list[tuple[str, int, dict]]:
    start = threading.Barrier(len(answers))

    def tell(control: Control, word: str, body: bytes) -> tuple[str, int, dict]:
        start.wait(PATIENCE_S)
        return (word, *control.tell(word, body, id=message))

    with ThreadPoolExecutor() as pool:
        told = [pool.submit(tell, control, *answer) for control, answer in zip(controls, answers, strict=True)]
        return [one.result() for one in told]


def test_two_commands_at_once(proxy: Proxy) -> None:
    """The same with the commands of two persons: one has exit code 0, the other has 1 and is told why."""

    async def talk() -> None:
        async with opened(proxy) as both:
            await both.client.send("hold this")
            (message,) = await held(proxy, 1)

            def answer(word: str) -> tuple[int, str]:
                try:
                    return 0, proxy.command("intercept", word, message["id"]).stderr
                except AssertionError:
                    return 1, proxy.command("intercept", word, message["id"], status=1).stderr

            results = await asyncio.gather(*(asyncio.to_thread(answer, word) for word in ("release", "drop")))
            assert sorted(code for code, _ in results) == [0, 1], results
            assert f"the message {message['id']} is not held any more" in max(results)[1]
            await both.client.send("afterwards")
            released = results[0][0] == 0
            wanted = ["hold this", "afterwards"] if released else ["afterwards"]
            assert [await both.server.recv() for _ in wanted] == wanted

    asyncio.run(talk())
    proxy.stop()
