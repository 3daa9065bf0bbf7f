"""What the command line offers: names, arguments and help. What a command does is in the file of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import hullwise

_data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for all that is kept. Default: HULLWISE_DATA, else the user's data folder.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(hullwise.__version__, message="%(version)s")
def app() -> None:
    """A container registry that speaks Amazon ECR's API and scans what is pushed to it."""


@app.command()
@click.option("--host", help="Address to listen on. Default: 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; 0 takes a free one. Default: 5050.")
@_data
def serve(**options: Any) -> None:
    """Run the registry: the API and its workers."""
    from hullwise.cli import serve as command

    command.run(**options)


@app.command()
@_data
def worker(**options: Any) -> None:
    """Run one worker and no API. `serve` starts its own."""
    from hullwise.cli import worker as command

    command.run(**options)


@app.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--format", "output", type=click.Choice(["table", "json"]), default="table", help="A table, or one JSON object."
)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data folder whose advisories are used.")
@click.option(
    "--advisories",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Generation file to use in place of the data folder's.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that remembers known layers. Default: the user's cache folder.",
)
@click.option(
    "--platform", help="Which image of an index, such as linux/arm64. Default: this machine's, or the only one."
)
def scan(**options: Any) -> None:
    """Scan an image without a server.

    PATH is an OCI layout, a `docker save` tar, or an unpacked root file system.
    """
    from hullwise.cli import scan as command

    command.run(**options)


@app.group()
def keys() -> None:
    """Access keys: what clients sign their requests with."""


@keys.command("create")
@click.option("--account", help="12 digits. Default: the first key's.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "env", "json"]),
    default="text",
    help="Text, `env`: export lines for a shell, or one JSON object.",
)
@_data
def keys_create(**options: Any) -> None:
    """Make an access key. Its secret is shown this once."""
    from hullwise.cli import keys as command

    command.create(**options)


@keys.command("list")
@_data
def keys_list(**options: Any) -> None:
    """List access keys, without their secrets."""
    from hullwise.cli import keys as command

    command.show(**options)


@keys.command("revoke")
@click.argument("key_id")
@_data
def keys_revoke(**options: Any) -> None:
    """Revoke an access key and every token issued to it."""
    from hullwise.cli import keys as command

    command.revoke(**options)


@app.group()
def advisories() -> None:
    """Advisory data: what is known to be vulnerable."""


@advisories.command("import")
@click.argument("paths", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True)
@_data
def advisories_import(**options: Any) -> None:
    """Load advisory data; a server on the same data uses it at once.

    PATHS are OSV zips or folders, Debian's tracker JSON, secdb files.
    """
    from hullwise.cli import advisories as command

    command.load(**options)


@advisories.command("status")
@_data
def advisories_status(**options: Any) -> None:
    """Say which advisory data is in use, and how old it is."""
    from hullwise.cli import advisories as command

    command.status(**options)
