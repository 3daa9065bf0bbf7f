"""Who may do what: every route and operation, by every kind of credential, in the own account and in another's."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from hullwise.auth import keys, tokens
from hullwise.auth.callers import Caller
from hullwise.auth.keys import KeyPair
from hullwise.domain.manifests import OCI_MANIFEST
from hullwise.ecr import model
from hullwise.ecr.operations import READS, WRITES
from hullwise.oci.routes import ROUTES
from hullwise.store import accounts
from tests.support import registry as support
from tests.support.clocked import Clocked, Refused, clocked
from tests.support.edges import login
from tests.support.images import image, layer, python_packages, sha256
from tests.support.registry import ACCOUNT, REGION, Registry

OTHER = "210987654321"
IMAGE = image([layer(python_packages(flask="1.0"))])
LAYER = IMAGE.layers[0].digest
MANIFEST = f"/v2/app/manifests/{IMAGE.digest}"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    kind: str
    """`pull`, `push`, `delete`: what a caller must be allowed to do."""
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.path[:40]}"


# One of each route that is about a repository. Each works for whoever may do it, in this order.
REQUESTS = (
    Request("GET", MANIFEST, "pull"),
    Request("HEAD", MANIFEST, "pull"),
    Request("GET", f"/v2/app/blobs/{LAYER}", "pull"),
    Request("HEAD", f"/v2/app/blobs/{LAYER}", "pull"),
    Request("GET", "/v2/app/tags/list", "pull"),
    Request("GET", f"/v2/app/referrers/{IMAGE.digest}", "pull"),
    Request("POST", "/v2/app/blobs/uploads/", "push"),
    Request("GET", "/v2/app/blobs/uploads/none", "push"),
    Request("PATCH", "/v2/app/blobs/uploads/none", "push", b"x"),
    Request("PUT", f"/v2/app/blobs/uploads/none?digest={LAYER}", "push"),
    Request("DELETE", "/v2/app/blobs/uploads/none", "push"),
    Request("PUT", "/v2/app/manifests/again", "push", IMAGE.manifest),
    Request("DELETE", f"/v2/app/blobs/{sha256(b'nothing')}", "delete"),
    Request("DELETE", "/v2/app/manifests/none", "delete"),
)
KINDS = {
    "pull": (
        *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:ListImages"),
        "ecr:DescribeRepositories",
    ),
    "push": ("ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"),
    "delete": ("ecr:BatchDeleteImage",),
}


PULLED = {"Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]}
"""What ECR's own documentation has for a repository that others may pull from, without its list of tags."""


def test_every_route_of_a_repository_is_asked() -> None:
    """The requests above are one of each method of each route with a name."""
    wanted = sum(len(methods) for pattern, methods in ROUTES if "<name>" in pattern)
    assert len(REQUESTS) == wanted


def allow(*kinds: str, resource: str = "*") -> str:
    actions = [action for kind in kinds for action in KINDS[kind]]
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resource}]}
    )


def shared(principal: Any, *kinds: str, effect: str = "Allow") -> str:
    actions = [action for kind in kinds for action in KINDS[kind]]
    statement = {"Effect": effect, "Principal": principal, "Action": actions}
    return json.dumps({"Version": "2008-10-17", "Statement": [statement]})


def key(registry: Registry, account: str = ACCOUNT, **options: Any) -> KeyPair:
    with registry.services.database.write() as tx:
        return keys.create(tx, registry.services, account, **options)


def basic(registry: Registry, pair: KeyPair, region: str = REGION) -> dict[str, str]:
    caller = Caller(pair.access_key_id, pair.account, region)
    return login(tokens.issue(registry.services, caller).password)


@pytest.fixture
def api(registry: Registry) -> Clocked:
    found = clocked(registry)
    found.call("CreateRepository", repositoryName="app")
    found.push("app", IMAGE)
    return found


HOSTED = {"host": f"{ACCOUNT}.dkr.ecr.{REGION}.registry.test"}
HOSTED_BY_OTHER = {"host": f"{OTHER}.dkr.ecr.{REGION}.registry.test"}
DENIED = {401, 403}


def check(api: Clocked, headers: Mapping[str, str], kinds: set[str], denied: tuple[int, str]) -> None:
    """The requests of these kinds are let in, whatever they then find; of others nothing comes but this status."""
    for request in REQUESTS:
        sent = {"content-type": OCI_MANIFEST} | dict(headers)
        answer = api.send(request.method, request.path, request.body, sent)
        if request.kind in kinds:
            assert answer.status_code not in DENIED, (str(request), answer.text)
            assert "NAME_UNKNOWN" not in answer.text, str(request)
        else:
            assert answer.status_code == denied[0], (str(request), answer.status_code, answer.text)
            if request.method != "HEAD":
                assert answer.json()["errors"][0]["code"] == denied[1], str(request)
                assert IMAGE.digest not in answer.text
            assert "docker-content-digest" not in answer.headers


