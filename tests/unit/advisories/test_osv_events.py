"""Events of OSV ranges, whatever the order in which records write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwise.advisories.feeds import osv


def intervals(*events: dict[str, str], ecosystem: str = "PyPI") -> list[str]:
    """The intervals of a record with these events, as they are shown to people."""
    affected: dict[str, Any] = {
        "package": {"ecosystem": ecosystem, "name": "example"},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events)}],
    }
    record = osv.parse(json.dumps({"id": "X-1", "affected": [affected]}).encode()).record
    assert record is not None
    return [str(interval) for interval in record.affected[0].intervals]


def test_pairs_in_any_order_keep_their_ends() -> None:
    """Adjoining and overlapping ranges written as pairs stay whole (after PYSEC-2023-72 and PYSEC-2021-114)."""
    adjoining = [{"introduced": "3.2.0"}, {"fixed": "3.2.2"}, {"introduced": "3.1.1"}, {"fixed": "3.2.0"}]
    assert intervals(*adjoining) == [">= 3.2.0, < 3.2.2", ">= 3.1.1, < 3.2.0"]
    overlapping = [{"introduced": "2.11"}, {"fixed": "2.11.7"}, {"introduced": "0"}, {"fixed": "2.11.6"}]
    assert intervals(*overlapping) == [">= 2.11, < 2.11.7", "< 2.11.6"]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([{"fixed": "1.2"}, {"introduced": "0"}], ["< 1.2"]),
        (
            [{"introduced": "0"}, {"introduced": "1.9"}, {"fixed": "1.2"}, {"fixed": "1.10"}],
            ["< 1.2", ">= 1.9, < 1.10"],
        ),
        (
            [{"introduced": "1.9"}, {"fixed": "1.2"}, {"introduced": "0"}, {"fixed": "1.10"}],
            ["< 1.2", ">= 1.9, < 1.10"],
        ),
        ([{"introduced": "2.0"}, {"fixed": "2.10"}, {"introduced": "0"}], ["< 2.10"]),
        ([{"introduced": "0"}, {"fixed": "2.10"}, {"fixed": "2.9"}], ["< 2.9"]),
        ([{"introduced": "2.9"}, {"last_affected": "2.10"}], [">= 2.9, <= 2.10"]),
        (
            [{"introduced": "2.9"}, {"last_affected": "2.9"}, {"introduced": "0"}, {"fixed": "2.1"}],
            [">= 2.9, <= 2.9", "< 2.1"],
        ),
        ([{"last_affected": "2.9"}, {"introduced": "2.9"}], [">= 2.9, <= 2.9"]),
        ([{"introduced": "1.0"}], [">= 1.0"]),
    ],
)
def test_other_events_are_read_in_the_order_of_versions(events: list[dict[str, str]], expected: list[str]) -> None:
    """Where they are no whole pairs, the ecosystem's order of versions says which event ends which."""
    assert intervals(*events) == expected


def test_adjoining_ranges_that_are_no_pairs_join() -> None:
    """Of an end and a beginning at one version the end comes first, so that the version is affected."""
    events = [{"introduced": "0"}, {"introduced": "1.5"}, {"fixed": "1.5"}, {"fixed": "1.9"}]
    assert intervals(*events) == ["< 1.5", ">= 1.5, < 1.9"]


def test_a_limit_ends_a_range_without_a_fix() -> None:
    """`limit` bounds what is known to be affected; it is no version that fixes anything."""
    affected: dict[str, Any] = {
        "package": {"ecosystem": "npm", "name": "example"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"limit": "2.0.0"}]}],
    }
    record = osv.parse(json.dumps({"id": "X-1", "affected": [affected]}).encode()).record
    assert record is not None
    (interval,) = record.affected[0].intervals
    assert (str(interval), interval.fixed) == ("< 2.0.0", "")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([{"introduced": "0"}, {"limit": "*"}], ["all versions"]),
        ([{"introduced": "0"}, {"fixed": "1.5"}, {"limit": "*"}], ["< 1.5"]),
        ([{"introduced": "0"}, {"limit": "1.0"}, {"limit": "2.0"}], ["< 2.0"]),
        ([{"introduced": "0"}, {"limit": "1.0"}, {"limit": "*"}], ["all versions"]),
        ([{"introduced": "0"}, {"fixed": "3.0"}, {"limit": "1.9"}, {"limit": "1.10"}], ["< 1.10"]),
        ([{"introduced": "0"}, {"last_affected": "2.0"}, {"limit": "2.0"}], ["< 2.0"]),
        (
            [{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "3.0"}, {"fixed": "3.5"}, {"limit": "2.0"}],
            ["< 1.5"],
        ),
        ([{"introduced": "0"}, {"limit": "nothing"}], ["< nothing"]),
    ],
)
def test_a_version_is_below_one_of_the_limits(events: list[dict[str, str]], expected: list[str]) -> None:
    """OSV schema, `Evaluation`, BeforeLimits: `*` is infinity, and of several limits any may be above the version."""
    assert intervals(*events) == expected


def test_events_that_cannot_be_ordered_stay_as_they_are() -> None:
    """A version that is none of the ecosystem's costs its own interval only (after PYSEC-2021-371)."""
    events = [{"introduced": "0"}, {"fixed": "0.2.0-n653"}, {"introduced": "1.0"}, {"fixed": "1.1"}]
    assert intervals(*events) == ["< 0.2.0-n653", ">= 1.0, < 1.1"]
