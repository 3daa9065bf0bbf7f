"""Large bodies while they arrive: handed on without ASGI's copies, and room for those that are held whole."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect

INFLOW = "hullwise.inflow"
"""The extension of ASGI's scope by which a connection offers its body as an `Inflow`: `begin()`, called once, before
anything of the body was received."""

Pieces = list[bytes | bytearray]
"""Bytes one after the other, as they came."""

_SMALL = 16 << 10
"""Bytes up to which a piece is joined to its neighbours: a client may send one at a time."""


class Inflow:
    """A request's body as its connection receives it, by many bytes at once. Used in the loop alone.

    ASGI has four copies made of each byte and switches tasks for each read: a third of what a push of 200 MB took."""

    def __init__(self, go_on: Callable[[], None], hold: Callable[[], None]) -> None:
        """`go_on` lets the client send, and `hold` keeps it from sending."""
        self._go_on = go_on
        self._hold = hold
        self._pieces: Pieces = []
        self._size = self._wanted = 0
        self._waiting: asyncio.Future[None] | None = None
        self._cut = False
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

    def cut(self) -> None:
        """Nothing more comes: the client is gone."""
        self._cut = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def batch(self, least: int) -> Pieces:
        """The next bytes, in pieces: at least so many, or the last ones. Raises ClientDisconnect."""
        self._wanted = least
        while self._size < least and not self.ended and not self._cut:
            self._go_on()
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        if self._cut:
            raise ClientDisconnect
        found, self._pieces, self._size = self._pieces, [], 0
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    caller: str
    size: int
    granted: asyncio.Future[None]


class Room:
    """Bytes, of which as many are given back as are taken. Used in the loop alone."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._share = size // 2
        self._held: Counter[str] = Counter()
        self._waiting: list[_Turn] = []

    async def take(self, caller: str, size: int, seconds: float) -> None:
        """Wait until there is room for so many more of the caller, at most half of all, and take it. Who came first is
        served first. Raises TimeoutError where there is none for so many seconds: nothing is taken then."""
        turn = _Turn(caller, size, asyncio.get_running_loop().create_future())
        self._waiting.append(turn)
        self._grant()
        try:
            async with asyncio.timeout(seconds):
                await turn.granted
        except BaseException:
            if turn in self._waiting:
                self._waiting.remove(turn)
                self._grant()
            else:
                self.give(caller, size)
            raise

    def give(self, caller: str, size: int) -> None:
        """Give back what was taken."""
        self._free += size
        self._held[caller] -= size
        if not self._held[caller]:
            del self._held[caller]
        self._grant()

    def _grant(self) -> None:
        for turn in [*self._waiting]:
            if turn.size > self._free:
                break
            if self._held[turn.caller] + turn.size > self._share or turn.granted.done():
                continue
            self._waiting.remove(turn)
            self._free -= turn.size
            self._held[turn.caller] += turn.size
            turn.granted.set_result(None)
