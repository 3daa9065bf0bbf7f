"""The process that reads one layer: `python -m hullwise.inventory.child REQUEST`, the layer on its standard input.

It answers on standard output with one Answer or Failure in MessagePack, and ends with status 0 either way.
`hullwise.inventory.sandbox` starts it. It imports little, for it starts once for each layer.
"""

from __future__ import annotations

import io
import os
import sys

import msgspec

from hullwise.confinement import Allowance, Isolation, confine
from hullwise.ecosystems import BY_NAME
from hullwise.inventory.errors import LayerTooLarge, LayerUnreadable
from hullwise.inventory.layers import LayerInventory
from hullwise.inventory.limits import LayerLimits
from hullwise.inventory.walk import walk


class Request(msgspec.Struct, frozen=True):
    parent: int
    """Process id of who asks."""

    ecosystems: tuple[str, ...]
    """Names of the readers to ask."""

    limits: LayerLimits


class Answer(msgspec.Struct, frozen=True, tag=True):
    inventory: LayerInventory
    missed: bool
    """As in `hullwise.inventory.walk.Walked`."""

    isolation: Isolation


class Failure(msgspec.Struct, frozen=True, tag=True):
    """A LayerUnreadable, to be raised again on the other side."""

    error: str
    """Name of its class."""

    facts: tuple[str | int | float, ...]
    """Its `args`."""


def _answer(request: Request) -> bytes:
    ecosystems = [BY_NAME[name] for name in request.ecosystems]
    limits = request.limits
    allowance = Allowance(memory_bytes=limits.memory_bytes, cpu_seconds=limits.cpu_seconds)
    isolation = confine(allowance, request.parent)
    try:
        with io.FileIO(0, closefd=False) as layer:
            walked = walk(layer, ecosystems, request.limits)
        return msgspec.msgpack.encode(Answer(walked.inventory, walked.missed, isolation))
    except LayerUnreadable as error:
        failure = Failure(type(error).__name__, error.args)
    except MemoryError:
        failure = Failure(LayerTooLarge.__name__, ("memory_bytes", request.limits.memory_bytes))
    return msgspec.msgpack.encode(failure)


def _write(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(1, left) :]


if __name__ == "__main__":
    _write(_answer(msgspec.json.decode(sys.argv[1], type=Request)))
