"""The AWS API as its clients see it, on a running server."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import httpx
import pytest
from botocore.exceptions import ClientError
from botocore.model import ListShape, Shape, StructureShape

from hullwise.ecr import model
from hullwise.ecr.operations import NOT_OFFERED, READS, WRITES
from tests.support.images import Image, image, layer, python_packages, sha256
from tests.support.registry import REGION, Server

PLAIN = image([layer(python_packages(Jinja2="2.10"))])


def code(error: ClientError) -> str:
    found: str = error.response["Error"]["Code"]
    return found


def refused(client: Any, operation: str, **params: Any) -> tuple[str, str]:
    """Code and message of the error that the call must end in."""
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**params)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert re.fullmatch(r"[0-9a-f-]{36}", caught.value.response["ResponseMetadata"]["RequestId"])
    return code(caught.value), caught.value.response["Error"]["Message"]


def other_image(name: str) -> Image:
    return image([layer(python_packages(**{name: "1.0"}))])


def test_a_repository_is_made_described_and_deleted(server: Server) -> None:
    """The defaults of ECR, its uri without a scheme, and its errors word for word."""
    client = server.client()
    made = client.create_repository(repositoryName="aws/life", tags=[{"Key": "team", "Value": "a"}])["repository"]
    assert made["repositoryArn"] == f"arn:aws:ecr:{REGION}:{server.account}:repository/aws/life"
    assert made["repositoryUri"] == f"{server.host}/aws/life"
    assert made["imageTagMutability"] == "MUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": False}
    assert made["encryptionConfiguration"] == {"encryptionType": "AES256"}
    assert refused(client, "create_repository", repositoryName="aws/life") == (
        "RepositoryAlreadyExistsException",
        f"The repository with name 'aws/life' already exists in the registry with id '{server.account}'",
    )
    described = client.describe_repositories(repositoryNames=["aws/life"])["repositories"]
    assert [repository["repositoryName"] for repository in described] == ["aws/life"]
    server.push("aws/life", PLAIN)
    assert refused(client, "delete_repository", repositoryName="aws/life")[0] == "RepositoryNotEmptyException"
    gone = client.delete_repository(repositoryName="aws/life", force=True)["repository"]
    assert gone["repositoryName"] == "aws/life"
    assert refused(client, "describe_repositories", repositoryNames=["aws/life"]) == (
        "RepositoryNotFoundException",
        f"The repository with name 'aws/life' does not exist in the registry with id '{server.account}'",
    )


def test_a_name_used_again_is_another_repository(server: Server) -> None:
    """Nothing of a deleted repository shows in a new one of its name."""
    client = server.client()
    client.create_repository(repositoryName="aws/again")
    server.push("aws/again", PLAIN)
    client.delete_repository(repositoryName="aws/again", force=True)
    client.create_repository(repositoryName="aws/again")
    assert client.list_images(repositoryName="aws/again")["imageIds"] == []
    with server.http() as http:
        assert http.get(f"/v2/aws/again/blobs/{PLAIN.layers[0].digest}").status_code == 404


def test_resource_tags(server: Server) -> None:
    """Set, replaced, removed; capitalised members; the limits of their number and form."""
    client = server.client()
    arn = client.create_repository(repositoryName="aws/tags")["repository"]["repositoryArn"]
    client.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    client.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "3"}])
    client.untag_resource(resourceArn=arn, tagKeys=["b", "absent"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "a", "Value": "3"}]
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    assert refused(client, "tag_resource", resourceArn=arn, tags=many)[0] == "TooManyTagsException"
    reserved = [{"Key": "aws:x", "Value": ""}]
    assert refused(client, "tag_resource", resourceArn=arn, tags=reserved)[0] == "InvalidTagParameterException"
    assert refused(client, "list_tags_for_resource", resourceArn="arn:x")[0] == "InvalidParameterException"


def test_a_manifest_is_put_got_and_tagged(server: Server) -> None:
    """PutImage stores the exact bytes; the same again is an error; a moved tag leaves the old image."""
    client = server.client()
    client.create_repository(repositoryName="aws/put")
    first, second = PLAIN, other_image("second")
    for pushed in (first, second):
        server.push("aws/put", pushed, tag="seed")
    put = {"repositoryName": "aws/put", "imageManifest": first.manifest.decode()}
    made = client.put_image(**put, imageTag="v1")["image"]
    assert made["imageId"] == {"imageDigest": first.digest, "imageTag": "v1"}
    assert refused(client, "put_image", **put, imageTag="v1") == (
        "ImageAlreadyExistsException",
        f"Image with digest '{first.digest}' and tag 'v1' already exists in the repository with name 'aws/put' "
        f"in registry with id '{server.account}'",
    )
    client.put_image(repositoryName="aws/put", imageManifest=second.manifest.decode(), imageTag="v1")
    got = client.batch_get_image(repositoryName="aws/put", imageIds=[{"imageTag": "v1"}])["images"][0]
    assert got["imageManifest"].encode() == second.manifest
    listed = client.list_images(repositoryName="aws/put", filter={"tagStatus": "UNTAGGED"})["imageIds"]
    assert listed == [{"imageDigest": first.digest}]
    assert refused(client, "put_image", **put, imageDigest=sha256(b"else"))[0] == "ImageDigestDoesNotMatchException"
    detail = client.describe_images(repositoryName="aws/put", imageIds=[{"imageTag": "v1"}])["imageDetails"][0]
    assert server.wait_for_pull("aws/put", "v1") >= detail["imagePushedAt"]
    assert detail["imageSizeInBytes"] == sum(len(blob) for blob in second.blobs)
    untagged = client.describe_images(repositoryName="aws/put", filter={"tagStatus": "UNTAGGED"})["imageDetails"]
    assert ["imageTags" in image for image in untagged] == [False]


def test_what_a_manifest_needs_must_be_there(server: Server) -> None:
    """Missing layers and children are named; a manifest without a media type needs one beside it."""
    client = server.client()
    client.create_repository(repositoryName="aws/need")
    error, message = refused(
        client, "put_image", repositoryName="aws/need", imageManifest=PLAIN.manifest.decode(), imageTag="x"
    )
    assert error == "LayersNotFoundException"
    assert PLAIN.layers[0].digest in message
    child = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": PLAIN.digest, "size": 1}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [child]}
    put = {"repositoryName": "aws/need", "imageTag": "i"}
    assert (
        refused(client, "put_image", **put, imageManifest=json.dumps(index))[0] == "ReferencedImagesNotFoundException"
    )
    del index["mediaType"]
    assert refused(client, "put_image", **put, imageManifest=json.dumps(index))[0] == "InvalidParameterException"
    assert refused(client, "put_image", **put, imageManifest="{")[0] == "InvalidParameterException"


def test_immutable_tags_stay(server: Server) -> None:
    """In an immutable repository a tag keeps naming its image; tags that an exclusion names may move."""
    client = server.client()
    client.create_repository(
        repositoryName="aws/fixed",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "dev*"}],
    )
    first, second = PLAIN, other_image("moved")
    for tag in ("v1", "dev-1"):
        server.push("aws/fixed", first, tag=tag)
    server.push("aws/fixed", second, tag="dev-1")
    put = {"repositoryName": "aws/fixed", "imageManifest": second.manifest.decode()}
    error, message = refused(client, "put_image", **put, imageTag="v1")
    assert error == "ImageTagAlreadyExistsException"
    assert message.startswith("The image tag 'v1' already exists in the 'aws/fixed' repository and cannot be")
    assert refused(
        client, "create_repository", repositoryName="aws/no", imageTagMutability="MUTABLE_WITH_EXCLUSION"
    ) == (
        "InvalidParameterException",
        "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: "
        "'ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as MUTABLE_WITH_EXCLUSION'",
    )


def test_batches_report_failures_one_by_one(server: Server) -> None:
    """BatchGetImage and BatchDeleteImage answer 200 and list what failed, repeating the id as it was asked."""
    client = server.client()
    client.create_repository(repositoryName="aws/batch")
    server.push("aws/batch", PLAIN, tag="one")
    ids = [
        {"imageTag": "one"},
        {"imageTag": "absent"},
        {"imageDigest": "sha256:zz"},
        {},
        {"imageTag": "one", "imageDigest": sha256(b"else")},
    ]
    expected = [
        ({"imageTag": "absent"}, "ImageNotFound"),
        ({"imageDigest": "sha256:zz"}, "InvalidImageDigest"),
        ({}, "MissingDigestAndTag"),
        ({"imageTag": "one", "imageDigest": sha256(b"else")}, "ImageTagDoesNotMatchDigest"),
    ]
    got = client.batch_get_image(repositoryName="aws/batch", imageIds=ids)
    assert [(failure["imageId"], failure["failureCode"]) for failure in got["failures"]] == expected
    gone = client.batch_delete_image(repositoryName="aws/batch", imageIds=ids[1:])
    assert [(failure["imageId"], failure["failureCode"]) for failure in gone["failures"]] == expected


def test_deleting_images(server: Server) -> None:
    """The last tag takes the image along; a digest takes all tags; a listed image goes with its index only."""
    client = server.client()
    client.create_repository(repositoryName="aws/delete")
    for tag in ("a", "b"):
        server.push("aws/delete", PLAIN, tag=tag)
    delete = client.batch_delete_image
    assert delete(repositoryName="aws/delete", imageIds=[{"imageTag": "a"}])["imageIds"] == [
        {"imageDigest": PLAIN.digest, "imageTag": "a"}
    ]
    server.push("aws/delete", PLAIN, tag="c")
    child = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": PLAIN.digest}
    listed = {**child, "size": len(PLAIN.manifest)}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [listed]}
    client.put_image(repositoryName="aws/delete", imageManifest=json.dumps(index), imageTag="index")
    refusal = delete(repositoryName="aws/delete", imageIds=[{"imageDigest": PLAIN.digest}])["failures"][0]
    assert refusal["failureCode"] == "ImageReferencedByManifestList"
    assert refusal["failureReason"].startswith("Requested image referenced by manifest list: [sha256:")
    detail = client.describe_images(repositoryName="aws/delete", imageIds=[{"imageTag": "index"}])["imageDetails"][0]
    assert detail["imageSizeInBytes"] == sum(len(blob) for blob in PLAIN.blobs)
    both = delete(repositoryName="aws/delete", imageIds=[{"imageDigest": PLAIN.digest}, {"imageTag": "index"}])
    assert both["failures"] == []
    assert sorted(found.get("imageTag", "") for found in both["imageIds"]) == ["b", "c", "index"]
    assert client.list_images(repositoryName="aws/delete")["imageIds"] == []


def test_pages_are_whole(server: Server) -> None:
    """Pages of repositories, images, ids and findings add up to the whole, without repeating anything."""
    client = server.client()
    for number in range(7):
        client.create_repository(repositoryName=f"pages/r{number}")
    pages = client.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 3})
    names = [repository["repositoryName"] for page in pages for repository in page["repositories"]]
    assert [name for name in names if name.startswith("pages/")] == [f"pages/r{number}" for number in range(7)]
    assert len(names) == len(set(names))
    client.put_image_scanning_configuration(repositoryName="pages/r0", imageScanningConfiguration={"scanOnPush": True})
    many = image([layer(python_packages(Jinja2="2.10", django="2.2.0", requests="2.19.0", flask="0.12.2"))])
    for tag in ("a", "b", "c"):
        server.push("pages/r0", many, tag=tag)
    server.push("pages/r0", PLAIN, tag="d")
    ids = [
        found
        for page in client.get_paginator("list_images").paginate(
            repositoryName="pages/r0", PaginationConfig={"PageSize": 2}
        )
        for found in page["imageIds"]
    ]
    assert [found["imageTag"] for found in ids] == ["a", "b", "c", "d"]
    details = client.get_paginator("describe_images").paginate(
        repositoryName="pages/r0", PaginationConfig={"PageSize": 1}
    )
    assert [detail["imageTags"] for page in details for detail in page["imageDetails"]] == [["a", "b", "c"], ["d"]]
    whole = server.wait_for_scan("pages/r0", tag="a")["imageScanFindings"]
    paginator = client.get_paginator("describe_image_scan_findings")
    asked = {"repositoryName": "pages/r0", "imageId": {"imageTag": "a"}}
    found = list(paginator.paginate(**asked, PaginationConfig={"PageSize": 2}))
    assert [f for page in found for f in page["imageScanFindings"]["findings"]] == whole["findings"]
    assert all(page["imageScanFindings"]["findingSeverityCounts"] == whole["findingSeverityCounts"] for page in found)
    assert sum(whole["findingSeverityCounts"].values()) == len(whole["findings"]) > 4
    order = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED"]
    severities = [order.index(finding["severity"]) for finding in whole["findings"]]
    assert severities == sorted(severities)


def test_a_token_is_good_for_its_request_alone(server: Server) -> None:
    """A token of another operation, of other parameters, or made up is refused; so is paging beside explicit ids."""
    client = server.client()
    client.create_repository(repositoryName="token/a")
    client.create_repository(repositoryName="token/b")
    for number in range(3):
        server.push("token/a", other_image(f"t{number}"), tag=f"t{number}")
    token = client.list_images(repositoryName="token/a", maxResults=1)["nextToken"]
    for operation, params in (
        ("list_images", {"repositoryName": "token/b"}),
        ("list_images", {"repositoryName": "token/a", "filter": {"tagStatus": "TAGGED"}}),
        ("describe_images", {"repositoryName": "token/a"}),
    ):
        assert refused(client, operation, **params, nextToken=token)[0] == "InvalidParameterException"
    assert refused(client, "list_images", repositoryName="token/a", nextToken="x")[0] == "InvalidParameterException"
    ids = [{"imageTag": "t0"}]
    both = {"repositoryName": "token/a", "imageIds": ids, "maxResults": 1}
    assert refused(client, "describe_images", **both)[0] == "InvalidParameterException"


def test_scans_by_request(server: Server) -> None:
    """StartImageScan answers at once; nothing scanned is ScanNotFound; one missing image fails the whole call."""
    client = server.client()
    client.create_repository(repositoryName="aws/scan")
    server.push("aws/scan", PLAIN)
    asked = {"repositoryName": "aws/scan", "imageId": {"imageTag": "latest"}}
    assert refused(client, "describe_image_scan_findings", **asked)[0] == "ScanNotFoundException"
    started = client.start_image_scan(**asked)
    assert started["imageScanStatus"]["status"] in {"PENDING", "IN_PROGRESS"}
    assert started["imageId"] == {"imageDigest": PLAIN.digest, "imageTag": "latest"}
    found = server.wait_for_scan("aws/scan")
    attributes = {a["key"]: a["value"] for a in found["imageScanFindings"]["findings"][0]["attributes"]}
    assert attributes["package_name"] == "jinja2"
    assert attributes["package_version"] == "2.10"
    assert attributes["fixed_in_version"] == "2.10.1"
    assert attributes["layer_digest"] == PLAIN.layers[0].digest
    missing = {"repositoryName": "aws/scan", "imageId": {"imageTag": "none"}}
    assert refused(client, "start_image_scan", **missing) == (
        "ImageNotFoundException",
        "The image with imageId {imageDigest:'null', imageTag:'none'} does not exist within the repository "
        f"with name 'aws/scan' in the registry with id '{server.account}'",
    )
    assert refused(client, "start_image_scan", repositoryName="aws/scan", imageId={})[0] == "InvalidParameterException"
    ids = [{"imageTag": "latest"}, {"imageTag": "none"}]
    assert refused(client, "describe_images", repositoryName="aws/scan", imageIds=ids)[0] == "ImageNotFoundException"


def test_another_account_sees_nothing(server: Server) -> None:
    """A key of another account finds no repository of this one, by name or by registry id."""
    server.client().create_repository(repositoryName="aws/private")
    server.push("aws/private", PLAIN)
    made = server.run("keys", "create", "--account", "210987654321", "--format", "json")
    key = json.loads(made.stdout)
    stranger = server.client(aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"])
    for registry in ({}, {"registryId": server.account}):
        params = {"repositoryName": "aws/private", **registry}
        assert refused(stranger, "describe_images", **params)[0] == "RepositoryNotFoundException"
    assert stranger.describe_repositories()["repositories"] == []
    assert refused(stranger, "describe_repositories", registryId=server.account)[0] == "AccessDeniedException"
    arn = f"arn:aws:ecr:{REGION}:{server.account}:repository/aws/private"
    assert refused(stranger, "list_tags_for_resource", resourceArn=arn)[0] == "RepositoryNotFoundException"
    token = stranger.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    blob = f"/v2/aws/private/blobs/{PLAIN.layers[0].digest}"
    answer = httpx.get(server.url + blob, headers={"authorization": f"Basic {token}"})
    assert answer.status_code == 404


def minimal(shape: Shape) -> Any:
    """The smallest input that keeps the model's rules."""
    if isinstance(shape, StructureShape):
        return {name: minimal(shape.members[name]) for name in shape.required_members}
    if isinstance(shape, ListShape):
        return [minimal(shape.member)] * max(1, shape.metadata.get("min", 1))
    if shape.type_name == "string":
        return _text(shape)
    return {"boolean": False, "blob": "AAAA"}.get(shape.type_name, 1)


