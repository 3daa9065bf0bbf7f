"""When images are scanned: a registry's rules, and what they mean for one repository."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from hullwise.domain import wildcards
from hullwise.domain.scans import Frequency, ScanType


class ScanRule(msgspec.Struct, frozen=True):
    """Repositories that any of the filters takes in are scanned this often."""

    frequency: Frequency
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a configuration comes to for one repository."""

    frequency: Frequency
    filters: tuple[str, ...] = ()
    """Of the rule that decides: those that take the repository in. None where no rule decides."""


def takes_in(pattern: str, name: str) -> bool:
    """Whether a filter takes in the repository of that name.

    Without `*` it does wherever the name contains it; with `*`, which stands for any characters or none, where the
    whole name fits (ECR user guide, "Using filters").
    """
    return wildcards.fits(pattern, name) if "*" in pattern else pattern in name


# Which frequency decides where rules of several take a repository in: continuous wins (ECR user guide).
_PRECEDENCE = (Frequency.CONTINUOUS_SCAN, Frequency.SCAN_ON_PUSH, Frequency.MANUAL)


def applied(scan_type: ScanType, rules: Iterable[ScanRule], name: str, *, scan_on_push: bool) -> Applied:
    """How often the repository of that name is scanned.

    `scan_on_push` is the repository's own, older flag: it counts in basic scanning, where no rule takes the repository
    in. Enhanced scanning without any rule is continuous for every repository.
    """
    found = {rule.frequency: rule for rule in rules}
    if scan_type is ScanType.ENHANCED and not found:
        return Applied(Frequency.CONTINUOUS_SCAN)
    for frequency in _PRECEDENCE:
        rule = found.get(frequency)
        fitting = () if rule is None else tuple(each for each in rule.filters if takes_in(each, name))
        if fitting:
            return Applied(frequency, fitting)
    on_push = scan_type is ScanType.BASIC and scan_on_push
    return Applied(Frequency.SCAN_ON_PUSH if on_push else Frequency.MANUAL)
