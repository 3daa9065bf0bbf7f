"""The command line. Each command imports what it needs when it runs: a scan starts no server."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `hullwise` command."""
    from hullwise.cli.loading import loading

    with loading():
        from hullwise.cli import commands
        from hullwise.cli.failures import Failure
        from hullwise.cli.texts import printable

    try:
        commands.app(prog_name="hullwise")
    except Failure as failure:
        message = "\n".join(printable(line) for line in str(failure).splitlines())
        print(f"hullwise: {message}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