UNAUTHORIZED, FORBIDDEN, UNKNOWN = (401, "UNAUTHORIZED"), (403, "DENIED"), (404, "NAME_UNKNOWN")


def test_a_key_of_the_account_may_do_everything(api: Clocked) -> None:
    """Without a policy of its own; also by the host name of its registry."""
    check(api, basic(api.registry, api.key), {"pull", "push", "delete"}, FORBIDDEN)
    check(api, basic(api.registry, api.key) | HOSTED, {"pull", "push", "delete"}, FORBIDDEN)


@pytest.mark.parametrize("kinds", [("pull",), ("push",), ("delete",), ("pull", "push"), ()], ids="+".join)
def test_a_user_may_do_what_its_policy_says(api: Clocked, kinds: tuple[str, ...]) -> None:
    """And a policy for another repository says nothing of this one."""
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/"
    if kinds:
        pair = key(api.registry, user="ci", policy=allow(*kinds, resource=f"{arn}app"))
        check(api, basic(api.registry, pair), set(kinds), FORBIDDEN)
    pair = key(api.registry, user="ci", policy=allow(*KINDS, resource=f"{arn}other/*"))
    check(api, basic(api.registry, pair), set(), FORBIDDEN)


def test_nobody_else_gets_in(api: Clocked) -> None:
    """No credentials, wrong ones, those of a revoked key, another user than AWS, and expired ones."""
    registry = api.registry
    good = basic(registry, api.key)["authorization"]
    revoked = key(registry)
    spent = basic(registry, revoked)
    with registry.services.database.write() as tx:
        accounts.revoke_key(tx, revoked.access_key_id, registry.clock())
    other_user = base64.b64encode(base64.b64decode(good[6:]).replace(b"AWS:", b"root:", 1)).decode()
    for headers in (
        {},
        {"authorization": good[:-8]},
        {"authorization": good.replace("Basic ", "Bearer ")},
        {"authorization": f"Basic {other_user}"},
        spent,
    ):
        check(api, headers, set(), UNAUTHORIZED)
    registry.clock.advance(hours=12)
    check(api, {"authorization": good}, set(), FORBIDDEN)


def test_a_token_is_good_in_its_region_alone(tmp_path: Any) -> None:
    """A host name of another region, and a repository of the same name there."""
    with support.registry(tmp_path, regions=[REGION, "eu-west-1"]) as registry:
        api = clocked(registry)
        api.call("CreateRepository", repositoryName="app")
        api.push("app", IMAGE)
        abroad = {"host": f"{ACCOUNT}.dkr.ecr.eu-west-1.registry.test"}
        check(api, basic(registry, api.key) | abroad, set(), UNAUTHORIZED)
        check(api, basic(registry, api.key, "eu-west-1"), set(), UNKNOWN)


def test_a_policy_that_cannot_be_written_is_refused(api: Clocked) -> None:
    """Half of a character, wherever it stands: a modelled error that can be written itself."""
    for text in ('{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "ecr:\\ud800"}]}', '{"\\udfff": 1}'):
        with pytest.raises(Refused) as refused:
            api.call("SetRepositoryPolicy", repositoryName="app", policyText=text)
        assert refused.value.code == "InvalidParameterException"


def test_a_tag_that_is_no_date_locks_nobody_out(api: Clocked) -> None:
    """A registry's policy asks for a tag as a date; of a repository where it is none the statement says nothing."""
    denied = {"Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage", "Resource": "*",
              "Condition": {"DateLessThan": {"aws:ResourceTag/expires": "2020-01-01"}}, "Sid": "old"}  # fmt: skip
    api.call("PutRegistryPolicy", policyText=json.dumps({"Version": "2012-10-17", "Statement": [denied]}))
    arn = api.call("DescribeRepositories", repositoryNames=["app"])["repositories"][0]["repositoryArn"]
    for value, allowed in (("never", True), ("2019-01-01", False), ("2021-01-01", True)):
        api.call("TagResource", resourceArn=arn, tags=[{"Key": "expires", "Value": value}])
        answer = api.aws("PutImage", repositoryName="app", imageManifest=IMAGE.manifest.decode(), imageTag=value)
        assert (answer.status_code == 200) == allowed, answer.text
    api.call("DeleteRegistryPolicy")