def _text(shape: Shape) -> str:
    if shape.metadata.get("enum"):
        first: str = shape.metadata["enum"][0]
        return first
    known = {
        "RegistryId": "123456789012",
        "Arn": "arn:aws:ecr:us-east-1:123456789012:repository/a/b",
        "PrincipalArn": "arn:aws:iam::123456789012:role/a",
        "LifecyclePolicyText": "x" * 100,
    }
    candidates = (
        *(known.get(shape.name, ""), "ab", "sha256:" + "0" * 64, "arn:aws:iam::123456789012:role/a"),
        *("01234567-89ab-cdef-0123-456789abcdef", "arn:aws:signer:us-east-1:123456789012:/signing-profiles/ab"),
    )
    for candidate in candidates:
        pattern, low = shape.metadata.get("pattern"), shape.metadata.get("min", 0)
        if len(candidate) >= max(low, 1) and (pattern is None or re.fullmatch(pattern, candidate)):
            return candidate
    raise AssertionError(f"no example of {shape.name}")


def call(server: Server, operation: str, body: bytes, **headers: str) -> httpx.Response:
    """A signed request, whatever the body."""
    request = botocore.awsrequest.AWSRequest(
        method="POST",
        url=f"{server.url}/",
        data=body,
        headers={
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"AmazonEC2ContainerRegistry_V20150921.{operation}",
            **headers,
        },
    )
    credentials = botocore.credentials.Credentials(server.access_key_id, server.secret_access_key)
    botocore.auth.SigV4Auth(credentials, "ecr", REGION).add_auth(request)
    return httpx.post(f"{server.url}/", content=body, headers=dict(request.headers), timeout=30)


