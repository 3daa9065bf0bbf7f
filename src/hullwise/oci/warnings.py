"""What whoever pushed an image should know, though it was stored: Warning headers (distribution spec, "Warnings")."""

from __future__ import annotations

from collections.abc import Iterator

from hullwise.domain.scans import ScanStatus
from hullwise.oci.calls import Call
from hullwise.registry.images import Stored
from hullwise.scanning import reading
from hullwise.store import scans


def of_push(call: Call, stored: Stored) -> list[bytes]:
    """Values of Warning headers, none of them long."""
    return [f'299 - "{text}"'.encode("ascii") for text in _sentences(call, stored)]


def _sentences(call: Call, stored: Stored) -> Iterator[str]:
    """In ASCII, without quotes or backslashes: nothing of them comes from the client."""
    foreign = sum(layer.foreign for layer in stored.manifest.layers)
    if foreign:
        layers = "1 layer of the image is" if foreign == 1 else f"{foreign} layers of the image are"
        yield f"{layers} not kept in this registry, and so not scanned either."
    if stored.changed and stored.image.scannable:
        with call.services.database.read() as tx:
            found = scans.of_images(tx, [stored.image.id], reading.scan_type(tx, call.repository()))
        scan = found.get(stored.image.id)
        if scan is not None and scan.latest.status is ScanStatus.LIMIT_EXCEEDED:
            yield f"The image is not scanned. {scan.latest.description}"
