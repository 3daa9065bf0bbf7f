"""What a registry keeps none of: lifecycle policies, caches of other registries, templates, replication, signatures.

Whoever reads it is told so in ECR's own words: tools that take stock of a registry ask for all of it, and would fail on
an operation that is not offered. To write any is not offered.
"""

from __future__ import annotations

from typing import Any, NoReturn

from hullwise.domain.errors import (
    LifecyclePolicyNotFound,
    LifecyclePolicyPreviewNotFound,
    NotOffered,
    PullThroughCacheRuleNotFound,
    SigningConfigurationNotFound,
)
from hullwise.ecr import inputs
from hullwise.ecr.calls import Call, Params, one_image_id
from hullwise.registry import images as rules


def lifecycle_policy(
    call: Call, params: inputs.GetLifecyclePolicyRequest | inputs.DeleteLifecyclePolicyRequest
) -> NoReturn:
    raise LifecyclePolicyNotFound(call.repository.name, call.repository.account)


def lifecycle_policy_preview(call: Call, params: inputs.GetLifecyclePolicyPreviewRequest) -> NoReturn:
    raise LifecyclePolicyPreviewNotFound(call.repository.name, call.repository.account)


def signing_configuration(
    call: Call, params: inputs.GetSigningConfigurationRequest | inputs.DeleteSigningConfigurationRequest
) -> NoReturn:
    raise SigningConfigurationNotFound(call.caller.account)


def pull_through_cache_rules(call: Call, params: inputs.DescribePullThroughCacheRulesRequest) -> dict[str, Any]:
    """None. One that is asked for by its prefix fails the call, as with ECR (contract 1.5)."""
    for prefix in params.get("ecrRepositoryPrefixes", ()):
        raise PullThroughCacheRuleNotFound(prefix, call.caller.account)
    return {"pullThroughCacheRules": []}


def repository_creation_templates(
    call: Call, params: inputs.DescribeRepositoryCreationTemplatesRequest
) -> dict[str, Any]:
    """None, whichever are asked for (contract 1.2)."""
    return {"registryId": call.caller.account, "repositoryCreationTemplates": []}


def pull_time_update_exclusions(call: Call, params: inputs.ListPullTimeUpdateExclusionsRequest) -> dict[str, Any]:
    return {"pullTimeUpdateExclusions": []}


def replication_backfills(call: Call, params: inputs.ListReplicationBackfillsRequest) -> dict[str, Any]:
    return {"registryId": call.caller.account, "backfills": []}


def replication_status(call: Call, params: inputs.DescribeImageReplicationStatusRequest) -> dict[str, Any]:
    """Of an image that is there: it goes nowhere."""
    return _of_image(call, params) | {"replicationStatuses": []}


def signing_status(call: Call, params: inputs.DescribeImageSigningStatusRequest) -> dict[str, Any]:
    """Of an image that is there: ECR's own signing did nothing with it."""
    return _of_image(call, params) | {"registryId": call.repository.account, "signingStatuses": []}


def put_replication_configuration(call: Call, params: inputs.PutReplicationConfigurationRequest) -> dict[str, Any]:
    """No rules, as there were; this is how a client takes back what it may have put. Any rule is not offered."""
    if params["replicationConfiguration"]["rules"]:
        raise NotOffered(call.operation)
    return {"replicationConfiguration": {"rules": []}}


def _of_image(call: Call, params: Params) -> dict[str, Any]:
    repository, asked = call.repository, one_image_id(params)
    image = rules.get(call.tx, repository, asked)
    return {
        "repositoryName": repository.name,
        "imageId": {"imageDigest": image.digest, "imageTag": asked.tag},
    }
