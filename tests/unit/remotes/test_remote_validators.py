"""What is read from headers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.remotes.validators import Validators, content_range, moment, retry_after, strong

MONDAY = "Mon, 06 Jul 2026 08:00:00 GMT"


@pytest.mark.parametrize(
    ("etag", "modified", "sent", "expected"),
    [
        ('"a"', MONDAY, MONDAY, '"a"'),
        ('W/"a"', MONDAY, "Mon, 06 Jul 2026 09:00:00 GMT", ""),
        ("a", "", "", ""),
        ('""', "", "", ""),
        ('"a", "b"', "", "", ""),
        ("", MONDAY, "Mon, 06 Jul 2026 08:01:00 GMT", MONDAY),
        ("", MONDAY, "Mon, 06 Jul 2026 08:00:59 GMT", ""),
        ("", MONDAY, "", ""),
        ("", "yesterday", MONDAY, ""),
    ],
)
def test_only_strong_validators_join_two_parts(etag: str, modified: str, sent: str, expected: str) -> None:
    """RFC 9110, 13.1.5 and 8.8.2.2: no weak tag, and a date only where the document had settled."""
    assert strong(Validators(etag, modified), {"date": sent}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun Nov  6 08:49:37 1994", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun, 06 Nov 1994 09:49:37 +0100", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun, 06 Nov 1994 08:49:37 -0000", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("", None),
        ("0", None),
    ],
)
def test_http_dates(text: str, expected: datetime | None) -> None:
    """The examples of RFC 9110, 5.6.7, and what mail allows beyond them; the rest is no date."""
    assert moment(text) == expected


@given(st.text(max_size=80))
def test_any_text_is_a_date_or_none(text: str) -> None:
    """No header raises."""
    found = moment(text)
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("Mon, 06 Jul 2026 08:00:30 GMT", 30),
        ("Mon, 06 Jul 2026 07:00:00 GMT", 0),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    """RFC 9110, 10.2.3: seconds or a date, which is counted by the server's own clock."""
    assert retry_after({"retry-after": header, "date": MONDAY}) == seconds


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes 0-499/1234", (0, 499, 1234)),
        ("bytes 42-1233/*", (42, 1233, None)),
        ("bytes 500-499/1234", None),
        ("bytes 0-1234/1234", None),
        ("bytes */1234", None),
        ("pages 0-1/2", None),
        ("bytes 0-9/99999999999999999999", None),
        ("", None),
    ],
)
def test_content_range(header: str, expected: tuple[int, int, int | None] | None) -> None:
    """RFC 9110, 14.4; a range whose last byte is before its first or past the whole is invalid."""
    assert content_range({"content-range": header}) == expected


def test_conditions_hold_only_what_a_header_may() -> None:
    """What was kept from a stranger's header is sent again only where it is printable ASCII of a sane length."""
    assert Validators('"a"', MONDAY).conditions() == {"If-None-Match": '"a"', "If-Modified-Since": MONDAY}
    assert Validators('"ä"', "x\r\nHost: y").conditions() == {}
    assert Validators(f'"{"a" * 2000}"').conditions() == {}
