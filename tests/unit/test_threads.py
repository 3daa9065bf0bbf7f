"""Calls in threads, from a loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hullwise.threads import Threads


def test_a_function_returns_and_raises() -> None:
    """What it returns or raises comes to who awaits it; it runs in another thread."""

    async def ask() -> None:
        threads = Threads(1)
        assert await threads.run(divmod, 7, 2) == (3, 1)
        assert await threads.run(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await threads.run(divmod, 7, 0)

    asyncio.run(ask())


def test_the_end_of_an_iteration_is_an_error() -> None:
    """A StopIteration, which no future takes, comes out as an error, and leaves nobody waiting."""

    async def ask() -> None:
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(Threads(1).run(next, iter(())), 10)

    asyncio.run(ask())


def test_whoever_is_cancelled_waits_for_the_thread() -> None:
    """Nothing that the function uses is touched while it runs: the cancellation comes through after it."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(10)
        ended.set()

    async def cancel() -> None:
        threads = Threads(1)
        task = asyncio.create_task(threads.run(work))
        await asyncio.to_thread(begun.wait, 10)
        # As anyio's cancelled scopes do it: once more in every turn of the loop.
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
            assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(cancel())


def test_what_is_cancelled_before_its_turn_never_runs() -> None:
    """A call that waits for a free thread is taken back."""
    go_on = threading.Event()
    called: list[int] = []

    async def cancel() -> None:
        threads = Threads(1)
        first = asyncio.create_task(threads.run(go_on.wait, 10))
        second = asyncio.create_task(threads.run(called.append, 1))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        go_on.set()
        assert await first
        assert called == []

    asyncio.run(cancel())
