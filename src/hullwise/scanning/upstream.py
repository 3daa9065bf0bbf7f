"""Assessments by what they take care of without being called so: the CVEs of one advisory of a distribution.

No column has them. Assessments never change and their ids grow, so that each process looks into the bodies once, and
from then on into those that are new.
"""

from __future__ import annotations

import threading
import weakref

import sqlalchemy as sa

from hullwise.store import assessments


class _Known:
    def __init__(self) -> None:
        self._last = 0
        self._by_name: dict[str, tuple[str, set[int]]] = {}
        self._lock = threading.Lock()

    def find(self, tx: sa.Connection, name: str) -> tuple[str, frozenset[int]]:
        with self._lock:
            found, last = assessments.with_upstream(tx, self._last)
            self._last = max(self._last, last)
            for assessment, names in found.items():
                for each in names:
                    self._by_name.setdefault(each.lower(), (each, set()))[1].add(assessment)
            spelt, ids = self._by_name.get(name.lower(), (name, set()))
            return spelt, frozenset(ids)


_known: weakref.WeakKeyDictionary[sa.Engine, _Known] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def taking_care_of(tx: sa.Connection, name: str) -> tuple[str, frozenset[int]]:
    """The id as it is written there (any case is found), and the assessments that have it as `upstream`."""
    with _lock:
        known = _known.setdefault(tx.engine, _Known())
    return known.find(tx, name)
