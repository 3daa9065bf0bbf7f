"""Building a generation: of many records at once, and of a few changed ones on top of it."""

from __future__ import annotations

import json
import random
import resource
import statistics
import sys
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

NOW = datetime(2026, 6, 1, tzinfo=UTC)
_ECOSYSTEMS = ("npm", "PyPI", "npm", "npm")
_VECTORS = (
    "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:C/C:L/I:L/A:N",
    "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N",
)


def record(number: int, *, fixed: int = 0) -> dict[str, Any]:
    """A record as osv.dev writes them: one package, one or two ranges, an alias, a vector, a page of text."""
    chance = random.Random(number)
    name = f"package-{int(120_000 * chance.random() ** 2)}"
    events = [
        {"introduced": "0"},
        {"fixed": f"{chance.randrange(9)}.{chance.randrange(20)}.{chance.randrange(9) + fixed}"},
    ]
    ranges = [{"type": "SEMVER", "events": events}]
    if number % 5 == 0:
        ranges.append({"type": "SEMVER", "events": [{"introduced": "10.0.0"}, {"last_affected": "10.4.2"}]})
    return {
        "id": f"GHSA-{number:08d}",
        "modified": "2026-01-02T03:04:05Z",
        "published": "2025-01-02T03:04:05Z",
        "aliases": [f"CVE-2025-{number:07d}"],
        "summary": f"Something in {name} goes wrong",
        "details": "An attacker who can reach it may do what they should not. " * 6,
        "severity": [{"type": "CVSS_V3", "score": _VECTORS[number % 3]}],
        "affected": [{"package": {"ecosystem": _ECOSYSTEMS[number % 4], "name": name}, "ranges": ranges}],
        "references": [{"type": "WEB", "url": f"https://example.org/{number}"}],
    }


def write(path: Path, numbers: Iterator[int] | range, *, fixed: int = 0) -> None:
    """A zip of records, one document each."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in numbers:
            found = record(number, fixed=fixed)
            archive.writestr(f"{found['id']}.json", json.dumps(found))


def build(documents: Path, base: Path | None, path: Path) -> dict[str, float]:
    """Wall and CPU seconds, peak MB and size in MB of one build, in a process of its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_build, (documents, base, path))


def _build(documents: Path, base: Path | None, path: Path) -> dict[str, float]:
    from hullwise.advisories.builder import GenerationBuilder
    from hullwise.advisories.documents import load

    started, cpu = time.perf_counter(), time.process_time()
    with GenerationBuilder(path, base) as builder:
        load([documents], builder)
        loaded = time.perf_counter()
        builder.seal(NOW)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall": time.perf_counter() - started,
        "sealing": time.perf_counter() - loaded,
        "cpu": time.process_time() - cpu,
        "peak": usage.ru_maxrss / 1024,
        "size": path.stat().st_size / (1 << 20),
    }


def match(generation: Path, packages: int) -> dict[str, float]:
    """Milliseconds of matching that many packages through a generation, none known before and all known."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_match, (generation, packages))


def _match(path: Path, packages: int) -> dict[str, float]:
    import sqlite3
    from contextlib import closing

    from hullwise.advisories.generation import Generation
    from hullwise.domain.packages import Package

    with closing(sqlite3.connect(path)) as db:
        names = db.execute("SELECT DISTINCT namespace, name FROM claims ORDER BY namespace, name").fetchall()
    chance = random.Random(7)
    wanted = []
    for namespace, name in chance.sample(names, min(packages, len(names))):
        version = f"{chance.randrange(9)}.{chance.randrange(20)}.{chance.randrange(9)}"
        wanted.append(Package("npm", namespace, name, version, name, version, "", ""))
    times = []
    for _ in range(3):
        # The first time pays for the disk's pages, the last is what a worker sees that has them in its cache.
        with Generation(path) as generation:
            begun = time.perf_counter()
            hits = sum(len(generation.match(package)) for package in wanted)
            times.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            assert sum(len(generation.match(package)) for package in wanted) == hits
            again = time.perf_counter() - begun
    return {"cold": times[-1] * 1000, "known": again * 1000, "hits": hits}


def run(folder: Path, records: int, changed: int, rounds: int) -> list[str]:
    """The tables, line by line."""
    whole, delta = folder / "all.zip", folder / "delta.zip"
    print("writing documents", file=sys.stderr)
    with get_context("spawn").Pool(1) as pool:
        pool.apply(write, (whole, range(records)))
    write(delta, range(0, records, max(records // changed, 1)), fixed=1)
    lines = ["| what | wall | of it sealing | CPU | peak | size |", "|---|--:|--:|--:|--:|--:|"]
    first = folder / "first.sqlite"
    # A build of all takes minutes: three times, not five.
    lines.append(_row(f"{records:,} records", [build(whole, None, first) for _ in range(min(rounds, 3))]))
    costs = [build(delta, first, folder / "second.sqlite") for _ in range(rounds)]
    lines.append(_row(f"{changed:,} changed ones on top", costs))
    matched = [match(first, 400) for _ in range(rounds)]
    cold, known = (statistics.median(each[key] for each in matched) for key in ("cold", "known"))
    lines += ["", f"Matching 400 packages, {matched[0]['hits']:.0f} hits: {cold:.0f} ms; known: {known:.2f} ms."]
    return lines


def _row(name: str, costs: list[dict[str, float]]) -> str:
    middle = {key: statistics.median(cost[key] for cost in costs) for key in costs[0]}
    return (
        f"| {name} | {middle['wall']:.1f} s | {middle['sealing']:.1f} s | {middle['cpu']:.1f} s "
        f"| {middle['peak']:.0f} MB | {middle['size']:.0f} MB |"
    )
