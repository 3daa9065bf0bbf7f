"""How a registry scans: its type, its rules, and what they come to for one repository.

Continuous scanning watches an image for as long as it was pushed, or pulled, recently enough. ECR leaves that to
Inspector's API; here two settings say it (`rescan_push_days`, `rescan_pull_days`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from hullwise.domain.errors import InvalidParameter
from hullwise.domain.scan_rules import Applied, ScanRule, applied
from hullwise.domain.scans import Frequency, ScanType
from hullwise.jobs.queue import FOLLOW_CONFIGURATION
from hullwise.services import Services
from hullwise.settings import Settings
from hullwise.store import configurations
from hullwise.store.configurations import Configuration
from hullwise.store.images import Image
from hullwise.store.repositories import Repository

# Frequencies that each type has rules for (API reference, RegistryScanningRule).
_OFFERED = {
    ScanType.BASIC: {Frequency.SCAN_ON_PUSH, Frequency.MANUAL},
    ScanType.ENHANCED: {Frequency.SCAN_ON_PUSH, Frequency.CONTINUOUS_SCAN},
}


def of(current: Configuration, repository: Repository) -> Applied:
    """What the configuration comes to for the repository."""
    return applied(current.scan_type, current.rules, repository.name, scan_on_push=repository.scan_on_push)


def frequency(current: Configuration, repository: Repository) -> Frequency:
    return of(current, repository).frequency


def put(
    tx: sa.Connection, services: Services, account: str, region: str, scan_type: ScanType, rules: Sequence[ScanRule]
) -> Configuration:
    """From now on the registry scans this way. What is there already follows in a job (`following.py`).

    Raises InvalidParameter for two rules of one frequency, and for a frequency that the type does not have.
    """
    for rule in rules:
        if rule.frequency not in _OFFERED[scan_type]:
            offered = ", ".join(sorted(_OFFERED[scan_type]))
            raise InvalidParameter("rules", f"scan frequency must be one of [{offered}] for scan type {scan_type}")
    if any(number > 1 for number in Counter(rule.frequency for rule in rules).values()):
        raise InvalidParameter("rules", "there can be one rule for each scan frequency")
    found = configurations.put(tx, account, region, scan_type, rules, services.clock())
    services.jobs.put(tx, FOLLOW_CONFIGURATION, found.id)
    return found


def pulls_count(settings: Settings) -> bool:
    """Whether a pull keeps an image watched, or has it watched again."""
    return settings.rescan_push_days > 0 and settings.rescan_pull_days > 0


def watched_until(settings: Settings, image: Image) -> datetime | None:
    """When continuous scanning gives the image up, unless it is pushed or pulled again; None: never."""
    if not settings.rescan_push_days:
        return None
    pushed = (image.last_pushed_at or image.pushed_at) + timedelta(days=settings.rescan_push_days)
    if not pulls_count(settings) or image.last_pull_at is None:
        return pushed
    return max(pushed, image.last_pull_at + timedelta(days=settings.rescan_pull_days))
