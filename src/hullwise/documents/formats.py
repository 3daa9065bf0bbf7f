"""The documents by the names that users give them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

import msgspec

import hullwise
from hullwise.documents.cyclonedx import cyclonedx
from hullwise.documents.sarif import sarif
from hullwise.documents.spdx import spdx
from hullwise.documents.subject import Subject
from hullwise.domain.packages import Distribution, Occurrence
from hullwise.domain.reports import OWNER, Finding

Name = Literal["cyclonedx", "spdx", "sarif"]


class About(msgspec.Struct, frozen=True):
    """What a document is made of."""

    subject: Subject
    distribution: Distribution | None
    occurrences: Sequence[Occurrence]
    findings: Sequence[Finding] | None
    """None: the document is to say nothing of vulnerabilities."""
    now: datetime
    gaps: Sequence[str] = ()
    """What was not judged, a sentence each."""
    judged: bool = True
    """Whether anything was."""

    @property
    def told(self) -> list[Finding]:
        """The findings without what the distribution decides about its own packages: there its own finding counts."""
        return [each for each in self.findings or () if each.suppression is None or each.suppression.by != OWNER]


class Format(msgspec.Struct, frozen=True):
    media_type: str
    bill_of_materials: bool
    """Whether it lists everything that is installed."""
    write: Callable[[About], bytes]


def _cyclonedx(about: About) -> bytes:
    found = None if about.findings is None else about.told
    version = hullwise.__version__
    return cyclonedx(about.subject, about.distribution, about.occurrences, found, now=about.now, tool_version=version)


def _spdx(about: About) -> bytes:
    return spdx(about.subject, about.distribution, about.occurrences, now=about.now, tool_version=hullwise.__version__)


def _sarif(about: About) -> bytes:
    return sarif(
        about.subject,
        about.distribution,
        about.told,
        now=about.now,
        tool_version=hullwise.__version__,
        gaps=about.gaps,
        judged=about.judged,
    )


FORMATS: dict[str, Format] = {
    "cyclonedx": Format("application/vnd.cyclonedx+json", True, _cyclonedx),
    "spdx": Format("application/spdx+json", True, _spdx),
    "sarif": Format("application/sarif+json", False, _sarif),
}
