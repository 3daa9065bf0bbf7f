"""What is joined on reading, since it changes daily for everything: exploitation, and ends of support. Always dated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from hullwise.domain.enrichment import ExploitScore, KnownExploited, Lifecycle
from hullwise.domain.packages import Distribution
from hullwise.domain.reports import Finding
from hullwise.domain.vulnerabilities import Assessment
from hullwise.ecosystems.namespaces import namespace
from hullwise.store import enrichment

_READERS = ("dpkg", "apk", "rpm")


@dataclass(frozen=True, slots=True)
class Exploitation:
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
        scores = [self.scores[name] for name in names if name in self.scores]
        known = [self.known[name] for name in names if name in self.known]
        return Exploitation(max(scores, key=lambda each: each.score, default=None), next(iter(known), None))


def _names(assessment: Assessment) -> list[str]:
    # A distribution's advisory on several CVEs names them as what it is about, not as its own other names.
    found = dict.fromkeys((assessment.name, *assessment.ids, *assessment.upstream))
    return [name for name in found if name.startswith("CVE-")]


def exploitations(tx: sa.Connection, findings: Iterable[Finding]) -> Exploitations:
    return of_assessments(tx, (finding.assessment for finding in findings))


def of_assessments(tx: sa.Connection, assessments: Iterable[Assessment]) -> Exploitations:
    names = {name for assessment in assessments for name in _names(assessment)}
    return Exploitations(enrichment.scores_of(tx, names), enrichment.exploited_of(tx, names), enrichment.dates(tx))


@dataclass(frozen=True, slots=True)
class EndOfLife:
    """A finding of its own class: the distribution gets no security fixes any more, or will soon get none."""

    distribution: str
    release: str
    state: Literal["supported", "extended", "ended"]
    """`extended`: only by volunteers or for payment."""
    lifecycle: Lifecycle
    as_of: str

    @property
    def wire(self) -> dict[str, str]:
        """As the JSON of every edge shows it."""
        ends = {"ends": self.lifecycle.ends, "extendedEnds": self.lifecycle.extended_ends, "asOf": self.as_of}
        about = {"distribution": self.distribution, "release": self.release, "state": self.state}
        return {**about, **ends, "source": self.lifecycle.source}

    @property
    def sentence(self) -> str:
        """For people."""
        name = f"{self.distribution} {self.release}"
        if self.state == "ended":
            return f"{name} reached its end of life on {self.lifecycle.extended_ends or self.lifecycle.ends}."
        return f"{name} left its regular support on {self.lifecycle.ends}."


def end_of_life(tx: sa.Connection, distribution: Distribution | None, now: datetime) -> EndOfLife | None:
    """How the support of the distribution's release stands at that moment; None where nobody says."""
    if distribution is None:
        return None
    found = next((name for reader in _READERS if (name := namespace(reader, distribution))), "")
    family, _, release = found.partition(":")
    lifecycle = enrichment.lifecycle_of(tx, family or distribution.id, release or distribution.version)
    if lifecycle is None:
        return None
    today = f"{now:%Y-%m-%d}"
    state: Literal["supported", "extended", "ended"] = "supported"
    if lifecycle.ends and lifecycle.ends < today:
        state = "extended" if lifecycle.extended_ends >= today else "ended"
    as_of = enrichment.dates(tx).get("lifecycles", "")
    return EndOfLife(lifecycle.distribution, lifecycle.release, state, lifecycle, as_of)
