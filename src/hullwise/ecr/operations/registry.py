"""The registry itself: who it is, and tokens for docker."""

from __future__ import annotations

import base64
from typing import Any

from hullwise.auth import tokens
from hullwise.ecr import inputs
from hullwise.ecr.calls import Call
from hullwise.registry import settings


def get_authorization_token(call: Call, params: inputs.GetAuthorizationTokenRequest) -> dict[str, Any]:
    """A token that docker takes as the password of the user AWS, for 12 hours."""
    token = tokens.issue(call.services, call.caller)
    password = base64.b64encode(f"{tokens.USER}:{token.password}".encode()).decode()
    # `registryIds` is deprecated: one entry for each, all with the rights of the caller.
    registries = params.get("registryIds") or [call.caller.account]
    entries = [
        {"authorizationToken": password, "expiresAt": token.expires_at, "proxyEndpoint": call.registry(account)}
        for account in dict.fromkeys(registries)
    ]
    return {"authorizationData": entries}


def describe_registry(call: Call, params: inputs.DescribeRegistryRequest) -> dict[str, Any]:
    """The caller's registry. Nothing is replicated, which is what a registry without rules says."""
    return {"registryId": call.caller.account, "replicationConfiguration": {"rules": []}}


def get_account_setting(call: Call, params: inputs.GetAccountSettingRequest) -> dict[str, Any]:
    """The setting's value, or its default."""
    name = params["name"]
    return {"name": name, "value": settings.value(call.tx, call.caller.account, call.caller.region, name)}


def put_account_setting(call: Call, params: inputs.PutAccountSettingRequest) -> dict[str, Any]:
    """Give a setting another value."""
    name, value = params["name"], params["value"]
    settings.put(call.tx, call.caller.account, call.caller.region, name, value)
    return {"name": name, "value": value}
