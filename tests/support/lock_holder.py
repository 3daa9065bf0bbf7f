"""A process that holds a named lock: `python -m tests.support.lock_holder URL FOLDER NAME`.

It says `held` once it does, and ends, letting go, when its standard input does.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hullwise.store.engine import Database


def main(url: str, folder: str, name: str) -> None:
    database = Database(url)
    with database.exclusive(name, Path(folder)):
        sys.stdout.write("held\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
