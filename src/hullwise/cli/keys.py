"""hullwise keys: create, list, revoke."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hullwise.auth import keys
from hullwise.cli import trail
from hullwise.cli.failures import Failure
from hullwise.cli.opening import command_line, default_account, export_lines, opened
from hullwise.domain import policies
from hullwise.domain.limits import POLICY
from hullwise.domain.policies import InvalidPolicy
from hullwise.store import accounts

_PULL = [
    *("ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage"),
    *("ecr:GetDownloadUrlForLayer", "ecr:Describe*", "ecr:List*"),
]
_PUSH = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"]
_ALLOWED = {"pull": _PULL, "push": [*_PULL, *_PUSH], "all": None}


def create(
    *, account: str | None, user: str, policy: Path | None, allow: str | None, output: str, data: Path | None
) -> None:
    text = _policy(policy, allow)
    with opened(data=data, beginning=True) as services:
        chosen = account or default_account(services)
        with services.database.write() as tx:
            like = keys.latest(tx, chosen, user) if policy is None and allow is None else None
            text = like.policy if like is not None else text
            pair = keys.create(tx, services, chosen, user=user, policy=text)
        trail.changed(pair.account, what=pair.access_key_id)
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
        if like is not None and like.policy is not None:
            may = f"User {user} may do with it what the policy of key {like.id} says; `--allow all` gives none."
            click.echo(may, err=True)


def _policy(path: Path | None, allow: str | None) -> str | None:
    """The text of the policy; None: it has none. Raises Failure for one that is not understood."""
    from hullwise.api import routes
    from hullwise.ecr import permissions

    if path is not None and allow is not None:
        raise Failure("--policy and --allow: one of them")
    if allow is not None:
        actions = _ALLOWED[allow]
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        return None if actions is None else json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    if path is None:
        return None
    text = path.read_text(encoding="utf-8")
    if len(text) > POLICY:
        raise Failure(f"{path}: a policy has at most {POLICY} characters")
    try:
        policies.parse(text, "identity", (*permissions.actions(), *routes.ACTIONS))
    except InvalidPolicy as error:
        raise Failure(f"{path}: {error}") from error
    return text


def show(*, data: Path | None) -> None:
    with opened(data=data, unsealing=False) as services:
        with services.database.read() as tx:
            found = accounts.list_keys(tx)
        if not found:
            make = command_line(services.settings, "keys create")
            click.echo(f"There is no access key yet in {services.settings.data}; `{make}` makes one.", err=True)
        for key in found:
            state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "active"
            may = "" if key.policy is None else "  by policy"
            user = f"  user {key.user}" if key.user else ""
            click.echo(f"{key.id}  account {key.account}{user}  made {key.created_at:%Y-%m-%d %H:%M}  {state}{may}")


def revoke(*, key_id: str, data: Path | None) -> None:
    with opened(data=data, unsealing=False) as services:
        with services.database.write() as tx:
            done = accounts.revoke_key(tx, key_id, services.clock())
        if not done:
            raise Failure(f"there is no active access key {key_id}")
        trail.changed(what=key_id)
        click.echo(f"{key_id} is revoked")
