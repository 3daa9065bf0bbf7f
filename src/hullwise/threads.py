"""Threads for whatever waits on a disk or a database, so that the loop of requests never does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """A fixed number of them.

    The standard library's pool rather than anyio's: with its limiter, contexts and cancel scopes a call of anyio's
    takes 0.1 ms of the loop's time, with nothing of which is done here.
    """

    def __init__(self, number: int) -> None:
        self._pool = ThreadPoolExecutor(number, thread_name_prefix="request")

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """What the function returns or raises, called in one of the threads.

        Where the caller is cancelled, once or again and again, it is told so once the function has ended: nobody goes
        on while a thread still works with what is theirs.
        """
        working = self._pool.submit(_called, function, *args)
        try:
            return await asyncio.wrap_future(working)
        except asyncio.CancelledError:
            while not working.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([asyncio.wrap_future(working)])
            raise


def _called(function: Callable[..., T], *args: Any) -> T:
    try:
        return function(*args)
    except StopIteration as error:
        # No future takes it: whoever waits would wait for ever.
        raise RuntimeError("the function let a StopIteration go") from error
