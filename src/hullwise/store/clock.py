"""Time as the database keeps it: microseconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

APART = timedelta(minutes=15)
"""How far the clocks of nodes may be apart: as far as a caller's may be (`auth/sigv4.py`). What is further ahead of now
was dated by a clock that was wrong, and nobody waits until that moment comes."""


def to_micros(moment: datetime) -> int:
    """Exact for any aware datetime."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(0, 0, micros)


def maybe(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def is_over(since: datetime, wait: timedelta, now: datetime) -> bool:
    """Whether it is so long ago; so is what was dated by a clock that was ahead."""
    return since + wait <= now or since > now + APART
