"""A scan in the registry's worker, of an image whose layers nobody has read, and of others that are built on them.

The job itself, called in this process: what a worker does that has scanned an image before, whose process that forks
readers of layers is there, and whose statements are compiled. CPU is of this process and of those.
"""

from __future__ import annotations

import hashlib
import json
import logging
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import structlog
from isal import isal_zlib

from benchmarks.inventories import MEASURED
from benchmarks.registry import ACCOUNT, REGION, opened
from hullwise.advisories.builder import GenerationBuilder
from hullwise.advisories.documents import load_starter
from hullwise.domain.scans import ScanStatus
from hullwise.inventory import sandbox
from hullwise.inventory.limits import LayerLimits
from hullwise.inventory.nursery import Nursery
from hullwise.registry import images as rules
from hullwise.registry import uploads
from hullwise.scanning import publication, requests, run
from hullwise.services import Services
from hullwise.store import accounts, repositories, scans
from hullwise.store.repositories import Repository
from tests.support.images import image, layer, python_packages
from tests.support.layouts import write_layout

_PIECE = 64 << 10


@dataclass(frozen=True)
class Cost:
    wall: float
    cpu: float
    """Seconds."""


class _Image:
    """An image of a layout, pushed again and again with another config: all of its layers are known after the first.
    Now and then with a layer more, so that they are known, and what they add up to is not."""

    def __init__(self, services: Services, repository: Repository, layout: Path, nursery: Nursery) -> None:
        self._services = services
        self._nursery = nursery
        self._forking = psutil.Process().children()
        self._repository = repository
        self._manifest = _manifest(layout)
        self._config: dict[str, Any] = json.loads(_blob(layout, self._manifest["config"]))
        for each in self._manifest["layers"]:
            self._push(_blob(layout, each))

    def _push(self, data: bytes) -> str:
        receiver = uploads.SegmentReceiver(self._services)
        receiver.write(data)
        part = receiver.finish()
        assert part is not None
        return uploads.store(self._services, self._repository, part, part.sha256).digest

    def scanned(self, number: int, times: int = 1) -> Cost:
        """`times`: of its lowest layer, which changes nothing and is another sum."""
        lowest, layers = self._config["rootfs"]["diff_ids"][0], self._manifest["layers"]
        names = [lowest] * (times - 1) + self._config["rootfs"]["diff_ids"]
        rootfs = {**self._config["rootfs"], "diff_ids": names}
        config = json.dumps({**self._config, "rootfs": rootfs, "author": str(number)}).encode()
        described = {**self._manifest["config"], "digest": self._push(config), "size": len(config)}
        body = {**self._manifest, "config": described, "layers": [layers[0]] * (times - 1) + layers}
        prepared = rules.prepare(json.dumps(body).encode(), None)
        with self._services.database.write() as tx:
            stored = rules.put(tx, self._services, self._repository, prepared, f"build-{number}")
            scan = requests.start(tx, self._services, self._repository, stored.image)
        cost = _timed(lambda: run.scan_image(self._services, scan.id, self._nursery), self._forking)
        with self._services.database.read() as tx:
            found = scans.get(tx, scan.id)
        assert found is not None
        assert found.status is ScanStatus.COMPLETE, found.description
        return cost


def _timed(work: Callable[[], None], beside: Sequence[psutil.Process]) -> Cost:
    def cpu() -> float:
        living = sum(sum(each.cpu_times()[:4]) for each in beside)
        spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return living + sum(each.ru_utime + each.ru_stime for each in spent)

    begun, before = time.perf_counter(), cpu()
    work()
    return Cost(time.perf_counter() - begun, cpu() - before)


@dataclass(frozen=True)
class _Floor:
    """What no reader can do without, seconds of CPU."""

    reading: float
    """Decompression by isal, and 4 µs for each member."""
    hashing: float
    """The digest of each tar, which the image's config states."""


