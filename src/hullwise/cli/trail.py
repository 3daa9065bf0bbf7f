"""The audit trail of what is changed with the command line: lines as `auth.audit` has them of requests."""

from __future__ import annotations

import os
import pwd

import click

from hullwise.auth.audit import Trail


def changed(account: str = "", repository: tuple[str, str] | None = None, **what: str) -> None:
    """Log that the command that is running made a change, as which user of this system, and `what` else is known of it:
    it is committed. `repository`: region and name of the one that it is about, in the account."""
    trail = Trail(click.get_current_context().command_path, "")
    if repository is not None:
        trail.about(account, *repository)
    found = {"system_user": system_user(), "sudo_user": _sudo_user(), "account": account, **what}
    trail.changed(**{name: value for name, value in found.items() if value})


def system_user() -> str:
    """Whom this process belongs to: by name, or by number where the system has none. The environment has no say."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _sudo_user() -> str:
    """Who became root by sudo, which says so in the environment; that of others may say anything."""
    return os.environ.get("SUDO_USER", "") if os.getuid() == 0 else ""
