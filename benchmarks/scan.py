"""A whole scan, matching included, against Syft's inventory alone.

Ours starts cold (no layer known) or warm (all layers known); Syft has no memory of layers.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from benchmarks.inventories import syft
from benchmarks.timing import Cost, interleaved, once

IMAGES = ("empty", "debian-slim", "python-small", "node-small")


def generation(advisories: Path | None, folder: Path) -> Path:
    """A generation to match with: of the bundled records, or of all documents in a folder. In a process of its own,
    whose peak none that is measured inherits."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_build, (advisories, folder))


def _build(advisories: Path | None, folder: Path) -> Path:
    from hullwise.advisories.builder import GenerationBuilder
    from hullwise.advisories.documents import load, load_starter

    path = folder / "generation.sqlite"
    with GenerationBuilder(path, None) as builder:
        load_starter(builder)
        if advisories is not None:
            load([advisories], builder)
        builder.seal(datetime.now(UTC))
    return path


def run(images: Path, advisories: Path | None, rounds: int) -> list[str]:
    """The table, line by line."""
    lines = [
        "| image | ours cold: wall, CPU, peak | known layers | Syft | Syft/cold: wall, CPU | Syft/known | cold/known |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made = generation(advisories, folder)
        for name in filter(lambda name: (images / name).is_dir(), IMAGES):
            lines.append(_row(name, _measure(images / name, made, folder, rounds)))
            print(lines[-1], file=sys.stderr, flush=True)
    return lines


def _measure(image: Path, generation: Path, folder: Path, rounds: int) -> dict[str, Cost]:
    environment = {**os.environ, "HOME": str(folder), "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    hullwise = [str(Path(sys.executable).parent / "hullwise"), "scan", str(image), "--format", "json"]
    warm = folder / f"warm-{image.name}"

    def ours(cache: Path) -> Sequence[str]:
        return [*hullwise, "--advisories", str(generation), "--cache", str(cache)]

    def cold() -> Cost:
        cache = folder / "cold"
        shutil.rmtree(cache, ignore_errors=True)
        return once(ours(cache), environment)

    return interleaved(
        {
            "cold": cold,
            "known": lambda: once(ours(warm), environment),
            "syft": lambda: once([syft(), "scan", f"oci-dir:{image}", "-q", "-o", "json"], environment),
        },
        rounds,
    )


def _row(name: str, costs: dict[str, Cost]) -> str:
    cold, known, syft = costs["cold"], costs["known"], costs["syft"]

    def show(cost: Cost) -> str:
        return f"{cost.wall:.2f} s, {cost.cpu:.2f} s, {cost.peak:.0f} MB"

    cells = [
        name,
        show(cold),
        show(known),
        show(syft),
        f"{syft.wall / cold.wall:.1f}, {syft.cpu / cold.cpu:.1f}",
        f"{syft.wall / known.wall:.1f}, {syft.cpu / known.cpu:.1f}",
        f"{cold.wall / known.wall:.1f}, {cold.cpu / known.cpu:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"
