"""hullwise scrub: read everything that is stored, and say what is damaged."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from hullwise.cli import trail
from hullwise.cli.backup import byte_bar, needed_by
from hullwise.cli.failures import Failure, explained
from hullwise.cli.opening import opened
from hullwise.cli.texts import printable
from hullwise.domain import digests
from hullwise.domain.errors import InvalidDigest
from hullwise.upkeep.errors import StorageSilent
from hullwise.upkeep.scrub import DamagedContent, Pace, Scrub, Scrubbed


def run(*, rate: int | None, since: str, drop: bool, output: str, data: Path | None) -> None:
    with explained(InvalidDigest):
        if since:
            digests.check(since)
    with opened(data=data) as services, byte_bar("Reading") as progress:
        pace = Pace(None if rate is None else rate * (1 << 20))
        scrub = Scrub(services, pace, progress, since, drop)
        try:
            found = scrub.run()
        except (KeyboardInterrupt, StorageSilent) as error:
            why = str(error) or "interrupted"
            on = f"; go on with --since {scrub.reached}" if scrub.reached else ""
            raise Failure(f"{why}{on}") from error
    for damaged in found.damaged:
        if damaged.dropped:
            trail.changed(what=damaged.name)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        click.echo("\n".join(_lines(found)))
    if found.damaged:
        sys.exit(1)


def _lines(found: Scrubbed) -> list[str]:
    lines = [line for damaged in found.damaged for line in _about(damaged)]
    size = f"{found.bytes / (1 << 20):.1f} MB"
    lines.append(
        f"{found.blobs} blobs ({size}), {found.manifests} manifests and {found.generations} files of advisories read: "
        f"{len(found.damaged) or 'none'} damaged"
    )
    if found.unnamed_objects:
        unnamed = f"{found.unnamed_bytes / (1 << 20):.1f} MB"
        lines.append(f"{found.unnamed_objects} objects ({unnamed}) belong to nothing")
    return lines


def _about(damaged: DamagedContent) -> list[str]:
    line = f"{damaged.kind} {printable(damaged.name)}: {damaged.damage.value}: {printable(damaged.why)}"
    return [f"{line}; taken away, and a push brings it back" if damaged.dropped else line, *needed_by(damaged)]
