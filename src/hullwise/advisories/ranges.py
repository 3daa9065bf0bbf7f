"""Sets of versions as spans of an ecosystem's order, for feeds that say which versions are patched.

    < 1.2     BOTTOM … before 1.2        <= 1.2    BOTTOM … after 1.2
    >= 1.2    before 1.2 … TOP           > 1.2     after 1.2 … TOP
    = 1.2     before 1.2 … after 1.2

Every version lies between two edges, and an edge stands before or after a version, never on it: what is not in a set
is again a list of spans.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import NamedTuple

from hullwise.advisories.records import Interval

VersionKey = Callable[[str], bytes]


Place = tuple[int, bytes, bool]
"""Below every version, at one (its key, and whether after it), or above every version."""


class Edge(NamedTuple):
    """A place between versions."""

    place: Place
    text: str
    """The version, as written."""

    @property
    def after(self) -> bool:
        return self.place[2]


BOTTOM = Edge((0, b"", False), "0")
TOP = Edge((2, b"", False), "")


class Span(NamedTuple):
    """All versions from one edge to the other; empty unless `start` is below `end`."""

    start: Edge
    end: Edge


EVERYTHING = Span(BOTTOM, TOP)
NOTHING = Span(BOTTOM, BOTTOM)


def before(version: str, version_key: VersionKey) -> Edge:
    """Raises InvalidVersion."""
    return Edge((1, version_key(version), False), version)


def after(version: str, version_key: VersionKey) -> Edge:
    """Raises InvalidVersion."""
    return Edge((1, version_key(version), True), version)


_COMPARISONS: dict[str, Callable[[str, VersionKey], Span]] = {
    "<": lambda version, version_key: Span(BOTTOM, before(version, version_key)),
    "<=": lambda version, version_key: Span(BOTTOM, after(version, version_key)),
    ">": lambda version, version_key: Span(after(version, version_key), TOP),
    ">=": lambda version, version_key: Span(before(version, version_key), TOP),
    "=": lambda version, version_key: Span(before(version, version_key), after(version, version_key)),
}


def comparison(operator: str, version: str, version_key: VersionKey) -> Span:
    """What `>= 1.2` and the like hold. Raises InvalidVersion, and KeyError for an operator that is none of the five."""
    return _COMPARISONS[operator](version, version_key)


def met(spans: Iterable[Span]) -> Span:
    """The versions that are in all of them; may be empty. Of no spans it is EVERYTHING."""
    start, end = BOTTOM, TOP
    for span in spans:
        start = max(start, span.start)
        end = min(end, span.end)
    return Span(start, end)


def difference(spans: Iterable[Span], holes: Iterable[Span] = ()) -> list[Span]:
    """The versions that are in any of the spans and in none of the holes: from below to above, neither touching nor
    empty. Takes the time of a sort."""
    turns = [turn for kind, group in enumerate((spans, holes)) for span in group for turn in _turns(span, kind)]
    turns.sort()
    found: list[Span] = []
    depth = [0, 0]
    start: Edge | None = None
    for _, group in itertools.groupby(turns, key=lambda turn: turn[0].place):
        here = list(group)
        for _, kind, step in here:
            depth[kind] += step
        edge = here[0][0]
        inside = depth[0] > 0 and depth[1] == 0
        if inside and start is None:
            start = edge
        elif not inside and start is not None:
            found.append(Span(start, edge))
            start = None
    return found


def _turns(span: Span, kind: int) -> list[tuple[Edge, int, int]]:
    return [] if span.start.place >= span.end.place else [(span.start, kind, 1), (span.end, kind, -1)]


def interval(span: Span, successor: Callable[[str], str], unfixed: bool = False) -> Interval:
    """The span as a record has it. `successor` gives a text of the lowest place above a version: intervals begin with
    a version that is affected, and `> 1.2` names none."""
    start, end = span
    return Interval(
        introduced=successor(start.text) if start.after else start.text,
        end=end.text,
        closed=end.after,
        unfixed=unfixed and not end.after and bool(end.text),
    )
