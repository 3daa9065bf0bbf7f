"""Bearer tokens, for clients that ask for them (Distribution's token authentication).

GET /v2/token?service=…&scope=repository:<name>:<actions>   with Basic, or where a setting allows it with nothing
                       &scope=registry:catalog:*             the list of repositories, as far as the caller may see it
"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from hullwise.auth import access, tokens
from hullwise.auth.tokens import Token
from hullwise.domain.errors import AccessDenied, AuthorizationTokenInvalid, RepositoryNotFound
from hullwise.domain.limits import SCOPES
from hullwise.domain.names import is_repository
from hullwise.oci.calls import Call

PATH = "/v2/token"
CATALOG = "registry:catalog:*"
"""The scope of `/v2/_catalog` (Distribution, "Token Scope Documentation")."""
SERVICE = "ecr.amazonaws.com"
"""As ECR's challenge names it."""

# What a client asks for, and what of ECR's actions that needs. Nothing else is ever granted.
ACTIONS: dict[str, tuple[str, ...]] = {
    "pull": ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
    "push": ("ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"),
    "delete": ("ecr:BatchDeleteImage",),
}


def token(call: Call) -> Response:
    """A token for as much of what is asked as the caller may do. What it may not is left out, as if it were not there:
    the request that needs it is refused then."""
    if call.caller.grants is not None:
        # A bearer token gets no other: it would never end.
        raise AuthorizationTokenInvalid
    issued = _issue(call)
    return JSONResponse(
        {
            "token": issued.password,
            "access_token": issued.password,
            "expires_in": int(tokens.BEARER_LIFETIME.total_seconds()),
            "issued_at": (issued.expires_at - tokens.BEARER_LIFETIME).isoformat().replace("+00:00", "Z"),
        },
        headers={"cache-control": "no-store"},
    )


def _issue(call: Call) -> Token:
    asked = [scope for value in call.request.query_params.getlist("scope") for scope in value.split()]
    grants: dict[int, frozenset[str]] = {}
    for scope in asked[:SCOPES]:
        if scope == CATALOG:
            grants[tokens.CATALOG] = frozenset({"*"})
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind != "repository" or not is_repository(name):
            continue
        wanted = ACTIONS.keys() if "*" in actions.split(",") else ACTIONS.keys() & set(actions.split(","))
        for action in sorted(wanted):
            found = _allowed(call, name, action)
            if found is not None:
                grants[found] = grants.get(found, frozenset()) | {action}
    return tokens.issue_bearer(call.services, call.caller, grants)


def _allowed(call: Call, name: str, action: str) -> int | None:
    """The repository's id, where the caller may do that there."""
    try:
        with call.services.database.read() as tx:
            return access.repository(
                tx, call.services, call.caller, call.account, call.region, name, ACTIONS[action]
            ).id
    except (RepositoryNotFound, AccessDenied, AuthorizationTokenInvalid):
        return None
