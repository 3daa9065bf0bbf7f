"""Resource tags of repositories. Their members are capitalised, unlike all else in this API."""

from __future__ import annotations

from typing import Any

from hullwise.ecr import inputs
from hullwise.ecr.calls import Call
from hullwise.ecr.operations.repositories import label_values
from hullwise.registry import repositories as rules
from hullwise.store import repositories as store


def tag_resource(call: Call, params: inputs.TagResourceRequest) -> dict[str, Any]:
    """Set resource tags."""
    rules.label(call.tx, call.repository, label_values(params["tags"]))
    return {}


def untag_resource(call: Call, params: inputs.UntagResourceRequest) -> dict[str, Any]:
    """Remove resource tags; those that are not there are no error."""
    repository = call.repository
    # Only of those that are there, which are few: the model sets no limit to how many keys a request names.
    there = store.labels(call.tx, repository.id).keys() & set(params["tagKeys"])
    store.remove_labels(call.tx, repository.id, sorted(there))
    return {}


def list_tags_for_resource(call: Call, params: inputs.ListTagsForResourceRequest) -> dict[str, Any]:
    """Resource tags, by key."""
    found = store.labels(call.tx, call.repository.id)
    return {"tags": [{"Key": key, "Value": value} for key, value in found.items()]}
