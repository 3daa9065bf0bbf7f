"""Calls in threads, from a loop."""

from __future__ import annotations

import asyncio
import errno
import threading

import pytest

from hullwise import threads
from hullwise.threads import Threads


def test_a_function_returns_and_raises() -> None:
    """What it returns or raises comes to who awaits it; it runs in another thread."""

    async def ask() -> None:
        pool = Threads(1)
        assert await pool.run(divmod, 7, 2) == (3, 1)
        assert await pool.run(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await pool.run(divmod, 7, 0)

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
        go_on.wait(60)
        ended.set()

    async def cancel() -> None:
        task = asyncio.create_task(Threads(1).run(work))
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
        pool = Threads(1)
        first = asyncio.create_task(pool.run(go_on.wait, 10))
        second = asyncio.create_task(pool.run(called.append, 1))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        go_on.set()
        assert await first
        assert called == []

    asyncio.run(cancel())


def test_a_short_call_is_made_in_the_loop() -> None:
    """Where that is wanted; its errors come to who awaits it."""

    async def ask() -> None:
        here, elsewhere = Threads(1, here=True), Threads(1)
        assert await here.short(threading.get_ident) == threading.get_ident()
        assert await elsewhere.short(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await here.short(divmod, 7, 0)
        assert not threads.hurries()

    asyncio.run(ask())


def test_a_call_that_would_wait_is_made_in_a_thread() -> None:
    """Anew, from its beginning."""
    begun: list[int] = []

    def wait() -> int:
        begun.append(threading.get_ident())
        threads.waits()
        return 7

    async def ask() -> None:
        assert await Threads(1, here=True).short(wait) == 7

    asyncio.run(ask())
    assert begun[0] == threading.get_ident() != begun[1]
    assert len(begun) == 2


def test_a_call_that_has_committed_goes_on() -> None:
    """It is not begun anew: what it did would be done twice."""
    begun: list[int] = []

    def work() -> None:
        begun.append(1)
        threads.wrote(changed=True, lasting=False)
        threads.waits()

    async def ask() -> None:
        await Threads(1, here=True).short(work)
        assert not threads.hurries()

    asyncio.run(ask())
    assert begun == [1]


def commit(lasting: bool) -> None:
    threads.wrote(changed=True, lasting=lasting)


def test_a_call_that_changed_nothing_may_be_made_anew() -> None:
    """An empty transaction is nothing done."""
    begun: list[int] = []

    def work() -> None:
        begun.append(1)
        threads.wrote(changed=False, lasting=True)
        threads.waits()

    async def ask() -> None:
        await Threads(1, here=True).short(work)

    asyncio.run(ask())
    assert begun == [1, 1]


def test_the_loop_is_nobodys_while_a_thread_makes_the_call() -> None:
    """What else runs in the loop meanwhile is not taken for a short call."""
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        threads.waits()
        begun.set()
        assert go_on.wait(60)

    async def ask() -> None:
        task = asyncio.create_task(Threads(1, here=True).short(work))
        await asyncio.to_thread(begun.wait, 10)
        assert not threads.hurries()
        go_on.set()
        await task

    asyncio.run(ask())


def test_what_is_to_last_is_synced_before_its_call_ends() -> None:
    """A sync that began before something was committed does not count for it; one is enough for many."""
    syncs: list[threading.Event] = []
    arrived = threading.Semaphore(0)

    def sync() -> None:
        syncs.append(threading.Event())
        arrived.release()
        assert syncs[-1].wait(60)

    async def ask() -> None:
        pool = Threads(2, here=True, sync=sync)
        await pool.short(commit, False)
        assert syncs == []
        first = asyncio.create_task(pool.short(commit, True))
        await asyncio.to_thread(arrived.acquire)
        later = [asyncio.create_task(pool.short(commit, True)) for _ in range(5)]
        await asyncio.sleep(0)
        syncs[0].set()
        await first
        await asyncio.to_thread(arrived.acquire)
        assert not any(task.done() for task in later)
        syncs[1].set()
        await asyncio.gather(*later)
        assert len(syncs) == 2

    asyncio.run(ask())


def test_a_sync_that_did_not_begin_is_tried_again() -> None:
    """Where there was no file to be had for it nothing is lost: whoever waits is told so, and the next may succeed."""
    found = iter([OSError(errno.EMFILE, "too many"), OSError(errno.ENFILE, "too many"), None])

    def sync() -> None:
        failure = next(found)
        if failure is not None:
            raise failure

    async def ask() -> None:
        pool = Threads(1, here=True, sync=sync)
        for _ in range(2):
            with pytest.raises(OSError, match="too many"):
                await pool.short(commit, True)
        await pool.short(commit, True)

    asyncio.run(ask())


def test_a_sync_that_fails_is_nobodys() -> None:
    """Nobody is told that something lasts which may not: after one that failed none is believed."""
    tried: list[int] = []
    go_on = threading.Event()

    def sync() -> None:
        tried.append(1)
        assert go_on.wait(60)
        if len(tried) == 2:
            raise OSError("the disk")

    async def ask() -> None:
        pool = Threads(1, here=True, sync=sync)
        first = asyncio.create_task(pool.short(commit, True))
        await asyncio.sleep(0)
        later = [asyncio.create_task(pool.short(commit, True)) for _ in range(3)]
        await asyncio.sleep(0)
        go_on.set()
        await first
        assert [type(each) for each in await asyncio.gather(*later, return_exceptions=True)] == [OSError] * 3
        with pytest.raises(OSError, match="the disk"):
            await pool.short(commit, True)

    asyncio.run(ask())
    assert len(tried) == 2