def test_another_account_sees_what_a_policy_shares(api: Clocked) -> None:
    """By the host name of the registry. What is not even to be pulled is as if it were not there; a deny wins."""
    stranger = clocked(api.registry, OTHER)
    theirs = basic(api.registry, stranger.key) | HOSTED
    check(api, theirs, set(), UNKNOWN)
    for principal in (OTHER, f"arn:aws:iam::{OTHER}:root", f"arn:aws:iam::{OTHER}:user/{stranger.key.access_key_id}"):
        text = shared({"AWS": principal}, "pull")
        api.call("SetRepositoryPolicy", repositoryName="app", policyText=text)
        assert api.call("GetRepositoryPolicy", repositoryName="app")["policyText"] == text
        check(api, theirs, {"pull"}, FORBIDDEN)
        # Under its own host name there is no such repository.
        check(api, basic(api.registry, stranger.key), set(), UNKNOWN)
    both = json.loads(shared("*", "pull", "push"))
    both["Statement"] += json.loads(shared({"AWS": OTHER}, "push", effect="Deny"))["Statement"]
    api.call("SetRepositoryPolicy", repositoryName="app", policyText=json.dumps(both))
    check(api, theirs, {"pull"}, FORBIDDEN)
    check(api, {}, set(), UNAUTHORIZED)
    api.call("DeleteRepositoryPolicy", repositoryName="app")
    check(api, theirs, set(), UNKNOWN)


def test_a_shared_repository_does_not_widen_what_a_user_may_do(api: Clocked) -> None:
    """Across accounts both sides must say yes; in the own account a policy for the very user is enough."""
    api.call("SetRepositoryPolicy", repositoryName="app", policyText=shared({"AWS": [OTHER, ACCOUNT]}, "pull", "push"))
    arn = f"arn:aws:ecr:*:{ACCOUNT}:repository/app"
    pulling = key(api.registry, OTHER, user="ci", policy=allow("pull", resource=arn))
    check(api, basic(api.registry, pulling) | HOSTED, {"pull"}, FORBIDDEN)
    # The account as principal says that the account may decide: its user's policy does not.
    narrow = key(api.registry, user="dev", policy=allow("delete", resource="*"))
    check(api, basic(api.registry, narrow), {"delete"}, FORBIDDEN)
    dev = f"arn:aws:iam::{ACCOUNT}:user/dev"
    api.call("SetRepositoryPolicy", repositoryName="app", policyText=shared({"AWS": dev}, "pull"))
    check(api, basic(api.registry, narrow), {"delete", "pull"}, FORBIDDEN)


def test_the_registrys_policy_is_asked_on_every_request(api: Clocked) -> None:
    """Its denials hold for the account's own keys, its allowances for others."""
    deny = {"Effect": "Deny", "Principal": "*", "Action": list(KINDS["delete"]), "Resource": "*"}
    share = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": list(KINDS["pull"]), "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [deny, share]})
    assert api.call("PutRegistryPolicy", policyText=text) == {"registryId": ACCOUNT, "policyText": text}
    check(api, basic(api.registry, api.key), {"pull", "push"}, FORBIDDEN)
    stranger = clocked(api.registry, OTHER)
    check(api, basic(api.registry, stranger.key) | HOSTED, {"pull"}, FORBIDDEN)
    assert api.call("DeleteRegistryPolicy")["policyText"] == text
    check(api, basic(api.registry, api.key), {"pull", "push", "delete"}, FORBIDDEN)