def _floor(layout: Path, rounds: int) -> _Floor:
    found = []
    members = 0
    for number in range(rounds):
        reading = hashing = 0.0
        for blob in (_blob(layout, each) for each in _manifest(layout)["layers"]):
            taken, digest = _unpacked(blob)
            reading += taken
            hashing += digest
            if number == 0:
                members += sandbox.analyse([blob], (), LayerLimits(), isolate=False).tree.entries
        found.append((reading, hashing))
    reading, hashing = (statistics.median(each) for each in zip(*found, strict=True))
    return _Floor(reading + members * 4e-6, hashing)


def _unpacked(blob: bytes) -> tuple[float, float]:
    """Decompressing a layer by pieces, as a reader does, and hashing what comes out."""
    unpacker, digest = isal_zlib.decompressobj(wbits=31), hashlib.sha256()
    reading = hashing = 0.0
    for at in range(0, len(blob), _PIECE):
        begun = time.process_time()
        piece = unpacker.decompress(blob[at : at + _PIECE])
        reading += time.process_time() - begun
        begun = time.process_time()
        digest.update(piece)
        hashing += time.process_time() - begun
    assert unpacker.eof
    return reading, hashing


def _blob(layout: Path, described: Mapping[str, Any]) -> bytes:
    digest: str = described["digest"]
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def _manifest(layout: Path) -> dict[str, Any]:
    (described,) = json.loads((layout / "index.json").read_text())["manifests"]
    found: dict[str, Any] = json.loads(_blob(layout, described))
    return found


def _starter(builder: GenerationBuilder) -> None:
    load_starter(builder)


def _another(folder: Path) -> Path:
    """A layout of the smallest image that can be scanned."""
    return write_layout(folder / "another", image([layer(python_packages(six="1.0"))]))


def _measured(layout: Path, rounds: int) -> tuple[Cost, Cost, Cost]:
    """Medians: of the first scan, each in a registry of its own, of one with known layers that are put together anew,
    and of one with the same layers."""
    first, anew, known = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as services, Nursery() as nursery:
            sandbox.analyse([], (), LayerLimits(), nursery=nursery)
            publication.publish(services, _starter)
            with services.database.write() as tx:
                accounts.ensure_account(tx, ACCOUNT, services.clock())
                made = repositories.create(tx, account=ACCOUNT, region=REGION, name="bench/app", now=services.clock())
            _Image(services, made, _another(Path(folder)), nursery).scanned(0)
            pushed = _Image(services, made, layout, nursery)
            first.append(pushed.scanned(0))
            anew += [pushed.scanned(number, times=number) for number in range(2, 5)]
            known += [pushed.scanned(number) for number in range(5, 8)]
    return _median(first), _median(anew), _median(known)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(cost.wall for cost in costs), statistics.median(cost.cpu for cost in costs))


def _beside(known: Cost, first: Cost) -> tuple[str, str]:
    return (
        f"{known.wall * 1000:.1f} ms, {known.cpu * 1000:.1f} ms",
        f"{known.wall / first.wall:.3f}, {known.cpu / first.cpu:.3f}",
    )


def rows(images: Path, rounds: int) -> list[str]:
    """The table, line by line."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    lines = [
        "| image | first scan: wall, CPU | known layers, put together anew | / first | the same layers | / first | "
        "floor: reading, hashing | (first - hashing) / reading |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in (name for name in MEASURED[1:] if (images / name).is_dir()):
        first, *again = _measured(images / name, rounds)
        floor = _floor(images / name, rounds)
        cells = [
            f"{first.wall * 1000:,.0f} ms, {first.cpu * 1000:,.0f} ms",
            *(cell for known in again for cell in _beside(known, first)),
            f"{floor.reading * 1000:,.0f} ms, {floor.hashing * 1000:,.0f} ms",
            f"{(first.cpu - floor.hashing) / floor.reading:.2f}",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines
