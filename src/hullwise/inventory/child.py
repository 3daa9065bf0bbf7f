"""The process that forks readers of layers, and what each of them does: `python -m hullwise.inventory.child SOCKET`.

`hullwise.inventory.nursery` starts it, and asks by the socket with that number: a Request, with four descriptors, of
the layer, of standard output and error, and of a socket that is told how the reader ended, and kills it by a byte or
its end. The answer to each is a byte, once the reader is there or cannot be. A reader writes one Answer or Failure in
MessagePack, and ends with status 0 either way. The forking one ends when its socket does, and its readers with it.
"""

from __future__ import annotations

import gc
import io
import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

import msgspec

from hullwise.confinement import Allowance, Isolation, confine, python_alone
from hullwise.ecosystems import BY_NAME
from hullwise.inventory.errors import LayerTooLarge, LayerUnreadable
from hullwise.inventory.requests import REFUSED, STARTED, STATUS, Request
from hullwise.inventory.walk import walk
from hullwise.landlock import Rules

_REQUEST_BYTES = 64 << 10


class Answer(msgspec.Struct, frozen=True, tag=True):
    inventory: msgspec.Raw
    """A LayerInventory, which whoever asked weighs before it decodes it."""

    missed: bool
    """As in `hullwise.inventory.walk.Walked`."""

    isolation: Isolation


class Failure(msgspec.Struct, frozen=True, tag=True):
    """A LayerUnreadable, to be raised again on the other side."""

    error: str
    """Name of its class."""

    facts: tuple[str | int | float, ...]
    """Its `args`."""


def _answer(request: Request, parent: int, files: Rules | None) -> bytes:
    ecosystems = [BY_NAME[name] for name in request.ecosystems]
    limits = request.limits
    allowance = Allowance(memory_bytes=limits.memory_bytes, cpu_seconds=limits.cpu_seconds)
    isolation = confine(allowance, parent, files)
    try:
        with io.FileIO(0, closefd=False) as layer:
            walked = walk(layer, ecosystems, request.limits)
        inventory = msgspec.Raw(msgspec.msgpack.encode(walked.inventory))
        return msgspec.msgpack.encode(Answer(inventory, walked.missed, isolation))
    except LayerUnreadable as error:
        failure = Failure(type(error).__name__, error.args)
    except MemoryError:
        failure = Failure(LayerTooLarge.__name__, ("memory_bytes", request.limits.memory_bytes))
    return msgspec.msgpack.encode(failure)


def _write(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(1, left) :]


def _read(request: Request, descriptors: list[int], parent: int, files: Rules | None) -> NoReturn:
    """What a reader does, from its fork to its end."""
    status = 1
    try:
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.setsid()
        _write(_answer(request, parent, files))
        status = 0
    except BaseException:
        # In as few words as may be: there may be no memory left for more.
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


class _Readers:
    """Those that run, by process id."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._files = python_alone()
        self._controls: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._ended, self._woken = os.pipe()
        """Told of every process that has ended."""

    def serve(self) -> None:
        """Until nobody can ask any more; then no reader is left either."""
        for end in (self._ended, self._woken):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        self._selector.register(self._requests, selectors.EVENT_READ)
        self._selector.register(self._ended, selectors.EVENT_READ)
        try:
            while self._turn():
                pass
        finally:
            # Where the system does not end them with this process.
            for pid in self._controls:
                os.kill(pid, signal.SIGKILL)

    def _turn(self) -> bool:
        for key, _ in self._selector.select():
            if key.fileobj is self._requests:
                if not self._take():
                    return False
            elif key.fileobj == self._ended:
                os.read(self._ended, 1 << 10)
                self._collect()
            elif key.data in self._controls:
                # Not collected yet, so that the id is still its own.
                os.kill(key.data, signal.SIGKILL)
                self._selector.unregister(self._controls[key.data])
        return True

    def _take(self) -> bool:
        """The next request; whether there was one."""
        data, descriptors, _, _ = socket.recv_fds(self._requests, _REQUEST_BYTES, 4)
        if not data:
            return False
        *handed, last = descriptors
        control = socket.socket(fileno=last)
        try:
            pid = self._fork(msgspec.json.decode(data, type=Request), handed, control)
        except OSError:
            # No process to be had, nor memory for one: the others go on.
            control.close()
            self._requests.send(REFUSED)
        else:
            self._controls[pid] = control
            self._selector.register(control, selectors.EVENT_READ, pid)
            self._requests.send(STARTED)
        finally:
            for descriptor in handed:
                os.close(descriptor)
        return True

    def _fork(self, request: Request, handed: list[int], control: socket.socket) -> int:
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            # Above all the socket that asks for readers: what has read a layer is not trusted to ask for anything.
            for held in (self._requests, control, *self._controls.values()):
                held.close()
            self._selector.close()
            os.close(self._ended)
            os.close(self._woken)
            _read(request, handed, parent, self._files)
        return pid

    def _collect(self) -> None:
        while self._controls:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid not in self._controls or os.WIFSTOPPED(status):
                # Not one of those that were forked here, or only halted: a layer may make its reader do anything.
                continue
            with self._controls.pop(pid) as control:
                if control in self._selector.get_map():
                    self._selector.unregister(control)
                with suppress(OSError):  # nobody waits for it
                    control.send(STATUS.pack(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    # What was imported is no garbage; a reader that looked through it would copy every page of it.
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _Readers(asked).serve()
    # Without taking apart what the end of the process frees anyway.
    os._exit(0)