def test_the_table_of_operations_is_the_models() -> None:
    """Every operation of the installed model is offered or said not to be, once."""
    names = [*READS, *WRITES, *NOT_OFFERED]
    assert sorted(names) == sorted(model.operation_names())


@pytest.mark.parametrize("name", sorted(NOT_OFFERED))
def test_what_is_not_offered_says_so(server: Server, name: str) -> None:
    """One modelled error that names the operation."""
    operation = model.operation(name)
    answer = call(server, name, json.dumps(minimal(operation.input)).encode())
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"] == f"{name} is not offered by this registry"
    assert answer.json()["__type"] in operation.errors
    assert answer.headers["x-amzn-requestid"]


@pytest.mark.parametrize(
    ("operation", "body", "status", "expected"),
    [
        ("NoSuchOperation", b"{}", 400, "UnknownOperationException"),
        ("ListImages", b"{", 400, "SerializationException"),
        ("ListImages", b"[]", 400, "SerializationException"),
        ("ListImages", b"\xff\xfe", 400, "SerializationException"),
        ("ListImages", b'{"repositoryName": 1}', 400, "SerializationException"),
        ("ListImages", b"{}", 400, "InvalidParameterException"),
        ("ListImages", b'{"repositoryName": "Not A Name"}', 400, "InvalidParameterException"),
        ("ListImages", b'{"repositoryName": "a/b", "maxResults": 1001}', 400, "InvalidParameterException"),
        ("ListImages", b'{"repositoryName": "' + b"a" * 257 + b'"}', 400, "InvalidParameterException"),
        ("DescribeRepositories", b" " * ((28 << 20) + 1), 413, "RequestEntityTooLarge"),
        ("DescribeRepositories", b"[" * 100_000, 400, "SerializationException"),
    ],
)
def test_requests_that_break_the_rules(server: Server, operation: str, body: bytes, status: int, expected: str) -> None:
    """Each is answered with its code and a request id, and the server goes on."""
    answer = call(server, operation, body)
    assert (answer.status_code, answer.json()["__type"]) == (status, expected)
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-amzn-requestid"])


