"""What is joined on reading, since it changes daily for everything: exploitation, and ends of support. Always dated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import sqlalchemy as sa

from hullwise.domain.enrichment import EndOfLife, ExploitScore, KnownExploited, standing
from hullwise.domain.packages import Distribution
from hullwise.domain.reports import Finding
from hullwise.domain.vulnerabilities import Assessment
from hullwise.scanning import coverage
from hullwise.store import enrichment


class Exploitation(NamedTuple):
    """What is known of the exploitation of one vulnerability."""

    score: ExploitScore | None
    known: KnownExploited | None


@dataclass(frozen=True, slots=True)
class Exploitations:
    scores: Mapping[str, ExploitScore]
    known: Mapping[str, KnownExploited]
    dates: Mapping[str, str]
    """How old the data is: `scores`, `exploited`; what was never loaded is absent."""

    def of(self, assessment: Assessment) -> Exploitation:
        """Of several CVEs the one that is exploited most."""
        names = _names(assessment)
        if len(names) == 1:
            return Exploitation(self.scores.get(names[0]), self.known.get(names[0]))
        scores = [self.scores[name] for name in names if name in self.scores]
        known = [self.known[name] for name in names if name in self.known]
        return Exploitation(max(scores, key=lambda each: each.score, default=None), next(iter(known), None))


@lru_cache(4_096)
def _names(assessment: Assessment) -> tuple[str, ...]:
    # A distribution's advisory on several CVEs names them as what it is about, not as its own other names.
    found = dict.fromkeys((assessment.name, *assessment.ids, *assessment.upstream))
    return tuple(name for name in found if name.startswith("CVE-"))


def exploitations(tx: sa.Connection, findings: Iterable[Finding]) -> Exploitations:
    return of_assessments(tx, (finding.assessment for finding in findings))


def of_assessments(tx: sa.Connection, assessments: Iterable[Assessment]) -> Exploitations:
    names = {name for assessment in assessments for name in _names(assessment)}
    return Exploitations(enrichment.scores_of(tx, names), enrichment.exploited_of(tx, names), enrichment.dates(tx))


def end_of_life(tx: sa.Connection, distribution: Distribution | None, now: datetime) -> EndOfLife | None:
    """How the support of the distribution's release stands at that moment; None where nobody says."""
    if distribution is None:
        return None
    lifecycle = enrichment.lifecycle_of(tx, *coverage.released(distribution))
    return None if lifecycle is None else standing(lifecycle, enrichment.dates(tx).get("lifecycles", ""), now)
