"""Every record has somebody to name, and a licence that its publisher states, or none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.advisories.credits import NOT_STATED, credit


# google.github.io/osv.dev/data, and the publishers' own pages.
@pytest.mark.parametrize(
    ("record_id", "licence"),
    [
        ("GHSA-jfh8-c2jp-5v3q", "CC-BY-4.0"),
        ("PYSEC-2024-1", "CC-BY-4.0"),
        ("PSF-2023-1", "CC-BY-4.0"),
        ("GO-2023-1234", "CC-BY-4.0"),
        ("OSV-2020-111", "CC-BY-4.0"),
        ("EEF-CVE-2025-1000", "CC-BY-4.0"),
        ("RHSA-2024:1234", "CC-BY-4.0"),
        ("RUSTSEC-2023-0001", "CC0-1.0"),
        ("GSD-2022-1000001", "CC0-1.0"),
        ("HSEC-2023-0001", "CC0-1.0"),
        ("ALSA-2024:1234", "MIT"),
        ("RSEC-2023-1", "Apache-2.0"),
        ("MAL-2024-1", "Apache-2.0"),
        ("BIT-apache-2020-1", "Apache-2.0"),
        ("UBUNTU-CVE-2024-1000", "CC-BY-SA-4.0"),
        ("USN-6000-1", "CC-BY-SA-4.0"),
        ("DEBIAN-CVE-2024-1000", NOT_STATED),
        ("DSA-5000-1", NOT_STATED),
        ("DLA-3000-1", NOT_STATED),
        ("ALPINE-CVE-2024-1000", NOT_STATED),
        ("DRUPAL-CORE-2024-001", NOT_STATED),
        ("openSUSE-SU-2024:1-1", "CC-BY-4.0"),
        ("SUSE-SU-2024:1-1", "CC-BY-4.0"),
        ("CVE-2021-44228", "public domain"),
    ],
)
@pytest.mark.parametrize("source", ["osv", "starter"])
def test_a_collected_record_is_credited_by_its_id(record_id: str, licence: str, source: str) -> None:
    """osv.dev and the bundled set pass on what others wrote."""
    found = credit(record_id, source)
    assert found.licence == licence
    assert found.name
    assert found.url.startswith("https://")


@pytest.mark.parametrize(
    ("source", "name", "licence"),
    [
        ("debian-tracker", "Debian Security Tracker", NOT_STATED),
        ("alpine-secdb/v3.19/main", "Alpine Linux security database", NOT_STATED),
        ("wolfi-secdb", "Wolfi", NOT_STATED),
        ("chainguard-secdb", "Chainguard Security Notices", NOT_STATED),
        ("nvd", "National Vulnerability Database", "public domain"),
        ("redhat", "Red Hat, Inc.", "CC-BY-4.0"),
        ("ubuntu-tracker", "Ubuntu Security Team, Canonical", NOT_STATED),
        ("amazon-updateinfo/2023", "Amazon Linux Security Center", NOT_STATED),
        ("oracle-oval", "Oracle Linux Errata", NOT_STATED),
        ("photon/5.0", "Photon OS", NOT_STATED),
        ("kev", "CISA", "CC0-1.0"),
        ("endoflife", "endoflife.date", "MIT"),
        ("nodejs", "Node.js Security Working Group", "MIT"),
        ("friendsofphp", "FriendsOfPHP", "Unlicense"),
    ],
)
def test_a_source_is_credited_itself(source: str, name: str, licence: str) -> None:
    """A CVE of Debian's tracker is Debian's record, whatever its id."""
    found = credit("CVE-2021-44228", source)
    assert (found.name, found.licence) == (name, licence)


@pytest.mark.parametrize(
    ("record_id", "source", "short"),
    [
        ("RUSTSEC-2023-0001", "osv", "RustSec, CC0-1.0"),
        ("CVE-2021-44228", "debian-tracker", "Debian Security Tracker, licence not stated"),
        ("CVE-2021-44228", "nvd", "National Vulnerability Database, public domain"),
    ],
)
def test_a_credit_fits_a_line(record_id: str, source: str, short: str) -> None:
    """The name, and the licence or that there is none."""
    assert credit(record_id, source).short == short


def test_nvd_asks_for_its_notice() -> None:
    """nvd.nist.gov/developers/terms-of-use words it."""
    notice = credit("CVE-2021-44228", "nvd").notice
    assert notice.startswith("This product uses the NVD API but is not endorsed or certified by the NVD.")


def test_epss_asks_for_attribution() -> None:
    """first.org/epss: free to use, with the source named."""
    found = credit("", "epss")
    assert (found.name, found.licence) == ("FIRST", "free with attribution")
    assert "FIRST" in found.notice


def test_attribution_names_the_licence_and_the_change() -> None:
    """CC BY 4.0, 3(a)(1): the creator, the licence, the address, and that it was modified."""
    notice = credit("GHSA-jfh8-c2jp-5v3q", "osv").notice
    for part in ("GitHub Advisory Database", "CC-BY-4.0", "https://github.com/github/advisory-database", "changed"):
        assert part in notice


def test_share_alike_is_said() -> None:
    """CC BY-SA 4.0, 3(b): what is made of it is under the same licence."""
    assert "under the same licence" in credit("UBUNTU-CVE-2024-1000", "osv").notice


def test_a_licence_that_the_record_states_wins() -> None:
    """RustSec's imports from GitHub say CC-BY-4.0; the notice follows the licence."""
    found = credit("RUSTSEC-2023-0001", "osv", "CC-BY-4.0")
    assert (found.name, found.licence) == ("RustSec", "CC-BY-4.0")
    assert "CC-BY-4.0" in found.notice
    assert credit("RUSTSEC-2023-0001", "osv").notice == ""
    assert credit("RUSTSEC-2023-0001", "osv", " \n ").licence == "CC0-1.0"


def test_what_is_not_known_is_named_as_it_is() -> None:
    """Nothing is invented for it."""
    assert credit("X-1", "osv").name == "OSV.dev"
    found = credit("X-1", "private/feed")
    assert (found.name, found.licence, found.url, found.notice) == ("private/feed", NOT_STATED, "", "")


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_any_record_has_a_credit(record_id: str, source: str, licence: str) -> None:
    """It never raises, and what a record states stays short."""
    found = credit(record_id, source, licence)
    assert found.licence
    assert len(found.licence) <= 64
