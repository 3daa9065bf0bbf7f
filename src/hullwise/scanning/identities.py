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
    """The id of the vulnerability with these names. Afterwards they name it, and no other name does."""
    known = assessments.names(tx, names)
    candidates = sorted({vulnerability for vulnerability, _ in known.values()})
    others = {vulnerability: held - set(names) for vulnerability, held in assessments.names_of(tx, candidates).items()}
    published = generation.publication(names)
    settled = all(name in known and published.get(name, known[name][1]) == known[name][1] for name in names)
    if settled and len(candidates) == 1 and not others[candidates[0]]:
        return candidates[0]
    chosen = next((c for c in candidates if _keeps(generation, names, others[c])), None)
    if chosen is None:
        chosen = assessments.new_vulnerability(tx, number)
    else:
        # Parts that lost the id get another when they are met; they may be met long after, when ranks have changed.
        assessments.release_names(tx, others[chosen])
    assessments.name_vulnerability(tx, chosen, {name: published.get(name, "") for name in names})
    return chosen


def _keeps(generation: Generation, names: Sequence[str], others: Iterable[str]) -> bool:
    """Whether these names keep an id that `others` have too, rather than the vulnerabilities that those are now."""
    rivals = (generation.names_of(root) for root in generation.roots_of(others))
    return all(_age(generation, names) < _age(generation, rival) for rival in rivals)


def _age(generation: Generation, names: Sequence[str]) -> tuple[str, str]:
    """Smaller is older: by the first publication of any of its records, then by name; never equal for two."""
    return min(generation.publication(names).values(), default="9999"), min(names)
