"""hullwise explain: why an image has a vulnerability, or has not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hullwise.advisories import explanation
from hullwise.advisories.explanation import Examined, Explanation
from hullwise.api.explanations import document
from hullwise.cli import local
from hullwise.cli.failures import Failure
from hullwise.cli.texts import printable
from hullwise.domain.packages import Distribution
from hullwise.ecosystems.purl import purl


def run(
    *,
    image: str,
    vulnerability: str,
    output: str,
    account: str | None,
    region: str | None,
    data: Path | None,
    advisories: Path | None,
    cache: Path | None,
    platform: str | None,
) -> None:
    if not vulnerability.strip():
        raise Failure("the id of a vulnerability must be given")
    path = local.on_disk(image)
    if path is not None:
        with (
            local.advised(data=local.DataFolder(data), advisories=advisories, cache=cache) as generation,
            local.opened(path, platform=platform, cache=cache) as opened,
        ):
            said = explanation.explain(generation, opened.inventory.occurrences, vulnerability)
            distribution = opened.inventory.distribution
        _show(said, distribution, document(said, distribution, ()), output)
        return
    _of_registry(image, vulnerability, output, account, region, data, platform)


def _of_registry(
    image: str,
    vulnerability: str,
    output: str,
    account: str | None,
    region: str | None,
    data: Path | None,
    platform: str | None,
) -> None:
    from hullwise.cli import references
    from hullwise.cli.opening import chosen_account, opened
    from hullwise.scanning import explaining

    with opened(data=data) as services:
        owner, where = chosen_account(services, account), region or services.settings.regions[0]
        with services.database.read() as tx:
            named = references.chosen(tx, references.named(tx, owner, where, image), platform)
            with named.scanned():
                found = explaining.explain(tx, services, named.repository, named.image, vulnerability)
        distribution = found.contents.distribution
        said = document(found.explanation, distribution, found.findings)
        _show(found.explanation, distribution, said, output)


def _show(said: Explanation, distribution: Distribution | None, whole: dict[str, Any], output: str) -> None:
    if not said.name and not said.unused:
        raise Failure(said.sentence)
    if output == "json":
        click.echo(json.dumps(whole))
        return
    for line in _lines(said, distribution):
        click.echo(printable(line))
    for suppression in whole["suppressions"]:
        click.echo(printable(f"suppressed by {suppression['by']}: {suppression['reason']}"))


def _lines(said: Explanation, distribution: Distribution | None) -> list[str]:
    lines = [said.sentence]
    if len(said.names) > 1:
        lines.append(f"also known as {', '.join(name for name in said.names if name != said.name)}")
    for each in said.examined:
        lines += _of_package(each, distribution)
    if said.elsewhere:
        names = ", ".join(f"{name} ({namespace})" for namespace, name in said.elsewhere[:10])
        more = f" and {len(said.elsewhere) - 10} more" if len(said.elsewhere) > 10 else ""
        lines.append(f"not installed: {names}{more}")
    lines += [f"not used: {record} of {source}: {why}" for record, source, why in said.unused]
    return lines


def _of_package(each: Examined, distribution: Distribution | None) -> list[str]:
    lines = [f"{each.verdict}: {purl(each.package, distribution)}"]
    for place in each.occurrences:
        owner = f", installed by {place.owner}" if place.owner else ""
        lines.append(f"    in {place.path}, layer {place.layer.partition(':')[2][:12]}{owner}")
    lines += [f"    {test.record} ({test.source}) says {test.says}: {test.outcome}" for test in each.tests]
    if each.why:
        lines.append(f"    {each.why}")
    if each.assessment is not None and each.assessment.chosen is not None:
        chosen = each.assessment.chosen
        score = "" if chosen.score is None else f" {chosen.score}"
        lines.append(f"    severity {each.assessment.severity.value}{score} by {chosen.source} ({chosen.value})")
    return lines
