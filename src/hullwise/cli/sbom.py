"""hullwise sbom: the bill of materials of an image, on disk or in the registry."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from hullwise.cli import local, scan
from hullwise.cli.failures import Failure
from hullwise.domain.packages import Occurrence


def run(
    *,
    image: str,
    output: str,
    findings: bool,
    attach: bool,
    account: str | None,
    region: str | None,
    data: Path | None,
    advisories: Path | None,
    cache: Path | None,
    platform: str | None,
) -> None:
    path = local.on_disk(image)
    if path is None:
        _of_registry(image, output, findings, attach, account, region, data, platform)
        return
    if attach:
        raise Failure("--attach keeps the document in the registry: an image on disk is in none")
    with ExitStack() as stack:
        generation = None
        if findings:
            generation = stack.enter_context(
                local.advised(data=local.DataFolder(data), advisories=advisories, cache=cache)
            )
        opened = stack.enter_context(local.opened(path, platform=platform, cache=cache))
        _warn(opened.inventory.occurrences)
        found = None if generation is None else scan.found(opened, generation)
        click.echo(scan.written(opened, path, output, found))


def _warn(occurrences: Sequence[Occurrence]) -> None:
    if not occurrences:
        click.echo("no package was found in the image: the document lists none", err=True)


def _of_registry(
    image: str,
    output: str,
    findings: bool,
    attach: bool,
    account: str | None,
    region: str | None,
    data: Path | None,
    platform: str | None,
) -> None:
    from hullwise.api import documents
    from hullwise.cli import references, trail
    from hullwise.cli.opening import chosen_account, opened
    from hullwise.documents.formats import FORMATS
    from hullwise.scanning import contents

    with opened(data=data) as services:
        owner, where = chosen_account(services, account), region or services.settings.regions[0]
        with services.database.read() as tx:
            named = references.chosen(tx, references.named(tx, owner, where, image), platform)
            with named.scanned():
                found = contents.of_image(tx, services, named.repository, named.image)
        _warn(found.occurrences)
        form = FORMATS[output]
        host = documents.host_of(services)
        if attach:
            digest = documents.attached(services, found, form, findings=findings, host=host).image.digest
            trail.changed(owner, (where, named.repository.name), what=digest)
            click.echo(digest)
        else:
            click.echo(form.write(documents.about(found, findings=findings, host=host)))
