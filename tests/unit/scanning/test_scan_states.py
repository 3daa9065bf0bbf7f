"""Which states a scan has, and which images nothing can be said of."""

from __future__ import annotations

import pytest

from hullwise.domain.packages import Distribution, Occurrence, Package
from hullwise.domain.scans import ScanStatus
from hullwise.inventory.image import ImageInventory
from hullwise.scanning.states import STATES, unsupported

ENDS = {
    ScanStatus.ACTIVE,
    ScanStatus.COMPLETE,
    ScanStatus.FAILED,
    ScanStatus.IMAGE_SIZE_EXCEEDED,
    ScanStatus.FINDINGS_UNAVAILABLE,
}


def test_every_path_leads_to_an_end() -> None:
    """From each state that is not final the scan can go on, never back, and only to states that are known."""
    assert {status for status, state in STATES.items() if state.final} == ENDS
    assert STATES[ScanStatus.PENDING].next == ENDS | {ScanStatus.IN_PROGRESS}
    assert STATES[ScanStatus.IN_PROGRESS].next == ENDS


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