def bearer(api: Clocked, headers: Mapping[str, str], *scopes: str) -> dict[str, str]:
    query = "&".join(f"scope={scope}" for scope in scopes)
    answer = api.send("GET", f"/v2/token?service=ecr.amazonaws.com&{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["token"] == answer.json()["access_token"]
    return {"authorization": f"Bearer {answer.json()['token']}"}


def test_a_bearer_token_is_good_for_what_it_names(api: Clocked) -> None:
    """Whoever holds it may do that and no more: a push-only token deletes nothing."""
    full = basic(api.registry, api.key)
    for kinds in ({"pull"}, {"push"}, {"delete"}, {"pull", "push"}):
        token = bearer(api, full, f"repository:app:{','.join(sorted(kinds))}")
        check(api, token, kinds, UNAUTHORIZED)
    check(api, bearer(api, full, "repository:app:*"), {"pull", "push", "delete"}, UNAUTHORIZED)
    check(api, bearer(api, full), set(), UNAUTHORIZED)
    check(api, bearer(api, full, "repository:other:pull", "registry:catalog:*", "x"), set(), UNAUTHORIZED)
    # Nor is it worth another token, or our own API.
    token = bearer(api, full, "repository:app:pull")
    assert api.send("GET", "/v2/token", headers=token).status_code == 401
    assert api.send("GET", "/api/v1/advisories", headers=token).status_code == 401


def test_a_push_outlives_its_bearer_token(api: Clocked) -> None:
    """It was good when the push began; whether the key is good, and may push, is looked at again at its end."""
    data = bytes(range(256)) * 1_000
    target = f"/v2/app/blobs/uploads/?digest={sha256(data)}"

    async def slowly(meanwhile: Callable[[], object]) -> AsyncIterator[bytes]:
        yield data[:100_000]
        meanwhile()
        yield data[100_000:]

    full = basic(api.registry, api.key)
    token = bearer(api, full, "repository:app:push,pull")
    hour = partial(api.registry.clock.advance, hours=1)
    assert api.send("POST", target, slowly(hour), token).status_code == 201
    other = key(api.registry)
    token = bearer(api, basic(api.registry, other), "repository:app:push,pull")

    def revoke() -> None:
        with api.registry.services.database.write() as tx:
            accounts.revoke_key(tx, other.access_key_id, api.registry.clock())

    assert api.send("POST", target, slowly(revoke), token).status_code == 401


def test_a_bearer_token_never_says_more_than_its_caller_may(api: Clocked) -> None:
    """What is asked beyond that is left out; it ends, and revoking the key ends it."""
    pair = key(api.registry, user="ci", policy=allow("pull"))
    token = bearer(api, basic(api.registry, pair), "repository:app:pull,push,delete")
    check(api, token, {"pull"}, FORBIDDEN)
    api.registry.clock.advance(minutes=15)
    check(api, token, set(), UNAUTHORIZED)
    token = bearer(api, basic(api.registry, pair), "repository:app:pull")
    with api.registry.services.database.write() as tx:
        accounts.revoke_key(tx, pair.access_key_id, api.registry.clock())
    check(api, token, set(), UNAUTHORIZED)


def test_a_name_used_again_is_another_repository(api: Clocked) -> None:
    """A token for the repository that was there before is good for nothing in the new one."""
    token = bearer(api, basic(api.registry, api.key), "repository:app:pull,push,delete")
    api.call("DeleteRepository", repositoryName="app", force=True)
    api.call("CreateRepository", repositoryName="app")
    api.push("app", IMAGE)
    check(api, token, set(), UNAUTHORIZED)


def test_nobody_in_particular_pulls_where_setting_and_policy_say_so(tmp_path: Any) -> None:
    """Neither alone lets anybody in; nothing lets them write. Clients are told where to get a token."""
    with support.registry(tmp_path, anonymous_pull=True) as registry:
        api = clocked(registry)
        for name in ("app", "closed"):
            api.call("CreateRepository", repositoryName=name)
            api.push(name, IMAGE)
        check(api, {}, set(), UNAUTHORIZED)
        api.call("SetRepositoryPolicy", repositoryName="app", policyText=shared("*", "pull", "push", "delete"))
        check(api, {}, {"pull"}, UNAUTHORIZED)
        check(api, bearer(api, {}, "repository:app:pull,push,delete"), {"pull"}, UNAUTHORIZED)
        narrow = {**json.loads(shared("*", "pull")), "Statement": [PULLED]}
        api.call("SetRepositoryPolicy", repositoryName="app", policyText=json.dumps(narrow))
        token = bearer(api, {}, "repository:app:pull")
        assert api.send("GET", "/v2/app/manifests/latest", headers=token).status_code == 200
        # What its token is good for and no policy allows: no other token would be better.
        refused = api.send("GET", "/v2/app/tags/list", headers=token)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == FORBIDDEN
        assert api.send("GET", "/v2/app/tags/list").status_code == 401
        registry.clock.advance(minutes=15)
        refused = api.send("GET", "/v2/app/manifests/latest", headers=token)
        assert refused.status_code == 401
        # RFC 6750, 3.1: what a client takes as its cue to fetch another one.
        assert refused.headers["www-authenticate"].endswith(',scope="repository:app:pull",error="invalid_token"')
        refused = api.send("GET", "/v2/closed/tags/list")
        assert refused.status_code == api.send("GET", "/v2/absent/tags/list").status_code == 401
        assert refused.headers["www-authenticate"] == (
            'Bearer realm="http://registry.test/v2/token",service="ecr.amazonaws.com",scope="repository:closed:pull"'
        )
        assert api.send("GET", "/v2/").status_code == 401
        refused = api.send("GET", "/v2/_catalog")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].endswith(',scope="registry:catalog:*"')
        assert (
            api.send("POST", "/", b"{}", {"x-amz-target": f"{model.TARGET_PREFIX}.DescribeRepositories"}).status_code
            == 400
        )


