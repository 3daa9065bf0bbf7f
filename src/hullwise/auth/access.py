"""May this caller do that? The one place that decides it, for every route and operation.

    registry's policy ─┐
    repository's ──────┼─▶ says Deny anywhere ─▶ no
    user's ────────────┘
    own account            the user's says Allow, or has none; or a resource's says Allow to the very user
    another account's      a resource's says Allow, and the user's says so too, or has none
    nobody in particular   a resource's says Allow to everybody, for reads, where `anonymous_pull` is on

(IAM User Guide, "Policy evaluation logic"; contract 3.10.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from hullwise.auth.callers import Caller
from hullwise.domain import policies
from hullwise.domain.errors import AccessDenied, AuthorizationTokenInvalid, RepositoryNotFound, ScopeInsufficient
from hullwise.domain.names import repository_arn
from hullwise.domain.policies import Policy, Request, Verdict
from hullwise.services import Services
from hullwise.store import accounts, repositories
from hullwise.store.repositories import Repository

PULL_ACTIONS = frozenset(
    {"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:ListImages"}
)
"""What a policy can allow to callers without credentials."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is about."""

    arn: str
    account: str
    region: str
    repository: Repository | None = None


def of_repository(account: str, region: str, name: str, found: Repository | None) -> Resource:
    return Resource(repository_arn(account, region, name), account, region, found)


def allowed(tx: sa.Connection, services: Services, caller: Caller, action: str, resource: Resource) -> bool:
    """Whether the caller may do `action` (`ecr:PutImage`) to the resource."""
    of_resource = None
    if resource.repository is not None:
        of_registry, of_resource = resource.repository.registry_policy, resource.repository.policy
    else:
        of_registry = accounts.registry_policy(tx, resource.account, resource.region)
    if of_registry is None and of_resource is None and caller.policy is None:
        return not caller.anonymous and caller.account == resource.account
    theirs = [policies.stored(of_registry, "registry")] if of_registry is not None else []
    if of_resource is not None:
        theirs.append(policies.stored(of_resource, "repository"))
    own = policies.stored(caller.policy, "identity") if caller.policy is not None else None
    context = _context(tx, services, caller, resource, [*theirs, own] if own is not None else theirs)
    request = Request(action, resource.arn, caller.principal, context)
    by_resource = max((policy.says(request) for policy in theirs), default=Verdict.NOTHING)
    by_identity = own.says(request) if own is not None else Verdict.ALLOW
    if Verdict.DENY in (by_resource, by_identity):
        return False
    if caller.anonymous:
        return services.settings.anonymous_pull and action in PULL_ACTIONS and by_resource is Verdict.ALLOW
    if caller.account == resource.account:
        return Verdict.ALLOW in (by_identity, by_resource)
    return by_identity is Verdict.ALLOW and by_resource is not Verdict.NOTHING


def _context(
    tx: sa.Connection, services: Services, caller: Caller, resource: Resource, asking: Collection[Policy]
) -> Mapping[str, str]:
    """Values of condition keys (`policies.KEYS`). Resource tags are read where a policy asks for one."""
    if not any(policy.conditional for policy in asking):
        return {}
    context = {
        "aws:currenttime": services.clock().isoformat(),
        "aws:principaltype": "Anonymous" if caller.anonymous else "User",
        "aws:requestedregion": resource.region,
        "aws:resourceaccount": resource.account,
        # Nobody here calls for another.
        "aws:viaawsservice": "false",
        "aws:securetransport": "true" if caller.origin.secure else "false",
    }
    if caller.origin.address:
        context["aws:sourceip"] = caller.origin.address
    if caller.principal is not None:
        context["aws:principalaccount"] = caller.principal.account
        context["aws:principalarn"] = caller.principal.arn
        context["aws:principalisawsservice"] = "false"
        context["aws:username"] = caller.principal.user
    if resource.repository is not None and any(policy.asks_for_tags for policy in asking):
        for key, value in repositories.labels(tx, resource.repository.id).items():
            context |= {f"{prefix}{key.lower()}": value for prefix in policies.TAG_KEYS}
    return context


def check(tx: sa.Connection, services: Services, caller: Caller, action: str, resource: Resource) -> None:
    """Raises AccessDenied, and for a caller without credentials AuthorizationTokenInvalid."""
    if not allowed(tx, services, caller, action, resource):
        if caller.anonymous:
            raise AuthorizationTokenInvalid
        raise AccessDenied(caller.arn, action, resource.arn)


def repository(
    tx: sa.Connection,
    services: Services,
    caller: Caller,
    account: str,
    region: str,
    name: str,
    actions: Collection[str],
    scope: str = "",
) -> Repository:
    """The repository, on which the caller may do all the actions; with a bearer token, one that is good for `scope`.

    Raises RepositoryNotFound, naming the registry asked for: also for one of another account that the caller may not
    even pull from, so that nobody can tell which exist. Raises AccessDenied where it may pull, and in the caller's own
    account, whether the repository exists or not. A caller without credentials gets AuthorizationTokenInvalid for all,
    but for what a bearer token that it has is good for and no policy allows: to ask it for another would lead nowhere.
    """
    found = repositories.find(tx, account, region, name)
    resource = of_repository(account, region, name, found)
    for action in actions:
        if not allowed(tx, services, caller, action, resource):
            if caller.anonymous and not (found is not None and scope in (caller.grants or {}).get(found.id, ())):
                raise AuthorizationTokenInvalid
            if account != caller.account and not allowed(tx, services, caller, "ecr:BatchGetImage", resource):
                raise RepositoryNotFound(name, account)
            raise AccessDenied(caller.arn, action, resource.arn)
    if found is None:
        raise RepositoryNotFound(name, account)
    if caller.grants is not None and scope not in caller.grants.get(found.id, ()):
        raise ScopeInsufficient(f"repository:{name}:{scope}")
    return found
