"""The states of a scan: when each arises, what it says, and where it may go. `docs/scanning.svg` draws them.

    scan on push, StartImageScan ─┬─▶ PENDING ─▶ IN_PROGRESS ─┬─▶ COMPLETE                     basic; enhanced on push
                                  │                           ├─▶ ACTIVE ─▶ SCAN_ELIGIBILITY_EXPIRED       continuous
                                  │                           │      └────▶ COMPLETE        its repository no longer is
                                  │                           ├─▶ FAILED
                                  │                           ├─▶ UNSUPPORTED_IMAGE                          enhanced
                                  │                           ├─▶ IMAGE_SIZE_EXCEEDED
                                  │                           └─▶ FINDINGS_UNAVAILABLE ─▶ a new scan, once there is data
                                  └─▶ LIMIT_EXCEEDED                                        basic, the quota is spent
    any ◀─▶ IMAGE_ARCHIVED      what an image in the archive shows in place of its scan's state

A basic scan keeps its report for ever. A continuous one moves to a new report whenever a generation changes what it
says (`continuous.py`). A new scan of the image begins a new row; what an earlier one found stays readable until the new
one is complete.
"""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from hullwise.domain.scans import ScanStatus
from hullwise.ecosystems.namespaces import of_system
from hullwise.inventory.image import ImageInventory

_S = ScanStatus


class State(msgspec.Struct, frozen=True):
    arises: str
    """When."""
    description: str
    """What DescribeImageScanFindings says with it, unless the case has a text of its own."""
    next: frozenset[ScanStatus] = frozenset()
    """Where the scan may go from here."""
    counts: bool = True
    """Whether such a scan uses up the image's own quota."""

    @property
    def ended(self) -> bool:
        """Whether no worker has anything to do for it."""
        return _S.FAILED not in self.next


_ENDS = frozenset(
    {
        _S.COMPLETE,
        _S.ACTIVE,
        _S.FAILED,
        _S.UNSUPPORTED_IMAGE,
        _S.IMAGE_SIZE_EXCEEDED,
        _S.FINDINGS_UNAVAILABLE,
    }
)

# The texts of the first five, UNSUPPORTED_IMAGE's and FAILED's for an operating system are ECR's, which tools search
# for. For the others AWS documents none.
_UNSUPPORTED = "UnsupportedImageError: The operating system and/or package manager are not supported."
_UNSUPPORTED_RELEASE = "UnsupportedImageError: The operating system '{}' version '{}' is not supported."

STATES = MappingProxyType(
    {
        _S.PENDING: State(
            "it was asked for, and no worker has taken it up",
            "Pending start of the image scan.",
            _ENDS | {_S.IN_PROGRESS},
        ),
        _S.IN_PROGRESS: State("a worker is at it", "The image scan is in progress.", _ENDS),
        _S.COMPLETE: State("it ended with a report that stays as it is", "The scan was completed successfully."),
        _S.ACTIVE: State(
            "it ended with a report that is kept up to date",
            "Continuous scan is selected for image.",
            frozenset({_S.SCAN_ELIGIBILITY_EXPIRED, _S.COMPLETE}),
        ),
        _S.FAILED: State(
            "the image, or something on the way, stopped it; or its worker died each time that it was begun",
            "The scan failed.",
        ),
        _S.UNSUPPORTED_IMAGE: State(
            "enhanced: there is nothing in the image that any reader or feed knows",
            _UNSUPPORTED,
        ),
        _S.SCAN_ELIGIBILITY_EXPIRED: State(
            "continuous: the image was neither pushed nor pulled for as long as the settings say",
            "Scan eligibility expired: the image was not pushed or pulled recently enough. Push or pull it to have its "
            "findings kept up to date again.",
        ),
        _S.FINDINGS_UNAVAILABLE: State(
            "there is no advisory data, or none that can be read",
            "No advisory data has been loaded. The image is scanned once there is some.",
            counts=False,
        ),
        _S.LIMIT_EXCEEDED: State(
            "basic: the registry's quota for 24 hours was spent when it was due",
            "The quota of basic scans is spent.",
            counts=False,
        ),
        _S.IMAGE_ARCHIVED: State(
            "the image is in the archive, whatever became of its scan",
            "The image is archived. Restore it with UpdateImageStorageClass to have it scanned.",
        ),
        _S.IMAGE_SIZE_EXCEEDED: State(
            "the image or a layer of it is over a cap of this registry", "The image is larger than this registry scans."
        ),
    }
)


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
    return None if of_system(distribution) else _UNSUPPORTED_RELEASE.format(distribution.id, distribution.version)
