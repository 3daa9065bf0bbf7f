"""hullwise import: layout, distribution, registry."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from hullwise.cli import trail
from hullwise.cli.failures import Failure, explained
from hullwise.cli.opening import chosen_account, opened
from hullwise.cli.texts import printable
from hullwise.domain import names
from hullwise.imports.distribution import DistributionTree
from hullwise.imports.errors import UnusableSource
from hullwise.imports.layout import Layout
from hullwise.imports.source import Source
from hullwise.registry import imports
from hullwise.registry.imports import Moment, Outcome, Plan, Tell
from hullwise.services import Services

_LONGEST_PASSWORD = 65_536


def layout(
    *,
    path: Path,
    repository: str,
    no_create: bool,
    dry_run: bool,
    account: str | None,
    region: str | None,
    data: Path | None,
) -> None:
    with _prepared(data) as services, explained(UnusableSource):
        plan = _plan(services, account, region, "", no_create, dry_run)
        names.check_repository(repository)
        _take(services, Layout(path, repository), plan)


def distribution(
    *,
    path: Path,
    repositories: Sequence[str],
    prefix: str,
    no_create: bool,
    dry_run: bool,
    account: str | None,
    region: str | None,
    data: Path | None,
) -> None:
    with _prepared(data) as services, explained(UnusableSource):
        plan = _plan(services, account, region, prefix, no_create, dry_run)
        _take(services, DistributionTree(path, repositories), plan)


def registry(
    *,
    url: str,
    repositories: Sequence[str],
    tags: Sequence[str],
    prefix: str,
    username: str | None,
    password_stdin: bool,
    token_hosts: Sequence[str],
    no_create: bool,
    dry_run: bool,
    account: str | None,
    region: str | None,
    data: Path | None,
) -> None:
    # Imported here: the others ask nobody.
    from hullwise import app
    from hullwise.imports.registry import Login, OtherRegistry
    from hullwise.remotes.errors import OutboundMisconfigured

    if (username is not None) != password_stdin:
        raise Failure("--username and --password-stdin go together")
    if username is not None and ":" in username:
        raise Failure("a user name has no colon")
    # What is longer than a password can be is refused by the registry.
    password = sys.stdin.read(_LONGEST_PASSWORD).rstrip("\r\n") if password_stdin else ""
    kinds = OutboundMisconfigured, UnusableSource
    with _prepared(data) as services, explained(*kinds), app.remote(services.settings) as remote:
        plan = _plan(services, account, region, prefix, no_create, dry_run)
        login = None if username is None else Login(username, password)
        source = OtherRegistry(remote, url, repositories=repositories, tags=tags, login=login, token_hosts=token_hosts)
        _take(services, source, plan)


@contextmanager
def _prepared(data: Path | None) -> Iterator[Services]:
    """The toolbox, with the tables of the job engine: what comes may be scanned."""
    from hullwise.jobs import durable

    with opened(data=data) as services:
        durable.prepare(services.database, services.settings.locks)
        yield services


def _plan(
    services: Services, account: str | None, region: str | None, prefix: str, no_create: bool, dry_run: bool
) -> Plan:
    prefix = prefix.removesuffix("/")
    if prefix and not names.is_repository(f"{prefix}/x"):
        raise Failure(
            f"--prefix: '{printable(prefix)}' must be as names of repositories are: lower-case letters and digits, "
            "with . _ - between them, and / between parts"
        )
    chosen = chosen_account(services, account)
    return Plan(
        account=chosen,
        region=region or services.settings.regions[0],
        prefix=prefix,
        create=not no_create,
        dry=dry_run,
    )


def _take(services: Services, source: Source, plan: Plan) -> None:
    with _bars() as tell:
        outcome = imports.take(services, source, plan, tell)
    if not plan.dry and (outcome.repositories or outcome.manifests or outcome.tags or outcome.blobs):
        trail.changed(plan.account, region=plan.region, what=f"{outcome.manifests} manifests, {outcome.tags} tags")
    if outcome.repositories or outcome.manifests or outcome.known or not outcome.failures:
        click.echo(_summary(outcome, plan.dry))
    for problem in outcome.problems:
        click.echo(printable(f"  {problem.what}: {problem.why}"), err=True)
    if outcome.failures:
        further = outcome.failures - len(outcome.problems)
        raise Failure(
            f"{outcome.failures:,} could not be imported" + (f"; {further:,} are not listed" if further else "")
        )


def _summary(outcome: Outcome, dry: bool) -> str:
    counted = (
        _count(outcome.repositories, "new repository", "new repositories"),
        _count(outcome.manifests, "manifest", "manifests"),
        _count(outcome.tags, "tag", "tags"),
        f"{_count(outcome.blobs, 'blob', 'blobs')} of {outcome.size:,} bytes",
    )
    known = f"; {_count(outcome.known, 'manifest', 'manifests')} here already" if outcome.known else ""
    return f"{'would come' if dry else 'imported'}: {', '.join(counted)}{known}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


@contextmanager
def _bars() -> Iterator[Tell]:
    """On standard error: what has come of which repository, and how much of the current blob."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Importing", total=None)

        def tell(moment: Moment) -> None:
            counted = f"{_count(moment.manifests, 'manifest', 'manifests')}, {moment.size / 1e6:,.1f} MB"
            bar.update(
                task,
                description=f"{printable(moment.repository)}: {counted}",
                completed=moment.blob,
                # None would keep the total of the blob before.
                total=moment.whole,
            )

        yield tell
