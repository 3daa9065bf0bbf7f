"""Run the benchmarks and print their tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import scan


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--images", type=Path, required=True, help="folder of OCI layouts")
    parser.add_argument("--advisories", type=Path, help="folder of advisory documents to match with")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("\n".join(scan.run(options.images, options.advisories, options.rounds)))


if __name__ == "__main__":
    main()
