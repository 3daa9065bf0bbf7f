"""hullwise advisories: import, status."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn

from hullwise.advisories import documents
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.documents import Tally
from hullwise.cli.failures import Failure
from hullwise.cli.opening import opened
from hullwise.cli.starter import ensure_starter
from hullwise.cli.texts import printable
from hullwise.scanning import publication
from hullwise.store import generations
from hullwise.store.generations import Generation


def load(*, paths: Sequence[Path], data: Path | None) -> None:
    tally = Tally()

    def fill(builder: GenerationBuilder) -> None:
        nonlocal tally
        with _bar(DownloadColumn()) as bar:
            reading = bar.add_task("Reading", total=documents.size(paths))
            tally = documents.load(paths, builder, lambda done: bar.update(reading, completed=done))
        if tally.taken == tally.removed == 0:
            raise Failure(_summary(tally, "nothing was taken"))

    with opened(data=data) as services:
        ensure_starter(services)
        with _bar(MofNCompleteColumn()) as bar:
            matching = bar.add_task("Matching", total=None, visible=False)

            def matched(_: str, done: int, total: int) -> None:
                bar.update(matching, completed=done, total=total, visible=True)

            published = publication.publish(services, fill, matched)
    state = "new" if published.new else "unchanged"
    click.echo(_summary(tally, f"generation {published.number} ({state}) is in use"))
    click.echo(
        f"{published.changed_names} package names changed, "
        f"{published.matched_packages} installed packages were matched again"
    )


def _bar(*columns: DownloadColumn | MofNCompleteColumn) -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), *columns, console=Console(stderr=True))


def _summary(tally: Tally, end: str) -> str:
    removed = f", {tally.removed} removed" if tally.removed else ""
    lines = [f"{tally.documents} documents read, {tally.taken} records taken{removed}: {end}"]
    lines += [f"  not used: {count} × {printable(reason)}" for reason, count in sorted(tally.unused.items())]
    if tally.unreadable_count:
        lines.append(f"  not readable: {tally.unreadable_count} documents, such as")
        lines += [f"    {printable(name)}: {printable(why)}" for name, why in tally.unreadable[:5]]
    return "\n".join(lines)


def status(*, data: Path | None) -> None:
    with opened(data=data) as services:
        with services.database.read() as tx:
            row = generations.get(tx, generations.head_number(tx))
        if row is None:
            raise Failure("no advisory data yet; `hullwise serve` begins with the bundled set")
        click.echo(describe(row))
        for source in row.sources:
            unused = sum(source["unused"].values())
            click.echo(
                f"  {source['name']:32} {source['records']:>8} records  as of {source['as_of'] or 'unknown'}"
                f"  imported {source['imported_at']}  {unused} parts not used"
            )


def describe(row: Generation) -> str:
    """One line: which data is in use, and how old it is."""
    as_of = "of unknown age" if row.data_as_of is None else f"as of {row.data_as_of:%Y-%m-%d}"
    return f"advisories: generation {row.number}, {row.records} records, {as_of}"
