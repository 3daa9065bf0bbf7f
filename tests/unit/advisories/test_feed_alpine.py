"""Alpine's secdb lists the versions that fixed something, by origin package (secdb.alpinelinux.org)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwise.advisories.feeds import alpine
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused

SHAPE = {
    "apkurl": "{{urlprefix}}/{{distroversion}}/{{reponame}}/{{arch}}/{{pkg.name}}-{{pkg.ver}}.apk",
    "archs": ["x86_64"],
    "reponame": "main",
    "urlprefix": "https://dl-cdn.alpinelinux.org/alpine",
    "distroversion": "v3.19",
}


def secdb(*packages: tuple[str, dict[str, Any]], **members: Any) -> dict[str, Any]:
    return {**SHAPE, "packages": [{"pkg": {"name": name, "secfixes": fixes}} for name, fixes in packages], **members}


def parse(document: dict[str, Any]) -> tuple[str, list[Record | Unused]]:
    source, found = alpine.parse(json.dumps(document).encode())
    return source, list(found)


def claims(fixes: dict[str, Any]) -> dict[str, tuple[Affected, ...]]:
    """What a secdb with these fixes of one package claims, by id."""
    _, found = parse(secdb(("busybox", fixes)))
    return {item.id: item.affected for item in found if isinstance(item, Record)}


def fixed(version: str) -> tuple[Affected, ...]:
    return (Affected("alpine:3.19", "busybox", (Interval("0", version),)),)


NEVER = (Affected("alpine:3.19", "busybox", unaffected=True),)


def test_every_version_below_the_key_is_affected() -> None:
    """A key of `secfixes` is the version that fixed its ids."""
    found = claims({"1.36.1-r16": ["CVE-2023-42366"], "1.35.0-r7": ["ALPINE-13661", "CVE-2022-28391"]})
    assert found == {"CVE-2023-42366": fixed("1.36.1-r16"), "CVE-2022-28391": fixed("1.35.0-r7")}


def test_key_0_means_never_affected() -> None:
    """Under `0` stand those that Alpine's build never had."""
    assert claims({"0": ["CVE-2022-28391"]}) == {"CVE-2022-28391": NEVER}


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_fixes_the_highest_counts(order: int) -> None:
    """An id under several versions was not fixed whole by the earlier ones, in whatever order they stand.

    1.9-r0 is below 1.10-r0: apk compares numbers, not letters.
    """
    keys = ["1.9-r0", "1.10-r0", "1.2-r5"][::order]
    assert claims({key: ["CVE-2022-28391"] for key in keys}) == {"CVE-2022-28391": fixed("1.10-r0")}


@pytest.mark.parametrize("order", [1, -1])
def test_a_fix_goes_before_never_affected(order: int) -> None:
    """Where a branch says both, there was something to fix."""
    keys = ["0", "1.10-r0"][::order]
    assert claims({key: ["CVE-2022-28391"] for key in keys}) == {"CVE-2022-28391": fixed("1.10-r0")}


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("CVE-2017-2616", ["CVE-2017-2616"]),
        ("CVE-2017-2616 (+ regression fix)", ["CVE-2017-2616"]),
        ("CVE_2019-2426", ["CVE-2019-2426"]),
        ("CVE 2018-16859", ["CVE-2018-16859"]),
        ("cve-2018-16859", ["CVE-2018-16859"]),
        ("CVE-2019-19451.patch", ["CVE-2019-19451"]),
        ("CVE-2017-17434-1", ["CVE-2017-17434"]),
        ("CVE-2018-3620 CVE-2018-3646 XSA-273", ["CVE-2018-3620", "CVE-2018-3646"]),
        ("CVE-2018-3620 CVE-2018-3620", ["CVE-2018-3620"]),
        ("CVE-2021-3711 GHSA-5ww6-px42-wc85", ["CVE-2021-3711"]),
        ("GHSA-5ww6-px42-wc85", ["GHSA-5ww6-px42-wc85"]),
        ("XSA-207", []),
        ("CVE-????-?????  XSA-284", []),
        ("CVE-٢٠١٨-٣٦٢٠", []),
        ("CVE-2018-" + "1" * 20, []),
        ("", []),
    ],
)
def test_ids_are_found_among_noise(text: str, ids: list[str]) -> None:
    """Maintainers write ids by hand: every CVE of an entry counts, else every GHSA id."""
    assert alpine.ids(text) == ids


