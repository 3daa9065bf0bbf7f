"""Why an image has a vulnerability, or has not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import asdict

from hullwise.advisories.explanation import Examined, Explanation
from hullwise.api.calls import Call
from hullwise.auth import access
from hullwise.domain.names import check_repository
from hullwise.domain.packages import Distribution
from hullwise.domain.reports import Finding
from hullwise.ecosystems.purl import purl
from hullwise.scanning import explaining, search


def of_image(call: Call) -> dict[str, Any]:
    """`?repository=`, `?image=`, a tag or a digest, and `?vulnerability=`, any of its ids."""
    call.only({"repository", "image", "vulnerability"})
    name, asked = check_repository(call.needed("repository")), search.image_named(call.needed("image"))
    vulnerability = call.needed("vulnerability")[:128]
    with call.services.database.read() as tx:
        caller = call.caller
        repository = access.repository(
            tx, call.services, caller, caller.account, caller.region, name, ("ecr:DescribeImageScanFindings",)
        )
        found = explaining.explain(tx, call.services, repository, asked, vulnerability)
    contents = found.contents
    return {
        "image": {"repository": name, "digest": contents.image.digest, "tags": list(contents.tags)},
        "generation": found.generation,
        **document(found.explanation, contents.distribution, found.findings),
    }


def document(said: Explanation, distribution: Distribution | None, findings: Sequence[Finding]) -> dict[str, Any]:
    """An explanation as JSON; `findings`: those of the report that are about the vulnerability."""
    return {
        "asked": said.asked,
        "vulnerability": said.name or None,
        "names": list(said.names),
        "sentence": said.sentence,
        "records": [asdict(record) for record in said.records],
        "notUsed": [{"id": record, "source": source, "why": why} for record, source, why in said.unused],
        "packages": [_examined(each, distribution) for each in said.examined],
        "notInstalled": [{"namespace": namespace, "name": name} for namespace, name in said.elsewhere],
        "suppressions": [asdict(each.suppression) for each in findings if each.suppression is not None],
    }


def _examined(each: Examined, distribution: Distribution | None) -> dict[str, Any]:
    found = each.assessment
    chosen = None if found is None else found.chosen
    return {
        "purl": purl(each.package, distribution),
        "namespace": each.package.namespace,
        "comparedName": each.name,
        "comparedVersion": each.version,
        "verdict": each.verdict,
        "why": each.why or None,
        "rule": None if found is None else found.rule,
        "fixedVersion": None if found is None else found.fix or None,
        "state": None if found is None else found.state,
        "severity": None if found is None else found.severity,
        "severityChosen": None if chosen is None else asdict(chosen),
        "severityClaims": [] if found is None else [asdict(claim) for claim in found.claims],
        "tests": [asdict(test) for test in each.tests],
        "installed": [
            {"path": place.path, "layerDigest": place.layer, "owner": place.owner or None} for place in each.occurrences
        ],
    }
