"""Linux' Landlock: a process gives up all files but some, and the rights to signal and to listen beyond itself.

(Kernel documentation, "Landlock: unprivileged access control"; linux/landlock.h.) The three calls have the same numbers
on every architecture, and the C library has none of them.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Callable, Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION, _BENEATH = 1, 1
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3

# Rights of files that each version of the interface added, as the number of all of them.
_FILE_RIGHTS = ((1, 13), (2, 14), (3, 15), (5, 16))
_TCP_FROM, _TCP_RIGHTS = 4, 0b11
_SCOPES_FROM, _SCOPES = 6, 0b11
"""No abstract Unix socket and no signal reaches a process that is not confined with this one."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


class Rules:
    """What files a process keeps. They take a millisecond to write down: whoever forks many does it once for all."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def obey(self) -> bool:
        """From here on this process can read and execute what they allow, and open, make, change or remove nothing
        else; what is open stays so. Returns whether the system took that; if not, nothing has changed.

        The process has set `no_new_privs`. Files that are given by a descriptor are not concerned, nor are Unix sockets
        that have a path.
        """
        return _system_call()(_RESTRICT_SELF, self._descriptor, 0) == 0

    def close(self) -> None:
        os.close(self._descriptor)


def only(readable: Iterable[str]) -> Rules | None:
    """Rules that allow to read and execute what lies at or below these paths, as they are now, and nothing else; None
    where the system does not offer that."""
    if sys.platform != "linux":
        return None
    call = _system_call()
    version = call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    if version < 1:
        return None
    rights = max(number for since, number in _FILE_RIGHTS if since <= version)
    wanted = _Ruleset((1 << rights) - 1, _TCP_RIGHTS, _SCOPES)
    # A kernel takes only the members that it knows.
    members = 1 + (version >= _TCP_FROM) + (version >= _SCOPES_FROM)
    descriptor = call(_CREATE_RULESET, ctypes.byref(wanted), ctypes.c_size_t(8 * members), 0)
    if descriptor < 0:
        return None
    rules = Rules(descriptor)
    if not all(_allow(call, descriptor, path) for path in readable):
        rules.close()
        return None
    return rules


def _system_call() -> Callable[..., int]:
    found: Callable[..., int] = ctypes.CDLL(None, use_errno=True).syscall
    return found


def _allow(call: Callable[..., int], rules: int, path: str) -> bool:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return True  # What is not there, or out of reach already, takes no rule.
    try:
        rights = _EXECUTE | _READ_FILE | (_READ_DIR if stat.S_ISDIR(os.fstat(folder).st_mode) else 0)
        return call(_ADD_RULE, rules, _BENEATH, ctypes.byref(_Beneath(rights, folder)), 0) == 0
    finally:
        os.close(folder)