@pytest.mark.parametrize("configured", ["", OTHER, "999999999999"])
def test_who_names_no_account_pulls_from_that_of_the_settings_or_the_first(tmp_path: Any, configured: str) -> None:
    """Without credentials, however many accounts there are, with keys or without. A host name goes first."""
    with support.registry(tmp_path, anonymous_pull=True, account=configured) as registry:
        first = clocked(registry)
        registry.clock.advance(hours=1)
        for api in (first, clocked(registry, OTHER)):
            api.call("CreateRepository", repositoryName=api.key.account)
            api.push(api.key.account, IMAGE)
            api.call("SetRepositoryPolicy", repositoryName=api.key.account, policyText=shared("*", "pull"))
        with registry.services.database.write() as tx:
            accounts.revoke_key(tx, first.key.access_key_id, registry.clock())
        found = {
            (account, host): first.send("GET", f"/v2/{account}/tags/list", headers=headers).status_code
            for account in (ACCOUNT, OTHER)
            for host, headers in {"plain": {}, "first": HOSTED, "other": HOSTED_BY_OTHER}.items()
        }
    plain = OTHER if configured == OTHER else ACCOUNT
    served = {(plain, "plain"), (ACCOUNT, "first"), (OTHER, "other")}
    assert found == {asked: 200 if asked in served else 401 for asked in found}


