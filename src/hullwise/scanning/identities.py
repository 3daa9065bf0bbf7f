"""Which vulnerability an assessment is about, through merges and splits of aliases.

Ids are surrogates. When two vulnerabilities turn out to be one, the older id survives; when one turns out to be two,
the part with the oldest record keeps the id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from hullwise.advisories.generation import Generation
from hullwise.domain.vulnerabilities import Assessment
from hullwise.store import assessments
from hullwise.store.engine import serialise


def keep(tx: sa.Connection, generation: Generation, number: int, wanted: Iterable[Assessment]) -> dict[Assessment, int]:
    """Store assessments of a generation, each with its vulnerability; returns their ids."""
    unique = sorted(set(wanted), key=lambda assessment: (assessment.name, assessment.namespace, assessment.package))
    if not unique:
        return {}
    roots = sorted({assessment.name for assessment in unique})
    names = {root: generation.names_of(root) or [root] for root in roots}
    # Two transactions that meet the same new name at once would each make a vulnerability of it.
    serialise(tx, "vulnerability names")
    vulnerability = {root: _resolve(tx, generation, number, names[root]) for root in roots}
    return assessments.save(tx, {assessment: vulnerability[assessment.name] for assessment in unique})


def _resolve(tx: sa.Connection, generation: Generation, number: int, names: Sequence[str]) -> int:
    known = assessments.names(tx, names)
    candidates = sorted({vulnerability for vulnerability, _ in known.values()})
    published = generation.publication(names)
    if candidates and len(known) == len(names) and len(candidates) == 1:
        others = assessments.names_of(tx, candidates)[candidates[0]] - set(names)
        if not others:
            return candidates[0]
    chosen = next((c for c in candidates if _keeps(tx, generation, c, names, published)), None)
    if chosen is None:
        chosen = assessments.new_vulnerability(tx, number)
    assessments.name_vulnerability(tx, chosen, {name: published.get(name, "") for name in names})
    return chosen


def _keeps(
    tx: sa.Connection, generation: Generation, vulnerability: int, names: Sequence[str], published: dict[str, str]
) -> bool:
    """Whether these names, rather than others that had the id and now stand apart, keep the vulnerability's id."""
    others = assessments.names_of(tx, [vulnerability]).get(vulnerability, set()) - set(names)
    theirs = generation.publication(sorted(others))
    if not theirs:
        return True
    return (min(published.values(), default="9999"), min(names)) < (min(theirs.values()), min(theirs))
