"""The command line. Each command imports what it needs when it runs: a scan starts no server."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `hullwise` command."""
    from hullwise.cli.loading import loading

    with loading():
        from hullwise.cli import commands
        from hullwise.cli.failures import Failure, complain

    try:
        commands.app(prog_name="hullwise")
    except Failure as failure:
        complain(failure)
        sys.exit(1)
