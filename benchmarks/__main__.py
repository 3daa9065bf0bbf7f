"""Run the benchmarks and print their tables."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

# Each is imported where it runs: a process's peak is never below its parent's when it was started.


def _scan(options: argparse.Namespace) -> list[str]:
    from benchmarks import scan

    return scan.run(options.images, options.advisories, options.rounds) if options.images else []


def _inventory(options: argparse.Namespace) -> list[str]:
    from benchmarks import inventories, scan

    if not options.images:
        return []
    return inventories.run(options.images, lambda folder: scan.generation(None, folder), options.rounds)


def _worker(options: argparse.Namespace) -> list[str]:
    from benchmarks import worker

    return worker.rows(options.images, options.rounds) if options.images else []


def _generation(options: argparse.Namespace) -> list[str]:
    from benchmarks import advisories

    with tempfile.TemporaryDirectory() as folder:
        return advisories.run(Path(folder), options.records, 1_000, options.rounds)


def _rematching(options: argparse.Namespace) -> list[str]:
    from benchmarks import rematching

    return rematching.run(options.rounds)


def _api(options: argparse.Namespace) -> list[str]:
    from benchmarks import api

    return api.run(options.rounds)


def _registry(options: argparse.Namespace) -> list[str]:
    from benchmarks import distribution

    return distribution.run(options.rounds, options.upload_megabytes)


BENCHMARKS: dict[str, Callable[[argparse.Namespace], list[str]]] = {
    "scan": _scan,
    "inventory": _inventory,
    "worker": _worker,
    "generation": _generation,
    "rematching": _rematching,
    "api": _api,
    "registry": _registry,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument(
        "--images", type=Path, help="folder of OCI layouts, which `scan`, `inventory` and `worker` need"
    )
    parser.add_argument("--advisories", type=Path, help="folder of advisory documents to match with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=500_000, help="of the generation that is built")
    parser.add_argument("--upload-megabytes", type=int, default=20, help="of each of 50 uploads at once; 1000: 50 GB")
    parser.add_argument("--only", choices=BENCHMARKS, nargs="*", default=list(BENCHMARKS))
    options = parser.parse_args()
    for name in options.only:
        lines = BENCHMARKS[name](options)
        if lines:
            print(f"\n{name}\n\n" + "\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
