"""Room for large bodies: what is taken, who waits, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from hullwise.bodies import Room

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

        async def take(caller: str, size: int) -> None:
            await room.take(caller, size, LONG)
            served.append(caller)

        await take("a", 5)
        await take("b", 4)
        waiting = [asyncio.create_task(take("c", 5)), asyncio.create_task(take("d", 1))]
        await turns()
        assert served == ["a", "b"], "d fits, and would keep c waiting"
        room.give("a", 5)
        await asyncio.gather(*waiting)
        assert served == ["a", "b", "c", "d"]

    asked(scenario)


def test_a_caller_has_half_of_it() -> None:
    """What is over that waits for the caller's own, and keeps nobody else waiting."""

    async def scenario() -> None:
        room = Room(10)
        await room.take("a", 5, LONG)
        second = asyncio.create_task(room.take("a", 1, LONG))
        await turns()
        await room.take("b", 5, LONG)
        room.give("b", 5)
        await turns()
        assert not second.done()
        room.give("a", 5)
        await second

    asked(scenario)


@pytest.mark.parametrize("cancelled", [False, True])
def test_who_gives_up_has_taken_nothing(cancelled: bool) -> None:
    """After the time that it would wait, or cancelled, also in the moment in which there is room."""

    async def scenario() -> None:
        room = Room(10)
        await room.take("a", 5, LONG)
        await room.take("b", 5, LONG)
        first = asyncio.create_task(room.take("c", 5, LONG if cancelled else 0.01))
        second = asyncio.create_task(room.take("d", 5, LONG))
        await turns()
        if cancelled:
            room.give("a", 5)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
        else:
            with pytest.raises(TimeoutError):
                await first
            assert not second.done()
            room.give("a", 5)
        await second
        room.give("b", 5)
        await room.take("e", 5, LONG)

    asked(scenario)
