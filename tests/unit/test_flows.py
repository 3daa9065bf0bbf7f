"""Bodies past ASGI: in which batches they are handed on, and how files are sent."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from hullwise.flows import Inflow, Outflow
from hullwise.threads import Threads


def asked(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 30))


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Connection:
    """Whether the client may send, and how often that was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.body = Inflow(lambda: self.said.append("go on"), lambda: self.said.append("hold"))


def test_a_body_is_handed_on_by_batches() -> None:
    """A batch has at least what was asked for, and the client is held while nobody asks for the next one."""

    async def scenario() -> None:
        connection = Connection()
        body = connection.body
        batch = asyncio.create_task(body.batch(100_000))
        await turns()
        assert connection.said == ["go on"]
        body.add(b"a" * 60_000)
        await turns()
        assert not batch.done()
        body.add(b"b" * 60_000)
        assert connection.said == ["go on", "hold"]
        assert await batch == [b"a" * 60_000, b"b" * 60_000]
        body.add(b"c")
        body.end()
        assert body.ended
        assert await body.batch(100_000) == [b"c"]
        assert await body.batch(100_000) == []

    asked(scenario)


def test_small_pieces_of_a_body_are_joined() -> None:
    """A client that sends single bytes costs no object for each."""

    async def scenario() -> None:
        body = Connection().body
        for _ in range(5_000):
            body.add(b"a")
        body.add(b"b" * 20_000)
        body.add(b"c")
        body.end()
        assert await body.batch(1 << 20) == [b"a" * 5_000, b"b" * 20_000, b"c"]

    asked(scenario)


def test_a_body_that_breaks_off_is_an_error() -> None:
    """For whoever waits for it, and for whoever asks later, once what came of it is handed on."""

    async def scenario() -> None:
        body = Connection().body
        body.add(b"a")
        batch = asyncio.create_task(body.batch(10))
        await turns()
        body.cut()
        assert await batch == [b"a"]
        assert not body.ended
        for _ in range(2):
            with pytest.raises(ClientDisconnect):
                await body.batch(1)
        waited = Connection().body
        batch = asyncio.create_task(waited.batch(10))
        await turns()
        waited.cut()
        with pytest.raises(ClientDisconnect):
            await batch

    asked(scenario)


def test_a_whole_body_whose_client_is_gone_is_handed_on() -> None:
    async def scenario() -> None:
        body = Connection().body
        body.add(b"a")
        body.end()
        body.cut()
        assert await body.batch(10) == [b"a"]
        assert await body.batch(10) == []

    asked(scenario)


GONE = -1


@asynccontextmanager
async def sending() -> AsyncIterator[tuple[Outflow, list[int], asyncio.StreamReader, asyncio.Transport]]:
    """What sends, what it says of it, and the client's end with a small buffer; and the server's transport."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    _, writer = await asyncio.open_connection(sock=ours)
    reader, client = await asyncio.open_connection(sock=theirs)
    told: list[int] = []
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    try:
        yield Outflow(transport, Threads(2).run, told.append, lambda: told.append(GONE)), told, reader, transport
    finally:
        transport.abort()
        client.close()


def test_a_file_is_sent_by_the_kernel(tmp_path: Path) -> None:
    """What was written before goes first, and then the bytes from the one place up to the other, for a client of any
    speed."""
    data = Random(3).randbytes(3 << 20)
    (tmp_path / "a").write_bytes(data)

    async def scenario() -> None:
        async with sending() as (outflow, told, reader, transport):
            transport.write(b"head" * 100_000)
            with (tmp_path / "a").open("rb") as file:
                sent = asyncio.create_task(outflow.send(file.fileno(), 5, len(data) - 7))
                assert await reader.readexactly(400_000) == b"head" * 100_000
                while not outflow.awaited:
                    await asyncio.sleep(0.01)
                assert outflow.awaited == len(data) - 12 - sum(told)
                assert await reader.readexactly(len(data) - 12) == data[5:-7]
                assert await sent
            assert (sum(told), outflow.awaited) == (len(data) - 12, 0)

    asked(scenario)


def test_a_client_that_is_gone_is_sent_nothing(tmp_path: Path) -> None:
    """It is no error, and ends at once, whether the client was waited for or not."""
    (tmp_path / "a").write_bytes(bytes(3 << 20))

    async def scenario() -> None:
        with (tmp_path / "a").open("rb") as file:
            async with sending() as (outflow, told, _, _):
                sent = asyncio.create_task(outflow.send(file.fileno(), 0, 3 << 20))
                while not outflow.awaited:
                    await asyncio.sleep(0.01)
                outflow.cut()
                assert not await sent
                assert 0 < sum(told) < 3 << 20
                assert not await outflow.send(file.fileno(), 0, 1)
                assert told.count(GONE) == 2
            async with sending() as (outflow, told, _, transport):
                transport.abort()
                assert not await outflow.send(file.fileno(), 0, 1)
                assert told == [GONE]

    asked(scenario)


def test_a_file_is_open_for_as_long_as_it_is_sent(tmp_path: Path) -> None:
    """Who is cancelled while a thread sends is told so once the thread has ended: whatever is opened next may have the
    numbers of what was closed."""
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    begun, goes_on = threading.Event(), threading.Event()

    def slow(function: Callable[..., int], *arguments: int) -> int:
        begun.set()
        assert goes_on.wait(20)
        os.fstat(arguments[0])
        return function(*arguments)

    async def scenario() -> None:
        threads = Threads(1)

        async def run(*arguments: Any) -> int:
            return await threads.run(slow, *arguments)

        async with sending() as (_, _, _, transport):
            outflow = Outflow(transport, run, lambda _: None, lambda: None)
            with (tmp_path / "a").open("rb") as file:
                sent = asyncio.create_task(outflow.send(file.fileno(), 0, 1))
                await asyncio.to_thread(begun.wait, 20)
                for _ in range(3):
                    sent.cancel()
                    await asyncio.sleep(0.05)
                    assert not sent.done()
                goes_on.set()
                with pytest.raises(asyncio.CancelledError):
                    await sent

    asked(scenario)


def test_a_file_that_is_too_short_is_an_error(tmp_path: Path) -> None:
    """The client is sent what there is, and nobody takes it for all."""
    (tmp_path / "a").write_bytes(b"four")

    async def scenario() -> None:
        with (tmp_path / "a").open("rb") as file:
            async with sending() as (outflow, _, reader, _):
                with pytest.raises(EOFError):
                    await outflow.send(file.fileno(), 0, 5)
                assert await reader.readexactly(4) == b"four"

    asked(scenario)
