"""Where plain functions are called: in threads, so that the loop of requests never waits for a disk or a database; or
in the loop itself, where they are over before a thread would have begun.

SQLite's driver lets go of the interpreter at every step and asks for it again. With a loop beside it that wants it too,
a push of a small blob, some thirty steps, takes twice the CPU in a thread that it takes in the loop; so do most reads.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class WouldWait(BaseException):
    """A call in the loop comes to what it would have to wait for, with nothing done yet: a thread may begin it anew.

    No Exception, since it is nobody's failure: whoever handles those lets it pass.
    """


def is_shortage(error: BaseException) -> bool:
    """Whether nothing was opened, as this process or the system has as many files and connections open as it may: once
    some are closed the same may succeed."""
    return isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}


class _State(threading.local):
    short = False
    wrote = False
    owes = False


_state = _State()


def hurries() -> bool:
    """Whether whoever asks is called in the loop, and has committed nothing yet."""
    return _state.short and not _state.wrote


def waits() -> None:
    """What follows takes long, or waits for others. Raises WouldWait where it is called in the loop and could still be
    called anew."""
    if hurries():
        raise WouldWait


def wrote(*, changed: bool, lasting: bool) -> None:
    """A transaction is committed. Where it changed something, the call goes on from here, whatever it has to wait for;
    `lasting`: whether that, and what it read, has to survive a power loss."""
    _state.wrote = _state.wrote or changed
    _state.owes = _state.owes or lasting


class Settlement:
    """One sync for all who committed before it began: whoever comes while one is on its way waits for the next.

    One that failed is the last: the kernel may have given up what it could not write, and tell the next that all is
    well. Nobody is told so here, until another process reads what there is. Where there was no file to be had for it
    (`is_shortage`) it has not begun, and the next one is tried.
    """

    def __init__(self, threads: Threads, sync: Callable[[], None]) -> None:
        self._threads, self._sync = threads, sync
        self._turn = asyncio.Lock()
        self._begun = self._succeeded = 0
        """Syncs are numbered from 1: the last that began, the last that succeeded."""
        self._failed: BaseException | None = None

    async def wait(self) -> None:
        """Return once a sync has succeeded that began after this was called. Raises what the one that failed raised."""
        begun = self._begun
        async with self._turn:
            if self._failed is not None:
                raise self._failed
            if self._succeeded <= begun:
                self._begun += 1
                try:
                    await self._threads.run(self._sync)
                except Exception as error:
                    if not is_shortage(error):
                        self._failed = error
                    raise
                self._succeeded = self._begun


class Threads:
    """A fixed number of them, and the loop.

    The standard library's pool rather than anyio's: with its limiter, contexts and cancel scopes a call of anyio's
    takes 0.1 ms of the loop's time, with nothing of which is done here.
    """

    def __init__(self, number: int, *, here: bool = False, sync: Callable[[], None] | None = None) -> None:
        """`here`: whether short calls are made in the loop; `sync`: makes what they committed durable."""
        self._pool = ThreadPoolExecutor(number, thread_name_prefix="request")
        self.here = here
        self._sync = sync
        self._settlements: WeakKeyDictionary[asyncio.AbstractEventLoop, Settlement] = WeakKeyDictionary()

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """What the function returns or raises, called in one of the threads.

        Where the caller is cancelled, once or again and again, it is told so once the function has ended: nobody goes
        on while a thread still works with what is theirs.
        """
        working: Future[T] = self._pool.submit(_called, function, *args)
        try:
            return await asyncio.wrap_future(working)
        except asyncio.CancelledError:
            while not working.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([asyncio.wrap_future(working)])
            raise

    async def short(self, function: Callable[..., T], *args: Any) -> T:
        """What the function returns or raises, of a call that takes less than a millisecond; what it committed is
        durable. Called in the loop, or in a thread where that is not wanted or the call would have to wait."""
        if not self.here:
            return await self.run(function, *args)
        _state.short, waits, owes = True, False, False
        try:
            found = _called(function, *args)
            owes = _state.owes
        except WouldWait:
            waits = True
        finally:
            _state.short = _state.wrote = _state.owes = False
        if waits:
            return await self.run(function, *args)
        if owes and self._sync is not None:
            loop = asyncio.get_running_loop()
            if loop not in self._settlements:
                self._settlements[loop] = Settlement(self, self._sync)
            await self._settlements[loop].wait()
        return found


def _called(function: Callable[..., T], *args: Any) -> T:
    try:
        return function(*args)
    except StopIteration as error:
        # No future takes it: whoever waits would wait for ever.
        raise RuntimeError("the function let a StopIteration go") from error
