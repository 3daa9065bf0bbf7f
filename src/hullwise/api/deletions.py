"""Deleted images and tags, and their return."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hullwise.api.calls import LARGEST_ID, Call
from hullwise.auth import access
from hullwise.domain.errors import DeletionNotFound
from hullwise.domain.names import check_repository
from hullwise.registry import deletions as rules
from hullwise.store import deletions, repositories
from hullwise.store.deletions import Deletion
from hullwise.store.repositories import Repository

_PAGE = 100


def _repository(call: Call, tx: sa.Connection, name: str, action: str) -> Repository:
    caller = call.caller
    return access.repository(tx, call.services, caller, caller.account, caller.region, name, (action,))


def listed(call: Call) -> dict[str, Any]:
    """`?repository=`: what of it may be restored, the latest first; `before=`: of smaller ids."""
    before = call.number("before", LARGEST_ID) or LARGEST_ID
    with call.services.database.read() as tx:
        repository = _repository(call, tx, check_repository(call.query.get("repository", "")), "ecr:DescribeImages")
        found = deletions.page(tx, repository.id, call.services.clock(), before, _PAGE + 1)
    return {
        "deletions": [_deletion(each) for each in found[:_PAGE]],
        "before": found[_PAGE - 1].id if len(found) > _PAGE else None,
    }


def _deletion(found: Deletion) -> dict[str, Any]:
    return {
        "id": found.id,
        "digest": found.digest,
        "tags": list(found.tags),
        "image": found.whole,
        "deletedBy": found.deleted_by,
        "deletedAt": found.deleted_at.isoformat(),
        "restorableUntil": found.purge_at.isoformat(),
    }


def restore(call: Call) -> dict[str, Any]:
    """POST: the image with its tags, or the tags, are there again."""
    number = int(call.parts["id"])

    def bring_back(tx: sa.Connection) -> rules.Restored:
        found = deletions.find(tx, number)
        repository = None if found is None else repositories.by_id(tx, found.repository_id)
        if repository is None or (repository.account, repository.region) != (call.caller.account, call.caller.region):
            raise DeletionNotFound
        return rules.restore(tx, call.services, _repository(call, tx, repository.name, "ecr:PutImage"), number)

    done = call.services.database.run(bring_back)
    return {"digest": done.image.digest, "tags": list(done.tags), "taken": list(done.taken)}
