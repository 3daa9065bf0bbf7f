"""What the command line offers: names, arguments and help. What a command does is in the file of its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import hullwise
from hullwise.cli.loading import loading

_data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for all that is kept. Default: HULLWISE_DATA, else the user's data folder.",
)


_account = click.option("--account", help="12 digits. Default: the first key's.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(hullwise.__version__, message="%(version)s")
def app() -> None:
    """A container registry that speaks Amazon ECR's API and scans what is pushed to it."""


@app.command()
@click.option("--host", help="Address to listen on. Default: 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; 0 takes a free one. Default: 5050.")
@click.option("--tls-cert", help="PEM file of the certificate and its chain: serve HTTPS.")
@click.option("--tls-key", help="PEM file of the certificate's private key.")
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


_on_disk = (
    click.option(
        "--data", type=click.Path(path_type=Path, file_okay=False), help="Data folder whose advisories are used."
    ),
    click.option(
        "--advisories",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Generation file to use in place of the data folder's.",
    ),
    click.option(
        "--cache",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder that remembers known layers. Default: the user's cache folder.",
    ),
    click.option(
        "--platform", help="Which image of an index, such as linux/arm64. Default: this machine's, or the only one."
    ),
)


def _disk(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that look at an image on disk."""
    for option in reversed(_on_disk):
        command = option(command)
    return command


class _Image(click.Path):
    """An image on disk."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            if ":" not in str(value):
                raise
            form = "PATH is that of an image on disk alone, as in ./app-layout: no `oci:` before it, no tag behind it."
            raise click.BadParameter(f"{error.message} {form}", ctx, param) from error


@app.command()
@click.argument("path", type=_Image(path_type=Path, exists=True))
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json", "sarif", "cyclonedx", "spdx"]),
    default="table",
    help="A table, one JSON object, or a document for other tools.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED"], case_sensitive=False),
    help="End with status 3 where a finding is as severe as this, or more; with 4 where nothing could be judged.",
)
@click.option(
    "--vex",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="VEX document (OpenVEX, CSAF, CycloneDX) whose statements suppress findings; may be given several times.",
)
@_disk
def scan(path: Path, platform: str | None, cache: Path | None, **options: Any) -> None:
    """Scan an image without a server.

    PATH is an OCI layout, a `docker save` tar, or an unpacked root file system.
    """
    with loading():
        from hullwise.cli import ahead

    with ahead.begun(path, platform=platform, cache=cache) as nursery:
        with loading():
            from hullwise.cli import scan as command

        command.run(path=path, platform=platform, cache=cache, nursery=nursery, **options)


@app.command()
@click.argument("image")
@click.option(
    "--format", "output", type=click.Choice(["cyclonedx", "spdx"]), default="cyclonedx", help="Of the document."
)
@click.option("--findings", is_flag=True, help="Say what is wrong too: CycloneDX alone has a place for it.")
@click.option(
    "--attach", is_flag=True, help="Keep it in the registry, as a referrer of the image, and print its digest."
)
@_account
@click.option("--region", help="Region of the repository. Default: the first of the settings.")
@_disk
def sbom(**options: Any) -> None:
    """Write the bill of materials of IMAGE.

    IMAGE is a path as for scan, or REPOSITORY[:TAG|@DIGEST] of this registry.
    """
    with loading():
        from hullwise.cli import sbom as command

    command.run(**options)


@app.command()
@click.argument("image")
@click.argument("vulnerability")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help="Text, or one JSON object."
)
@_account
@click.option("--region", help="Region of the repository. Default: the first of the settings.")
@_disk
def explain(**options: Any) -> None:
    """Say why IMAGE has a vulnerability, or why it has not.

    IMAGE is a path as for scan, or REPOSITORY[:TAG|@DIGEST] of this registry; VULNERABILITY any of its ids.
    """
    with loading():
        from hullwise.cli import explain as command

    command.run(**options)


@app.command("collect-garbage")
@click.option("--dry-run", is_flag=True, help="Only say what would be collected now.")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help="Text, or one JSON object."
)
@_data
def collect_garbage(**options: Any) -> None:
    """Remove what nothing needs any more: a server does so by itself every hour."""
    with loading():
        from hullwise.cli import garbage as command

    command.collect(**options)


