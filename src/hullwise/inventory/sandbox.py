"""Reading a layer in a process of its own, which has limits and may die."""

from __future__ import annotations

import io
import os
import selectors
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import IO, BinaryIO, TypeVar, cast

import msgspec

from hullwise.ecosystems import BY_NAME
from hullwise.inventory import kept
from hullwise.inventory.child import Answer, Failure
from hullwise.inventory.errors import (
    AnalysisCrashed,
    DamagedLayer,
    ImageTooLarge,
    LayerTooLarge,
    LayerUnreadable,
    TruncatedLayer,
)
from hullwise.inventory.layers import LayerInventory
from hullwise.inventory.limits import KIB, MIB, ImageLimits, LayerLimits
from hullwise.inventory.nursery import Nursery, Reader
from hullwise.inventory.requests import Request
from hullwise.inventory.room import Room
from hullwise.inventory.walk import Walked, walk

Layer = int | Iterable[bytes]
"""The bytes of a layer blob: an open file descriptor, read from where it stands, or chunks."""

_FAILURES: dict[str, type[LayerUnreadable]] = {
    failure.__name__: failure for failure in (TruncatedLayer, DamagedLayer, LayerTooLarge)
}

T = TypeVar("T")

_READ_BYTES = 1 * MIB
_LAST_WORDS_BYTES = 2 * KIB


def analyse(
    layer: Layer,
    ecosystems: Sequence[str],
    limits: LayerLimits,
    *,
    isolate: bool = True,
    nursery: Nursery | None = None,
) -> LayerInventory:
    """The inventory of a layer, with the readings of the ecosystems of these names (`walk.read_layer` says more).

    A process is started for it, with limited resources and, where the system allows it, no network; `isolation` tells.
    It has ended when this returns or raises, and leaves no descriptor or thread; who reads several layers gives the
    nursery that it comes from, which is theirs. Without `isolate` the layer is read here, and `cpu_seconds`,
    `wall_seconds`, `memory_bytes`, `answer_bytes` and `inventory_bytes` limit nothing.

    Chunks that can be iterated anew, as a list can and a generator can not, are where hard links make it necessary
    (see `walk.walk`); without that some paths would have a problem instead of packages.

    Raises LayerUnreadable; what the iteration over the chunks raises; OSError where no process can be started.
    """
    readers = [BY_NAME[name] for name in ecosystems]
    if isolate:
        return decoded(encoded(layer, ecosystems, limits, nursery=nursery), limits)

    def once(layer: Layer) -> Walked:
        with _opened(layer) as stream:
            return walk(stream, readers, limits)

    return _again_where_missed(layer, once)


def encoded(layer: Layer, ecosystems: Sequence[str], limits: LayerLimits, *, nursery: Nursery | None = None) -> bytes:
    """What `analyse` returns, before it is decoded: it may then take many times the memory."""

    def once(layer: Layer) -> tuple[bytes, bool]:
        answer = _ask(layer, ecosystems, limits, nursery)
        return bytes(answer.inventory), answer.missed

    return _again_where_missed(layer, once)


def decoded(body: bytes, limits: LayerLimits) -> LayerInventory:
    """The inventory. Raises LayerTooLarge (`inventory_bytes`) before it takes more memory."""
    try:
        return kept.decoded(body, Room(ImageLimits(held_bytes=limits.inventory_bytes)))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AnalysisCrashed(0) from error
    except ImageTooLarge as error:
        raise LayerTooLarge("inventory_bytes", limits.inventory_bytes) from error


def _again_where_missed(layer: Layer, once: Callable[[Layer], tuple[T, bool]]) -> T:
    found, missed = once(layer)
    if missed and not isinstance(layer, int | Iterator):
        with tempfile.TemporaryFile() as spool:
            spool.writelines(layer)
            spool.seek(0)
            found, _ = once(spool.fileno())
    return found


def isolation() -> str:
    """How far a process that reads a layer is kept apart on this system, for people; found out by starting one."""
    return _ask([], (), LayerLimits()).isolation.value


