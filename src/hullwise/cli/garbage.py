"""hullwise collect-garbage, and hullwise deletions: what was deleted goes for good, or comes back."""

from __future__ import annotations

import json
from pathlib import Path

import click
from msgspec.structs import asdict
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from hullwise.cli import trail
from hullwise.cli.failures import Failure
from hullwise.cli.opening import chosen_account, opened
from hullwise.cli.texts import printable
from hullwise.domain.moments import moment
from hullwise.registry import deletions as rules
from hullwise.registry import garbage
from hullwise.registry.garbage import Collected, TooMuchUnknown
from hullwise.scanning import publication
from hullwise.services import Services
from hullwise.store import deletions, repositories
from hullwise.store.garbage import LOCK
from hullwise.store.repositories import Repository

# Member of Collected, and what it is called.
_LINES = (
    ("uploads", "idle uploads"),
    ("images", "deleted images past their time"),
    ("links", "blobs that no image of their repository needs"),
    ("blobs", "blobs in no repository any more"),
    ("bytes", "bytes of these"),
    ("manifests", "manifests"),
    ("unknown", "objects that nothing names"),
    ("compacted", "blobs in many pieces, put together"),
    ("objects", "objects deleted from the storage"),
)


def collect(*, dry_run: bool, output: str, data: Path | None) -> None:
    with opened(data=data) as services:
        found = _preview(services) if dry_run else _collect(services, quiet=output == "json")
        if output == "json":
            click.echo(json.dumps(asdict(found)))
            return
        click.echo("Would be collected now:" if dry_run else "Collected:")
        for member, name in _LINES:
            click.echo(f"  {getattr(found, member):>16,}  {name}")


def _preview(services: Services) -> Collected:
    try:
        return garbage.preview(services)
    except TooMuchUnknown as error:
        raise Failure(str(error)) from error


def _collect(services: Services, *, quiet: bool) -> Collected:
    with services.database.exclusive(LOCK, services.settings.locks, wait=False) as held:
        if not held:
            raise Failure("another collection or a backup goes on")
        columns, console = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()), Console(stderr=True)
        with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bar:
            task = bar.add_task("collecting", total=len(garbage.STEPS))

            def begin(step: str) -> None:
                bar.update(task, description=step)

            try:
                found = garbage.collect(services.under(held), progress=begin, done=lambda: bar.advance(task))
            except TooMuchUnknown as error:
                raise Failure(str(error)) from error
    publication.forget(services)
    return found


def _repository(services: Services, account: str | None, name: str) -> Repository:
    chosen, region = chosen_account(services, account), services.settings.regions[0]
    with services.database.read() as tx:
        found = repositories.find(tx, chosen, region, name)
    if found is None:
        raise Failure(f"there is no repository {printable(name)} in account {chosen}, region {region}")
    return found


def show(*, repository: str, account: str | None, data: Path | None) -> None:
    with opened(data=data) as services:
        of = _repository(services, account, repository)
        with services.database.read() as tx:
            found = deletions.page(tx, of.id, services.clock(), 1 << 62, 1_000)
        if not found:
            click.echo("Nothing was deleted that could still be restored.", err=True)
        for each in found:
            tags = ", ".join(each.tags) or "untagged"
            what = f"{each.digest} ({tags})" if each.whole else f"tags {tags} of {each.digest}"
            click.echo(f"{each.id}  {what}  by {each.deleted_by}  until {moment(each.purge_at)}")


def restore(*, repository: str, deletion: int, account: str | None, data: Path | None) -> None:
    with opened(data=data) as services:
        of = _repository(services, account, repository)
        done = services.database.run(lambda tx: rules.restore(tx, services, of, deletion))
        trail.changed(of.account, (of.region, of.name), what=done.image.digest)
        click.echo(f"{done.image.digest} is there again" + (f" as {', '.join(done.tags)}" if done.tags else ""))
        for tag in done.taken:
            click.echo(f"tag {tag} names another image meanwhile, and goes on doing so", err=True)
