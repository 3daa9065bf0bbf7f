"""EPSS is a CSV with its day in the first line (first.org/epss, `Data`)."""

from __future__ import annotations

import gzip
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.advisories.feeds import epss
from hullwise.advisories.records import Unparsable, Unused
from hullwise.domain.enrichment import ExploitScore

HEAD = b"#model_version:v2026.06.15,score_date:2026-08-22T00:00:00Z\ncve,epss,percentile\n"


def scores(*lines: str) -> list[ExploitScore | Unused]:
    return list(epss.parse(HEAD + "".join(f"{line}\n" for line in lines).encode())[1])


def test_each_line_is_a_score() -> None:
    """The columns are the CVE, the probability and the percentile."""
    as_of, found = epss.parse(HEAD + b"CVE-2021-44228,0.94358,0.99957\nCVE-2002-0367,0.04919,1\n")
    assert as_of == "2026-08-22T00:00:00Z"
    assert list(found) == [
        ExploitScore("CVE-2021-44228", 0.94358, 0.99957),
        ExploitScore("CVE-2002-0367", 0.04919, 1.0),
    ]


def test_a_stream_is_read_as_bytes_are() -> None:
    """The feed comes gzip-compressed, and is never unpacked whole."""
    packed = gzip.compress(HEAD + b"CVE-2021-44228,0.5,0.9\r\n")
    _, found = epss.parse(gzip.GzipFile(fileobj=io.BytesIO(packed)))
    assert list(found) == [ExploitScore("CVE-2021-44228", 0.5, 0.9)]


@pytest.mark.parametrize(
    ("stated", "as_of"),
    [("2021-04-14T00:00:00+0000", "2021-04-14T00:00:00Z"), ("2026-08-22", "2026-08-22T00:00:00Z")],
)
def test_the_day_is_in_utc(stated: str, as_of: str) -> None:
    """FIRST has written the day in several ways; it is kept in one."""
    document = f"#model_version:v2021,score_date:{stated}\ncve,epss,percentile\nCVE-2021-44228,0.5,0.9\n"
    assert epss.parse(document.encode())[0] == as_of


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("CVE-2021-44228,1.5,0.9", "score outside 0 to 1"),
        ("CVE-2021-44228,-0.1,0.9", "score outside 0 to 1"),
        ("CVE-2021-44228,0.5,95", "score outside 0 to 1"),
        ("CVE-2021-44228,nan,0.9", "score outside 0 to 1"),
        ("CVE-2021-44228,0.5,inf", "score outside 0 to 1"),
        ("CVE-2021-44228,high,0.9", "score that is no number"),
        ("CVE-2021-44228,0.5", "score that is no number"),
        ("CVE-2021-44228,0.5,0.9,0.1", "score that is no number"),
        ("CVE-2021-44228", "score that is no number"),
        ("GHSA-jfh8-c2jp-5v3q,0.5,0.9", "no CVE id"),
        ("", "no CVE id"),
        ("CVE-2000-0001,0.7,0.8", "named twice"),
    ],
)
def test_a_line_that_says_nothing_is_counted(line: str, reason: str) -> None:
    """Wrong numbers are never a score, and the other lines stay."""
    found = scores("CVE-2000-0001,0,0", line, "CVE-2000-0002,1,1")
    assert [item.cve for item in found if isinstance(item, ExploitScore)] == ["CVE-2000-0001", "CVE-2000-0002"]
    assert [item.reason for item in found if isinstance(item, Unused)] == [reason]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<!DOCTYPE html>\n<title>503</title>\n",
        HEAD[:-1].split(b"\n")[0],
        b"#model_version:v1\ncve,epss,percentile\nCVE-2021-44228,0.5,0.9\n",
        b"#score_date:soon\ncve,epss,percentile\nCVE-2021-44228,0.5,0.9\n",
        b"cve,epss,percentile\nCVE-2021-44228,0.5,0.9\n",
        b"score_date:2026-08-22\ncve,epss,percentile\nCVE-2021-44228,0.5,0.9\n",
        HEAD.replace(b"percentile", b"rank"),
        b"#" * 1_000_000,
        "#score_date:２０２６-08-22\n".encode(),
    ],
)
def test_what_is_no_feed_is_refused_at_once(document: bytes) -> None:
    """Without its two first lines nothing is read."""
    with pytest.raises(Unparsable):
        epss.parse(document)


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"nothing,here,either\n",
        b"CVE-2021-44228,0.5,0.9\nCVE-2021-4",
        b"CVE-2021-44228,0.5,0.9\nCVE-2021-45046,0.",
        b"CVE-2021-44228,0.5,0.9\n" + b"a" * 300 + b"\n",
        b"CVE-2021-44228,0.5,0.9\n\xff\n",
    ],
)
def test_half_a_feed_is_refused(rest: bytes) -> None:
    """A document that breaks off, or holds no score, must not replace a whole one."""
    with pytest.raises(Unparsable):
        list(epss.parse(HEAD + rest)[1])


def test_half_a_compressed_feed_is_refused() -> None:
    """What gzip finds missing is missing."""
    packed = gzip.compress(HEAD + b"".join(b"CVE-2021-%d,0.5,0.%d\n" % (n, n) for n in range(1000, 9000)))
    with pytest.raises(Unparsable):
        list(epss.parse(gzip.GzipFile(fileobj=io.BytesIO(packed[: len(packed) // 2])))[1])


def test_a_last_line_without_its_end_is_not_trusted() -> None:
    """`0.9` may be the beginning of `0.95753`."""
    found = list(epss.parse(HEAD + b"CVE-2021-44228,0.5,0.9\nCVE-2021-45046,0.5,0.9")[1])
    assert found[1] == Unused("CVE-2021-45046", "line that does not end")


def test_all_cves_take_seconds() -> None:
    """300,000 lines, as the feed has them, are read in a few seconds."""
    document = HEAD + b"".join(b"CVE-2021-%d,0.04919,0.91446\n" % n for n in range(100_000, 400_000))
    began = time.process_time()
    assert sum(isinstance(item, ExploitScore) for item in epss.parse(document)[1]) == 300_000
    assert time.process_time() - began < 8


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(rest: bytes) -> None:
    """The one error is Unparsable."""
    try:
        found = list(epss.parse(HEAD + rest)[1])
    except Unparsable:
        return
    assert all(isinstance(item, ExploitScore | Unused) for item in found)
