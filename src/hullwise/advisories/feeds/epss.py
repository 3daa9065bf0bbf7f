"""EPSS: the daily CSV of FIRST (first.org/epss), every CVE in about 300,000 lines.

#model_version:v2026.06.15,score_date:2026-08-22T00:00:00Z
cve,epss,percentile
CVE-2002-0367,0.04919,0.91446
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import Protocol

from hullwise.advisories.aliases import is_cve
from hullwise.advisories.records import Unparsable, Unused, is_id, read_moment
from hullwise.domain.enrichment import ExploitScore

SOURCE = "epss"
LINE_LIMIT = 256
"""Bytes of one line."""
SCORE_LIMIT = 2_000_000
"""Lines of one document."""

_HEADER = "cve,epss,percentile"


class Lines(Protocol):
    """A binary stream, such as a file or a GzipFile."""

    def readline(self, size: int, /) -> bytes: ...


def parse(document: Lines | bytes) -> tuple[str, Iterator[ExploitScore | Unused]]:
    """The day of the scores as `records.moment` writes it, and each CVE once. A stream is read line by line.

    Raises Unparsable at once where the first two lines are not the feed's; and while iterating where a line is too
    long, the last one breaks off, or no line is a score: what came before is then not to be used. A date in the future
    is kept, since a parser has no clock.
    """
    stream = io.BytesIO(document) if isinstance(document, bytes) else document
    as_of = _day(_line(stream).rstrip("\r\n"))
    if _line(stream).rstrip("\r\n") != _HEADER:
        raise Unparsable(f"the second line is not {_HEADER}")
    return as_of, _scores(stream)


def _day(line: str) -> str:
    stated = dict(part.partition(":")[::2] for part in line.removeprefix("#").split(","))
    found = read_moment(stated.get("score_date", "")) if line.startswith("#") else ""
    if not found:
        raise Unparsable("the first line states no score_date")
    return found


def _line(stream: Lines) -> str:
    try:
        line = stream.readline(LINE_LIMIT + 1)
        if len(line) > LINE_LIMIT:
            raise Unparsable(f"a line of over {LINE_LIMIT} bytes")
        return line.decode("ascii")
    except (UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unparsable(str(error)) from error


def _scores(stream: Lines) -> Iterator[ExploitScore | Unused]:
    seen: set[str] = set()
    number = 0
    while line := _line(stream):
        number += 1
        if number > SCORE_LIMIT:
            raise Unparsable(f"over {SCORE_LIMIT} lines")
        found = _score(line.rstrip("\r\n"))
        if not line.endswith("\n"):
            # Digits may be missing from a line that looks whole.
            if isinstance(found, Unused):
                raise Unparsable("breaks off within a line")
            found = Unused(found.cve, "line that does not end")
        if isinstance(found, ExploitScore):
            if found.cve in seen:
                found = Unused(found.cve, "named twice")
            else:
                seen.add(found.cve)
        yield found
    if not seen:
        raise Unparsable("names no score")


def _score(line: str) -> ExploitScore | Unused:
    cve, *numbers = line.split(",")
    if not (is_cve(cve) and is_id(cve)):
        return Unused(cve[:64], "no CVE id")
    try:
        score, percentile = (float(number) for number in numbers)
    except ValueError:
        return Unused(cve, "score that is no number")
    # NaN is in no range.
    if not (0 <= score <= 1 and 0 <= percentile <= 1):
        return Unused(cve, "score outside 0 to 1")
    return ExploitScore(cve, score, percentile)