@app.group()
def deletions() -> None:
    """Deleted images and tags, within the time in which they may be restored."""


@deletions.command("list")
@click.argument("repository")
@_account
@_data
def deletions_list(**options: Any) -> None:
    """List what was deleted of REPOSITORY and may be restored, the latest first."""
    from hullwise.cli import garbage as command

    command.show(**options)


@deletions.command("restore")
@click.argument("repository")
@click.argument("deletion", type=int)
@_account
@_data
def deletions_restore(**options: Any) -> None:
    """Bring back what was deleted, by its number in the list."""
    from hullwise.cli import garbage as command

    command.restore(**options)


@app.command()
@_data
def quota(**options: Any) -> None:
    """Say how many basic scans are used up, and when the next one counts no more."""
    from hullwise.cli import quota as command

    command.show(**options)


@app.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--verify/--no-verify",
    default=False,
    help="Whether what FOLDER has already is read, and written again where it is damaged. Default: no.",
)
@_data
def backup(**options: Any) -> None:
    """Write all that is kept into FOLDER, while the registry serves. Another one there copies only what is new."""
    from hullwise.cli import backup as command

    command.make(**options)


@app.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--verify/--no-verify", default=True, help="Whether the digest of each blob is computed on the way. Default: yes."
)
@click.option(
    "--skip-damaged", is_flag=True, help="Restore a backup with damaged objects without them, and list what is lacking."
)
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help="Text, or one JSON object."
)
@_data
def restore(**options: Any) -> None:
    """Bring the backup in FOLDER into an empty installation, on whichever database and blob storage it has."""
    from hullwise.cli import backup as command

    command.restore(**options)


@app.command()
@click.option("--rate", type=click.IntRange(min=1), help="MiB a second to read. Default: no limit.")
@click.option("--since", default="", help="Digest of the last blob that an earlier scrub read: go on behind it.")
@click.option("--drop", is_flag=True, help="Take blobs away whose bytes are others, so that a push brings them back.")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help="Text, or one JSON object."
)
@_data
def scrub(**options: Any) -> None:
    """Read everything that is stored, and list what is damaged or missing with the images that need it."""
    from hullwise.cli import scrub as command

    command.run(**options)


@app.group()
def keys() -> None:
    """Access keys: what clients sign their requests with."""


@keys.command("create")
@_account
@click.option("--user", default="", help="Name that policies know its user by. Default: the key's id.")
@click.option(
    "--policy",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with the policy of what may be done with it. Default: that of its user's newest key, else everything.",
)
@click.option(
    "--allow",
    type=click.Choice(["pull", "push", "all"]),
    help="In place of a policy: pull, push and pull, or everything in the account.",
)
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


_region = click.option("--region", help="Region of the repositories. Default: the first of the settings.")
_listed = click.option(
    "--format", "output", type=click.Choice(["table", "json"]), default="table", help="A table, or one JSON object."
)


