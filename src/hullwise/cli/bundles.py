"""hullwise advisories key, export and diff, and the import of bundles: advisory data over an air gap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from hullwise.advisories import bundle, difference
from hullwise.advisories.bundle import BrokenBundle, Bundle, Manifest, WrongBase
from hullwise.advisories.difference import Difference, Stated, VulnerabilityChange
from hullwise.advisories.generation import UnusableGeneration
from hullwise.advisories.signing import SigningKey, UntrustedBundle, UnusableKey
from hullwise.cli import trail
from hullwise.cli.failures import Failure, explained
from hullwise.cli.opening import opened
from hullwise.cli.texts import printable
from hullwise.scanning import synchronisation
from hullwise.scanning.publication import Progress, Published
from hullwise.services import Services
from hullwise.store import generations
from hullwise.store.generations import Generation as GenerationRow

_FAILURES = (BrokenBundle, WrongBase, UntrustedBundle, UnusableKey, UnusableGeneration)


def _key_path(services: Services) -> Path:
    return services.settings.data / "bundle.key"


def make_key(*, data: Path | None) -> None:
    with opened(data=data) as services, explained(*_FAILURES):
        path = _key_path(services)
        made = not path.exists()
        key = SigningKey.create(path) if made else SigningKey.load(path)
        if made:
            trail.changed(what=key.public)
        click.echo(f"{'made' if made else 'there is'} {path}; keep it to yourself", err=True)
        click.echo("where the bundles go, trust the public key: HULLWISE_BUNDLE_KEYS, or import --trust", err=True)
        click.echo(key.public)


def export(*, out: Path, since: int | None, data: Path | None) -> None:
    with opened(data=data) as services, explained(*_FAILURES):
        path = _key_path(services)
        if not path.exists():
            raise Failure("there is no key to sign with yet; `hullwise advisories key` makes one")
        key = SigningKey.load(path)
        new = _row(services, None)
        found = synchronisation.enrichment(services)
        now = services.clock()
        with services.open_generation(new) as generation:
            if since is None:
                manifest = bundle.export_whole(generation, found, key, out, now)
            else:
                with services.open_generation(_row(services, since)) as old:
                    manifest = bundle.export_delta(old, generation, found, key, out, now)
        click.echo(_about(out, manifest))


def _about(path: Path, manifest: Manifest) -> str:
    size = path.stat().st_size / (1 << 20)
    what = f"generation {manifest.generation[7:19]}, {manifest.records} records"
    if manifest.kind == "delta":
        what += f", from {manifest.base[7:19]}: {manifest.changed} changed and {manifest.removed} removed"
    return f"{path}: {size:.1f} MB, {what}, as of {manifest.data_as_of or 'an unknown day'}"


def _row(services: Services, number: int | None) -> GenerationRow:
    """A generation whose file is still there; by default the head's."""
    with services.database.read() as tx:
        chosen = generations.head_number(tx) if number is None else number
        row = generations.get(tx, chosen)
        kept = [each.number for each in generations.with_files(tx)]
    if row is None:
        raise Failure("no advisory data yet" if number is None else f"there is no generation {number}")
    if not row.object_key:
        raise Failure(f"the file of generation {chosen} is gone; there are {', '.join(map(str, sorted(kept)))}")
    return row


def _keys(services: Services, trusted: Sequence[str]) -> list[str]:
    return [*services.settings.bundle_keys, *trusted]


def check_unsigned(services: Services, path: Path, trusted: Sequence[str]) -> None:
    """Raises Failure where keys are trusted: whoever can put a file in the place of a bundle would need none."""
    if _keys(services, trusted):
        raise Failure(
            f"{path.name} is no bundle, and nothing that is not signed is taken where keys are trusted "
            "(--trust, HULLWISE_BUNDLE_KEYS); --unsigned takes it all the same"
        )


def take(services: Services, path: Path, trusted: Sequence[str], progress: Progress) -> tuple[Bundle, Published]:
    """Publish what a bundle brings, in place of the head's data. Raises Failure."""
    keys = _keys(services, trusted)
    with explained(*_FAILURES):
        if not keys:
            raise Failure(
                f"{path.name} is a bundle, and no key is trusted: give the exporter's public key "
                "with --trust or HULLWISE_BUNDLE_KEYS"
            )
        opened_bundle = bundle.open_bundle(path, keys)
        published = synchronisation.take_bundle(services, opened_bundle, progress)
    return opened_bundle, published


def diff(*, old: int, new: int, output: str, data: Path | None) -> None:
    with opened(data=data) as services, explained(*_FAILURES):
        first, second = _row(services, old), _row(services, new)
        with services.open_generation(first) as before, services.open_generation(second) as after:
            found = difference.compare(before, after)
        if output == "json":
            click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        else:
            click.echo("\n".join(_lines(found)))


def _lines(found: Difference) -> list[str]:
    lines = [
        f"{found.names} package names: {found.appeared} vulnerabilities appeared, {found.went} went, "
        f"{found.changed} changed"
    ]
    for source in found.sources:
        counts = f"{source.added} records added, {source.removed} removed, {source.changed} changed"
        lines.append(f"  {source.source}: {counts}")
    lines += [printable(_line(change)) for change in found.listed]
    if found.total > len(found.listed):
        lines.append(f"  and {found.total - len(found.listed)} more")
    return lines


def _line(change: VulnerabilityChange) -> str:
    about = f"{change.namespace} {change.package} {change.vulnerability}"
    if change.before is None and change.after is not None:
        return f"+ {about}  {_stated(change.after)}"
    if change.after is None and change.before is not None:
        return f"- {about}  {_stated(change.before)}"
    assert change.before is not None and change.after is not None
    return f"~ {about}  {_stated(change.before)} → {_stated(change.after)}"


def _stated(found: Stated) -> str:
    fix = f"fixed in {', '.join(found.fixes)}" if found.fixes else "no fix"
    return f"{found.severity} {'; '.join(found.ranges)} ({fix})"
