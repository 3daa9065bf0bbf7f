"""Repositories: make, describe, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hullwise.domain.errors import InvalidTag
from hullwise.ecr import inputs, paging, shapes
from hullwise.ecr.calls import Call
from hullwise.registry import repositories as rules
from hullwise.store import repositories as store


def create_repository(call: Call, params: inputs.CreateRepositoryRequest) -> dict[str, Any]:
    """Make a repository in the caller's registry and region."""
    repository = rules.create(
        call.tx,
        call.services,
        account=call.caller.account,
        region=call.caller.region,
        name=params["repositoryName"],
        tag_mutability=params.get("imageTagMutability", "MUTABLE"),
        exclusions=[_texts(item) for item in params.get("imageTagMutabilityExclusionFilters", ())],
        scan_on_push=params.get("imageScanningConfiguration", {}).get("scanOnPush", False),
        encryption=_texts(params.get("encryptionConfiguration", {"encryptionType": "AES256"})),
        tags=label_values(params.get("tags", ())),
    )
    return {"repository": shapes.repository(call, repository)}


def _texts(members: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in members.items()}


def label_values(tags: Any) -> dict[str, str]:
    """Resource tags by key. Raises InvalidTag where a key is there twice."""
    values = {tag["Key"]: tag.get("Value", "") for tag in tags}
    if len(values) != len(tags):
        raise InvalidTag("a key may be given once")
    return values


def describe_repositories(call: Call, params: inputs.DescribeRepositoriesRequest) -> dict[str, Any]:
    """The named repositories, or a page of all of them, by name. One missing name fails the whole call."""
    paging.refuse_with_ids(params, "repositoryNames")
    names = params.get("repositoryNames")
    if names is not None:
        registry = params.get("registryId", call.caller.account)
        named = [store.get(call.tx, registry, call.caller.region, name) for name in dict.fromkeys(names)]
        return {"repositories": [shapes.repository(call, repository) for repository in named]}
    after, size = paging.position(call, params, ""), paging.size(params)
    page = store.page(call.tx, call.caller.account, call.caller.region, after, size + 1)
    more = paging.token(call, params, page[size - 1].name) if len(page) > size else None
    return {"repositories": [shapes.repository(call, repository) for repository in page[:size]], "nextToken": more}


def delete_repository(call: Call, params: inputs.DeleteRepositoryRequest) -> dict[str, Any]:
    """Delete a repository; with `force` also one that holds images."""
    repository = call.repository
    rules.delete(call.tx, call.services, repository, force=params.get("force", False))
    return {"repository": shapes.repository(call, repository)}


def put_image_tag_mutability(call: Call, params: inputs.PutImageTagMutabilityRequest) -> dict[str, Any]:
    """Which tags may be moved from now on; what is there stays."""
    repository = call.repository
    exclusions = [_texts(item) for item in params.get("imageTagMutabilityExclusionFilters", ())]
    rules.set_mutability(call.tx, repository, params["imageTagMutability"], exclusions)
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageTagMutability": params["imageTagMutability"],
        "imageTagMutabilityExclusionFilters": exclusions or None,
    }
