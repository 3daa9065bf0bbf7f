"""The states of a scan, what each says, and where it may go.

    push (scan on push) ─┐                        ┌─▶ COMPLETE (a basic scan)
                         ├─▶ PENDING ─▶ IN_PROGRESS ─▶ ACTIVE (a continuous one)
    StartImageScan ──────┘                        ├─▶ FAILED
                                                  ├─▶ IMAGE_SIZE_EXCEEDED
                                                  └─▶ FINDINGS_UNAVAILABLE

A basic scan keeps its report for ever. A continuous one moves to a new report whenever a generation changes what it
says (`continuous.py`).

A new scan of the image begins a new row; what an earlier one found stays readable until the new one is complete.
"""

from __future__ import annotations

from dataclasses import dataclass

from hullwise.domain.scans import ScanStatus
from hullwise.ecosystems.namespaces import namespace
from hullwise.inventory.image import ImageInventory


@dataclass(frozen=True, slots=True)
class State:
    description: str
    """What DescribeImageScanFindings says with it, unless the case has a text of its own."""
    next: frozenset[ScanStatus] = frozenset()
    """Empty: final."""

    @property
    def final(self) -> bool:
        return not self.next


_ENDS = frozenset(
    {
        ScanStatus.COMPLETE,
        ScanStatus.ACTIVE,
        ScanStatus.FAILED,
        ScanStatus.IMAGE_SIZE_EXCEEDED,
        ScanStatus.FINDINGS_UNAVAILABLE,
    }
)

STATES = {
    ScanStatus.PENDING: State("Pending start of the image scan.", _ENDS | {ScanStatus.IN_PROGRESS}),
    ScanStatus.IN_PROGRESS: State("The image scan is in progress.", _ENDS),
    ScanStatus.COMPLETE: State("The scan was completed successfully."),
    ScanStatus.ACTIVE: State("Continuous scan is selected for image."),
    ScanStatus.FAILED: State("The scan failed."),
    ScanStatus.IMAGE_SIZE_EXCEEDED: State("The image is larger than this registry scans."),
    ScanStatus.FINDINGS_UNAVAILABLE: State("No advisory data has been loaded."),
}

_UNSUPPORTED = "UnsupportedImageError: The operating system and/or package manager are not supported."
_UNSUPPORTED_RELEASE = "UnsupportedImageError: The operating system '{}' version '{}' is not supported."


def unsupported(inventory: ImageInventory) -> str | None:
    """ECR's sentence for an image of which nothing can be said; tools search for it. None where something can.

    That is an image without an operating system and without any package that a reader knows, and one of an operating
    system that no reader and no feed here knows, again without packages of any other kind.
    """
    if any(occurrence.package.namespace for occurrence in inventory.occurrences):
        return None
    distribution = inventory.distribution
    if distribution is None:
        return _UNSUPPORTED
    known = any(namespace(name, distribution) for name in ("dpkg", "apk"))
    return None if known else _UNSUPPORTED_RELEASE.format(distribution.id, distribution.version)