def _yes_or_no(name: str, words: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option whose value is empty where it is not given."""
    choice = click.Choice(["yes", "no"])
    return click.option(name, type=choice, callback=lambda _context, _option, value: value or "", help=words)


_suppressed = _yes_or_no("--suppressed", "Only what is suppressed, or only what is not.")


@app.command()
@click.argument("image", metavar="REPOSITORY[:TAG|@DIGEST]")
@click.option("--severity", default="", help="Only these severities, between commas, such as CRITICAL,HIGH.")
@_yes_or_no("--fixable", "Only with, or only without a fix.")
@_yes_or_no("--exploited", "Only what CISA knows to be exploited, or only the rest.")
@_suppressed
@click.option("--package", default="", help="Name of an installed or a source package.")
@click.option("--vulnerability", default="", help="Any of its ids.")
@click.option("--platform", help="Only this image of an index, such as linux/arm64. Default: all that it lists.")
@_listed
@_account
@_region
@_data
def findings(**options: Any) -> None:
    """Show what was found in an image, or in all images that an index lists."""
    from hullwise.cli import findings as command

    command.show(**options)


@app.command()
@click.option("--vulnerability", required=True, help="Any of its ids.")
@_suppressed
@_listed
@_account
@_region
@_data
def images(**options: Any) -> None:
    """Show which images a vulnerability is in."""
    from hullwise.cli import findings as command

    command.show_images(**options)


@app.group()
def ignore() -> None:
    """Ignore rules: findings that are shown, marked as suppressed, and not counted."""


@ignore.command("add")
@click.argument("vulnerability", default="")
@click.option("--package", default="", help="Name of an installed or a source package.")
@_yes_or_no("--fixable", "Only with, or only without a fix.")
@click.option("--repository", default="", help="Name of a repository; * stands for anything. Default: all.")
@click.option("--reason", required=True, help="Why, for people.")
@click.option("--author", help="Who says so. Default: this user.")
@click.option("--expires", help="A span such as 30d, 12h or 6w, or a date. Default: never.")
@_account
@_data
def ignore_add(**options: Any) -> None:
    """Suppress what fits: a vulnerability (any of its ids), a package, or whether there is a fix."""
    from hullwise.cli import overlays as command

    command.ignore_add(**options)


@ignore.command("list")
@_account
@_data
def ignore_list(**options: Any) -> None:
    """List the rules, those that have expired too."""
    from hullwise.cli import overlays as command

    command.ignore_list(**options)


@ignore.command("remove")
@click.argument("rule_id", type=int)
@_account
@_data
def ignore_remove(**options: Any) -> None:
    """Take a rule back."""
    from hullwise.cli import overlays as command

    command.ignore_remove(**options)


@app.group()
def vex() -> None:
    """VEX documents: OpenVEX, CSAF and CycloneDX."""


@vex.command("add")
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--repository", default="", help="Name of a repository; * stands for anything. Default: all.")
@_account
@_data
def vex_add(**options: Any) -> None:
    """Add a document, in place of an earlier one of the same id."""
    from hullwise.cli import overlays as command

    command.vex_add(**options)


@vex.command("list")
@_account
@_data
def vex_list(**options: Any) -> None:
    """List the documents."""
    from hullwise.cli import overlays as command

    command.vex_list(**options)


@vex.command("remove")
@click.argument("document_id", type=int)
@_account
@_data
def vex_remove(**options: Any) -> None:
    """Take a document back."""
    from hullwise.cli import overlays as command

    command.vex_remove(**options)


@app.group()
def events() -> None:
    """Events: who is told of what happens, and what did not reach them."""


@events.group("receivers")
def receivers() -> None:
    """Receivers: webhooks and event buses."""


@receivers.command("add")
@click.argument("url")
@click.option("--type", "types", multiple=True, help="Detail type that it wants; may be repeated. Default: all.")
@click.option("--bus", help="Name or ARN of an event bus; URL is then an endpoint as Amazon EventBridge's is.")
@click.option("--region", help="Region that requests to the bus are signed for. Default: the first of the settings.")
@click.option("--key-id", help="Access key id that requests to the bus are signed with.")
@click.option("--secret-file", type=click.File(), help="File with the secret of that key; - reads standard input.")
@_account
@_data
def receivers_add(**options: Any) -> None:
    """Tell URL of each event from now on: a webhook, or with --bus an event bus."""
    from hullwise.cli import events as command

    command.add(**options)


@receivers.command("list")
@_account
@_data
def receivers_list(**options: Any) -> None:
    """List receivers, without their secrets."""
    from hullwise.cli import events as command

    command.show(**options)


@receivers.command("remove")
@click.argument("receiver", type=int)
@_account
@_data
def receivers_remove(**options: Any) -> None:
    """Send it nothing any more, and forget what it should still have got."""
    from hullwise.cli import events as command

    command.remove(**options)


@events.command("dead")
@_account
@_data
def events_dead(**options: Any) -> None:
    """List dead letters: what was given up, the latest first."""
    from hullwise.cli import events as command

    command.dead(**options)


@events.command("replay")
@click.argument("events", nargs=-1, metavar="[EVENT]...")
@click.option("--receiver", type=int, help="Only to this one. Default: to each that they were for.")
@_account
@_data
def events_replay(**options: Any) -> None:
    """Send events again, by id; without any, all dead letters."""
    from hullwise.cli import events as command

    command.replay(**options)


@events.command("test")
@click.argument("receiver", type=int)
@_account
@_data
def events_test(**options: Any) -> None:
    """Queue an event for one receiver, to try it with."""
    from hullwise.cli import events as command

    command.test(**options)


@app.group("import")
def import_() -> None:
    """Bring images in from a layout, from a registry's storage, or from another registry."""


_import_options = (
    click.option("--no-create", is_flag=True, help="Import only into repositories that are there."),
    click.option("--dry-run", is_flag=True, help="Say what would come, and change nothing."),
    _account,
    _region,
    _data,
)
_prefix = click.option("--prefix", default="", help="What goes before the names of repositories, with a slash between.")
_only = click.option(
    "--repository", "repositories", multiple=True, help="Only this repository; may be repeated. Default: all."
)


def _importing(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_import_options):
        command = option(command)
    return command


@import_.command("layout")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.argument("repository")
@_importing
def import_layout(**options: Any) -> None:
    """Import an OCI image layout, a folder or a tar, into REPOSITORY."""
    from hullwise.cli import imports as command

    command.layout(**options)


@import_.command("distribution")
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_only
@_prefix
@_importing
def import_distribution(**options: Any) -> None:
    """Import the storage of Distribution's registry.

    PATH is its root directory, the folder that `docker/registry/v2` is in.
    """
    from hullwise.cli import imports as command

    command.distribution(**options)


@import_.command("registry")
@click.argument("url")
@_only
@click.option("--tag", "tags", multiple=True, help="Only this tag; may be repeated. Default: all.")
@_prefix
@click.option("--username", help="User to log in as.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--token-host", "token_hosts", multiple=True, help="Another host that may have the password, for tokens.")
@_importing
def import_registry(**options: Any) -> None:
    """Import from another registry, such as https://registry.example.com:5000."""
    from hullwise.cli import imports as command

    command.registry(**options)


@app.group()
def advisories() -> None:
    """Advisory data: what is known to be vulnerable."""


@advisories.command("import")
@click.argument("paths", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True)
@click.option("--trust", multiple=True, help="Public key whose bundle is taken, beside those of the settings.")
@click.option("--unsigned", is_flag=True, help="Take what is no signed bundle too, although keys are trusted.")
@_data
def advisories_import(**options: Any) -> None:
    """Load advisory data; a server on the same data uses it at once.

    PATHS are files, zips and folders of OSV, distributions' own data, NVD, CVE, KEV, EPSS, endoflife.date and others.
    """
    from hullwise.cli import advisories as command

    command.load(**options)


@advisories.command("sync")
@click.argument("feeds", nargs=-1)
@_data
def advisories_sync(**options: Any) -> None:
    """Fetch what is new at the feeds, and use it at once.

    FEEDS are names such as osv, debian, kev. Default: all that the settings name.
    """
    from hullwise.cli import advisories as command

    command.sync(**options)


@advisories.command("key")
@_data
def advisories_key(**options: Any) -> None:
    """Make the key that signs bundles, where there is none yet, and print its public part."""
    from hullwise.cli import bundles as command

    command.make_key(**options)


@advisories.command("export")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--since", type=int, help="Number of a generation: only what changed since then.")
@_data
def advisories_export(**options: Any) -> None:
    """Write all data that is in use as one signed bundle, which `import` takes where there is no network."""
    from hullwise.cli import bundles as command

    command.export(**options)


@advisories.command("diff")
@click.argument("old", type=int)
@click.argument("new", type=int)
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help="Text, or one JSON object."
)
@_data
def advisories_diff(**options: Any) -> None:
    """Say what changed between two generations, by number."""
    from hullwise.cli import bundles as command

    command.diff(**options)


@advisories.command("status")
@_data
def advisories_status(**options: Any) -> None:
    """Say which advisory data is in use, and how old it is."""
    from hullwise.cli import advisories as command

    command.status(**options)
