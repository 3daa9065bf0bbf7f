"""Resource tags of repositories. Their members are capitalised, unlike all else in this API."""

from __future__ import annotations

from typing import Any

from hullwise.domain.errors import RepositoryNotFound
from hullwise.domain.names import parse_repository_arn
from hullwise.ecr import inputs
from hullwise.ecr.calls import Call, Params
from hullwise.ecr.operations.repositories import label_values
from hullwise.registry import repositories as rules
from hullwise.store import repositories as store
from hullwise.store.repositories import Repository


def _repository(call: Call, params: Params) -> Repository:
    """Raises InvalidArn, and RepositoryNotFound, also for another account's or region's."""
    arn = parse_repository_arn(params["resourceArn"])
    if (arn.account, arn.region) != (call.caller.account, call.caller.region):
        raise RepositoryNotFound(arn.name, arn.account)
    return store.get(call.tx, arn.account, arn.region, arn.name)


def tag_resource(call: Call, params: inputs.TagResourceRequest) -> dict[str, Any]:
    """Set resource tags."""
    rules.label(call.tx, _repository(call, params), label_values(params["tags"]))
    return {}


def untag_resource(call: Call, params: inputs.UntagResourceRequest) -> dict[str, Any]:
    """Remove resource tags; those that are not there are no error."""
    repository = _repository(call, params)
    # Only of those that are there, which are few: the model sets no limit to how many keys a request names.
    there = store.labels(call.tx, repository.id).keys() & set(params["tagKeys"])
    store.remove_labels(call.tx, repository.id, sorted(there))
    return {}


def list_tags_for_resource(call: Call, params: inputs.ListTagsForResourceRequest) -> dict[str, Any]:
    """Resource tags, by key."""
    found = store.labels(call.tx, _repository(call, params).id)
    return {"tags": [{"Key": key, "Value": value} for key, value in found.items()]}
