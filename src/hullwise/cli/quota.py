"""hullwise quota: how many basic scans are left."""

from __future__ import annotations

from pathlib import Path

import click

from hullwise.cli.opening import opened
from hullwise.domain.moments import moment_from
from hullwise.store import quotas


def show(*, data: Path | None) -> None:
    with opened(data=data) as services:
        limit = services.settings.scan_quota
        with services.database.read() as tx:
            found = quotas.uses(tx, services.clock())
        click.echo(f"Basic scans in 24 hours: {limit or 'no limit'}")
        for use in found:
            line = f"{use.account}  {use.region}  {use.used} used"
            if use.frees_at is not None:
                line += f", the next one counts no more from {moment_from(use.frees_at)}"
            click.echo(line)
        if not found:
            click.echo("No scan was counted yet.")
