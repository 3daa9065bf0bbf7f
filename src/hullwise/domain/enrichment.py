"""What is known of a vulnerability or a distribution beside the advisories: scores, exploitation, ends of support.

All of it changes by the day and for everything at once: it is dated, joined on reading, and never decides a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec


class ExploitScore(msgspec.Struct, frozen=True):
    """EPSS: how likely it is that somebody tries to exploit it (first.org/epss)."""

    cve: str
    score: float
    """Probability of such activity in the next 30 days, 0 to 1."""
    percentile: float
    """Share of all scored CVEs with the same score or a lower one, 0 to 1."""


class KnownExploited(msgspec.Struct, frozen=True):
    """An entry of CISA's catalogue of vulnerabilities that are exploited (KEV)."""

    cve: str
    name: str
    added: str
    """YYYY-MM-DD."""
    due: str
    """By when United States agencies must have acted, YYYY-MM-DD, or empty."""
    ransomware: bool
    """Whether its use in a ransomware campaign is known; False says that none is known, not that there is none."""
    action: str
    url: str
    """Where the catalogue sends the reader first, else the catalogue itself."""


class Lifecycle(msgspec.Struct, frozen=True):
    """How long a release of a distribution is supported."""

    distribution: str
    """`ID` of os-release: `debian`, `alpine`, `rocky`."""
    release: str
    """As a namespace has it: `12`, `22.04`, `3.19`."""
    codename: str
    """As os-release writes it, such as `bookworm`, or empty."""
    ends: str
    """Last day of support that everybody has, YYYY-MM-DD; empty: no end is set."""
    extended_ends: str
    """Last day of support by volunteers or for payment (LTS, ESM), YYYY-MM-DD, or empty."""
    source: str
    """Who says so: `endoflife.date`."""


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


def standing(lifecycle: Lifecycle, as_of: str, now: datetime) -> EndOfLife:
    """How support stands at that moment, by what was said of it on the day `as_of`."""
    today = f"{now:%Y-%m-%d}"
    state: Literal["supported", "extended", "ended"] = "supported"
    if lifecycle.ends and lifecycle.ends < today:
        state = "extended" if lifecycle.extended_ends >= today else "ended"
    return EndOfLife(lifecycle.distribution, lifecycle.release, state, lifecycle, as_of)


class Enrichment(msgspec.Struct, frozen=True):
    """All of it. An empty `…_as_of` means that this part is not there, which is not the same as nothing to say."""

    scores_as_of: str = ""
    scores: tuple[ExploitScore, ...] = ()
    exploited_as_of: str = ""
    exploited: tuple[KnownExploited, ...] = ()
    lifecycles_as_of: str = ""
    lifecycles: tuple[Lifecycle, ...] = ()
