"""What the command line offers: names, arguments and help. What a command does is in the file of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import hullwise

app = typer.Typer(
    help="A container registry that speaks Amazon ECR's API and scans what is pushed to it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="Access keys: what clients sign their requests with.", no_args_is_help=True)
advisories = typer.Typer(help="Advisory data: what is known to be vulnerable.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(advisories, name="advisories")

Data = Annotated[Path | None, typer.Option("--data", help="Folder for everything that is kept.", show_default=False)]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one. Default: 5050.")] = None,
    data: Data = None,
) -> None:
    """Run the registry: the API and its workers."""
    from hullwise.cli import serve as command

    command.run(host=host, port=port, data=data)


@app.command()
def worker(data: Data = None) -> None:
    """Run one worker and no API. `serve` starts its own."""
    from hullwise.cli import worker as command

    command.run(data=data)


@app.command()
def scan(
    path: Annotated[Path, typer.Argument(help="An OCI layout, a `docker save` tar, or an unpacked root file system.")],
    output: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print what is found.")] = "table",
    data: Data = None,
    advisories: Annotated[Path | None, typer.Option(help="A generation file to match with.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that remembers layers read before.")] = None,
    platform: Annotated[str | None, typer.Option(help="Which image of an index, such as linux/arm64.")] = None,
) -> None:
    """Scan one image without a server."""
    from hullwise.cli import scan as command

    command.run(path, output=output, data=data, advisories=advisories, cache=cache, platform=platform)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(hullwise.__version__)


@keys.command("create")
def keys_create(
    account: Annotated[str | None, typer.Option(help="12 digits. Default: the first account.")] = None,
    output: Annotated[Literal["text", "env", "json"], typer.Option("--format", help="How to print the key.")] = "text",
    data: Data = None,
) -> None:
    """Make an access key. Its secret is shown this once."""
    from hullwise.cli import keys as command

    command.create(account=account, output=output, data=data)


@keys.command("list")
def keys_list(data: Data = None) -> None:
    """List access keys, without their secrets."""
    from hullwise.cli import keys as command

    command.show(data=data)


@keys.command("revoke")
def keys_revoke(key_id: Annotated[str, typer.Argument(help="The access key id.")], data: Data = None) -> None:
    """Revoke an access key and every token issued to it."""
    from hullwise.cli import keys as command

    command.revoke(key_id, data=data)


@advisories.command("import")
def advisories_import(
    paths: Annotated[list[Path], typer.Argument(help="OSV zips or folders, Debian's tracker JSON, secdb files.")],
    data: Data = None,
) -> None:
    """Load advisory data. A server on the same data uses it at once."""
    from hullwise.cli import advisories as command

    command.load(paths, data=data)


@advisories.command("status")
def advisories_status(data: Data = None) -> None:
    """Say which advisory data is in use, and how old it is."""
    from hullwise.cli import advisories as command

    command.status(data=data)
