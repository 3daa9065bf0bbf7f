"""Room for large bodies while they arrive and are worked on: so much in a process, and half of it for one caller.

A body has room for all of it from its beginning: of many that are half there none would come to its end. So that
whoever sends slowly, or claims much and sends little, keeps nobody waiting, the bodies that take longest are given up
for those that wait.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LOOK_SECONDS = 1.0
"""Between two looks at how the others' bodies come, of whoever waits."""
PACE_SECONDS = 2.0
"""At least, by which the pace of a body is told: that of its last ones."""
PATIENCE_SECONDS = 10.0
"""In which a body comes to its end whose room others wait for."""


class Place:
    """The room of one body. Used in the loop alone."""

    def __init__(self, caller: str, size: int, pace_seconds: float) -> None:
        self.caller, self.size = caller, size
        self.given_up = False
        self._pace_seconds = pace_seconds
        self._came = 0
        self._give_up: Callable[[], None] | None = None
        now = asyncio.get_running_loop().time()
        self._before = self._marked = (now, 0)
        """Moments, and what had come then."""

    def awaits(self, came: int, give_up: Callable[[], None]) -> None:
        """The rest of the body is awaited, after so many bytes. `give_up` ends that, and is called once at most."""
        self._came, self._give_up = came, give_up
        self._before = self._marked = (asyncio.get_running_loop().time(), came)

    def add(self, count: int) -> None:
        """More of the body came."""
        self._came += count
        self._mark(asyncio.get_running_loop().time())

    def ends(self) -> None:
        """No more of it is awaited: it is not given up any more."""
        self._give_up = None

    def seconds_left(self, now: float) -> float:
        """In which the body is whole, at its pace; 0 where that cannot be told yet, or it is whole."""
        self._mark(now)
        (begun, before), size = self._before, self.size - self._came
        if self._give_up is None or now - begun < self._pace_seconds:
            return 0.0
        return size * (now - begun) / (self._came - before) if self._came > before else math.inf

    def give_up(self) -> None:
        """The body is awaited no more, and whoever has the place gives it back."""
        assert self._give_up is not None, "it is awaited"
        self.given_up = True
        give_up, self._give_up = self._give_up, None
        give_up()

    def _mark(self, now: float) -> None:
        if now - self._marked[0] >= self._pace_seconds:
            self._before, self._marked = self._marked, (now, self._came)


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    place: Place
    granted: asyncio.Future[None]


class Room:
    """Bytes, of which as many are given back as are taken. Used in the loop alone."""

    look_seconds: float = LOOK_SECONDS
    pace_seconds: float = PACE_SECONDS
    patience_seconds: float = PATIENCE_SECONDS

    def __init__(self, size: int) -> None:
        self._free = size
        self._share = size // 2
        self._held: Counter[str] = Counter()
        self._placed: set[Place] = set()
        self._waiting: list[_Turn] = []

    async def take(self, caller: str, size: int, seconds: float) -> Place:
        """Wait until there is room for so many more of the caller, at most half of all, and take it. Who has least is
        served first, and among equals who came first. Bodies that would take longer than `patience_seconds` are given
        up for it. Raises TimeoutError where there is none for so many seconds: nothing is taken then."""
        turn = _Turn(Place(caller, size, self.pace_seconds), asyncio.get_running_loop().create_future())
        self._waiting.append(turn)
        self._grant()
        try:
            async with asyncio.timeout(seconds):
                while not turn.granted.done():
                    await asyncio.wait([turn.granted], timeout=self.look_seconds)
                    if not turn.granted.done():
                        self._make_room()
        except BaseException:
            if turn in self._waiting:
                self._waiting.remove(turn)
                self._grant()
            else:
                self.give(turn.place)
            raise
        return turn.place

    def give(self, place: Place) -> None:
        """Give back what was taken."""
        place.ends()
        self._placed.remove(place)
        self._free += place.size
        self._held[place.caller] -= place.size
        if not self._held[place.caller]:
            del self._held[place.caller]
        self._grant()

    def _order(self) -> list[_Turn]:
        return sorted(self._waiting, key=lambda turn: self._held[turn.place.caller])

    def _grant(self) -> None:
        while (turn := next(self._served(), None)) is not None:
            place = turn.place
            self._waiting.remove(turn)
            self._placed.add(place)
            self._free -= place.size
            self._held[place.caller] += place.size
            turn.granted.set_result(None)

    def _served(self) -> Iterator[_Turn]:
        """Whose turn it is, where there is room for them."""
        for turn in self._order():
            if self._over(turn.place) > 0:
                continue
            if turn.place.size > self._free:
                # Else small ones would keep a large one waiting.
                return
            yield turn

    def _over(self, place: Place) -> int:
        """Bytes of its caller's others that are too many for it."""
        return self._held[place.caller] + place.size - self._share

    def _make_room(self) -> None:
        """For the one whose turn it is, and for the first of each caller who has too much."""
        seen: set[str] = set()
        for turn in self._order():
            place = turn.place
            if place.caller in seen:
                continue
            seen.add(place.caller)
            if self._over(place) <= 0:
                self._give_up(place.size - self._free, self._placed)
                return
            self._give_up(self._over(place), {each for each in self._placed if each.caller == place.caller})

    def _give_up(self, wanted: int, places: set[Place]) -> None:
        """So many bytes of the places, those that would take longest first, as far as they take too long."""
        now = asyncio.get_running_loop().time()
        wanted -= sum(each.size for each in places if each.given_up)
        found = [(each.seconds_left(now), each) for each in places]
        for seconds, place in sorted(found, key=lambda each: each[0], reverse=True):
            if wanted <= 0 or seconds <= self.patience_seconds:
                return
            place.give_up()
            wanted -= place.size
