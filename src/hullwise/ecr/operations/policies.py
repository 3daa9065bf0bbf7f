"""Policies of repositories and of the registry."""

from __future__ import annotations

from typing import Any

from hullwise.auth import resource_policies as rules
from hullwise.ecr import inputs, permissions
from hullwise.ecr.calls import Call


def _repository(call: Call, text: str) -> dict[str, Any]:
    repository = call.repository
    return {"registryId": repository.account, "repositoryName": repository.name, "policyText": text}


def set_repository_policy(call: Call, params: inputs.SetRepositoryPolicyRequest) -> dict[str, Any]:
    """Decide who may use the repository; with `force` also so that the caller cannot change it again."""
    text, force = params["policyText"], params.get("force", False)
    rules.set_repository_policy(
        call.tx, call.services, call.caller, call.repository, text, actions=permissions.actions(), force=force
    )
    return _repository(call, text)


def get_repository_policy(call: Call, params: inputs.GetRepositoryPolicyRequest) -> dict[str, Any]:
    """The policy as it was set."""
    return _repository(call, rules.repository_policy(call.repository))


def delete_repository_policy(call: Call, params: inputs.DeleteRepositoryPolicyRequest) -> dict[str, Any]:
    """The repository has no policy any more."""
    return _repository(call, rules.delete_repository_policy(call.tx, call.repository))


def put_registry_policy(call: Call, params: inputs.PutRegistryPolicyRequest) -> dict[str, Any]:
    """Decide who may use the registry."""
    text = params["policyText"]
    rules.put_registry_policy(call.tx, call.services, call.caller, text, actions=permissions.actions())
    return {"registryId": call.caller.account, "policyText": text}


def get_registry_policy(call: Call, params: inputs.GetRegistryPolicyRequest) -> dict[str, Any]:
    """The policy as it was put."""
    return {"registryId": call.caller.account, "policyText": rules.registry_policy(call.tx, call.caller)}


def delete_registry_policy(call: Call, params: inputs.DeleteRegistryPolicyRequest) -> dict[str, Any]:
    """The registry has no policy any more."""
    return {"registryId": call.caller.account, "policyText": rules.delete_registry_policy(call.tx, call.caller)}
