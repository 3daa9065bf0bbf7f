"""What a function of the JSON API is given, and how it refuses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import msgspec

from hullwise.auth.callers import Caller
from hullwise.domain import strict_json
from hullwise.domain.errors import InvalidParameter
from hullwise.services import Services

LARGEST_ID = 2**63 - 1
"""What both databases take as a number."""

T = TypeVar("T")


class Refused(Exception):
    """An answer with this status, code and headers."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Content:
    """An answer that is another document than our own JSON."""

    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Call:
    services: Services
    caller: Caller
    parts: Mapping[str, str]
    """What the route's pattern took out of the path."""
    query: Mapping[str, str]
    body: bytes

    def only(self, known: Collection[str]) -> None:
        """Raises InvalidParameter where the query has another parameter."""
        for name in self.query:
            if name not in known:
                raise InvalidParameter(name[:64], "is no parameter of this")

    def needed(self, name: str) -> str:
        """The query's parameter. Raises InvalidParameter where it is not there, or empty."""
        found = self.query.get(name, "")
        if not found:
            raise InvalidParameter(name, "must be given")
        return found

    def number(self, name: str, most: int) -> int | None:
        """The query's parameter as a whole number from 1; None where it is not there. Raises InvalidParameter."""
        text = self.query.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= most):
            raise InvalidParameter(name, f"must be a whole number from 1 to {most}")
        return int(text)

    def parsed(self, kind: type[T]) -> T:
        """The body as JSON of this form. Raises InvalidParameter, also for a key that is repeated."""
        try:
            found = msgspec.json.decode(self.body, type=kind)
            strict_json.decode(self.body.decode())
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise InvalidParameter("body", str(error)) from error
        return found
