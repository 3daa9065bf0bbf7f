"""What the scan behind a report looked at, and what the report's advisories can say of it."""

from __future__ import annotations

import threading
from collections import OrderedDict

import sqlalchemy as sa

from hullwise.scanning import coverage, joined
from hullwise.scanning.coverage import Coverage
from hullwise.scanning.reading import Result
from hullwise.services import UNREADABLE, Services
from hullwise.store import inventories
from hullwise.store.generations import Generation


class _Spoken:
    """Namespaces that generations speak of, by digest: a file is opened once."""

    _SIZE = 16

    def __init__(self) -> None:
        self._known: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, services: Services, row: Generation) -> frozenset[str]:
        """Empty where its file is not kept any more."""
        with self._lock:
            found = self._known.get(row.digest)
        if found is None:
            try:
                with services.open_generation(row) as generation:
                    found = frozenset(generation.namespaces())
            except UNREADABLE:
                return frozenset()
            with self._lock:
                self._known[row.digest] = found
                while len(self._known) > self._SIZE:
                    self._known.popitem(last=False)
        return found


_spoken = _Spoken()


def of_result(tx: sa.Connection, services: Services, result: Result) -> Coverage:
    """What is said beside the report's findings, so that what could not be judged does not pass for clean."""
    stored = inventories.get(tx, result.report.inventory_id)
    kept = stored.coverage
    return coverage.of(
        stored.distribution,
        kept.get("packages", ()),
        kept["readers"],
        [(path, why) for path, why in kept["problems"]],
        _spoken.of(services, result.generation),
        joined.end_of_life(tx, stored.distribution, services.clock()),
        [source["name"] for source in result.generation.sources],
    )
