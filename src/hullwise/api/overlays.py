"""Ignore rules and VEX documents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from hullwise.api.calls import Call
from hullwise.domain.errors import InvalidParameter
from hullwise.scanning import overlay_changes
from hullwise.store import overlays as store
from hullwise.store.overlays import IgnoreRule, VexDocument


class NewRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    reason: str
    author: str | None = None
    """None: the caller's ARN."""
    repository: str = ""
    vulnerability: str = ""
    package: str = ""
    fixable: str = ""
    expires_at: datetime | None = None


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def rule(found: IgnoreRule) -> dict[str, Any]:
    """A rule as JSON."""
    return {
        "id": found.id,
        "repository": found.repository,
        "vulnerability": found.vulnerability,
        "package": found.package,
        "fixable": found.fixable,
        "reason": found.reason,
        "author": found.author,
        "createdAt": _moment(found.created_at),
        "expiresAt": _moment(found.expires_at),
    }


def document(found: VexDocument) -> dict[str, Any]:
    """A VEX document as JSON, without its statements."""
    return {
        "id": found.id,
        "name": found.name,
        "repository": found.repository,
        "digest": found.digest,
        "format": found.format,
        "author": found.author,
        "addedBy": found.added_by,
        "statements": found.statements,
        "createdAt": _moment(found.created_at),
    }


def list_rules(call: Call) -> dict[str, Any]:
    """The account's rules, oldest first; those that have expired too."""
    with call.services.database.read() as tx:
        return {"ignoreRules": [rule(each) for each in store.rules(tx, call.caller.account)]}


def add_rule(call: Call) -> dict[str, Any]:
    """Make a rule: NewRule as JSON."""
    new = call.parsed(NewRule)
    if new.expires_at is not None and new.expires_at.tzinfo is None:
        raise InvalidParameter("expiresAt", "must have a time zone")
    caller, services = call.caller, call.services
    stated = msgspec.structs.asdict(new) | {"author": caller.arn if new.author is None else new.author}
    made = services.database.run(lambda tx: overlay_changes.add_rule(tx, services, caller.account, **stated))
    return rule(made)


def remove_rule(call: Call) -> None:
    """Take a rule back."""
    services, account, number = call.services, call.caller.account, int(call.parts["id"])
    services.database.run(lambda tx: overlay_changes.remove_rule(tx, services, account, number))


def list_documents(call: Call) -> dict[str, Any]:
    """The account's VEX documents, oldest first."""
    with call.services.database.read() as tx:
        return {"vexDocuments": [document(each) for each in store.documents(tx, call.caller.account)]}


def add_document(call: Call) -> dict[str, Any]:
    """Add the VEX document that is the body; `?repository=` narrows it. Says what of it is not used."""
    given = overlay_changes.read(call.body)
    services, caller = call.services, call.caller
    made = services.database.run(
        lambda tx: overlay_changes.add_document(
            tx,
            services,
            caller.account,
            given,
            repository=call.query.get("repository", ""),
            added_by=caller.access_key_id,
        )
    )
    return document(made) | {"unused": overlay_changes.unused(given)}


def remove_document(call: Call) -> None:
    """Take a document back."""
    services, account, number = call.services, call.caller.account, int(call.parts["id"])
    services.database.run(lambda tx: overlay_changes.remove_document(tx, services, account, number))
