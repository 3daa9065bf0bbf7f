"""hullwise scan: an image on disk, without a server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hullwise.advisories.generation import Generation
from hullwise.advisories.records import Unparsable
from hullwise.cli import local
from hullwise.cli.failures import Failure
from hullwise.cli.local import LocalImage
from hullwise.cli.texts import console, printable, table
from hullwise.domain.packages import Distribution, Occurrence
from hullwise.domain.reports import Finding, counts, findings
from hullwise.domain.scans import SEVERITY_ORDER, Severity
from hullwise.ecosystems import BY_NAME
from hullwise.ecosystems.purl import purl
from hullwise.inventory import kept
from hullwise.inventory.image import ImageInventory
from hullwise.scanning import coverage
from hullwise.scanning.coverage import Coverage
from hullwise.scanning.states import unsupported

if TYPE_CHECKING:
    from hullwise.advisories.vex.document import Document
    from hullwise.inventory.nursery import Nursery

FOUND, UNJUDGED = 3, 4
"""Exit statuses of --fail-on: where it finds something, and where nothing in the image could be judged. 1 is a failure
of the command and 2 a wrong option."""


_COMPLAINTS = 20
"""Lines on what is not used of a VEX document, at most."""


def run(
    *,
    path: Path,
    output: str,
    fail_on: str | None,
    vex: Sequence[Path],
    data: Path | None,
    advisories: Path | None,
    cache: Path | None,
    platform: str | None,
    nursery: Nursery | None,
) -> None:
    documents = {each: _document(each) for each in vex}
    complaints = [(each.name, why) for each, document in documents.items() for why in document.complaints(_COMPLAINTS)]
    for name, why in complaints:
        click.echo(printable(f"{name}: {why}"), err=True)
    folder = local.DataFolder(data)
    with (
        local.advised(data=folder, advisories=advisories, cache=cache) as generation,
        local.opened(path, platform=platform, cache=cache, nursery=nursery) as image,
    ):
        listed = found(image, generation, list(documents.values()))
        about = _covered(image, generation, folder)
        if output == "json":
            said = _described(image.source.digest, image.inventory, listed, generation, about, complaints)
            click.echo(msgspec.json.format(msgspec.json.encode(said)))
        elif output != "table":
            click.echo(written(image, path, output, listed, about))
        else:
            _print_table(image.inventory, listed, generation, about)
        worst = min((SEVERITY_ORDER[each.assessment.severity] for each in _live(listed)), default=None)
    if fail_on is None:
        return
    if worst is not None and worst <= SEVERITY_ORDER[Severity(fail_on)]:
        raise click.exceptions.Exit(FOUND)
    if not about.judged:
        raise click.exceptions.Exit(UNJUDGED)


def written(
    image: LocalImage, path: Path, name: str, found: Sequence[Finding] | None, covered: Coverage | None = None
) -> bytes:
    """A document about the image, of one of the names of `documents.formats`."""
    from hullwise.documents.formats import FORMATS, About
    from hullwise.documents.subject import Subject

    subject = Subject(path.name or str(path.resolve()), image.source.digest)
    inventory = image.inventory
    about = About(subject, inventory.distribution, inventory.occurrences, found, datetime.now(UTC))
    if covered is not None:
        sentence = unsupported(inventory)
        gaps = [*([sentence] if sentence else ()), *covered.gaps]
        about = msgspec.structs.replace(about, gaps=gaps, judged=covered.judged)
    return FORMATS[name].write(about)


def _document(path: Path) -> Document:
    """A VEX document, read in a process of its own."""
    from hullwise.advisories.vex.document import DOCUMENT_LIMIT
    from hullwise.advisories.vex.reading import read

    with path.open("rb") as file:
        body = file.read(DOCUMENT_LIMIT + 1)
    try:
        return read(body)
    except Unparsable as error:
        raise Failure(f"{path.name}: {error}") from error


def found(image: LocalImage, generation: Generation, documents: Sequence[Document] = ()) -> Sequence[Finding]:
    """Those that count first."""
    occurrences = image.inventory.occurrences
    packages = {occurrence.package for occurrence in occurrences}
    made = findings(occurrences, {package: generation.match(package) for package in packages})
    if not documents:
        return made
    from hullwise.scanning import overlays

    return overlays.under_documents(made, image.inventory.distribution, packages, documents, image.source.digest)


def _live(found: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.suppression is None]


def _covered(image: LocalImage, generation: Generation, data: local.DataFolder) -> Coverage:
    inventory = image.inventory
    end = local.lifecycle(data, inventory.distribution, datetime.now(UTC))
    spoken = generation.namespaces()
    packages = coverage.counted(occurrence.package for occurrence in inventory.occurrences)
    sources = generation.sources
    return coverage.of(inventory.distribution, packages, kept.readers(), inventory.problems, spoken, end, sources)


def _described(
    digest: str,
    inventory: ImageInventory,
    found: Sequence[Finding],
    generation: Generation,
    about: Coverage,
    complaints: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    distribution = inventory.distribution
    sentence = unsupported(inventory)
    live = _live(found)
    return {
        "image": {
            "digest": digest,
            "distribution": None if distribution is None else msgspec.structs.asdict(distribution),
        },
        "status": "UNSUPPORTED" if sentence else "COMPLETE",
        "description": sentence or "",
        "advisories": {"digest": generation.digest, "as_of": generation.data_as_of, "sources": generation.sources},
        "coverage": about.document,
        "counts": counts(finding.assessment.severity for finding in live),
        "packages": [_package(occurrence, distribution) for occurrence in inventory.occurrences],
        "findings": [_finding(finding, distribution) for finding in live],
        "suppressed": [
            _finding(finding, distribution) | {"suppression": msgspec.structs.asdict(finding.suppression)}
            for finding in found
            if finding.suppression is not None
        ],
        "problems": [{"path": path, "why": why} for path, why in (*inventory.problems, *complaints)],
    }


def _package(occurrence: Occurrence, distribution: Distribution | None) -> dict[str, Any]:
    package = occurrence.package
    return {
        "type": BY_NAME[package.ecosystem].purl_type,
        "name": package.name,
        "version": package.version,
        "source_name": package.source_name,
        "source_version": package.source_version,
        "purl": purl(package, distribution),
        "path": occurrence.path,
        "layer_digest": occurrence.layer,
        "owner": occurrence.owner,
        "namespace": package.namespace or None,
    }


def _finding(finding: Finding, distribution: Distribution | None) -> dict[str, Any]:
    assessment = finding.assessment
    return {
        "id": assessment.name,
        "aliases": [name for name in assessment.ids if name != assessment.name],
        "severity": assessment.severity.value,
        "score": assessment.score,
        "package_name": finding.package.source_name,
        "package_version": finding.package.source_version,
        "purl": purl(finding.package, distribution),
        "fixed_version": assessment.fix,
        "state": assessment.state,
        "layer_digest": finding.layer,
        "source": assessment.records[0].source,
        "advisories": [record.id for record in assessment.records],
        "credits": sorted({record.credit for record in assessment.records}),
        "installed": [
            {"purl": purl(o.package, distribution), "path": o.path, "layer_digest": o.layer}
            for o in finding.occurrences
        ],
        "url": assessment.url,
    }


def _print_table(inventory: ImageInventory, found: Sequence[Finding], generation: Generation, about: Coverage) -> None:
    out = console()
    distribution = inventory.distribution
    name = "no operating system" if distribution is None else distribution.name or distribution.id
    out.print(f"{printable(name)}, {len(inventory.occurrences)} packages")
    out.print(_data_line(generation))
    sentence = unsupported(inventory)
    if sentence:
        out.print(printable(sentence))
    for line in about.sentences:
        out.print(printable(line))
    live = _live(found)
    if live:
        table(("Severity", "Vulnerability", "Package", "Installed", "Fixed in", "Layer"), map(_row, live))
    tally = counts(finding.assessment.severity for finding in live)
    none = "none" if about.judged else "unknown: nothing in the image could be judged"
    total = ", ".join(f"{number} {severity}" for severity, number in tally.items()) or none
    suppressed = f"; {len(found) - len(live)} suppressed" if len(found) > len(live) else ""
    out.print(f"Findings: {total}{suppressed}")


def _row(finding: Finding) -> tuple[str, ...]:
    assessment, package = finding.assessment, finding.package
    layer = finding.layer.partition(":")[2][:12]
    fix = assessment.fix or assessment.state
    return assessment.severity, assessment.name, package.source_name, package.source_version, fix, layer


def _data_line(generation: Generation) -> str:
    return f"Advisories: {generation.record_count} records, as of {generation.data_as_of[:10] or 'an unknown day'}"
