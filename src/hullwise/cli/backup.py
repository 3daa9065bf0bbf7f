"""hullwise backup and hullwise restore: an installation in a folder, and out of it again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import Connection

from hullwise.cli.failures import Failure, explained
from hullwise.cli.opening import opened, prepare, settled
from hullwise.cli.texts import printable
from hullwise.domain.errors import moment
from hullwise.upkeep import backup, restoration
from hullwise.upkeep.backup import Made
from hullwise.upkeep.errors import NotEmpty, UpkeepError
from hullwise.upkeep.manifest import SECRET_FILE, Manifest

_SHOWN = 20


def make(*, folder: Path, data: Path | None) -> None:
    with opened(data=data) as services, explained(UpkeepError):
        with byte_bar("Copying") as progress:
            made = backup.make(services, folder, progress)
        click.echo(_about(folder, made))
        if SECRET_FILE not in made.manifest.keys:
            click.echo(
                "The secret key is not in it: keep HULLWISE_SECRET_KEY, without which it is worth nothing.", err=True
            )
        _complain(made.manifest.lacking, "is not in the backup: damaged or missing (hullwise scrub says more)")
        if made.manifest.lacking:
            raise Failure(f"{len(made.manifest.lacking)} of the stored contents could not be backed up")


def restore(*, folder: Path, verify: bool, data: Path | None) -> None:
    from hullwise import app
    from hullwise.jobs import durable
    from hullwise.scanning import publication, unfinished

    with settled(data=data) as settings, explained(UpkeepError):
        found = restoration.admit(folder, settings)
        prepare(settings)
        services = app.build(settings)
        try:
            durable.prepare(services.database, settings.locks)
            if durable.holds_any(services.database):
                raise NotEmpty("jobs of an earlier one in its database")
            queued = 0

            def resume(tx: Connection) -> None:
                nonlocal queued
                queued = unfinished.queue_again(tx, services)

            with byte_bar("Copying") as progress:
                restoration.restore(services, found, resume, rehash=verify, progress=progress)
            publication.note_head(services)
        finally:
            services.database.close()
        rows = sum(table.rows for table in found.manifest.tables)
        click.echo(
            f"Restored the backup of {moment(found.manifest.made_at)} into {settings.data}: {_size(found.manifest)}"
        )
        click.echo(f"{rows} rows, {queued} unfinished jobs queued again")
        _complain(found.manifest.lacking, "is not there: it was damaged or missing when the backup was made")


def _about(folder: Path, made: Made) -> str:
    rows = sum(table.rows for table in made.manifest.tables)
    return (
        f"{folder}: backup of {moment(made.manifest.made_at)}, {rows} rows, {_size(made.manifest)}; "
        f"{made.copied} objects ({made.copied_bytes / (1 << 20):.1f} MB) are new"
    )


def _size(found: Manifest) -> str:
    return f"{found.objects} objects ({found.bytes / (1 << 20):.1f} MB)"


def _complain(names: Sequence[str], what: str) -> None:
    for name in names[:_SHOWN]:
        click.echo(f"{printable(name)} {what}", err=True)
    if len(names) > _SHOWN:
        click.echo(f"and {len(names) - _SHOWN} more", err=True)


@contextmanager
def byte_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, where somebody may be looking at it."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
