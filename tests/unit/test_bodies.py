"""Room for large bodies: what is taken, who waits, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from hullwise.bodies import Place, Room

LONG = 30


def asked(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), LONG))


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_there_is_so_much_room() -> None:
    """Who finds none waits until enough is given back, in the order of their coming."""

    async def scenario() -> None:
        room, served = Room(10), []

        async def take(caller: str, size: int) -> Place:
            place = await room.take(caller, size, LONG)
            served.append(caller)
            return place

        first = await take("a", 5)
        await take("b", 4)
        waiting = [asyncio.create_task(take("c", 5)), asyncio.create_task(take("d", 1))]
        await turns()
        assert served == ["a", "b"], "d fits, and would keep c waiting"
        room.give(first)
        await asyncio.gather(*waiting)
        assert served == ["a", "b", "c", "d"]

    asked(scenario)


def test_a_caller_has_half_of_it() -> None:
    """What is over that waits for the caller's own, and keeps nobody else waiting."""

    async def scenario() -> None:
        room = Room(10)
        first = await room.take("a", 5, LONG)
        second = asyncio.create_task(room.take("a", 1, LONG))
        await turns()
        room.give(await room.take("b", 5, LONG))
        await turns()
        assert not second.done()
        room.give(first)
        await second

    asked(scenario)


@pytest.mark.parametrize("cancelled", [False, True])
def test_who_gives_up_has_taken_nothing(cancelled: bool) -> None:
    """After the time that it would wait, or cancelled, also in the moment in which there is room."""

    async def scenario() -> None:
        room = Room(10)
        held = [await room.take("a", 5, LONG), await room.take("b", 5, LONG)]
        first = asyncio.create_task(room.take("c", 5, LONG if cancelled else 0.01))
        second = asyncio.create_task(room.take("d", 5, LONG))
        await turns()
        if cancelled:
            room.give(held[0])
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
        else:
            with pytest.raises(TimeoutError):
                await first
            assert not second.done()
            room.give(held[0])
        await second
        room.give(held[1])
        await room.take("e", 5, LONG)

    asked(scenario)


def test_who_has_least_is_served_first() -> None:
    """One caller's many do not keep another's first one waiting."""

    async def scenario() -> None:
        room, served = Room(10), []

        async def take(caller: str, size: int) -> None:
            await room.take(caller, size, LONG)
            served.append(caller)

        await take("a", 2)
        first, _ = await room.take("b", 4, LONG), await room.take("c", 4, LONG)
        waiting = [asyncio.create_task(take(caller, 2)) for caller in ("a", "d", "e")]
        await turns()
        room.give(first)
        await asyncio.gather(*waiting[1:])
        assert (served, waiting[0].done()) == (["a", "d", "e"], False)
        waiting[0].cancel()

    asked(scenario)


class Hasty(Room):
    """Looks often, and has the patience for a second."""

    look_seconds, pace_seconds, patience_seconds = 0.05, 0.2, 1.0


class Body:
    """One that comes at a pace, until it is given up or whole."""

    def __init__(self, room: Room, place: Place, pace: float) -> None:
        self.given_up = False
        self._room, self._place, self._pace = room, place, pace
        place.awaits(0, self._give_up)
        self.arriving = asyncio.create_task(self._arrive())

    def _give_up(self) -> None:
        self.given_up = True
        self.arriving.cancel()

    async def _arrive(self) -> None:
        try:
            came = 0.0
            while came < self._place.size:
                await asyncio.sleep(0.02)
                came += self._pace * 0.02
                self._place.add(int(self._pace * 0.02))
            self._place.ends()
            await asyncio.sleep(0.3)
        finally:
            self._room.give(self._place)


def test_a_slow_body_is_given_up_for_who_waits() -> None:
    """As many as it takes, the slowest first, and none for whom nobody waits."""

    async def scenario() -> None:
        room = Hasty(100_000)
        paces = {"a": 10_000, "b": 0, "c": 1_000, "d": 100}
        bodies = {caller: Body(room, await room.take(caller, 25_000, LONG), pace) for caller, pace in paces.items()}
        await asyncio.sleep(0.6)
        assert not any(body.given_up for body in bodies.values())
        await asyncio.wait_for(room.take("e", 40_000, LONG), 0.5)
        assert [caller for caller, body in bodies.items() if body.given_up] == ["b", "d"]
        for body in bodies.values():
            body.arriving.cancel()

    asked(scenario)


def test_a_callers_own_slow_bodies_are_given_up_for_it() -> None:
    """Where only its share is full, nobody else's."""

    async def scenario() -> None:
        room = Hasty(100_000)
        mine, other = [Body(room, await room.take(caller, 30_000, LONG), 0) for caller in "ab"]
        await asyncio.wait_for(room.take("a", 30_000, LONG), 1)
        assert (mine.given_up, other.given_up) == (True, False)
        other.arriving.cancel()

    asked(scenario)


def test_a_body_that_comes_in_time_is_waited_for() -> None:
    """Neither one that is fast, nor one that is whole, is given up, however long it is worked on."""

    async def scenario() -> None:
        room = Hasty(100_000)
        fast = Body(room, await room.take("a", 50_000, LONG), 60_000)
        whole = await room.take("b", 50_000, LONG)
        begun = asyncio.get_running_loop().time()
        whole.awaits(50_000, lambda: pytest.fail("it was given up"))
        whole.ends()
        await room.take("c", 50_000, LONG)
        assert not fast.given_up
        assert asyncio.get_running_loop().time() - begun > 0.8

    asked(scenario)


def test_a_body_that_stands_still_after_it_was_fast() -> None:
    """Its pace is that of its last seconds."""

    async def scenario() -> None:
        room, given_up = Hasty(100), asyncio.Event()
        place = await room.take("a", 50, LONG)
        place.awaits(0, given_up.set)
        place.add(49)
        waiting = asyncio.create_task(room.take("a", 50, LONG))
        await asyncio.wait_for(given_up.wait(), 2)
        room.give(place)
        await waiting

    asked(scenario)
