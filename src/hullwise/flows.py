"""Bodies between a connection and files, past ASGI: through it each byte is copied four times on its way in and twice
on its way out, with a switch of tasks for each read.

    client ──▶ connection ──▶ Inflow: pieces, by reference ──▶ file
    client ◀── connection ◀────────── Outflow: the kernel's sendfile ── file
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.requests import ClientDisconnect

INFLOW = "hullwise.inflow"
"""The extension of ASGI's scope by which a connection offers its body as an `Inflow`: `begin()`, called once, before
anything of the body was received."""

OUTFLOW = "hullwise.outflow"
"""The extension by which a connection offers to send parts of files as an `Outflow`: `begin()`, called once, after the
head of the answer, which says the length."""

Pieces = list[bytes | bytearray]
"""Bytes one after the other, as they came."""

_SMALL = 16 << 10
"""Bytes up to which a piece is joined to its neighbours: a client may send one at a time."""


class _Flow:
    """What somebody may wait for, and a client may end at any moment."""

    def __init__(self) -> None:
        self._waiting: asyncio.Future[None] | None = None
        self._cut = False

    def cut(self) -> None:
        """Nothing more comes or goes: the client is gone."""
        self._cut = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Inflow(_Flow):
    """A request's body as its connection receives it, by many bytes at once. Used in the loop alone."""

    def __init__(self, go_on: Callable[[], None], hold: Callable[[], None]) -> None:
        """`go_on` lets the client send, and `hold` keeps it from sending."""
        super().__init__()
        self._go_on = go_on
        self._hold = hold
        self._pieces: Pieces = []
        self._size = self._wanted = 0
        self.ended = False
        """Whether all of the body came."""

    def add(self, piece: bytes) -> None:
        """More of the body came."""
        self._size += len(piece)
        if len(piece) > _SMALL:
            self._pieces.append(piece)
        elif self._pieces and isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += piece
        else:
            self._pieces.append(bytearray(piece))
        if self._size >= self._wanted:
            self._hold()
            self._wake()

    def end(self) -> None:
        """Nothing more comes: that was all."""
        self.ended = True
        self._wake()

    async def batch(self, least: int) -> Pieces:
        """The next bytes, in pieces: at least so many, or the last ones. Raises ClientDisconnect once all was handed on
        that came of a body which was cut."""
        self._wanted = least
        while self._size < least and not self.ended and not self._cut:
            self._go_on()
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        if self._cut and not self.ended and not self._pieces:
            raise ClientDisconnect
        found, self._pieces, self._size = self._pieces, [], 0
        return found


_BURST = 32 << 20
"""Bytes that a thread sends before it looks whether anybody still wants them."""


class Outflow(_Flow):
    """Parts of files that the kernel sends on a connection. Used in the loop alone."""

    def __init__(
        self,
        transport: asyncio.Transport,
        run: Callable[..., Awaitable[int]],
        sent: Callable[[int], None],
        gone: Callable[[], None],
    ) -> None:
        """`run` calls a function with arguments in a thread, and returns no sooner than that has ended, cancelled or
        not: until then descriptors are in use. `sent` is told of the bytes that went, which the transport does not see,
        and `gone` that the client is."""
        super().__init__()
        self._transport = transport
        self._run = run
        self._sent = sent
        self._gone = gone
        self._left = 0

    @property
    def awaited(self) -> int:
        """Bytes that the client has to make room for; 0 where it is not waited for."""
        return self._left if self._waiting is not None else 0

    async def send(self, file: int, start: int, end: int) -> bool:
        """Send what the open file has from `start` up to `end`, which is not included. Returns whether the client is
        still there, and all of it with the kernel. Raises EOFError where the file has less, OSError where it cannot be
        read."""
        if self._cut or self._transport.is_closing():
            self._gone()
            return False
        self._left = end - start
        connection = os.dup(self._transport.get_extra_info("socket").fileno())
        try:
            while self._transport.get_write_buffer_size() and not self._cut:
                await self._room(connection)
            while start < end and not self._cut:
                wanted = min(end, start + _BURST)
                position = await self._run(_burst, connection, file, start, wanted)
                self._sent(position - start)
                start, self._left = position, end - position
                if position < wanted and not self._cut:
                    await self._room(connection)
        except (ConnectionError, TimeoutError):
            self._cut = True
        finally:
            os.close(connection)
        if self._cut:
            self._gone()
        return not self._cut

    async def _room(self, connection: int) -> None:
        """Wait until the client made room for more, or is gone."""
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        loop.add_writer(connection, self._wake)
        try:
            await self._waiting
        finally:
            loop.remove_writer(connection)
            self._waiting = None


def _burst(connection: int, file: int, start: int, end: int) -> int:
    """Send until the client has to be waited for. Returns how far that came."""
    with suppress(BlockingIOError):
        while start < end:
            sent = os.sendfile(connection, file, start, end - start)
            if not sent:
                raise EOFError(f"the file ends at byte {start}")
            start += sent
    return start
