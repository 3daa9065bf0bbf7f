"""hullwise backup and hullwise restore: an installation in a folder, and out of it again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from sqlalchemy import Connection

from hullwise.cli import trail
from hullwise.cli.failures import Failure, explained
from hullwise.cli.opening import opened, prepare, settled
from hullwise.cli.texts import printable
from hullwise.domain.moments import moment
from hullwise.sealing import SecretUnusable
from hullwise.upkeep import backup, restoration
from hullwise.upkeep.backup import Made
from hullwise.upkeep.errors import NotEmpty, UpkeepError, WrongSecret
from hullwise.upkeep.manifest import SECRET_FILE, Manifest
from hullwise.upkeep.restoration import Restored
from hullwise.upkeep.scrub import DamagedContent

_SHOWN = 20


def make(*, folder: Path, verify: bool, data: Path | None) -> None:
    with opened(data=data) as services, explained(UpkeepError):
        with byte_bar("Copying") as progress:
            made = backup.make(services, folder, progress, verify=verify)
        click.echo(_about(folder, made))
        if SECRET_FILE not in made.manifest.keys:
            click.echo(
                "The secret key is not in it: keep HULLWISE_SECRET_KEY, without which it is worth nothing.", err=True
            )
        _complain(made.mended, "was damaged in the folder, and is written again")
        _complain(made.kept, "is damaged or missing, and in the backup from an earlier one (hullwise scrub says more)")
        _complain(made.manifest.lacking, "is not in the backup: damaged or missing (hullwise scrub says more)")
        if made.manifest.lacking:
            raise Failure(f"{len(made.manifest.lacking)} of the stored contents could not be backed up")


def restore(*, folder: Path, verify: bool, skip_damaged: bool, output: str, data: Path | None) -> None:
    from hullwise import app
    from hullwise.jobs import durable
    from hullwise.scanning import notes, unfinished

    with settled(data=data) as settings, explained(UpkeepError):
        found = restoration.admit(folder, settings, skip_damaged=skip_damaged)
        prepare(settings)
        services = app.build(settings)
        try:
            durable.prepare(services.database, settings.locks)
            if durable.holds_any(services.database):
                raise NotEmpty("jobs of an earlier one in its database")
            queued = 0

            def resume(tx: Connection) -> None:
                nonlocal queued
                try:
                    app.check_secret(tx, services)
                except SecretUnusable as error:
                    raise WrongSecret(f"The backup was made with the wrong {SECRET_FILE}") from error
                queued = unfinished.queue_again(tx, services)

            with byte_bar("Copying") as progress:
                done = restoration.restore(
                    services, found, resume, rehash=verify, skip_damaged=skip_damaged, progress=progress
                )
            notes.note_head(services)
            trail.changed(what=f"backup of {moment(done.made_at)}")
        finally:
            services.database.close()
        if output == "json":
            shown = msgspec.to_builtins(done) | {"jobs": queued}
            click.echo(msgspec.json.format(msgspec.json.encode(shown)).decode())
        else:
            click.echo(f"Restored the backup of {moment(done.made_at)} into {settings.data}: {_size(done)}")
            click.echo(f"{done.rows} rows, {queued} unfinished jobs queued again")
            _lament(done.lacking)
        if done.skipped:
            raise Failure(f"{done.skipped} of the backup's contents are damaged or missing, and were skipped")


def _about(folder: Path, made: Made) -> str:
    rows = sum(table.rows for table in made.manifest.tables)
    return (
        f"{folder}: backup of {moment(made.manifest.made_at)}, {rows} rows, {_size(made.manifest)}; "
        f"{made.copied} objects ({made.copied_bytes / (1 << 20):.1f} MB) are new"
    )


def _size(found: Manifest | Restored) -> str:
    return f"{found.objects} objects ({found.bytes / (1 << 20):.1f} MB)"


def _complain(names: Sequence[str], what: str) -> None:
    for name in names[:_SHOWN]:
        click.echo(f"{printable(name)} {what}", err=True)
    if len(names) > _SHOWN:
        click.echo(f"and {len(names) - _SHOWN} more", err=True)


def _lament(lacking: Sequence[DamagedContent]) -> None:
    for each in lacking[:_SHOWN]:
        click.echo(f"{each.kind} {printable(each.name)} is not there: {printable(each.why)}", err=True)
        for line in needed_by(each):
            click.echo(line, err=True)
    if len(lacking) > _SHOWN:
        click.echo(f"and {len(lacking) - _SHOWN} more", err=True)


def needed_by(content: DamagedContent) -> Iterator[str]:
    """A line for each repository that needs it, with the images."""
    for need in content.repositories:
        named = [tag for image in need.images for tag in image.tags or (image.digest,)]
        images = f": {', '.join(map(printable, named))}" if named else ", in no image"
        yield f"  {need.account} {need.region} {printable(need.name)}{images}"


@contextmanager
def byte_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, where somebody may be looking at it."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
