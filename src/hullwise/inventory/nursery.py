"""Processes that read layers, forked by one that has imported what they need.

    this process ──socket──▶ hullwise.inventory.child ──fork──▶ a reader for each layer, which confines itself
         │                        imports the readers once           ▲        ▲
         ├── the layer, the answer, last words: pipes ───────────────┘        │
         └── control: how it ended, or that it shall ── through the forking one

Importing takes 80 ms, forking 3. The one that forks parses nothing of a layer, and a reader never sees its socket.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Self

import msgspec

from hullwise.inventory.limits import MIB
from hullwise.inventory.requests import KILL, REFUSED, STATUS, Request

_INHERITED = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What a reader sees of our environment, which may hold keys: only where an interpreter finds its libraries."""

_MALLOC = {
    # With one arena less address space is taken that is never used; `memory_bytes` counts it.
    "MALLOC_ARENA_MAX": "1",
    # A reader takes and frees a MiB at a time. Pages given back to the kernel each time, and taken singly, were a fifth
    # of what go-app and java-app cost (glibc manual, "Memory Allocation Tunables"; others pass it over).
    "GLIBC_TUNABLES": ":".join(
        f"glibc.malloc.{name}={value}"
        for name, value in (("hugetlb", 1), ("mmap_threshold", 4 * MIB), ("trim_threshold", 16 * MIB))
    ),
}

_PIPE_BYTES = 1 * MIB
"""What an unprivileged process may ask for (pipe(7)): a layer goes through in a sixteenth of the turns."""


class Reader:
    """A process that reads one layer. Used by one thread."""

    def __init__(self, control: socket.socket, feed: IO[bytes] | None, answer: IO[bytes], words: IO[bytes]) -> None:
        self._control = control
        self.feed = feed
        """Where the layer goes in, by a pipe; None: it reads a file of its own."""
        self.answer = answer
        self.words = words
        """Its standard output and error."""

    def wait(self, seconds: float) -> int:
        """Its exit status, negative for the signal that ended it. Raises TimeoutError."""
        self._control.settimeout(max(seconds, 0.001))
        said = self._control.recv(STATUS.size)
        # Nothing is said where the one that forked it has died; then it was killed too.
        return int(STATUS.unpack(said)[0]) if len(said) == STATUS.size else -int(signal.SIGKILL)

    def close(self) -> None:
        """It has ended, whatever it was at, and nothing is left of it."""
        for end in (self.feed, self.answer, self.words):
            if end is not None:
                end.close()
        with suppress(OSError):
            self._control.send(KILL)
            self._control.settimeout(None)
            while self._control.recv(STATUS.size):
                pass
        self._control.close()


class Nursery:
    """Starts readers, for several threads at once. The process that forks them begins with the first one, or before."""

    def __init__(self) -> None:
        self._forking: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Every reader has to be closed before."""
        if self._forking is not None and self._socket is not None:
            self._socket.close()
            self._forking.wait()

    def begin(self) -> None:
        """The process that forks readers is on its way, and does not wait for the first of them to be asked for."""
        with self._lock:
            if self._forking is None:
                self._begin()

    @contextmanager
    def reader(self, request: Request, layer: int | None) -> Iterator[Reader]:
        """A reader of the layer behind this descriptor, from where it stands, or (None) of what is fed to it. It has
        ended when the block has. Raises OSError where no process can be started."""
        reader = self._started(request, layer)
        try:
            yield reader
        finally:
            reader.close()

    def _started(self, request: Request, layer: int | None) -> Reader:
        control, theirs = socket.socketpair()
        with theirs:
            handed, kept = [] if layer is None else [layer], []
            try:
                if layer is None:
                    end, feed = os.pipe()
                    handed.append(end)
                    kept.append(feed)
                    if sys.platform == "linux":
                        with suppress(OSError):  # the user has many such pipes already
                            fcntl.fcntl(feed, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
                for _ in range(2):
                    heard, end = os.pipe()
                    handed.append(end)
                    kept.append(heard)
                self._ask(msgspec.json.encode(request), [*handed, theirs.fileno()])
            except BaseException:
                control.close()
                for end in kept:
                    os.close(end)
                raise
            finally:
                for end in handed[0 if layer is None else 1 :]:
                    os.close(end)
        words, answer = os.fdopen(kept.pop(), "rb", 0), os.fdopen(kept.pop(), "rb", 0)
        return Reader(control, os.fdopen(kept.pop(), "wb", 0) if kept else None, answer, words)

    def _ask(self, request: bytes, descriptors: list[int]) -> None:
        """Returns once the reader is there."""
        with self._lock:
            for attempt in range(2):
                if self._socket is None or self._forking is None or self._forking.poll() is not None:
                    self._begin()
                assert self._socket is not None
                try:
                    socket.send_fds(self._socket, [request], descriptors)
                    answer = self._socket.recv(1)
                    if answer == REFUSED:
                        raise OSError("no process can be started")
                    if answer:
                        return
                except (BrokenPipeError, ConnectionResetError):
                    pass
                # It was killed, by whoever frees memory say.
                if attempt:
                    raise OSError("the process that forks readers dies")
                assert self._forking is not None
                self._forking.wait()

    def _begin(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, theirs = socket.socketpair()
        # -B because a process that may write no file can leave no byte code behind.
        command = [sys.executable, "-I", "-B", "-X", "utf8", "-m", "hullwise.inventory.child", str(theirs.fileno())]
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | _MALLOC
        with theirs:
            self._forking = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment,
                start_new_session=True,  # an interrupt at the terminal is ours to handle
            )
