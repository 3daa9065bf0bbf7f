"""hullwise findings and hullwise images: what is in an image, and where a vulnerability is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from hullwise.api import findings as documents
from hullwise.cli import references
from hullwise.cli.failures import Failure
from hullwise.cli.opening import chosen_account, opened
from hullwise.cli.references import Named
from hullwise.cli.texts import printable, table
from hullwise.domain.scans import ScanStatus
from hullwise.scanning import affected, bases, search
from hullwise.services import Services

_AT_ONCE = 1_000

# How the columns of a table are called, and where their values stand in the JSON form.
_FINDINGS = {
    "Severity": "severity",
    "Vulnerability": "id",
    "Package": "package",
    "Installed": "version",
    "Fixed in": "fixedVersion",
    "Layer": "layerDigest",
}


def show(
    *,
    image: str,
    account: str | None,
    region: str | None,
    output: str,
    data: Path | None,
    platform: str | None,
    **wanted: str,
) -> None:
    with opened(data=data) as services:
        owner, where = chosen_account(services, account), region or services.settings.regions[0]
        chosen = search.wanted(**wanted)
        with services.database.read() as tx:
            named = references.named(tx, owner, where, image)
            named = named if platform is None else references.chosen(tx, named, platform)
        with named.scanned():
            pages = _pages(services, named, chosen)
            whole = next(pages)
            for page in pages:
                whole["findings"] += page["findings"]
        if output == "json":
            click.echo(json.dumps(whole))
        else:
            _print_findings(whole)
    failed = [each["description"] for each in _scans(whole) if each["status"] == ScanStatus.FAILED]
    if failed:
        raise Failure(f"a scan failed: {failed[0]}")
    if whole["findings"] is None:
        raise Failure(f"nothing is known of the image: {whole['image']['description'] or 'no scan came to a report'}")


def _scans(found: dict[str, Any]) -> Sequence[dict[str, Any]]:
    scans: Sequence[dict[str, Any]] = found["images"] or [found["image"] | {"report": found["report"]}]
    return scans


def _pages(services: Services, named: Named, chosen: search.Wanted) -> Iterator[dict[str, Any]]:
    at: search.At | None = search.BEGIN
    while at is not None:
        with services.database.read() as tx:
            found = search.find(tx, services, named.repository, named.image, chosen, at, _AT_ONCE)
            base = bases.base_of(tx, named.repository, found.image)
            covered = documents.coverages_of(tx, services, found)
        yield documents.document(found, base, covered)
        at = found.following


def _print_findings(found: dict[str, Any]) -> None:
    image = found["image"]
    click.echo(printable(f"{image['repository']}@{image['digest']}  {', '.join(image['tags'])}"))
    for each in found["images"] or [image]:
        status = f"{each['status'] or 'not scanned'}  {each['description']}"
        click.echo(printable(f"{each['digest']}  {each['platform']}  {status}" if found["images"] else status))
    if found["base"]:
        base = found["base"]
        names = [f"{each['repository']}:{tag}" for each in base["images"] for tag in each["tags"]]
        named = ", ".join(names) or base["images"][0]["repository"] + "@" + base["images"][0]["digest"]
        click.echo(printable(f"built on {named} ({base['layers']} of {base['ofLayers']} layers)"))
    for line in dict.fromkeys(_data_line(each["report"]) for each in _scans(found) if each["report"]):
        click.echo(line)
    for each in found["images"] or [found]:
        platform = f"{each['platform'] or each['digest']}: " if found["images"] else ""
        for note in each["coverage"]["notes"] if each["coverage"] else ():
            click.echo(printable(f"{platform}{note}"))
    if found["findings"] is None:
        return
    rows = [[*_cells(each), _notes(each)] for each in found["findings"]]
    if rows:
        table([*_FINDINGS, ""], rows)
    total = ", ".join(f"{number} {severity}" for severity, number in found["counts"].items()) or "none"
    suppressed = f"; {found['suppressed']} suppressed" if found["suppressed"] else ""
    click.echo(f"Findings: {total}{suppressed}; shown: {found['matching']}")


def _data_line(report: dict[str, Any]) -> str:
    age = report["dataAsOf"][:10] if report["dataAsOf"] else "an unknown day"
    return f"Advisories: generation {report['generation']}, {report['records']} records, as of {age}"


def _cells(finding: dict[str, Any]) -> list[str]:
    found = {column: finding[member] or "" for column, member in _FINDINGS.items()}
    found["Fixed in"] = found["Fixed in"] or finding["state"]
    found["Layer"] = found["Layer"].partition(":")[2][:12]
    return [str(cell) for cell in found.values()]


def _notes(finding: dict[str, Any]) -> str:
    """What else somebody should know."""
    suppression = finding["suppression"]
    notes = [
        "in the base" if finding.get("inBase") else "",
        "exploited" if finding.get("knownExploited") else "",
        f"suppressed: {suppression['reason']}" if suppression else "",
        ", ".join(each["platform"] or each["digest"] for each in finding.get("images", ())),
    ]
    return "; ".join(note for note in notes if note)


def show_images(
    *, vulnerability: str, suppressed: str, account: str | None, region: str | None, output: str, data: Path | None
) -> None:
    wanted = search.yes_or_no("suppressed", suppressed)
    with opened(data=data) as services:
        owner, where = chosen_account(services, account), region or services.settings.regions[0]
        whole: dict[str, Any] = {}
        after: int | None = 0
        while after is not None:
            with services.database.read() as tx:
                page = affected.find(
                    tx, services, owner, where, vulnerability, suppressed=wanted, after=after, size=_AT_ONCE
                )
            found = documents.affected_document(page)
            found["images"] = whole.get("images", []) + found["images"]
            whole, after = found, page.following
        if output == "json":
            click.echo(json.dumps(whole))
        else:
            _print_images(whole)


def _print_images(found: dict[str, Any]) -> None:
    rows = []
    for image in found["images"]:
        tags = [*image["tags"], *(tag for index in image["indexes"] for tag in index["tags"])]
        named = f"{image['repository']}:{tags[0]}" if tags else image["repository"]
        for finding in image["findings"]:
            rows.append([named, image["digest"][:19], image["status"], *_cells(finding), _notes(finding)])
    if rows:
        table(["Image", "Digest", "Status", *_FINDINGS, ""], rows)
    about = found["vulnerability"]
    known = f" ({', '.join(about['aliases'])})" if about["aliases"] else ""
    click.echo(printable(f"Images with {about['id']}{known}: {len(found['images'])}"))
