"""One vulnerability under many names: aliases are symmetric and transitive, and never weld two CVEs together."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.advisories.aliases import is_cve, names_of, roots

Records = dict[str, list[str]]


def shown(records: Records) -> dict[str, str]:
    return roots(records.items())


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ({"PYSEC-2024-1": []}, {"PYSEC-2024-1": "PYSEC-2024-1"}),
        (
            {"PYSEC-2024-1": ["GHSA-aaaa-bbbb-cccc"]},
            {"PYSEC-2024-1": "GHSA-aaaa-bbbb-cccc", "GHSA-aaaa-bbbb-cccc": "GHSA-aaaa-bbbb-cccc"},
        ),
        (
            {"PYSEC-2024-1": ["CVE-2024-1000", "GHSA-aaaa-bbbb-cccc"]},
            dict.fromkeys(["PYSEC-2024-1", "CVE-2024-1000", "GHSA-aaaa-bbbb-cccc"], "CVE-2024-1000"),
        ),
        ({"CVE-2024-1000": []}, {"CVE-2024-1000": "CVE-2024-1000"}),
        (
            {"RUSTSEC-2": ["MAL-2", "AAA-1"], "AAA-1": []},
            dict.fromkeys(["RUSTSEC-2", "MAL-2", "AAA-1"], "AAA-1"),
        ),
    ],
)
def test_the_best_name_is_shown(records: Records, expected: dict[str, str]) -> None:
    """The CVE where there is one, else the GHSA id, else the first of all ids."""
    assert shown(records) == expected


def test_aliases_lead_on() -> None:
    """What is an alias of an alias is the same vulnerability, also where only one side says so."""
    found = shown({"PYSEC-2024-1": ["GHSA-aaaa-bbbb-cccc"], "CVE-2024-1000": ["GHSA-aaaa-bbbb-cccc"], "OSV-1": []})
    assert found["PYSEC-2024-1"] == found["CVE-2024-1000"] == "CVE-2024-1000"
    assert found["OSV-1"] == "OSV-1"


def test_aliases_may_run_in_a_circle() -> None:
    """Records that name each other, or themselves, are one vulnerability."""
    circle = {"A-1": ["B-1"], "B-1": ["C-1"], "C-1": ["A-1", "C-1"]}
    assert shown(circle) == {"A-1": "A-1", "B-1": "A-1", "C-1": "A-1"}


def test_a_record_of_several_cves_is_none_of_them() -> None:
    """A record on several CVEs stands for itself; each CVE stays what its own records say."""
    found = shown({"PYSEC-2024-1": ["CVE-2024-1000", "CVE-2024-1001"], "CVE-2024-1000": [], "CVE-2024-1001": []})
    assert found == {name: name for name in ("PYSEC-2024-1", "CVE-2024-1000", "CVE-2024-1001")}


def test_a_cve_with_another_cve_as_alias_stays_itself() -> None:
    """A CVE record that names another CVE, such as a duplicate that was rejected, keeps its other aliases only."""
    found = shown({"CVE-2024-1000": ["CVE-2024-1001", "GHSA-aaaa-bbbb-cccc"], "CVE-2024-1001": []})
    assert found == {
        "CVE-2024-1000": "CVE-2024-1000",
        "GHSA-aaaa-bbbb-cccc": "CVE-2024-1000",
        "CVE-2024-1001": "CVE-2024-1001",
    }


def test_no_chain_joins_two_cves() -> None:
    """Two records that share an alias do not make one of their CVEs."""
    records = {
        "GHSA-aaaa-bbbb-cccc": ["CVE-2024-1000", "X-1"],
        "GHSA-dddd-eeee-ffff": ["CVE-2024-1001", "X-1"],
    }
    found = shown(records)
    assert found["GHSA-aaaa-bbbb-cccc"] == "CVE-2024-1000"
    assert found["GHSA-dddd-eeee-ffff"] == "CVE-2024-1001"


@pytest.mark.parametrize("record", ["DEBIAN-CVE-2024-1000", "ALPINE-CVE-2024-1000", "UBUNTU-CVE-2024-1000"])
def test_a_vendors_record_on_a_cve_is_about_that_cve(record: str) -> None:
    """osv.dev gives a distribution's record the CVE's number behind the vendor's name, and no alias."""
    assert shown({record: []}) == {record: "CVE-2024-1000", "CVE-2024-1000": "CVE-2024-1000"}