def test_the_catalog_lists_what_the_caller_may_see(api: Clocked) -> None:
    """In pages that are full, however many are left out between."""
    for number in range(7):
        api.call("CreateRepository", repositoryName=f"hidden/{number}")
        api.call("CreateRepository", repositoryName=f"team/{number}")
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/*"
    pair = key(api.registry, user="ci", policy=allow("pull", resource=arn))
    headers, path, pages = basic(api.registry, pair), "/v2/_catalog?n=3", []
    while path:
        answer = api.send("GET", path, headers=headers)
        pages.append(answer.json()["repositories"])
        path = answer.headers["link"][1:].partition(">")[0] if "link" in answer.headers else ""
    assert pages == [["team/0", "team/1", "team/2"], ["team/3", "team/4", "team/5"], ["team/6"]]


def test_the_catalog_of_a_bearer_token_is_what_it_names(api: Clocked) -> None:
    """A token for one repository is no list of the others; one for the catalog is, as far as its caller may see it."""
    for name in ("b/one", "cc"):
        api.call("CreateRepository", repositoryName=name)

    def listed(headers: Mapping[str, str], *scopes: str) -> list[str]:
        found: list[str] = api.send("GET", "/v2/_catalog", headers=bearer(api, headers, *scopes)).json()["repositories"]
        return found

    full = basic(api.registry, api.key)
    assert listed(full, "repository:app:pull") == ["app"]
    assert listed(full, "repository:cc:push", "repository:app:pull") == ["app", "cc"]
    assert listed(full) == listed(full, "repository:absent:pull") == []
    assert listed(full, "registry:catalog:*") == ["app", "b/one", "cc"]
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/b/*"
    narrow = basic(api.registry, key(api.registry, user="ci", policy=allow("pull", resource=arn)))
    assert listed(narrow, "registry:catalog:*", "repository:app:pull") == ["b/one"]


def test_a_mount_needs_the_right_to_pull_from_its_source(api: Clocked) -> None:
    """Without it the client is told to upload, with or without `from`, and no more."""
    api.call("CreateRepository", repositoryName="mine")
    mine = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/mine"
    pair = key(api.registry, user="ci", policy=allow("pull", "push", resource=mine))
    headers = basic(api.registry, pair)
    for query in (f"mount={LAYER}&from=app", f"mount={LAYER}", f"mount={LAYER}&from=absent"):
        answer = api.send("POST", f"/v2/mine/blobs/uploads/?{query}", headers=headers)
        assert answer.status_code == 202
    assert api.send("HEAD", f"/v2/mine/blobs/{LAYER}", headers=headers).status_code == 404
    full = basic(api.registry, api.key)
    assert api.send("POST", f"/v2/mine/blobs/uploads/?mount={LAYER}&from=app", headers=full).status_code == 201


IMAGE_ID = {"imageDigest": IMAGE.digest}
REPOSITORY_ARN = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/app"
# What each operation is called with; `repositoryName` is added where it has one. Those that write come to nothing.
PARAMS: dict[str, dict[str, Any]] = {
    "BatchCheckLayerAvailability": {"layerDigests": [LAYER]},
    "BatchDeleteImage": {"imageIds": [{"imageTag": "none"}]},
    "BatchGetImage": {"imageIds": [IMAGE_ID]},
    "BatchGetRepositoryScanningConfiguration": {"repositoryNames": ["app"]},
    "CompleteLayerUpload": {"uploadId": "00000000-0000-0000-0000-000000000000", "layerDigests": [LAYER]},
    "DeleteRepository": {},
    "DescribeImageReplicationStatus": {"imageId": IMAGE_ID},
    "DescribeImageScanFindings": {"imageId": IMAGE_ID},
    "DescribeImageSigningStatus": {"imageId": IMAGE_ID},
    "GetAccountSetting": {"name": "BLOB_MOUNTING"},
    "GetDownloadUrlForLayer": {"layerDigest": LAYER},
    "ListImageReferrers": {"subjectId": {"imageDigest": IMAGE.digest}},
    "ListTagsForResource": {"resourceArn": REPOSITORY_ARN},
    "PutAccountSetting": {"name": "BLOB_MOUNTING", "value": "ENABLED"},
    "PutImage": {"imageManifest": IMAGE.manifest.decode(), "imageManifestMediaType": OCI_MANIFEST, "imageTag": "new"},
    "PutImageScanningConfiguration": {"imageScanningConfiguration": {"scanOnPush": False}},
    "PutImageTagMutability": {"imageTagMutability": "MUTABLE"},
    "PutRegistryPolicy": {"policyText": "{}"},
    "PutReplicationConfiguration": {"replicationConfiguration": {"rules": []}},
    "PutRegistryScanningConfiguration": {"scanType": "BASIC"},
    "SetRepositoryPolicy": {"policyText": "{}"},
    "StartImageScan": {"imageId": IMAGE_ID},
    "TagResource": {"resourceArn": REPOSITORY_ARN, "tags": []},
    "UntagResource": {"resourceArn": REPOSITORY_ARN, "tagKeys": ["x"]},
    "UpdateImageStorageClass": {"imageId": IMAGE_ID, "targetStorageClass": "STANDARD"},
    "UploadLayerPart": {
        "uploadId": "00000000-0000-0000-0000-000000000000",
        "partFirstByte": 0,
        "partLastByte": 0,
        "layerPartBlob": "eA==",
    },
}
OPERATIONS = sorted(READS.keys() | WRITES.keys())
# Contract 1.3: no action of its own.
NEEDED = {"ListImageReferrers": "BatchGetImage"}


def params(operation: str) -> dict[str, Any]:
    members = model.operation(operation).input.members
    named = {"repositoryName": "app"} if "repositoryName" in members else {}
    if operation == "CreateRepository":
        named = {"repositoryName": "new"}
    return named | PARAMS.get(operation, {})


def code(api: Clocked, operation: str, **given: Any) -> str:
    try:
        api.call(operation, **given)
    except Refused as refused:
        return refused.code
    return ""


def test_a_user_may_call_what_its_policy_says_and_nothing_else(api: Clocked) -> None:
    """Each operation with a policy that allows it alone, and with one that allows every other."""
    for operation in OPERATIONS:
        for allowed in (True, False):
            needed = NEEDED.get(operation, operation)
            actions = [f"ecr:{each}" for each in OPERATIONS if (each == needed) == allowed]
            statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
            text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            caller = Clocked(api.registry, api.application, key(api.registry, user="ci", policy=text))
            if allowed and operation in {"DeleteRepository", "CreateRepository"}:
                continue  # shown where it does not end the others
            answer = code(caller, operation, **params(operation))
            assert (answer == "AccessDeniedException") != allowed, (operation, allowed, answer)


def test_another_accounts_registry_is_not_there(api: Clocked) -> None:
    """Each operation that names a registry: nothing of a repository, and of the registry itself a refusal."""
    stranger = clocked(api.registry, OTHER)
    for operation in OPERATIONS:
        members = model.operation(operation).input.members
        given = params(operation)
        if "resourceArn" in members:
            assert code(stranger, operation, **given) == "RepositoryNotFoundException", operation
        elif "registryId" in members:
            answer = code(stranger, operation, **given, registryId=ACCOUNT)
            registry_level = "repositoryName" not in members or operation == "CreateRepository"
            expected = "AccessDeniedException" if registry_level else "RepositoryNotFoundException"
            assert answer == expected, (operation, answer)


def test_a_shared_repository_is_used_over_the_aws_api(api: Clocked) -> None:
    """By registryId, as far as its policy says."""
    stranger = clocked(api.registry, OTHER)
    api.call("SetRepositoryPolicy", repositoryName="app", policyText=shared({"AWS": OTHER}, "pull"))
    there = {"repositoryName": "app", "registryId": ACCOUNT}
    assert stranger.call("BatchGetImage", **there, imageIds=[IMAGE_ID])["images"][0]["registryId"] == ACCOUNT
    assert stranger.call("ListImages", **there)["imageIds"] == [IMAGE_ID | {"imageTag": "latest"}]
    named = stranger.call("DescribeRepositories", repositoryNames=["app"], registryId=ACCOUNT)
    assert named["repositories"][0]["registryId"] == ACCOUNT
    assert stranger.call("ListImageReferrers", **there, subjectId=IMAGE_ID)["referrers"] == []
    assert code(stranger, "DescribeImages", **there) == "AccessDeniedException"
    assert code(stranger, "BatchDeleteImage", **there, imageIds=[IMAGE_ID]) == "AccessDeniedException"


def test_an_operation_without_an_action_of_its_own(api: Clocked) -> None:
    """A policy that names ListImageReferrers is taken, and allows nothing: BatchGetImage is what it needs."""
    stranger = clocked(api.registry, OTHER)
    there = {"repositoryName": "app", "registryId": ACCOUNT, "subjectId": IMAGE_ID}
    for action, answer in (("ListImageReferrers", "RepositoryNotFoundException"), ("BatchGetImage", "")):
        statement = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": f"ecr:{action}"}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        api.call("SetRepositoryPolicy", repositoryName="app", policyText=text)
        assert code(stranger, "ListImageReferrers", **there) == answer, action


def test_policies_that_would_lock_their_author_out(api: Clocked) -> None:
    """Are refused; a repository's with `force` is taken, and the account's registry policy never."""
    deny = {"Effect": "Deny", "Principal": "*", "Action": "ecr:*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    assert code(api, "SetRepositoryPolicy", repositoryName="app", policyText=text) == "InvalidParameterException"
    everywhere = json.dumps({"Version": "2012-10-17", "Statement": [deny | {"Resource": "*"}]})
    assert code(api, "PutRegistryPolicy", policyText=everywhere) == "InvalidParameterException"
    assert code(api, "GetRegistryPolicy") == "RegistryPolicyNotFoundException"
    api.call("SetRepositoryPolicy", repositoryName="app", policyText=text, force=True)
    assert code(api, "SetRepositoryPolicy", repositoryName="app", policyText=text) == "AccessDeniedException"
    assert code(api, "ListImages", repositoryName="app") == "AccessDeniedException"


def test_policies_that_are_not_understood(api: Clocked) -> None:
    """ECR's sentence, and why; nothing is kept of them."""
    with pytest.raises(
        Refused, match=r"failed to satisfy constraint: 'Invalid repository policy provided: .*NotAction"
    ):
        statement = {"Effect": "Allow", "Principal": "*", "NotAction": "ecr:PutImage"}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        api.call("SetRepositoryPolicy", repositoryName="app", policyText=text)
    for operation in ("GetRepositoryPolicy", "DeleteRepositoryPolicy"):
        assert code(api, operation, repositoryName="app") == "RepositoryPolicyNotFoundException"
    for operation in ("GetRegistryPolicy", "DeleteRegistryPolicy"):
        assert code(api, operation) == "RegistryPolicyNotFoundException"
    with pytest.raises(Refused, match="Invalid registry policy provided"):
        api.call("PutRegistryPolicy", policyText='{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}}')


def test_conditions_see_the_request(api: Clocked) -> None:
    """The user's name, the connection, the time and the repository's tags."""
    stranger = clocked(api.registry, OTHER)
    there = {"repositoryName": "app", "registryId": ACCOUNT}

    def seen(**condition: Any) -> bool:
        statement = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "ecr:ListImages", "Condition": condition}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        api.call("SetRepositoryPolicy", repositoryName="app", policyText=text)
        return code(stranger, "ListImages", **there) == ""

    assert seen(StringEquals={"aws:username": stranger.key.access_key_id, "aws:PrincipalAccount": OTHER})
    assert not seen(StringEquals={"aws:username": "x"})
    assert seen(Bool={"aws:SecureTransport": "false"})
    assert not seen(Bool={"aws:SecureTransport": "true"})
    assert seen(IpAddress={"aws:SourceIp": "127.0.0.0/8"})
    assert seen(StringEquals={"aws:ResourceAccount": ACCOUNT, "aws:RequestedRegion": REGION})
    assert seen(Bool={"aws:PrincipalIsAWSService": "false", "aws:ViaAWSService": "false"})
    assert not seen(Bool={"aws:PrincipalIsAWSService": "true"})
    assert not seen(Bool={"aws:ViaAWSService": "true"})
    assert not seen(StringEquals={"ecr:ResourceTag/env": "prod"})
    api.call("TagResource", resourceArn=REPOSITORY_ARN, tags=[{"Key": "env", "Value": "prod"}])
    assert seen(StringEquals={"aws:ResourceTag/env": "prod"})
    assert seen(DateLessThan={"aws:CurrentTime": "2026-01-02T00:00:00Z"})
    api.registry.clock.advance(days=1)
    assert not seen(DateLessThan={"aws:CurrentTime": "2026-01-02T00:00:00Z"})


def test_policies_for_what_is_not_here(api: Clocked) -> None:
    """What modules of Terraform write for Lambda and for organisations is kept as it is. It opens the repository to
    nobody, and keeps nobody of the account out; a Deny for whoever is in no organisation holds."""
    stranger = clocked(api.registry, OTHER)
    there = {"repositoryName": "app", "registryId": ACCOUNT}
    actions = ["ecr:BatchGetImage", "ecr:ListImages"]
    for_lambda = {
        "Sid": "LambdaECRImageRetrievalPolicy",
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": actions,
        "Condition": {"StringLike": {"aws:sourceARN": f"arn:aws:lambda:{REGION}:{OTHER}:function:*"}},
    }
    for_members = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": actions,
        "Condition": {
            "StringEquals": {"aws:PrincipalOrgID": "o-1234567890"},
            "ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-1234567890/*"]},
        },
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [for_lambda, for_members]})
    assert api.call("SetRepositoryPolicy", repositoryName="app", policyText=text)["policyText"] == text
    assert api.call("GetRepositoryPolicy", repositoryName="app")["policyText"] == text
    assert code(api, "ListImages", repositoryName="app") == ""
    assert code(stranger, "ListImages", **there) == "RepositoryNotFoundException"
    perimeter = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "ecr:ListImages",
        "Condition": {
            "StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1234567890"},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [for_members, perimeter]})
    api.call("SetRepositoryPolicy", repositoryName="app", policyText=text)
    assert code(api, "ListImages", repositoryName="app") == "AccessDeniedException"
    assert code(api, "DescribeImages", repositoryName="app") == ""


def test_where_a_request_comes_from(tmp_path: Any) -> None:
    """On both APIs IPv4 is IPv4, also where the socket shows it in IPv6; an unknown address is denied as well."""
    with support.registry(tmp_path, trusted_proxies=["192.0.2.1"]) as registry:
        api = clocked(registry)
        api.call("CreateRepository", repositoryName="app")
        api.push("app", IMAGE)
        condition = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
        deny = {"Effect": "Deny", "Principal": "*", "Action": "ecr:BatchGetImage", "Condition": condition}
        text = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
        api.call("SetRepositoryPolicy", repositoryName="app", policyText=text)
        token = basic(registry, api.key)

        def pulls(address: str, hops: str = "") -> bool:
            client = replace(api, address=address)
            answer = client.send("GET", MANIFEST, headers=token | {"x-forwarded-for": hops})
            return answer.status_code == 200

        for address, allowed in (
            *(("203.0.113.7", False), ("::ffff:203.0.113.7", False)),
            *(("198.51.100.1", True), ("::1", True)),
        ):
            assert pulls(address) == allowed, address
            refusal = code(replace(api, address=address), "BatchGetImage", repositoryName="app", imageIds=[IMAGE_ID])
            assert refusal == ("" if allowed else "AccessDeniedException"), address
        for hops, allowed in (
            *(("203.0.113.7:4711", False), ("unknown", False), ("198.51.100.1, unknown", False)),
            *(("198.51.100.1:4711", True), ("[2001:db8::1]:443", True)),
        ):
            assert pulls("192.0.2.1", hops) == allowed, hops
