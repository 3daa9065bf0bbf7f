"""hullwise findings and hullwise images: what is in an image, and where a vulnerability is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from hullwise.api import findings as documents
from hullwise.cli.opening import chosen_account, opened
from hullwise.cli.texts import printable, table
from hullwise.domain.names import ImageId, check_repository
from hullwise.scanning import affected, bases, search
from hullwise.services import Services
from hullwise.store import repositories

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
    **wanted: str,
) -> None:
    name, reference = split(image)
    with opened(data=data) as services:
        owner, where = chosen_account(services, account), region or services.settings.regions[0]
        asked, chosen = search.image_named(reference), search.wanted(**wanted)
        pages = _pages(services, owner, where, check_repository(name), asked, chosen)
        whole = next(pages)
        for page in pages:
            whole["findings"] += page["findings"]
        if output == "json":
            click.echo(json.dumps(whole))
        else:
            _print_findings(whole)


def split(image: str) -> tuple[str, str]:
    """`team/app`, `team/app:1`, `team/app@sha256:…`; the tag `latest` where none is said."""
    name, at, digest = image.partition("@")
    if at:
        return name, digest
    name, _, tag = image.partition(":")
    return name, tag or "latest"


def _pages(
    services: Services, account: str, region: str, name: str, asked: ImageId, chosen: search.Wanted
) -> Iterator[dict[str, Any]]:
    at: search.At | None = search.BEGIN
    while at is not None:
        with services.database.read() as tx:
            repository = repositories.get(tx, account, region, name)
            found = search.find(tx, services, repository, asked, chosen, at, _AT_ONCE)
            base = bases.base_of(tx, repository, found.image)
            covered = documents.coverage_of(tx, services, found)
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
    for note in found["coverage"]["notes"] if found["coverage"] else ():
        click.echo(printable(note))
    if found["findings"] is None:
        return
    rows = [[*_cells(each), _notes(each)] for each in found["findings"]]
    if rows:
        table([*_FINDINGS, ""], rows)
    total = ", ".join(f"{number} {severity}" for severity, number in found["counts"].items()) or "none"
    suppressed = f"; {found['suppressed']} suppressed" if found["suppressed"] else ""
    click.echo(f"Findings: {total}{suppressed}; shown: {found['matching']}")


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
