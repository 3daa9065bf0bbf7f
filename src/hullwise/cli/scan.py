"""hullwise scan: an image on disk, without a server.

The same readers, the same merge and the same matching as in the server; what is remembered of layers is kept in a
folder instead of the database.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from hullwise.advisories.generation import Generation, UnusableGeneration
from hullwise.cli.failures import Failure, explained
from hullwise.cli.texts import console, printable, table
from hullwise.domain import digests
from hullwise.domain.configs import UnreadableConfig
from hullwise.domain.errors import DigestMismatch
from hullwise.domain.packages import Distribution
from hullwise.domain.reports import Finding, counts, findings
from hullwise.ecosystems import BY_NAME
from hullwise.ecosystems.purl import purl
from hullwise.inventory import kept, verification
from hullwise.inventory.errors import LayerUnreadable
from hullwise.inventory.image import ImageInventory, ReadLayer, merge
from hullwise.inventory.layers import LayerInventory
from hullwise.inventory.sources import NoImage, SourceImage, SourceLayer, open_image
from hullwise.inventory.verification import ConfigMismatch
from hullwise.scanning.states import unsupported
from hullwise.store.compression import StoredBodyDamaged, pack, unpack

_CHECKSUM = 32
"""Bytes of SHA-256 before what is remembered of a layer: a file that was damaged is as good as none."""


def run(
    *,
    path: Path,
    output: str,
    data: Path | None,
    advisories: Path | None,
    cache: Path | None,
    platform: str | None,
) -> None:
    failures = (NoImage, LayerUnreadable, ConfigMismatch, UnreadableConfig, DigestMismatch, UnusableGeneration)
    with explained(*failures, OSError), ExitStack() as stack:
        folder = cache or _default_cache()
        image = open_image(path, platform)
        inventory = _inventory(image, folder)
        generation = stack.enter_context(Generation(advisories or _generation_path(data, folder)))
        packages = {occurrence.package for occurrence in inventory.occurrences}
        found = findings(inventory.occurrences, {package: generation.match(package) for package in packages})
        if output == "json":
            click.echo(msgspec.json.format(msgspec.json.encode(_document(image.digest, inventory, found, generation))))
        else:
            _print_table(inventory, found, generation)


def _default_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("hullwise", appauthor=False))


def _generation_path(data: Path | None, cache: Path) -> Path:
    """The generation that the data folder's head is, where there is such a folder; else one of the bundled records."""
    from hullwise.settings import InvalidSetting, load

    with explained(InvalidSetting):
        note = load({"data": data}).data / "advisories" / "head.json"
    try:
        path = Path(msgspec.json.decode(note.read_bytes())["path"])
        if path.exists():
            return path
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        pass
    return _starter_path(cache)


def _starter_path(cache: Path) -> Path:
    import tempfile

    import hullwise
    from hullwise.advisories.builder import GenerationBuilder
    from hullwise.advisories.documents import load_starter
    from hullwise.advisories.generation import FORMAT
    from hullwise.advisories.matching import RULES_VERSION

    path = cache / f"starter-{hullwise.__version__}-{FORMAT}-{RULES_VERSION}.sqlite"
    if not _usable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two commands may build it at once: each under a name of its own, and the later rename changes nothing.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            building = Path(folder, "starter.sqlite")
            with GenerationBuilder(building, None) as builder:
                load_starter(builder)
                builder.seal(datetime.now(UTC))
            building.replace(path)
    return path


def _usable(path: Path) -> bool:
    try:
        with Generation(path):
            return True
    except UnusableGeneration:
        return False


def _inventory(image: SourceImage, cache: Path) -> ImageInventory:
    layers = _read_layers(image.layers, cache)
    if image.config is not None:
        verification.check(image.config, layers)
    inventory = merge(layers)
    forbidden = tuple((path, "no permission") for path in image.unreadable)
    return msgspec.structs.replace(inventory, problems=inventory.problems + forbidden)


def _read_layers(layers: Sequence[SourceLayer], cache: Path) -> list[ReadLayer]:
    """The layers as remembered; those that are not are read, several at a time, each in a process of its own."""
    distinct = {layer.digest: layer for layer in layers}
    read = {digest: _remembered(layer, cache) for digest, layer in distinct.items()}
    unknown = [layer for digest, layer in distinct.items() if read[digest] is None]
    if unknown:
        # Imported here: a scan of known layers starts no process, and these cost it a tenth of its time.
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=min(len(unknown), os.cpu_count() or 1)) as pool:
            made = pool.map(lambda layer: _read_layer(layer, cache), unknown)
            read |= dict(zip((layer.digest for layer in unknown), made, strict=True))
    return [ReadLayer(layer.digest, found) for layer in layers if (found := read[layer.digest]) is not None]


def _place(layer: SourceLayer, cache: Path) -> Path:
    return cache / "layers" / f"{layer.digest.replace(':', '-')}-{_fingerprint()}"


def _remembered(layer: SourceLayer, cache: Path) -> LayerInventory | None:
    if not layer.digest:
        return None
    try:
        kept_bytes = _place(layer, cache).read_bytes()
        checksum, packed = kept_bytes[:_CHECKSUM], kept_bytes[_CHECKSUM:]
        if hashlib.sha256(packed).digest() != checksum:
            return None
        return msgspec.msgpack.decode(unpack(packed), type=LayerInventory)
    except (FileNotFoundError, StoredBodyDamaged, msgspec.DecodeError):
        return None


