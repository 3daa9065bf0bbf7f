"""What a process gives up before it parses what a stranger wrote: resources, network, files, outliving its parent."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from hullwise import landlock


class Allowance(NamedTuple):
    """What the process may still have."""

    memory_bytes: int
    """Of address space."""
    cpu_seconds: int
    file_bytes: int = 0
    """Of the largest file that it may write."""
    open_files: int = 32
    """Enough for the modules that a reader imports when it is first needed."""
    capabilities: bool = False
    """Whether it opens files by name, and root keeps the right to open any; else a namespace of its own takes that, and
    no file is there for it but those of Python."""


# linux/sched.h and linux/prctl.h
_NEW_NETWORK = 0x40000000
_NEW_USER = 0x10000000
_DIE_WITH_PARENT = 1
_NO_NEW_PRIVILEGES = 38


class Isolation(Enum):
    """How far such a process is kept apart here. The value is for people."""

    FULL = "limited resources, no network, no files but Python's"
    NETWORK = "limited resources, no network"
    LIMITS = "limited resources; the system allows no network namespace"
    NONE = "not all resources limited; the system does not know how"


def python_alone() -> landlock.Rules | None:
    """That a process keeps no files but Python's; None where the system does not offer that."""
    return landlock.only(_python())


def confine(allowance: Allowance, parent: int, files: landlock.Rules | None = None) -> Isolation:
    """Confine this process, and say how far that went. `files` are what `python_alone` made, in this process or before
    it was forked.

    On Linux it is killed when the thread that started it ends; where `parent` has ended already, this exits. Files
    that are open stay so. There must be one thread only: a user namespace can not be entered with several."""
    without_network = without_files = False
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        ways = [_NEW_USER | _NEW_NETWORK, _NEW_NETWORK]
        without_network = 0 in (libc.unshare(way) for way in (reversed(ways) if allowance.capabilities else ways))
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        # After the namespace: a change of credentials can clear it.
        die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(f"the parent {parent} has ended")
        if not allowance.capabilities:
            files = files or python_alone()
            without_files = files is not None and files.obey()
    limited = _limit_resources(allowance)
    if not limited:
        return Isolation.NONE
    if not without_network:
        return Isolation.LIMITS
    return Isolation.FULL if without_files else Isolation.NETWORK


def _python() -> Iterator[str]:
    """Where modules, and the libraries that they are linked with, are: a reader imports some when it needs them."""
    yield from {sys.prefix, sys.base_prefix, *sys.path} - {""}
    yield from ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
    yield from ("/dev/null", "/dev/urandom", "/usr/share/zoneinfo")


def die_with_parent(by: signal.Signals) -> None:
    """On Linux the kernel sends this process the signal when the thread that started it ends: a parent that is killed
    can end nobody."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, int(by), 0, 0, 0)


def _limit_resources(allowance: Allowance) -> bool:
    """Lower the limits of this process; whether the system took all of them."""
    # Not the number of processes, which counts all of the user's: the diff id is hashed in a thread.
    wanted = [
        (resource.RLIMIT_AS, allowance.memory_bytes, allowance.memory_bytes),
        # At the lower one comes a signal that names its cause; at the upper one, SIGKILL.
        (resource.RLIMIT_CPU, allowance.cpu_seconds, allowance.cpu_seconds + 1),
        (resource.RLIMIT_FSIZE, allowance.file_bytes, allowance.file_bytes),
        (resource.RLIMIT_NOFILE, allowance.open_files, allowance.open_files),
        (resource.RLIMIT_CORE, 0, 0),
    ]
    taken = [_limit(*each) for each in wanted]
    return all(taken)


def _limit(kind: int, soft: int, hard: int) -> bool:
    _, present = resource.getrlimit(kind)
    if present != resource.RLIM_INFINITY:
        soft, hard = min(soft, present), min(hard, present)
    try:
        resource.setrlimit(kind, (soft, hard))
    except (OSError, ValueError):  # macOS limits no address space
        return False
    return True
