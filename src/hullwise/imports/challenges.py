"""How a registry asks who is there (RFC 9110, 11.6.1; distribution spec, "token authentication").

What cannot be read is left out: it comes from strangers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_LONGEST = 8192
_PART = re.compile(r'[\s,]*([A-Za-z0-9!#$%&\'*+.^_`|~-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*)|(?=\s|,|$))')


class Challenge(NamedTuple):
    scheme: str
    """In lower case."""
    parameters: Mapping[str, str]
    """Names in lower case."""


def read(headers: Iterable[str]) -> list[Challenge]:
    """The challenges of the values of WWW-Authenticate, in their order."""
    found: list[tuple[str, dict[str, str]]] = []
    for header in headers:
        text = header[:_LONGEST]
        at, begun = 0, len(found)
        while part := _PART.match(text, at):
            name, value = part[1].lower(), part[2]
            if value is None:
                found.append((name, {}))
            elif len(found) > begun:
                found[-1][1].setdefault(name, _plain(value))
            at = part.end()
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
