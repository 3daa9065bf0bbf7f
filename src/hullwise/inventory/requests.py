"""What is said between `hullwise.inventory.nursery` and the process that forks readers, `hullwise.inventory.child`.

Apart from both, so that the one is imported, and the other begun, before all that reads layers is imported here too.
"""

from __future__ import annotations

import struct

import msgspec

from hullwise.inventory.limits import LayerLimits

STATUS = struct.Struct("=i")
"""How a reader ended: its exit status, or minus the signal."""

KILL = b"k"

STARTED, REFUSED = b"s", b"r"
"""Answers to a request."""


class Request(msgspec.Struct, frozen=True):
    ecosystems: tuple[str, ...]
    """Names of the readers to ask."""

    limits: LayerLimits
