"""What a function of the distribution API is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
from starlette.requests import Request

from hullwise.auth.callers import Caller
from hullwise.domain.names import check_repository
from hullwise.services import Services
from hullwise.store import repositories
from hullwise.store.repositories import Repository

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    request: Request
    services: Services
    caller: Caller
    parts: dict[str, str]
    """What the route's pattern took out of the path."""
    threads: anyio.CapacityLimiter
    """Of the threads that everything that waits for disk or database runs in."""

    def repository(self, name: str | None = None) -> Repository:
        """The repository of the path, or the named one, in the caller's account and region.

        Raises InvalidName, or RepositoryNotFound.
        """
        wanted = check_repository(name if name is not None else self.parts["name"])
        with self.services.database.read() as tx:
            return repositories.get(tx, self.caller.account, self.caller.region, wanted)

    def repository_in(self, tx: sa.Connection) -> Repository:
        """The repository of the path, read in this transaction. Raises InvalidName, or RepositoryNotFound."""
        return repositories.get(tx, self.caller.account, self.caller.region, check_repository(self.parts["name"]))

    @property
    def principal(self) -> str:
        return self.caller.access_key_id

    async def run(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """Call a plain function in one of the threads."""
        return await anyio.to_thread.run_sync(partial(function, *args, **options), limiter=self.threads)


Function = Callable[[Call], Awaitable[Any]]
