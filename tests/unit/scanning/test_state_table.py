"""Which states a scan has, and which images nothing can be said of."""

from __future__ import annotations

import pytest

from hullwise.domain.packages import Distribution, Occurrence, Package
from hullwise.domain.scans import ScanStatus
from hullwise.ecr import model
from hullwise.inventory.image import ImageInventory
from hullwise.scanning.states import STATES, unsupported

RESULTS = {
    ScanStatus.ACTIVE,
    ScanStatus.COMPLETE,
    ScanStatus.FAILED,
    ScanStatus.UNSUPPORTED_IMAGE,
    ScanStatus.IMAGE_SIZE_EXCEEDED,
    ScanStatus.FINDINGS_UNAVAILABLE,
}


def test_the_table_has_every_status_of_the_service_model() -> None:
    """All eleven, each with when it arises."""
    wire = model.service_model().shape_for("ScanStatus")
    assert {status.value for status in STATES} == set(wire.enum)  # type: ignore[attr-defined]
    assert all(state.arises for state in STATES.values())


def test_every_path_leads_to_an_end() -> None:
    """A scan goes on from the two states in which a worker has something to do, never back. One that is kept up to date
    may stop being so."""
    assert {status for status, state in STATES.items() if not state.ended} == {
        ScanStatus.PENDING,
        ScanStatus.IN_PROGRESS,
    }
    assert STATES[ScanStatus.PENDING].next == RESULTS | {ScanStatus.IN_PROGRESS}
    assert STATES[ScanStatus.IN_PROGRESS].next == RESULTS
    assert STATES[ScanStatus.ACTIVE].next == {ScanStatus.SCAN_ELIGIBILITY_EXPIRED, ScanStatus.COMPLETE}
    final = STATES.keys() - {ScanStatus.PENDING, ScanStatus.IN_PROGRESS, ScanStatus.ACTIVE}
    assert all(not STATES[status].next for status in final)


def test_every_state_says_what_it_means() -> None:
    """Each has a sentence for DescribeImageScanFindings."""
    assert all(state.description.endswith(".") for state in STATES.values())


def occurrence(ecosystem: str, namespace: str) -> Occurrence:
    return Occurrence(Package(ecosystem, namespace, "a", "1", "a", "1", "", ""), "a", "L0")


DPKG_OF_NOBODY = occurrence("dpkg", "")
PYTHON = occurrence("pypi", "pypi")
UNKNOWN = "UnsupportedImageError: The operating system and/or package manager are not supported."


@pytest.mark.parametrize(
    ("distribution", "occurrences", "said"),
    [
        (None, (), UNKNOWN),
        (None, (DPKG_OF_NOBODY,), UNKNOWN),
        (None, (PYTHON,), None),
        (Distribution("debian", "12"), (), None),
        (Distribution("debian", "12"), (occurrence("dpkg", "debian:12"),), None),
        (Distribution("debian", "", "sid"), (), None),
        (Distribution("alpine", "3.19.1"), (), None),
        (Distribution("wolfi", "20230201"), (), None),
        (Distribution("ubuntu", "22.04"), (), None),
        (
            Distribution("arch", ""),
            (),
            "UnsupportedImageError: The operating system 'arch' version '' is not supported.",
        ),
        (
            Distribution("kali", "2024.1", "kali-rolling", ("debian",)),
            (DPKG_OF_NOBODY,),
            "UnsupportedImageError: The operating system 'kali' version '2024.1' is not supported.",
        ),
        (Distribution("arch", ""), (PYTHON,), None),
    ],
)
def test_what_is_unsupported(
    distribution: Distribution | None, occurrences: tuple[Occurrence, ...], said: str | None
) -> None:
    """An image is supported as soon as somebody's advisories speak of its system or of one of its packages."""
    assert unsupported(ImageInventory(distribution, occurrences, ())) == said
