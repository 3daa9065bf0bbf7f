"""The diff id of a layer, computed while its tar goes by."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType

_HANDED_BYTES = 256 << 10
_WAITING = 4


class Hashing:
    """Iterate over it for the given chunks. If they are many, they are hashed in a thread, which ends with the context.

    Hashing and decompression both leave the interpreter to others: together they take 0.23 s for a tar of 169 MB,
    one after the other 0.35 s, and the same CPU."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._sha256 = hashlib.sha256()
        self._handed: queue.Queue[list[bytes] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="diff-id", daemon=True)
        self.size = 0
        """Bytes that have gone by."""

    def __enter__(self) -> Hashing:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._thread.ident is not None:
            self._handed.put(None)
            self._thread.join()

    def __iter__(self) -> Iterator[bytes]:
        # Small chunks, as of a layer with a gzip member for each file, are handed over together.
        together: list[bytes] = []
        waiting = 0
        for chunk in self._chunks:
            self.size += len(chunk)
            together.append(chunk)
            waiting += len(chunk)
            if waiting >= _HANDED_BYTES:
                if self._thread.ident is None:
                    self._thread.start()
                self._handed.put(together)
                together, waiting = [], 0
            yield chunk
        if self._thread.ident is None:
            self._take(together)
        else:
            self._handed.put(together)

    def _run(self) -> None:
        while (chunks := self._handed.get()) is not None:
            self._take(chunks)

    def _take(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            self._sha256.update(chunk)

    def diff_id(self) -> str:
        """sha256 of all chunks, as `sha256:<hex>`. Ask when the iteration and the context have ended."""
        return f"sha256:{self._sha256.hexdigest()}"
