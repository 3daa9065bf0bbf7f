"""hullwise keys: create, list, revoke."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hullwise.auth import keys
from hullwise.cli.failures import Failure
from hullwise.cli.opening import default_account, export_lines, opened
from hullwise.store import accounts


def create(*, account: str | None, output: str, data: Path | None) -> None:
    with opened(data=data) as services:
        chosen = account or default_account(services)
        with services.database.write() as tx:
            pair = keys.create(tx, services, chosen)
        fields = {
            "account": pair.account,
            "access_key_id": pair.access_key_id,
            "secret_access_key": pair.secret_access_key,
        }
        if output == "json":
            click.echo(json.dumps(fields))
        elif output == "env":
            click.echo("\n".join(export_lines(services, pair)))
        else:
            click.echo("\n".join(f"{name:18} {value}" for name, value in fields.items()))
            click.echo("The secret is not shown again.", err=True)


def show(*, data: Path | None) -> None:
    with opened(data=data) as services:
        with services.database.read() as tx:
            found = accounts.list_keys(tx)
        if not found:
            click.echo("There is no access key yet; `hullwise keys create` makes one.", err=True)
        for key in found:
            state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "active"
            click.echo(f"{key.id}  account {key.account}  made {key.created_at:%Y-%m-%d %H:%M}  {state}")


def revoke(*, key_id: str, data: Path | None) -> None:
    with opened(data=data) as services:
        with services.database.write() as tx:
            done = accounts.revoke_key(tx, key_id, services.clock())
        if not done:
            raise Failure(f"there is no active access key {key_id}")
        click.echo(f"{key_id} is revoked")
