"""OSV records of SUSE name what is installed beside the source package (ftp.suse.com/pub/projects/security/osv)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwise.advisories.feeds import osv, suse
from hullwise.advisories.feeds.osv import Parsed
from hullwise.advisories.records import Affected, Interval

FIXED = "3.1.4-150600.5.10.1"


def item(product: str, binaries: Any, *, name: str = "openssl-3", fixed: str | None = FIXED) -> dict[str, Any]:
    """One member of `affected`, as SUSE writes it."""
    return {
        "package": {"ecosystem": product, "name": name, "purl": f"pkg:rpm/suse/{name}&distro={product}"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]}],
        "ecosystem_specific": {"binaries": binaries},
    }


def parsed(*affected: dict[str, Any], **members: Any) -> Parsed:
    about = {"id": "SUSE-SU-2024:2197-1", "summary": "Security update for openssl-3", "related": ["CVE-2024-4603"]}
    return osv.parse(json.dumps({**about, "affected": list(affected), **members}).encode())


def claims(*affected: dict[str, Any]) -> tuple[Affected, ...]:
    found = parsed(*affected).record
    assert found is not None
    return found.affected


def test_binaries_are_what_is_affected() -> None:
    """Each has a version of its own; the source package's name is none of them unless it is listed too."""
    listed = [{"libopenssl3": FIXED, "openssl-3": FIXED, "libfoo1": "1:2-150600.1"}]
    found = claims(item("SUSE:Linux Enterprise Module for Basesystem 15 SP6", listed))
    assert found == (
        Affected("sles:15.6", "libfoo1", (Interval("0", "1:2-150600.1"),)),
        Affected("sles:15.6", "libopenssl3", (Interval("0", FIXED),)),
        Affected("sles:15.6", "openssl-3", (Interval("0", FIXED),)),
    )


def test_products_of_one_service_pack_are_one_release() -> None:
    """What two of its modules list is one claim; what only extended support gets is counted."""
    found = parsed(
        item("SUSE:Linux Enterprise Module for Basesystem 15 SP6", [{"libopenssl3": FIXED}]),
        item("SUSE:Linux Enterprise Server 15 SP6", [{"libopenssl3": FIXED, "openssl-3": FIXED}]),
        item("SUSE:Linux Enterprise Server 15 SP4-LTSS", [{"libopenssl3": "3.0.8-150400.4"}]),
        item("openSUSE:Leap 15.6", [{"libopenssl3": FIXED}]),
    )
    assert found.record is not None
    assert [(one.namespace, one.name, one.intervals) for one in found.record.affected] == [
        ("sles:15.6", "libopenssl3", (Interval("0", FIXED),)),
        ("sles:15.6", "openssl-3", (Interval("0", FIXED),)),
        ("opensuse-leap:15.6", "libopenssl3", (Interval("0", FIXED),)),
    ]
    assert [one.reason for one in found.unused] == ["ecosystem SUSE is not matched"]
    assert found.record.upstream == ("CVE-2024-4603",)


@pytest.mark.parametrize("listed", [None, [], {}, "openssl", [{"a b": "1"}], [{"a": 1}], [7], [{"": "1"}]])
def test_without_binaries_the_source_package_is_meant(listed: Any) -> None:
    """Nothing, or nothing that can be a package: the name is the source's."""
    (found,) = claims(item("openSUSE:Leap 15.6", listed))
    assert found == Affected("opensuse-leap:15.6", "openssl-3", (Interval("0", FIXED),), of_source=True)


def test_an_update_that_is_not_out_has_no_version() -> None:
    """Where the range has no fix, the versions of the binaries are none either."""
    (found,) = claims(item("openSUSE:Leap 15.6", [{"libopenssl3": FIXED}], fixed=None))
    assert (found.intervals, found.state) == ((Interval("0"),), "affected")


def test_an_update_of_a_feature_is_no_vulnerability() -> None:
    """Recommended and feature updates count only where they name a CVE; a security update always does."""
    product = item("openSUSE:Leap 15.6", [{"libopenssl3": FIXED}])
    for record_id, used in (("SUSE-RU-2024:1-1", False), ("SUSE-FU-2024:1-1", False), ("openSUSE-SU-2024:1-1", True)):
        assert (parsed(product, id=record_id, related=[]).record is not None) == used
        assert parsed(product, id=record_id).record is not None


def test_binaries_are_bounded() -> None:
    """A list without an end gives no more than the largest real one."""
    assert len(suse.binaries({"binaries": [{f"p{n}": "1" for n in range(9_000)}]})) == suse.BINARY_LIMIT
