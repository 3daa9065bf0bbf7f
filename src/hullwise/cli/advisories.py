"""hullwise advisories: import, sync, status."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from hullwise.advisories import building, bundle
from hullwise.advisories.building import BuildFailed, Outcome
from hullwise.cli import bundles, trail
from hullwise.cli.failures import Failure, explained
from hullwise.cli.opening import opened
from hullwise.cli.starter import ensure_starter
from hullwise.cli.texts import printable
from hullwise.scanning import synchronisation
from hullwise.scanning.publication import Published
from hullwise.scanning.synchronisation import NothingTaken, Taken
from hullwise.services import Services
from hullwise.store import enrichment, generations, publications
from hullwise.store import feeds as store
from hullwise.store.generations import Generation

_SHOWN = 5


def load(*, paths: Sequence[Path], trust: Sequence[str], unsigned: bool, data: Path | None) -> None:
    packed = [path for path in paths if bundle.is_bundle(path)]
    if packed and len(paths) > 1:
        raise Failure("a bundle is a whole generation: import it alone")
    with _prepared(data) as services, explained(BuildFailed):
        if packed:
            with bars() as progress:
                opened_bundle, published = bundles.take(services, packed[0], trust, progress)
            _tell(published)
            click.echo(
                f"{opened_bundle.manifest.kind} bundle, signed by {opened_bundle.signed_by}: {_in_use(published)}"
            )
            click.echo(_effect(published))
            return
        if not unsigned:
            bundles.check_unsigned(services, paths[0], trust)
        try:
            with bars() as progress:
                taken = synchronisation.take(services, building.steps(paths), progress)
        except NothingTaken as nothing:
            raise Failure("\n".join(_lines(nothing.outcomes, "nothing was taken"))) from nothing
        assert taken.published is not None
        _tell(taken.published)
        click.echo("\n".join(_lines(taken.outcomes, _in_use(taken.published))))
        click.echo(_effect(taken.published))


def sync(*, feeds: Sequence[str], data: Path | None) -> None:
    from hullwise import app
    from hullwise.advisories.fetching import FEEDS
    from hullwise.remotes.errors import OutboundMisconfigured

    if unknown := sorted(set(feeds) - set(FEEDS)):
        raise Failure(f"there is no feed '{unknown[0]}'; there are {', '.join(FEEDS)}")
    with _prepared(data) as services, explained(OutboundMisconfigured):
        if not services.settings.outbound:
            raise Failure("nothing was asked: the setting outbound turns all requests off")
        with bars() as progress, app.remote(services.settings) as remote:
            taken = synchronisation.sync(services, remote, feeds, progress)
        _tell(taken.published)
        for line in _synced(taken):
            click.echo(line)
        for feed, why in sorted(taken.failures.items()):
            stays = ", its last good data stays" if feed in taken.held else ""
            click.echo(f"  {feed}: failed{stays}: {printable(why)}", err=True)
        if taken.failures:
            loaded = "what else was new is loaded" if taken.published else "nothing new was loaded"
            raise Failure(f"feeds failed: {', '.join(sorted(taken.failures))}; {loaded}")


def _synced(taken: Taken) -> list[str]:
    if taken.published is None:
        return [] if taken.failures else ["no feed has anything new"]
    lines = []
    for outcome in taken.outcomes:
        if outcome.taken or outcome.removed or not outcome.failure:
            lines += _lines([outcome], outcome.feed)
    return [*lines, _in_use(taken.published), _effect(taken.published)]


@contextmanager
def _prepared(data: Path | None) -> Iterator[Services]:
    """The toolbox, with the tables of the job engine, and data to begin with."""
    from hullwise.jobs import durable

    with opened(data=data, beginning=True) as services:
        durable.prepare(services.database, services.settings.locks)
        ensure_starter(services)
        yield services


@contextmanager
def bars() -> Iterator[Callable[[str, int, int | None], None]]:
    """Progress bars on standard error: one for each thing that is done, in bytes where it is read or fetched."""
    texts = {"names": "Matching changed packages", "inventories": "Moving continuous images", "documents": "Reading"}
    counted = {"names", "inventories"}
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn()
    with (
        Progress(*columns, DownloadColumn(), console=console, disable=not console.is_terminal) as bytes_bar,
        Progress(*columns, MofNCompleteColumn(), console=console, disable=not console.is_terminal) as items_bar,
    ):
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int | None) -> None:
            items = what in counted or what.endswith(" records")
            bar = items_bar if items else bytes_bar
            if what not in tasks:
                tasks[what] = bar.add_task(printable(texts.get(what, what)), total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield tell


def _tell(published: Published | None) -> None:
    if published is not None and published.new:
        trail.changed(what=f"generation {published.number}")


def _in_use(published: Published) -> str:
    return f"generation {published.number} ({'new' if published.new else 'unchanged'}) is in use"


def _effect(published: Published) -> str:
    moved = f"; {published.moved_images} continuous images have new findings" if published.moved_images else ""
    return (
        f"{published.changed_names} package names changed, "
        f"{published.matched_packages} installed packages were matched again{moved}"
    )


def _lines(outcomes: Sequence[Outcome], end: str) -> list[str]:
    lines = []
    for outcome in outcomes:
        removed = f", {outcome.removed} removed" if outcome.removed else ""
        lines.append(f"{outcome.documents} documents read, {outcome.taken} records taken{removed}: {end}")
        lines += [f"  not used: {count} × {printable(reason)}" for reason, count in sorted(outcome.unused.items())]
        if outcome.unreadable_count:
            lines.append(f"  not readable: {outcome.unreadable_count} documents, such as")
            lines += [f"    {printable(name)}: {printable(why)}" for name, why in outcome.unreadable[:_SHOWN]]
    return lines


def status(*, data: Path | None) -> None:
    with opened(data=data) as services:
        with services.database.read() as tx:
            row = generations.get(tx, generations.head_number(tx))
            states = store.states(tx)
            dates, counts = enrichment.dates(tx), enrichment.counts(tx)
            current = publications.latest(tx)
        if row is None:
            raise Failure("no advisory data yet; `hullwise serve` begins with the bundled set")
        click.echo(describe(row))
        for source in row.sources:
            unused = sum(source["unused"].values())
            click.echo(
                f"  {source['name']:32} {source['records']:>8} records  as of {source['as_of'] or 'unknown'}"
                f"  imported {source['imported_at']}  {unused} parts not used"
            )
        for part, as_of in sorted(dates.items()):
            click.echo(f"  {part:32} {counts[part]:>8} entries  as of {as_of}")
        for state in states.values():
            good = f"{state.succeeded_at:%Y-%m-%d %H:%M}" if state.succeeded_at else "never"
            wrong = f"  FAILED {state.failed_at:%Y-%m-%d %H:%M}: {printable(state.failure)}" if state.failure else ""
            click.echo(f"  feed {state.name:27} last good {good}{wrong}")
        if current is not None and current.open:
            click.echo(
                f"  generation {current.generation.number} is on its way: "
                f"{current.names_done} of {current.names} names matched, "
                f"{current.inventories_done} of {current.inventories} inventories moved"
            )


def describe(row: Generation) -> str:
    """One line: which data is in use, and how old it is."""
    as_of = "of unknown age" if row.data_as_of is None else f"as of {row.data_as_of:%Y-%m-%d}"
    return f"advisories: generation {row.number}, {row.records} records, {as_of}"