def test_digits_after_a_letter() -> None:
    """Alpine 3.11's secdb on opensmtpd: 6.6.1p1-r0 has CVE-2020-7247."""
    assert claims({"6.6.2p1-r0": ["CVE-2020-7247"]}) == {"CVE-2020-7247": fixed("6.6.2p1-r0")}


def test_an_entry_without_an_id_is_counted() -> None:
    """What has no CVE and no GHSA id is not used, and that is said once for each entry."""
    _, found = parse(secdb(("xen", {"4.9.0-r0": ["XSA-207", "CVE-2017-10912 XSA-217"], "4.9.1-r0": ["XSA-207"]})))
    assert [item for item in found if isinstance(item, Unused)] == [Unused("XSA-207", "no CVE or GHSA id")] * 2
    assert [item.id for item in found if isinstance(item, Record)] == ["CVE-2017-10912"]


@pytest.mark.parametrize("version", ["4.10-1-r1", "10.2.26.r0", "4.8.0.-r1", "unknown", ""])
def test_a_version_that_apk_refuses_is_counted(version: str) -> None:
    """Slips of the pen as they stand in v3.7 and v3.8: no claim can be made of them, other versions stay."""
    _, found = parse(secdb(("xen", {version: ["CVE-2022-1000"], "1.0-r0": ["CVE-2022-1001"]})))
    reason = "version that cannot be ordered"
    assert [item for item in found if isinstance(item, Unused)] == [Unused("CVE-2022-1000", reason)]
    assert [item.id for item in found if isinstance(item, Record)] == ["CVE-2022-1001"]


def test_an_id_is_one_record_of_all_its_packages() -> None:
    """Packages of one repository that share an id share its record."""
    source, found = parse(secdb(("openssl", {"3.1.4-r0": ["CVE-2023-5363"]}), ("nodejs", {"0": ["CVE-2023-5363"]})))
    assert (source, found) == (
        "alpine-secdb/v3.19/main",
        [
            Record(
                id="CVE-2023-5363",
                source="alpine-secdb/v3.19/main",
                affected=(
                    Affected("alpine:3.19", "nodejs", unaffected=True),
                    Affected("alpine:3.19", "openssl", (Interval("0", "3.1.4-r0"),)),
                ),
                url="https://security.alpinelinux.org/vuln/CVE-2023-5363",
            )
        ],
    )


@pytest.mark.parametrize(
    ("members", "source", "namespace"),
    [
        ({"reponame": "community"}, "alpine-secdb/v3.19/community", "alpine:3.19"),
        ({"distroversion": "edge"}, "alpine-secdb/edge/main", "alpine:edge"),
        ({"distroversion": "", "reponame": "os", "urlprefix": "https://packages.wolfi.dev"}, "wolfi-secdb", "wolfi"),
        (
            {"distroversion": "", "reponame": "chainguard", "urlprefix": "https://packages.cgr.dev"},
            "chainguard-secdb",
            "chainguard",
        ),
    ],
)
def test_a_document_is_of_one_publisher(members: dict[str, str], source: str, namespace: str) -> None:
    """Each branch and repository is a source of its own; vendors without releases have one each."""
    found_source, (found,) = parse(secdb(("zlib", {"1.3-r0": ["CVE-2023-45853"]}), **members))
    assert isinstance(found, Record)
    assert (found_source, found.source, found.affected[0].namespace) == (source, source, namespace)


@pytest.mark.parametrize("empty", ["", None, []])
def test_nothing_may_stand_for_an_empty_list(empty: Any) -> None:
    """secdb writes an empty text where a branch has no packages or a version no ids (v3.3, v3.6)."""
    assert parse({**SHAPE, "packages": empty}) == ("alpine-secdb/v3.19/main", [])
    assert parse(secdb(("heimdal", {"7.4.0-r0": empty})))[1] == []


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b'{"packages": []}',
        b'{"packages": [], "distroversion": "next"}',
        b'{"packages": [{"pkg": {"secfixes": {}}}], "distroversion": "v3.19"}',
        b'{"packages": [{"pkg": {"name": "a", "secfixes": {"1": [1]}}}], "distroversion": "v3.19"}',
        b'{"packages": [], "distroversion": "v3.19\xff"}',
        b"<html></html>",
    ],
)
def test_what_is_no_secdb_is_refused(document: bytes) -> None:
    """The one error is Unparsable."""
    with pytest.raises(Unparsable):
        alpine.parse(document)
