"""The audit trail: the lines that the log has of what callers changed, and of requests that were refused.

    changed           who changed what, from where
    request refused   who was not believed or not allowed, or could not change something, and with which code

A stranger may put a secret anywhere in a request: a line has only the key that is known or has the form of one, and the
names of repositories that are there.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from hullwise.auth import keys
from hullwise.auth.callers import Caller
from hullwise.domain.errors import AccessDenied
from hullwise.domain.names import repository_arn

log = structlog.get_logger()


@dataclass(slots=True)
class Trail:
    """What is known so far of a request that is being answered."""

    operation: str
    address: str
    """Of the client, as `Origin` has it."""
    caller: Caller | None = None
    """None: the request is not believed yet."""
    repository: str = ""
    """ARN of the one that it is about; empty: none that is there."""
    _claimed: str = ""

    def claims(self, access_key_id: str, *, known: bool) -> None:
        """The request says that it was signed with this key."""
        if known or keys.is_id(access_key_id):
            self._claimed = access_key_id

    def about(self, account: str, region: str, name: str) -> None:
        """The request is about this repository, which is there."""
        self.repository = repository_arn(account, region, name)

    def changed(self, **what: str) -> None:
        """Log that the caller made a change, and `what` else is known of it."""
        log.info("changed", **self.known(), **what)

    def refused(self, code: str, error: Exception, **what: str) -> None:
        """Log that the request was answered with this code."""
        if isinstance(error, AccessDenied):
            what |= {"action": error.action, "resource": error.resource}
        log.info("request refused", code=code, **self.known(), **what)

    def known(self) -> dict[str, str]:
        """Members of a line, without those that are empty."""
        key = self._claimed if self.caller is None else self.caller.access_key_id
        arn = "" if self.caller is None else self.caller.arn
        found = {
            "operation": self.operation,
            "key": key,
            "arn": arn,
            "address": self.address,
            "repository": self.repository,
        }
        return {name: value for name, value in found.items() if value}
