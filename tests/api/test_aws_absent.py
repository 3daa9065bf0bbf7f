"""Reads of what a registry keeps none of. Expected values: the service model, and the contract's texts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.edges import Edges
from tests.support.images import image, layer, python_packages

IMAGE = image([layer(python_packages(six="1.0"))])
REPOSITORY = "repository with name 'team/app' in the registry with id '123456789012'"


@pytest.fixture
def pushed(edge: Edges) -> Edges:
    edge.registry.repository("team/app")
    edge.push("team/app", IMAGE)
    return edge


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        *(
            (name, "LifecyclePolicyNotFoundException", f"Lifecycle policy does not exist for the {REPOSITORY}")
            for name in ("GetLifecyclePolicy", "DeleteLifecyclePolicy")
        ),
        (
            "GetLifecyclePolicyPreview",
            "LifecyclePolicyPreviewNotFoundException",
            f"Lifecycle policy preview does not exist for the {REPOSITORY}",
        ),
    ],
)
def test_no_repository_has_a_lifecycle_policy(pushed: Edges, operation: str, code: str, message: str) -> None:
    """Nor a preview of one; a repository that is not there is missing before that."""
    answer = pushed.aws(operation, repositoryName="team/app")
    assert (answer.status_code, answer.json()["__type"]) == (400, code)
    assert answer.json()["message"] == message
    assert pushed.aws(operation, repositoryName="absent").json()["__type"] == "RepositoryNotFoundException"


@pytest.mark.parametrize("operation", ["GetSigningConfiguration", "DeleteSigningConfiguration"])
def test_no_registry_signs(pushed: Edges, operation: str) -> None:
    answer = pushed.aws(operation)
    assert (answer.status_code, answer.json()["__type"]) == (400, "SigningConfigurationNotFoundException")


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("DescribePullThroughCacheRules", {"pullThroughCacheRules": []}),
        (
            "DescribeRepositoryCreationTemplates",
            {"registryId": "123456789012", "repositoryCreationTemplates": []},
        ),
        ("ListPullTimeUpdateExclusions", {"pullTimeUpdateExclusions": []}),
        ("ListReplicationBackfills", {"registryId": "123456789012", "backfills": []}),
    ],
)
def test_lists_are_empty(pushed: Edges, operation: str, expected: dict[str, Any]) -> None:
    """On one page, without a token for another."""
    answer = pushed.aws(operation)
    assert answer.status_code == 200, answer.text
    assert answer.json() == expected


def test_a_rule_of_a_cache_that_is_asked_for_is_not_found(pushed: Edges) -> None:
    """A missing prefix fails the call (contract 1.5)."""
    answer = pushed.aws("DescribePullThroughCacheRules", ecrRepositoryPrefixes=["docker-hub"])
    assert (answer.status_code, answer.json()["__type"]) == (400, "PullThroughCacheRuleNotFoundException")
    assert (
        pushed.aws("DescribeRepositoryCreationTemplates", prefixes=["ROOT"]).json()["repositoryCreationTemplates"] == []
    )


@pytest.mark.parametrize(
    ("operation", "member", "beside"),
    [
        ("DescribeImageReplicationStatus", "replicationStatuses", {}),
        ("DescribeImageSigningStatus", "signingStatuses", {"registryId": "123456789012"}),
    ],
)
def test_an_image_goes_nowhere(pushed: Edges, operation: str, member: str, beside: dict[str, str]) -> None:
    """One that is there; of another there is nothing to say, nor of none."""
    asked: dict[str, Any] = {"repositoryName": "team/app"}
    tagged = {"imageDigest": IMAGE.digest, "imageTag": "latest"}
    answer = pushed.aws(operation, **asked, imageId={"imageTag": "latest"})
    assert answer.json() == {"repositoryName": "team/app", "imageId": tagged, member: [], **beside}
    missing = pushed.aws(operation, **asked, imageId={"imageTag": "none"})
    assert missing.json()["__type"] == "ImageNotFoundException"
    assert pushed.aws(operation, **asked, imageId={}).json()["__type"] == "InvalidParameterException"


def test_replication_is_taken_back_and_not_begun(pushed: Edges) -> None:
    """No rules are what there is; a rule is not offered, and changes nothing."""
    nothing: dict[str, Any] = {"replicationConfiguration": {"rules": []}}
    assert pushed.aws("PutReplicationConfiguration", **nothing).json() == nothing
    rule = {"destinations": [{"region": "eu-west-1", "registryId": "123456789012"}]}
    refused = pushed.aws("PutReplicationConfiguration", replicationConfiguration={"rules": [rule]})
    assert (refused.status_code, refused.json()["__type"]) == (400, "ValidationException")
    assert refused.json()["message"] == "PutReplicationConfiguration is not offered by this registry"
    assert pushed.aws("DescribeRegistry").json()["replicationConfiguration"] == {"rules": []}
