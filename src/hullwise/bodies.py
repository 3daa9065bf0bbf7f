"""Room for large bodies while they arrive and are worked on: so much in a process, and half of it for one caller."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass


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