def test_a_notice_of_several_vendors_records_is_none_of_them() -> None:
    """Vendors' records on CVEs are these CVEs: a record that names two of them as aliases stands for itself."""
    found = shown({"USN-1-1": ["UBUNTU-CVE-2024-1000", "UBUNTU-CVE-2024-1001"], "UBUNTU-CVE-2024-1000": []})
    assert found == {
        "USN-1-1": "USN-1-1",
        "UBUNTU-CVE-2024-1000": "CVE-2024-1000",
        "CVE-2024-1000": "CVE-2024-1000",
    }
    assert shown({"USN-1-1": ["UBUNTU-CVE-2024-1000"]})["USN-1-1"] == "CVE-2024-1000"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CVE-2024-1000", True),
        ("CVE-2024-100000", True),
        ("CVE-2024-100", False),
        ("CVE-24-1000", False),
        ("cve-2024-1000", False),
        ("CVE-2024-1000 ", False),
        ("CVE-2024-1000\n", False),
        ("CVE-٢٠٢٤-١٠٠٠", False),
        ("DEBIAN-CVE-2024-1000", False),
    ],
)
def test_what_is_a_cve(name: str, expected: bool) -> None:
    """A CVE id is CVE, a year of four digits and a number of at least four."""
    assert is_cve(name) is expected


def test_names_begin_with_the_records_own() -> None:
    """A record's names come once each, its own first, then its aliases as written."""
    assert names_of("PYSEC-2024-1", ["GHSA-aaaa-bbbb-cccc", "PYSEC-2024-1", "CVE-2024-1000"]) == [
        "PYSEC-2024-1",
        "GHSA-aaaa-bbbb-cccc",
        "CVE-2024-1000",
    ]


NAMES = [
    "CVE-2024-1000",
    "CVE-2024-1001",
    "CVE-2024-1002",
    "GHSA-aaaa-bbbb-cccc",
    "GHSA-dddd-eeee-ffff",
    "PYSEC-2024-1",
    "PYSEC-2024-2",
    "DEBIAN-CVE-2024-1000",
    "X-1",
]
many = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4), max_size=7)


@given(many, st.randoms(use_true_random=False))
def test_the_order_of_records_changes_nothing(records: Records, random: Random) -> None:
    """The names that are shown follow from what the records say, not from when they came."""
    items = list(records.items())
    shuffled = list(items)
    random.shuffle(shuffled)
    assert roots(shuffled) == roots(items)


@given(many)
def test_what_is_shown_is_sound(records: Records) -> None:
    """Each record has a name that is shown, that name is one of the set, it shows itself, and no two CVEs share one."""
    found = shown(records)
    assert records.keys() <= found.keys()
    assert all(found[root] == root for root in found.values())
    cves = [name for name in found if is_cve(name)]
    assert [found[name] for name in cves] == cves


def test_every_order_of_a_tangle_agrees() -> None:
    """All 120 orders of records whose aliases contradict each other give one answer."""
    tangle = {
        "GHSA-aaaa-bbbb-cccc": ["CVE-2024-1000", "PYSEC-2024-1"],
        "GHSA-dddd-eeee-ffff": ["CVE-2024-1001", "PYSEC-2024-1"],
        "PYSEC-2024-1": ["CVE-2024-1000", "CVE-2024-1001"],
        "CVE-2024-1001": ["X-1"],
        "X-1": ["GHSA-aaaa-bbbb-cccc"],
    }
    answers = {tuple(sorted(roots(order).items())) for order in permutations(tangle.items())}
    assert len(answers) == 1
