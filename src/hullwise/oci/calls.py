"""What a function of the distribution API is given, and what it must be allowed to be called at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from hullwise.auth import access
from hullwise.auth.callers import Caller
from hullwise.domain.names import check_repository
from hullwise.services import Services
from hullwise.store.repositories import Repository
from hullwise.threads import Threads

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    request: Request
    services: Services
    caller: Caller
    account: str
    region: str
    """The registry that the request is about: of the host name, or the caller's own."""
    parts: dict[str, str]
    """What the route's pattern took out of the path."""
    found: Repository | None
    """The repository of the path, in which the caller may do what the route needs."""
    body: bytes | None
    """The whole body, where it is as small as EARLY_BYTES; None: it has to be read."""
    threads: Threads
    """Of the threads that everything that waits for disk or database runs in."""
    again: Callable[[], Call]
    """Asks once more who calls, and whether that is allowed: for what is done with a body that may have taken an hour.
    Raises as the first time."""

    def repository(self) -> Repository:
        assert self.found is not None, "a route with a name has a repository"
        return self.found

    def source(self, tx: sa.Connection, name: str) -> Repository:
        """Another repository of the same registry, from which the caller may pull. Raises as `access.repository`."""
        wanted, action = check_repository(name), "ecr:GetDownloadUrlForLayer"
        return access.repository(tx, self.services, self.caller, self.account, self.region, wanted, [action], "pull")

    @property
    def principal(self) -> str:
        return self.caller.access_key_id

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call a plain function in one of the threads."""
        return await self.threads.run(function, *args)

    async def short(self, function: Callable[..., T], *args: Any) -> T:
        """Call one that takes less than a millisecond."""
        return await self.threads.short(function, *args)


EARLY_BYTES = 64 << 10
"""A body that is said to have no more is read before anything is asked of it: most manifests, configs and ends of
uploads, which are then answered by one thread at once."""

Function = Callable[[Call], Response | Awaitable[Response]]
"""Called in a thread, or in the loop if short. What has yet to read the request's body is a coroutine, which goes on in
the loop and asks for threads."""


def stated_length(request: Request) -> int | None:
    """Bytes of the body, as Content-Length has them; None where it does not say."""
    length = request.headers.get("content-length", "")
    return int(length[:20]) if length.isascii() and length.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Endpoint:
    function: Function
    actions: tuple[str, ...] = ()
    """What the caller must be allowed to do in the repository."""
    scope: str = ""
    """What a bearer token must be good for: `pull`, `push` or `delete`."""
    short: bool = False
    """Whether it is called in the loop, where the database allows that: it finds a few rows, and writes a few."""
    made: int = 0
    """The status of an answer that says that something is there, or gone, which others see; 0: it has none."""
    open: bool = False
    """Whether callers without credentials may ask, where a setting lets them in at all."""

    @property
    def operation(self) -> str:
        """The operation of ECR that counts, for rates."""
        return self.actions[-1].partition(":")[2] if self.actions else ""
