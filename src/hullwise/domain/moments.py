"""Moments as texts: RFC 3339 in UTC, in whole seconds. Such texts sort as the moments do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def moment(value: datetime) -> str:
    """The second that the value is in: `2026-01-02T03:04:05Z`."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment_from(value: datetime) -> str:
    """The first whole second that is not before the value: what is promised from then is so."""
    return moment(value if value.microsecond == 0 else value.replace(microsecond=0) + timedelta(seconds=1))
