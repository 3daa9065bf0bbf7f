"""Moments as texts, by RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from hullwise.domain.moments import moment, moment_from


@pytest.mark.parametrize(
    ("value", "within", "following"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=UTC), "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"),
        (datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
        (
            datetime(2026, 1, 2, 1, 0, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-01T23:00:00Z",
            "2026-01-01T23:00:00Z",
        ),
        # RFC 3339, 5.6: a year has four digits.
        (datetime(987, 1, 2, tzinfo=UTC), "0987-01-02T00:00:00Z", "0987-01-02T00:00:00Z"),
    ],
)
def test_moments(value: datetime, within: str, following: str) -> None:
    """In UTC, whatever zone the value is of; the second that it is in, and the first that is not before it."""
    assert (moment(value), moment_from(value)) == (within, following)