def _read_layer(layer: SourceLayer, cache: Path) -> LayerInventory:
    try:
        inventory = _analyse(layer)
    except LayerUnreadable as error:
        raise Failure(f"{error} ({layer.digest or 'the root file system'})") from error
    if layer.digest:
        name = _place(layer, cache)
        name.parent.mkdir(parents=True, exist_ok=True)
        packed = pack(msgspec.msgpack.encode(inventory))
        partial = name.with_name(f"{name.name}.{os.getpid()}")
        partial.write_bytes(hashlib.sha256(packed).digest() + packed)
        partial.replace(name)
    return inventory


def _fingerprint() -> str:
    """Of all readers and their versions: another version of any reads every layer again."""
    return hashlib.sha256(msgspec.json.encode(sorted(kept.analysers().items()))).hexdigest()[:12]


def _analyse(layer: SourceLayer) -> LayerInventory:
    """Read a layer, and prove beside it that its bytes are those of its digest."""
    from concurrent.futures import ThreadPoolExecutor

    if not layer.digest:
        return _in_sandbox(layer)
    with ThreadPoolExecutor(max_workers=1) as pool:
        digest = pool.submit(_digest, layer)
        inventory = _in_sandbox(layer)
        digests.verify(layer.digest, digest.result())
    return inventory


def _in_sandbox(layer: SourceLayer) -> LayerInventory:
    from hullwise.inventory import sandbox
    from hullwise.inventory.limits import LayerLimits

    readers = sorted(BY_NAME)
    if layer.path is None:
        return sandbox.analyse(layer, readers, LayerLimits())
    with layer.path.open("rb", buffering=0) as file:
        return sandbox.analyse(file.fileno(), readers, LayerLimits())


def _digest(layer: SourceLayer) -> str:
    algorithm = digests.algorithm(layer.digest)
    running = digests.new_hash(algorithm)
    for piece in layer:
        running.update(piece)
    return f"{algorithm}:{running.hexdigest()}"


def _document(
    digest: str, inventory: ImageInventory, found: Sequence[Finding], generation: Generation
) -> dict[str, Any]:
    distribution = inventory.distribution
    sentence = unsupported(inventory)
    return {
        "image": {
            "digest": digest,
            "distribution": None if distribution is None else msgspec.structs.asdict(distribution),
        },
        "status": "UNSUPPORTED" if sentence else "COMPLETE",
        "description": sentence or "",
        "advisories": {"digest": generation.digest, "as_of": generation.data_as_of, "sources": generation.sources},
        "counts": counts(finding.assessment.severity for finding in found),
        "packages": [
            {
                "type": BY_NAME[o.package.ecosystem].purl_type,
                "name": o.package.name,
                "version": o.package.version,
                "source_name": o.package.source_name,
                "source_version": o.package.source_version,
                "purl": purl(o.package, distribution),
                "path": o.path,
                "layer_digest": o.layer,
            }
            for o in inventory.occurrences
        ],
        "findings": [_finding(finding, distribution) for finding in found],
        "problems": [{"path": path, "why": why} for path, why in inventory.problems],
    }


def _finding(finding: Finding, distribution: Distribution | None) -> dict[str, Any]:
    assessment = finding.assessment
    return {
        "id": assessment.name,
        "aliases": [name for name in assessment.ids if name != assessment.name],
        "severity": assessment.severity.value,
        "score": assessment.score,
        "package_name": finding.package.source_name,
        "package_version": finding.package.source_version,
        "purl": purl(finding.package, distribution),
        "fixed_version": assessment.fix,
        "state": assessment.state,
        "layer_digest": finding.layer,
        "source": assessment.records[0].source,
        "advisories": [record.id for record in assessment.records],
        "credits": sorted({record.credit for record in assessment.records}),
        "installed": [
            {"purl": purl(o.package, distribution), "path": o.path, "layer_digest": o.layer}
            for o in finding.occurrences
        ],
        "url": assessment.url,
    }


def _print_table(inventory: ImageInventory, found: Sequence[Finding], generation: Generation) -> None:
    out = console()
    distribution = inventory.distribution
    name = "no operating system" if distribution is None else distribution.name or distribution.id
    out.print(f"{printable(name)}, {len(inventory.occurrences)} packages")
    out.print(_data_line(generation))
    sentence = unsupported(inventory)
    if sentence:
        out.print(printable(sentence))
    for path, why in inventory.problems:
        out.print(printable(f"not readable: {path}: {why}"))
    if found:
        table(("Severity", "Vulnerability", "Package", "Installed", "Fixed in", "Layer"), map(_row, found))
    tally = counts(finding.assessment.severity for finding in found)
    total = ", ".join(f"{number} {severity}" for severity, number in tally.items()) or "none"
    out.print(f"Findings: {total}")


def _row(finding: Finding) -> tuple[str, ...]:
    assessment, package = finding.assessment, finding.package
    layer = finding.layer.partition(":")[2][:12]
    fix = assessment.fix or assessment.state
    return assessment.severity, assessment.name, package.source_name, package.source_version, fix, layer


def _data_line(generation: Generation) -> str:
    sources = generation.sources
    line = f"Advisories: {generation.record_count} records, as of {generation.data_as_of[:10] or 'an unknown day'}"
    if list(sources) == ["starter"]:
        line += " (the small bundled set; `hullwise advisories sync` loads real data)"
    return line
