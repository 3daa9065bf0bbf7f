"""A scan goes from one state to another, on the ways that the table of states knows."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from hullwise.domain.scans import ScanStatus
from hullwise.scanning.states import STATES
from hullwise.store import scans
from hullwise.store.scans import Scan


class ImpossibleMove(Exception):
    """A defect here: the table knows no such way."""


def move(
    tx: sa.Connection,
    scan: Scan,
    status: ScanStatus,
    description: str = "",
    *,
    now: datetime,
    report_id: int | None = None,
    begins: bool = False,
) -> None:
    """The scan is in that state; `begins`: a worker begins it, which is counted. The caller holds its row. Raises
    ImpossibleMove."""
    if status not in STATES[scan.status].next:
        raise ImpossibleMove(f"{scan.status} to {status}")
    state = STATES[status]
    said = description or state.description
    scans.move(tx, scan, status, said, now=now, final=state.ended, report_id=report_id, begins=begins)