class _Chunks(io.RawIOBase):
    """Chunks as a stream."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        taken = self._left[: len(buffer)]
        buffer[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)


def _opened(layer: Layer) -> BinaryIO:
    stream = io.FileIO(layer, closefd=False) if isinstance(layer, int) else _Chunks(layer)
    return cast(BinaryIO, stream)


def _ask(layer: Layer, ecosystems: Sequence[str], limits: LayerLimits, nursery: Nursery | None = None) -> Answer:
    request, file = Request(tuple(ecosystems), limits), layer if isinstance(layer, int) else None
    with nullcontext(nursery) if nursery is not None else Nursery() as born, born.reader(request, file) as reader:
        conversation = _Conversation(reader, limits)
        status = conversation.hold(() if isinstance(layer, int) else layer)
        return _understood(status, conversation, limits)


def _understood(status: int, conversation: _Conversation, limits: LayerLimits) -> Answer:
    if status == -signal.SIGXCPU:
        raise LayerTooLarge("cpu_seconds", limits.cpu_seconds)
    crashed = AnalysisCrashed(status, conversation.last_words())
    if status:
        raise crashed
    try:
        said = msgspec.msgpack.decode(conversation.answer, type=Answer | Failure)
        if isinstance(said, Answer):
            return said
        failure = _FAILURES[said.error](*said.facts)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise crashed from error
    raise failure


class _Conversation:
    """Feeding a reader and hearing it out, in one thread: what the feeding raises goes straight up."""

    def __init__(self, reader: Reader, limits: LayerLimits) -> None:
        self._reader = reader
        self._limits = limits
        self._deadline = time.monotonic() + limits.wall_seconds
        self._chunks: Iterator[bytes] = iter(())
        self._left = memoryview(b"")
        self._errors = b""
        self.answer = bytearray()

    def last_words(self) -> str:
        """The last line that the reader wrote on its standard error."""
        return self._errors.decode("utf-8", "replace").strip().rpartition("\n")[2]

    def hold(self, chunks: Iterable[bytes]) -> int:
        """Feed the chunks, where the reader takes them by a pipe; how it ended then.

        Raises LayerTooLarge (`wall_seconds`, `answer_bytes`), and what the iteration over the chunks raises."""
        self._chunks = iter(chunks)
        ends: list[tuple[IO[bytes] | None, int, Callable[[int], bool]]] = [
            (self._reader.feed, selectors.EVENT_WRITE, self._feed),
            (self._reader.answer, selectors.EVENT_READ, self._hear),
            (self._reader.words, selectors.EVENT_READ, self._overhear),
        ]
        with selectors.DefaultSelector() as selector:
            for end, event, handle in ends:
                if end:
                    os.set_blocking(end.fileno(), False)
                    selector.register(end, event, (end, handle))
            while selector.get_map():
                for key, _ in selector.select(self._seconds_left()):
                    end, handle = key.data
                    if not handle(end.fileno()):
                        selector.unregister(end)
                        end.close()
        try:
            return self._reader.wait(self._seconds_left())
        except TimeoutError as error:
            raise self._too_late() from error

    def _too_late(self) -> LayerTooLarge:
        return LayerTooLarge("wall_seconds", self._limits.wall_seconds)

    def _seconds_left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._too_late()
        return left

    # Each of these handles an end of a pipe that is ready, and returns whether there may be more.

    def _feed(self, end: int) -> bool:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._left = memoryview(chunk)
        try:
            self._left = self._left[os.write(end, self._left) :]
        except BrokenPipeError:  # it has seen enough, and says why
            return False
        return True

    def _hear(self, end: int) -> bool:
        data = os.read(end, _READ_BYTES)
        self.answer += data
        if len(self.answer) > self._limits.answer_bytes:
            raise LayerTooLarge("answer_bytes", self._limits.answer_bytes)
        return bool(data)

    def _overhear(self, end: int) -> bool:
        data = os.read(end, _READ_BYTES)
        self._errors = (self._errors + data)[-_LAST_WORDS_BYTES:]
        return bool(data)