def test_signatures_are_checked(server: Server) -> None:
    """Wrong secret, key, service, region, an old date, a changed body, none at all: each its own AWS code."""

    def with_key(**options: Any) -> str:
        return refused(server.client(**options), "describe_repositories")[0]

    assert with_key(aws_secret_access_key="wrong") == "InvalidSignatureException"
    assert with_key(aws_access_key_id="AKIAUNKNOWN") == "UnrecognizedClientException"
    assert with_key(region_name="eu-west-1") == "InvalidSignatureException"
    assert with_key(aws_session_token="token") == "UnrecognizedClientException"
    headers = {"x-amz-target": "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"}
    unsigned = httpx.post(f"{server.url}/", content=b"{}", headers=headers)
    assert unsigned.json()["__type"] == "MissingAuthenticationTokenException"
    old = datetime.now(UTC) - timedelta(minutes=16)
    request = botocore.awsrequest.AWSRequest(
        method="POST",
        url=f"{server.url}/",
        data=b"{}",
        headers={**headers, "content-type": "application/x-amz-json-1.1"},
    )
    credentials = botocore.credentials.Credentials(server.access_key_id, server.secret_access_key)
    for service, expected in (("ecr", "Signature expired"), ("s3", "correct service")):
        signer = botocore.auth.SigV4Auth(credentials, service, REGION)
        signer.add_auth(request)
        sent = dict(request.headers)
        if service == "ecr":
            stamp = old.strftime("%Y%m%dT%H%M%SZ")
            sent["X-Amz-Date"] = stamp
            sent["Authorization"] = re.sub(r"/\d{8}/", f"/{stamp[:8]}/", sent["Authorization"])
        answer = httpx.post(f"{server.url}/", content=b"{}", headers=sent)
        assert answer.json()["__type"] == "InvalidSignatureException"
        assert expected in answer.json()["message"]
        del request.headers["Authorization"]
    botocore.auth.SigV4Auth(credentials, "ecr", REGION).add_auth(request)
    changed = httpx.post(f"{server.url}/", content=b'{"maxResults": 1}', headers=dict(request.headers))
    assert changed.json()["__type"] == "InvalidSignatureException"
    signed = dict(request.headers)
    without = re.sub(r"x-amz-target;?", "", signed["Authorization"]).replace(";, ", ", ")
    missing = httpx.post(f"{server.url}/", content=b"{}", headers={**signed, "Authorization": without})
    assert missing.json()["__type"] == "IncompleteSignatureException"


def test_a_revoked_key_signs_nothing(server: Server) -> None:
    """After a revocation neither the key nor a token that was issued to it is good."""
    key = json.loads(server.run("keys", "create", "--format", "json").stdout)
    client = server.client(aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"])
    token = client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    headers = {"authorization": f"Basic {token}"}
    assert httpx.get(f"{server.url}/v2/", headers=headers).status_code == 200
    assert server.run("keys", "revoke", key["access_key_id"]).returncode == 0
    assert refused(client, "describe_repositories")[0] == "UnrecognizedClientException"
    assert httpx.get(f"{server.url}/v2/", headers=headers).status_code == 401
