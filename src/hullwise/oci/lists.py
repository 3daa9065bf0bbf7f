"""Lists that go on: repositories, and what refers to a manifest."""

from __future__ import annotations

from urllib.parse import quote

import sqlalchemy as sa
from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, Response

from hullwise.auth import access, tokens
from hullwise.domain import digests
from hullwise.domain.limits import PAGE, REFERRERS_PAGE
from hullwise.domain.manifests import OCI_INDEX
from hullwise.oci.calls import Call
from hullwise.oci.errors import Refused
from hullwise.registry import referrers
from hullwise.registry.referrers import Referrer
from hullwise.store import repositories
from hullwise.store.repositories import Repository


def size_asked(call: Call, most: int = PAGE) -> int:
    """`n` of the query: how many entries are wanted; what is no number is as if it were not there."""
    asked = call.request.query_params.get("n", "")
    return min(int(asked), most) if asked.isascii() and asked.isdecimal() and len(asked) < 10 else most


def after_asked(call: Call) -> str:
    """`last` of the query: the entry to go on after. PostgreSQL takes no NUL in text, and no entry has one: what
    follows it changes nothing of what sorts after."""
    return call.request.query_params.get("last", "").partition("\0")[0]


def link(path: str, query: str) -> dict[str, str]:
    """Where the list goes on (RFC 5988)."""
    return {"link": f'<{path}?{query}>; rel="next"'}


def catalog(call: Call) -> Response:
    """GET /v2/_catalog: names of the caller's repositories in the region, `n` at a time after `last`. By a bearer token
    those that it names, or all where it names the catalog."""
    size, last = size_asked(call), after_asked(call)
    names: list[str] = []
    with call.services.database.read() as tx:
        more = True
        while more and len(names) <= size:
            page = repositories.page(tx, call.account, call.region, last, size + 1)
            names += [each.name for each in page if _listed(call, tx, each)]
            more, last = len(page) > size, page[-1].name if page else last
    more = len(names) > size > 0
    headers = link("/v2/_catalog", f"n={size}&last={quote(names[size - 1], safe='')}") if more else {}
    return JSONResponse({"repositories": names[:size]}, headers=headers)


def _listed(call: Call, tx: sa.Connection, found: Repository) -> bool:
    grants = call.caller.grants
    if grants is not None and not grants.keys() & {found.id, tokens.CATALOG}:
        return False
    resource = access.of_repository(call.account, call.region, found.name, found)
    return access.allowed(tx, call.services, call.caller, "ecr:DescribeRepositories", resource)


def list_referrers(call: Call) -> Response:
    """GET: an index of what refers to the digest; of these artifact types where the query names some."""
    subject = digests.check(call.parts["digest"])
    # A + is one (RFC 3986 3.4): a space it is in the encoding of forms alone, and no media type has any.
    query = QueryParams(call.request.scope["query_string"].replace(b"+", b"%2B"))
    # None of an artifact type has NUL in it, which PostgreSQL does not take.
    types = [each for each in query.getlist("artifactType") if each and "\0" not in each][:REFERRERS_PAGE]
    after = query.get("last", "0")
    if not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise Refused(400, "UNSUPPORTED", "last must be what a Link header said")

    found, more = _referrers(call, subject, types, int(after))
    headers = {"oci-filters-applied": "artifactType"} if types else {}
    if more:
        wanted = "".join(f"&artifactType={quote(each, safe='')}" for each in types)
        path = f"/v2/{call.parts['name']}/referrers/{subject}"
        headers |= link(path, f"last={found[-1].image.id}{wanted}")
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_descriptor(each) for each in found]}
    return JSONResponse(body, headers=headers, media_type=OCI_INDEX)


def _referrers(call: Call, subject: str, types: list[str], after: int) -> tuple[list[Referrer], bool]:
    with call.services.database.read() as tx:
        return referrers.some(tx, call.repository(), subject, after, REFERRERS_PAGE, artifact_types=types)


def _descriptor(found: Referrer) -> dict[str, object]:
    descriptor: dict[str, object] = {
        "mediaType": found.image.media_type,
        "digest": found.image.digest,
        "size": found.size,
    }
    if found.image.artifact_media_type:
        descriptor["artifactType"] = found.image.artifact_media_type
    if found.annotations:
        descriptor["annotations"] = found.annotations
    return descriptor
