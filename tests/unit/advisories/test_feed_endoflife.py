"""endoflife.date says when releases end, in two forms (endoflife.date/docs/api)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwise.advisories.feeds import endoflife
from hullwise.advisories.records import Unparsable, Unused
from hullwise.domain.enrichment import Lifecycle

BOOKWORM = {
    "cycle": "12",
    "releaseDate": "2023-06-10",
    "eol": "2026-06-10",
    "extendedSupport": "2028-06-30",
    "latest": "12.11",
    "codename": "Bookworm",
    "lts": False,
}
JAMMY = {
    "name": "22.04",
    "codename": "Jammy Jellyfish",
    "label": "22.04 'Jammy Jellyfish' (LTS)",
    "isLts": True,
    "isEol": False,
    "eolFrom": "2027-04-01",
    "isEoes": False,
    "eoesFrom": "2032-04-09",
    "isMaintained": True,
    "latest": {"name": "22.04.5", "date": "2024-09-12", "link": None},
}


def classic(*changes: dict[str, Any], product: str = "debian") -> list[Lifecycle | Unused]:
    document = json.dumps([{**BOOKWORM, **change} for change in changes]).encode()
    return list(endoflife.parse(document, product)[1])


def answer(*releases: dict[str, Any], name: str = "ubuntu", **members: Any) -> bytes:
    whole = {
        "schema_version": "1.2.0",
        "generated_at": "2026-11-20T00:10:00+00:00",
        "last_modified": "2026-10-01T06:00:00+00:00",
        "result": {"name": name, "label": name.title(), "releases": list(releases)},
    }
    return json.dumps({**whole, **members}).encode()


def test_the_classic_form_takes_its_product_from_the_file() -> None:
    """`debian.json` is an array of cycles, and states no day."""
    as_of, found = endoflife.parse(json.dumps([BOOKWORM]).encode(), "debian")
    assert (as_of, list(found)) == (
        "",
        [Lifecycle("debian", "12", "bookworm", "2026-06-10", "2028-06-30", "endoflife.date")],
    )


def test_version_1_names_its_product() -> None:
    """The codename is its first word, as os-release has it."""
    as_of, found = endoflife.parse(answer(JAMMY))
    assert (as_of, list(found)) == (
        "2026-11-20T00:10:00Z",
        [Lifecycle("ubuntu", "22.04", "jammy", "2027-04-01", "2032-04-09", "endoflife.date")],
    )


def test_all_products_may_come_at_once() -> None:
    """Of `products/full` the distributions are taken, and the others counted."""
    release = {"name": "3.19", "eolFrom": "2025-11-01", "isEol": True}
    products = [{"name": "alpine-linux", "releases": [release]}, {"name": "python", "releases": [release, release]}]
    found = list(endoflife.parse(answer(result=products))[1])
    assert found == [
        Lifecycle("alpine", "3.19", "", "2025-11-01", "", "endoflife.date"),
        Unused("python", "product that is no distribution"),
    ]


@pytest.mark.parametrize(
    ("product", "distribution"),
    [
        ("debian", "debian"),
        ("alpine", "alpine"),
        ("alpine-linux", "alpine"),
        ("rocky-linux", "rocky"),
        ("oracle-linux", "ol"),
        ("amazon-linux", "amzn"),
        ("opensuse", "opensuse-leap"),
    ],
)
def test_a_product_is_a_distribution(product: str, distribution: str) -> None:
    """Products have names of the site, distributions those of os-release(5)."""
    (found,) = classic({}, product=product)
    assert isinstance(found, Lifecycle)
    assert found.distribution == distribution


@pytest.mark.parametrize("end", [False, None])
def test_no_end_is_an_empty_one(end: bool | None) -> None:
    """`false` says that no end is set."""
    (found,) = classic({"eol": end, "extendedSupport": end})
    assert isinstance(found, Lifecycle)
    assert (found.ends, found.extended_ends) == ("", "")


@pytest.mark.parametrize("flag", [True, False])
def test_extended_support_without_a_day_is_empty(flag: bool) -> None:
    """`true` names no day."""
    (found,) = classic({"extendedSupport": flag})
    assert isinstance(found, Lifecycle)
    assert (found.ends, found.extended_ends) == ("2026-06-10", "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"eol": True}, "ended on a day that is not stated"),
        ({"eol": "soon"}, "date that is none"),
        ({"eol": "2026-02-30"}, "date that is none"),
        ({"eol": ""}, "date that is none"),
        ({"cycle": "tumbleweed"}, "release without a number"),
        ({"cycle": ""}, "release without a number"),
        ({"cycle": "12/../../x"}, "release without a number"),
        ({"cycle": "11"}, "named twice"),
    ],
)
def test_a_release_that_says_nothing_is_counted(change: dict[str, Any], reason: str) -> None:
    """An end that is unknown must not look like none; the others stay."""
    found = classic({"cycle": "11"}, change, {"cycle": "13"})
    assert [item.release for item in found if isinstance(item, Lifecycle)] == ["11", "13"]
    assert [item.reason for item in found if isinstance(item, Unused)] == [reason]


def test_ended_without_a_day_is_counted_in_version_1_too() -> None:
    """There the flag stands beside the day."""
    found = list(endoflife.parse(answer({"name": "4.10", "isEol": True, "eolFrom": None}))[1])
    assert found == [Unused("ubuntu 4.10", "ended on a day that is not stated")]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"<!DOCTYPE html><title>Not found</title>",
        answer(JAMMY)[:-30],
        answer(),
        answer(JAMMY, name=""),
        answer(result=[]),
        b'[{"cycle": 12, "eol": false}]',
        b'[{"cycle": "12", "eol": 20260610}]',
        b"[" * 100_000,
        b" " * (33 << 20),
    ],
    ids=range(13),
)
def test_what_is_no_answer_is_refused(document: bytes) -> None:
    """The site answers unknown products with a page."""
    with pytest.raises(Unparsable):
        endoflife.parse(document, "debian")


def test_a_classic_document_without_a_product_is_refused() -> None:
    """Nothing in it says of which distribution it speaks."""
    with pytest.raises(Unparsable, match="no product"):
        endoflife.parse(json.dumps([BOOKWORM]).encode())
