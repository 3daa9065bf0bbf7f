"""Images over the AWS API: put, read, list, describe, delete; pushed by either protocol, they are the same."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from hullwise.domain.manifests import (
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
)
from hullwise.ecr import shapes
from tests.support.images import Image, image, layer, sha256
from tests.support.pushing import descriptor, index, manifest, push, push_blob, put_manifest
from tests.support.refusals import bad_parameter, image_not_found, not_found, refused
from tests.support.registry import Server

NOWHERE = "sha256:" + "0" * 64


def numbered(number: int) -> Image:
    """One of many different images."""
    return image([layer({"etc/motd": f"image {number}\n".encode()})])


ONE, TWO, THREE = numbered(1), numbered(2), numbered(3)


def ids(client: Any, repository: str, **params: Any) -> list[tuple[str, str | None]]:
    """(digest, tag) of all that list_images says."""
    pages = client.get_paginator("list_images").paginate(repositoryName=repository, **params)
    return [(found["imageDigest"], found.get("imageTag")) for page in pages for found in page["imageIds"]]


def detail(client: Any, repository: str, **image_id: str) -> dict[str, Any]:
    found: list[dict[str, Any]]
    found = client.describe_images(repositoryName=repository, imageIds=[image_id])["imageDetails"]
    assert len(found) == 1
    return found[0]


def test_an_image_pushed_by_one_protocol_is_the_same_over_the_other(
    server: Server, ecr: Any, http: httpx.Client, repository: str
) -> None:
    """Byte for byte: indented JSON, letters beyond ASCII and the line break at its end are part of the digest."""
    document = json.loads(ONE.manifest) | {"annotations": {"title": "größer ✓"}}
    body = (json.dumps(document, indent=3, ensure_ascii=False) + "\n").encode()
    for blob in ONE.blobs:
        push_blob(http, repository, blob)
    assert put_manifest(http, repository, "pushed", body).status_code == 201
    (got,) = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "pushed"}])["images"]
    assert got == {
        "registryId": server.account,
        "repositoryName": repository,
        "imageId": {"imageDigest": sha256(body), "imageTag": "pushed"},
        "imageManifest": body.decode(),
        "imageManifestMediaType": OCI_MANIFEST,
    }
    made = ecr.put_image(repositoryName=repository, imageManifest=got["imageManifest"], imageTag="put")["image"]
    assert made == {**got, "imageId": {"imageDigest": sha256(body), "imageTag": "put"}}
    pulled = http.get(f"/v2/{repository}/manifests/put")
    assert (pulled.content, pulled.headers["content-type"]) == (body, OCI_MANIFEST)
    assert ids(ecr, repository) == [(sha256(body), "pushed"), (sha256(body), "put")]


def test_the_members_of_an_image(server: Server, ecr: Any, http: httpx.Client, repository: str) -> None:
    """What is unknown is left out: tags of an untagged image, pulls that never were, a scan that nobody asked for."""
    push(http, repository, ONE)
    found = detail(ecr, repository, imageDigest=ONE.digest)
    assert abs(found.pop("imagePushedAt") - datetime.now(UTC)) < timedelta(seconds=30)
    assert found == {
        "registryId": server.account,
        "repositoryName": repository,
        "imageDigest": ONE.digest,
        "imageSizeInBytes": len(ONE.config) + len(ONE.layers[0].blob),
        "imageManifestMediaType": OCI_MANIFEST,
        "artifactMediaType": OCI_CONFIG,
        "imageStatus": "ACTIVE",
    }


def test_a_pull_is_recorded_and_a_look_is_not(server: Server, ecr: Any, http: httpx.Client, repository: str) -> None:
    """HEAD asks whether an image is there; GET and BatchGetImage pull it, which shows within seconds."""
    for number, pull in enumerate((False, True)):
        push(http, repository, numbered(number), f"t{number}")
        http.request("GET" if pull else "HEAD", f"/v2/{repository}/manifests/t{number}")
    push(http, repository, THREE, "t2")
    ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "t2"}])
    for tag in ("t1", "t2"):
        assert server.wait_for_pull(repository, tag) >= detail(ecr, repository, imageTag=tag)["imagePushedAt"]
    assert "lastRecordedPullTime" not in detail(ecr, repository, imageTag="t0")


def test_a_tag_moves_and_leaves_an_untagged_image(ecr: Any, http: httpx.Client, repository: str) -> None:
    """The old image stays without tags; tagging an image again does not change when it was pushed."""
    push(http, repository, ONE, "latest")
    push(http, repository, TWO, "latest")
    assert ids(ecr, repository) == [(ONE.digest, None), (TWO.digest, "latest")]
    assert ids(ecr, repository, filter={"tagStatus": "TAGGED"}) == [(TWO.digest, "latest")]
    assert ids(ecr, repository, filter={"tagStatus": "UNTAGGED"}) == [(ONE.digest, None)]
    before = detail(ecr, repository, imageDigest=ONE.digest)
    ecr.put_image(repositoryName=repository, imageManifest=ONE.manifest.decode(), imageTag="again")
    after = detail(ecr, repository, imageDigest=ONE.digest)
    assert after == {**before, "imageTags": ["again"]}


def test_an_image_that_is_asked_for_again(server: Server, ecr: Any, http: httpx.Client, repository: str) -> None:
    """By its id and in a page, each change of it shows at once, however many tags it has; another's changes nothing."""

    def looked_at() -> dict[str, Any]:
        pages = ecr.describe_images(repositoryName=repository, filter={"imageStatus": "ANY"})["imageDetails"]
        (found,) = [each for each in pages if each["imageDigest"] == ONE.digest]
        assert found == detail(ecr, repository, imageDigest=ONE.digest)
        return dict(found)

    push(http, repository, ONE, "t00")
    seen = looked_at()
    assert seen["imageTags"] == ["t00"]
    tags = [f"t{number:02}" for number in range(shapes.FEW_TAGS + 3)]
    for number, tag in enumerate(tags[1:], start=2):
        put_manifest(http, repository, tag, ONE.manifest)
        push(http, repository, TWO, f"other-{number}")
        seen |= {"imageTags": tags[:number]}
        assert looked_at() == seen
    http.get(f"/v2/{repository}/manifests/t00")
    seen |= {"lastRecordedPullTime": server.wait_for_pull(repository, "t00")}
    assert looked_at() == seen
    for target, status, moment in (
        ("ARCHIVE", "ARCHIVED", "lastArchivedAt"),
        ("STANDARD", "ACTIVE", "lastActivatedAt"),
    ):
        asked = {"imageDigest": ONE.digest}
        ecr.update_image_storage_class(repositoryName=repository, imageId=asked, targetStorageClass=target)
        found = looked_at()
        assert found.pop("imageStatus") == status
        assert seen.pop("imageStatus") != status
        assert found[moment] >= seen["lastRecordedPullTime"]
        seen |= {moment: found[moment]}
        assert found == seen
        seen["imageStatus"] = status
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": tag} for tag in tags[1:]])
    assert looked_at() == seen | {"imageTags": ["t00"]}


def test_an_image_put_without_a_tag(server: Server, ecr: Any, http: httpx.Client, repository: str) -> None:
    """Its id is its digest alone; a second time it is there already, and the message names no tag."""
    push(http, repository, ONE, "seed")
    body = TWO.manifest.decode()
    for blob in TWO.blobs:
        push_blob(http, repository, blob)
    made = ecr.put_image(repositoryName=repository, imageManifest=body, imageDigest=TWO.digest)["image"]
    assert made["imageId"] == {"imageDigest": TWO.digest}
    assert refused(ecr, "put_image", repositoryName=repository, imageManifest=body) == (
        "ImageAlreadyExistsException",
        f"Image with digest '{TWO.digest}' already exists in the repository with name '{repository}' in registry "
        f"with id '{server.account}'",
    )


def test_an_image_under_a_digest_of_sha512(ecr: Any, http: httpx.Client, repository: str) -> None:
    """The algorithm is the client's choice; both names are images of their own."""
    digest = "sha512:" + hashlib.sha512(ONE.manifest).hexdigest()
    push(http, repository, ONE)
    ecr.put_image(repositoryName=repository, imageManifest=ONE.manifest.decode(), imageDigest=digest)
    assert ids(ecr, repository) == [(ONE.digest, None), (digest, None)]
    assert http.get(f"/v2/{repository}/manifests/{digest}").headers["docker-content-digest"] == digest


CONFIG, DATA = b"{}", b"data"
UNPUT: dict[str, tuple[dict[str, str], tuple[str, str]]] = {
    "no media type": (
        {"imageManifest": json.dumps({"schemaVersion": 2, "config": {}, "layers": []})},
        bad_parameter("imageManifestMediaType", "must be given where the manifest states no mediaType"),
    ),
    "another media type": (
        {"imageManifest": ONE.manifest.decode(), "imageManifestMediaType": DOCKER_MANIFEST},
        bad_parameter("ImageManifest", f"mediaType '{OCI_MANIFEST}' differs from the declared '{DOCKER_MANIFEST}'"),
    ),
    "no JSON": ({"imageManifest": "no JSON"}, bad_parameter("ImageManifest", "Invalid JSON syntax")),
    "a wrong digest": (
        {"imageManifest": ONE.manifest.decode(), "imageDigest": NOWHERE},
        (
            "ImageDigestDoesNotMatchException",
            f"The content has digest '{ONE.digest}', not '{NOWHERE}'",
        ),
    ),
    "a digest that is none": (
        {"imageManifest": ONE.manifest.decode(), "imageDigest": "latest"},
        bad_parameter("imageDigest", "'latest' must be sha256 or sha512 and its lower-case hex digits"),
    ),
    "a tag that is none": (
        {"imageManifest": ONE.manifest.decode(), "imageTag": "-x"},
        bad_parameter("imageTag", "must satisfy regular expression '[A-Za-z0-9_][A-Za-z0-9._-]{0,127}'"),
    ),
    "a wrong size": (
        {"imageManifest": ONE.manifest.decode().replace(f'"size": {len(ONE.config)}', '"size": 1')},
        bad_parameter("ImageManifest", f"{sha256(ONE.config)} has {len(ONE.config)} bytes, not 1"),
    ),
}


@pytest.mark.parametrize("case", UNPUT)
def test_an_image_that_is_not_put(ecr: Any, http: httpx.Client, repository: str, case: str) -> None:
    """Each refusal says what is wrong, and nothing is stored."""
    for blob in ONE.blobs:
        push_blob(http, repository, blob)
    params, expected = UNPUT[case]
    assert refused(ecr, "put_image", **{"repositoryName": repository, "imageTag": "x", **params}) == expected
    assert ids(ecr, repository) == []


def test_everything_that_an_image_needs_must_be_in_its_repository(
    server: Server, ecr: Any, http: httpx.Client, repository: str
) -> None:
    """Every missing digest is named once, in the manifest's order; what another repository has does not help."""
    ecr.create_repository(repositoryName=f"{repository}/other")
    push(http, f"{repository}/other", ONE)
    end = (
        f"required for pushing image into repository with name '{repository}' in the registry with id "
        f"'{server.account}' do not exist"
    )
    twice = manifest(CONFIG, [DATA, DATA]).decode()
    assert refused(ecr, "put_image", repositoryName=repository, imageManifest=twice) == (
        "LayersNotFoundException",
        f"Layers with digests '[{sha256(CONFIG)}, {sha256(DATA)}]' {end}",
    )
    for media_type in (OCI_INDEX, DOCKER_LIST):
        listing = index(ONE.manifest, TWO.manifest, ONE.manifest, media_type=media_type).decode()
        assert refused(ecr, "put_image", repositoryName=repository, imageManifest=listing) == (
            "ReferencedImagesNotFoundException",
            f"Images with digests '[{ONE.digest}, {TWO.digest}]' {end}",
        )


def test_layers_that_live_elsewhere_need_not_be_pushed(ecr: Any, http: httpx.Client, repository: str) -> None:
    """A foreign layer is stored with its image and not counted in its size."""
    push_blob(http, repository, CONFIG)
    foreign = descriptor(DATA, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
    body = json.loads(manifest(CONFIG, [])) | {"layers": [{**foreign, "urls": ["https://example.org/layer"]}]}
    ecr.put_image(repositoryName=repository, imageManifest=json.dumps(body), imageTag="windows")
    assert detail(ecr, repository, imageTag="windows")["imageSizeInBytes"] == len(CONFIG)


def test_the_same_image_again_under_a_fixed_tag(server: Server, ecr: Any, http: httpx.Client, repository: str) -> None:
    """In an immutable repository: no other image under the tag, over either protocol; the same one is there already,
    which the registry API calls success; a deleted tag may be given again."""
    name = f"{repository}/fixed"
    ecr.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    push(http, name, ONE, "v1", "keep")
    push(http, name, TWO)
    moved = f"The image tag 'v1' already exists in the '{name}' repository and cannot be overwritten because the tag"
    put = {"repositoryName": name, "imageTag": "v1"}
    assert refused(ecr, "put_image", **put, imageManifest=TWO.manifest.decode()) == (
        "ImageTagAlreadyExistsException",
        f"{moved} is immutable.",
    )
    answer = put_manifest(http, name, "v1", TWO.manifest)
    assert (answer.status_code, answer.json()["errors"]) == (
        400,
        [{"code": "TAG_INVALID", "message": f"{moved} is immutable."}],
    )
    assert put_manifest(http, name, "v1", ONE.manifest).status_code == 201
    code, _ = refused(ecr, "put_image", **put, imageManifest=ONE.manifest.decode())
    assert code == "ImageAlreadyExistsException"
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])
    assert put_manifest(http, name, "v1", TWO.manifest).status_code == 201
    assert ids(ecr, name) == [(ONE.digest, "keep"), (TWO.digest, "v1")]


# Which of two tags may move: a filter stands for the whole tag, and its dots are dots.
MOVES: list[tuple[str, str, str, bool]] = [
    ("IMMUTABLE_WITH_EXCLUSION", "dev-*", "dev-1", True),
    ("IMMUTABLE_WITH_EXCLUSION", "dev-*", "my-dev-1", False),
    ("IMMUTABLE_WITH_EXCLUSION", "v1.*", "v1x0", False),
    ("IMMUTABLE_WITH_EXCLUSION", "*-rc*", "v1-rc.2", True),
    ("MUTABLE_WITH_EXCLUSION", "v*", "v", False),
    ("MUTABLE_WITH_EXCLUSION", "v*", "latest", True),
    ("MUTABLE_WITH_EXCLUSION", "v", "vv", True),
]


@pytest.mark.parametrize(("mutability", "pattern", "tag", "moves"), MOVES)
def test_tags_that_exclusions_name(
    ecr: Any, http: httpx.Client, repository: str, mutability: str, pattern: str, tag: str, moves: bool
) -> None:
    """A tag moves unless the setting fixes it."""
    ecr.create_repository(
        repositoryName=f"{repository}/x",
        imageTagMutability=mutability,
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": pattern}],
    )
    push(http, f"{repository}/x", ONE, tag)
    push(http, f"{repository}/x", TWO)
    answer = put_manifest(http, f"{repository}/x", tag, TWO.manifest)
    assert answer.status_code == (201 if moves else 400)


def test_an_index_is_described_by_its_largest_image(ecr: Any, http: httpx.Client, repository: str) -> None:
    """Its size is the largest child's, through further indexes too; it has no artifact type of its own."""
    large = image([layer({"bin/large": hashlib.shake_256(b"large").digest(20_000)})])
    for pushed in (ONE, large):
        push(http, repository, pushed)
    inner = index(ONE.manifest, large.manifest)
    assert put_manifest(http, repository, sha256(inner), inner, OCI_INDEX).status_code == 201
    outer = index(inner, ONE.manifest)
    assert put_manifest(http, repository, "outer", outer, OCI_INDEX).status_code == 201
    found = detail(ecr, repository, imageTag="outer")
    assert found["imageSizeInBytes"] == len(large.config) + len(large.layers[0].blob) > 20_000
    assert found["imageManifestMediaType"] == OCI_INDEX
    assert {"artifactMediaType", "imageScanStatus", "imageScanFindingsSummary"}.isdisjoint(found)
    (got,) = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "outer"}])["images"]
    assert (got["imageManifest"], got["imageManifestMediaType"]) == (outer.decode(), OCI_INDEX)


HELM = "application/vnd.cncf.helm.config.v1+json"


def test_artifacts_are_described_by_what_they_are(ecr: Any, http: httpx.Client, repository: str) -> None:
    """The type of an artifact is its `artifactType`, else its config's; a referrer names its subject, though that may
    not be there yet."""
    for data in (CONFIG, DATA):
        push_blob(http, repository, data)
    chart = manifest(CONFIG, [DATA], config_type=HELM)
    subject = descriptor(ONE.manifest, OCI_MANIFEST)
    signature = manifest(CONFIG, [DATA], config_type=OCI_EMPTY, artifactType="application/x-sig", subject=subject)
    assert put_manifest(http, repository, "chart", chart).status_code == 201
    answer = put_manifest(http, repository, sha256(signature), signature)
    assert (answer.status_code, answer.headers["oci-subject"]) == (201, ONE.digest)
    found = detail(ecr, repository, imageTag="chart")
    assert (found["artifactMediaType"], found["imageSizeInBytes"]) == (HELM, len(CONFIG) + len(DATA))
    assert "subjectManifestDigest" not in found
    found = detail(ecr, repository, imageDigest=sha256(signature))
    assert (found["artifactMediaType"], found["subjectManifestDigest"]) == ("application/x-sig", ONE.digest)


def test_docker_images(ecr: Any, http: httpx.Client, repository: str) -> None:
    """Schema 2 and manifest lists are stored and described under their own types."""
    document = json.loads(ONE.manifest) | {"mediaType": DOCKER_MANIFEST}
    document["config"]["mediaType"] = DOCKER_CONFIG
    body = json.dumps(document).encode()
    for blob in ONE.blobs:
        push_blob(http, repository, blob)
    ecr.put_image(repositoryName=repository, imageManifest=body.decode(), imageTag="docker")
    listing = index(body, media_type=DOCKER_LIST)
    ecr.put_image(repositoryName=repository, imageManifest=listing.decode(), imageTag="list")
    found = detail(ecr, repository, imageTag="docker")
    assert (found["imageManifestMediaType"], found["artifactMediaType"]) == (DOCKER_MANIFEST, DOCKER_CONFIG)
    assert detail(ecr, repository, imageTag="list")["imageManifestMediaType"] == DOCKER_LIST


def test_pages_of_images_add_up(ecr: Any, http: httpx.Client, repository: str) -> None:
    """Of images with several tags, one and none, pages of each size hold all of them once, under each filter."""
    expected: list[tuple[str, str | None]] = []
    for number, tags in enumerate((["b", "a", "c"], [], ["x"], [], [], ["z", "y"])):
        push(http, repository, numbered(number), *tags)
        expected += [(numbered(number).digest, tag) for tag in sorted(tags)] or [(numbered(number).digest, None)]
    tagged = [found for found in expected if found[1] is not None]
    untagged = [found for found in expected if found[1] is None]
    for status, wanted in (("ANY", expected), ("TAGGED", tagged), ("UNTAGGED", untagged)):
        for size in (1, 2, 3, 9, 10):
            paging = {"filter": {"tagStatus": status}, "PaginationConfig": {"PageSize": size}}
            assert ids(ecr, repository, **paging) == wanted, (status, size)
            pages = ecr.get_paginator("describe_images").paginate(repositoryName=repository, **paging)
            described = [found["imageDigest"] for page in pages for found in page["imageDetails"]]
            assert described == list(dict.fromkeys(digest for digest, _ in wanted)), (status, size)
    for operation, member in (("list_images", "imageIds"), ("describe_images", "imageDetails")):
        archived = getattr(ecr, operation)(repositoryName=repository, filter={"imageStatus": "ARCHIVED"})
        assert archived[member] == []


def test_page_tokens_of_images(ecr: Any, http: httpx.Client, repository: str) -> None:
    """A token is good for its operation, repository and filter, with whatever page size; it is not good beside ids."""
    ecr.create_repository(repositoryName=f"{repository}/other")
    for number in range(3):
        push(http, repository, numbered(number), f"t{number}")
    named = {"repositoryName": repository}
    tokens = {
        operation: getattr(ecr, operation)(**named, maxResults=1)["nextToken"]
        for operation in ("list_images", "describe_images")
    }
    bad = bad_parameter("nextToken", "Must be a token that this operation returned for the same request")
    assert len(ecr.list_images(**named, maxResults=5, nextToken=tokens["list_images"])["imageIds"]) == 2
    assert refused(ecr, "list_images", **named, nextToken=tokens["describe_images"]) == bad
    assert refused(ecr, "describe_images", **named, nextToken=tokens["list_images"]) == bad
    elsewhere = {"repositoryName": f"{repository}/other", "nextToken": tokens["list_images"]}
    assert refused(ecr, "list_images", **elsewhere) == bad
    filtered = {"filter": {"tagStatus": "ANY"}, "nextToken": tokens["list_images"]}
    assert refused(ecr, "list_images", **named, **filtered) == bad
    image_ids = [{"imageTag": "t0"}]
    for extra in ({"nextToken": tokens["describe_images"]}, {"maxResults": 1}):
        (member,) = extra
        expected = bad_parameter(member, "cannot be used together with imageIds")
        assert refused(ecr, "describe_images", **named, imageIds=image_ids, **extra) == expected


def test_describing_named_images(server: Server, ecr: Any, http: httpx.Client, repository: str) -> None:
    """An image named in two ways is described once; one that is missing fails the whole call, and names both halves
    where tag and digest disagree."""
    push(http, repository, ONE, "one", "uno")
    push(http, repository, TWO, "two")
    named = [{"imageTag": "uno"}, {"imageTag": "two"}, {"imageDigest": ONE.digest}]
    found = ecr.describe_images(repositoryName=repository, imageIds=named)["imageDetails"]
    assert [(each["imageDigest"], each["imageTags"]) for each in found] == [
        (ONE.digest, ["one", "uno"]),
        (TWO.digest, ["two"]),
    ]
    missing: list[dict[str, str]] = [
        {"tag": "three"},
        {"digest": THREE.digest},
        {"digest": TWO.digest, "tag": "one"},
        {},
    ]
    for absent in missing:
        asked = {f"image{half.title()}": value for half, value in absent.items()}
        expected = image_not_found(repository, server.account, **absent)
        assert refused(ecr, "describe_images", repositoryName=repository, imageIds=[named[0], asked]) == expected
    assert refused(ecr, "describe_images", repositoryName="no/such") == not_found("no/such", server.account)


NO_IMAGE = ("ImageNotFound", "Requested image not found")
BAD_DIGEST = (
    "InvalidImageDigest",
    "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
)
FAILURES: list[tuple[dict[str, str], tuple[str, str]]] = [
    ({"imageTag": "none"}, NO_IMAGE),
    ({"imageDigest": NOWHERE}, NO_IMAGE),
    ({"imageTag": "none", "imageDigest": ONE.digest}, NO_IMAGE),
    ({"imageDigest": "latest"}, BAD_DIGEST),
    ({"imageDigest": "sha256:xyz"}, BAD_DIGEST),
    ({"imageTag": "one", "imageDigest": "sha256:"}, BAD_DIGEST),
    ({"imageDigest": "sha256:abc"}, NO_IMAGE),
    ({"imageDigest": f"sha256:{ONE.digest[7:].upper()}"}, NO_IMAGE),
    ({"imageDigest": "md5:abcdef"}, NO_IMAGE),
    ({}, ("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")),
    (
        {"imageTag": "one", "imageDigest": TWO.digest},
        ("ImageTagDoesNotMatchDigest", "Requested image tag does not match the requested image digest"),
    ),
]


@pytest.mark.parametrize("operation", ["batch_get_image", "batch_delete_image"])
def test_what_fails_in_a_batch(ecr: Any, http: httpx.Client, repository: str, operation: str) -> None:
    """The call succeeds; each failure repeats the id exactly as it was asked, with ECR's code and sentence."""
    push(http, repository, ONE, "one")
    push(http, repository, TWO, "two")
    asked = [{"imageTag": "one"}, *(image_id for image_id, _ in FAILURES)]
    if operation == "batch_delete_image":
        # What is deleted is not there for those that follow.
        asked.append(asked.pop(0))
    answer = getattr(ecr, operation)(repositoryName=repository, imageIds=asked)
    assert answer["failures"] == [
        {"imageId": image_id, "failureCode": code, "failureReason": reason} for image_id, (code, reason) in FAILURES
    ]
    done = [found["imageId"] for found in answer["images"]] if "images" in answer else answer["imageIds"]
    assert done == [{"imageDigest": ONE.digest, "imageTag": "one"}]


def test_a_batch_answers_under_the_name_asked_for(ecr: Any, http: httpx.Client, repository: str) -> None:
    """By tag: with that tag; by digest: without any; the same image as often as it is asked for, and in the type that
    it was pushed in whatever types are accepted."""
    push(http, repository, ONE, "a", "b")
    asked = [{"imageTag": "b"}, {"imageDigest": ONE.digest}, {"imageTag": "a", "imageDigest": ONE.digest}]
    got = ecr.batch_get_image(repositoryName=repository, imageIds=asked, acceptedMediaTypes=[DOCKER_MANIFEST])
    assert [found["imageId"] for found in got["images"]] == [
        {"imageDigest": ONE.digest, "imageTag": "b"},
        {"imageDigest": ONE.digest},
        {"imageDigest": ONE.digest, "imageTag": "a"},
    ]
    assert {found["imageManifestMediaType"] for found in got["images"]} == {OCI_MANIFEST}
    assert got["failures"] == []


def test_a_batch_has_1_to_100_ids(ecr: Any, repository: str) -> None:
    """100 pass, 101 do not."""
    named = {"repositoryName": repository}
    many = [{"imageTag": f"t{number}"} for number in range(101)]
    for operation in ("batch_get_image", "batch_delete_image"):
        assert len(getattr(ecr, operation)(**named, imageIds=many[:100])["failures"]) == 100
        expected = bad_parameter("imageIds", "Member must have length less than or equal to 100")
        assert refused(ecr, operation, **named, imageIds=many) == expected


def test_deleting_by_tag(ecr: Any, http: httpx.Client, repository: str) -> None:
    """A tag goes alone while there are others, and takes the image with it as the last; also within one request."""
    push(http, repository, ONE, "a", "b", "c")
    delete = ecr.batch_delete_image
    gone = delete(repositoryName=repository, imageIds=[{"imageTag": "b"}])
    assert gone["imageIds"] == [{"imageDigest": ONE.digest, "imageTag": "b"}]
    assert ids(ecr, repository) == [(ONE.digest, "a"), (ONE.digest, "c")]
    both = delete(repositoryName=repository, imageIds=[{"imageTag": "c", "imageDigest": ONE.digest}, {"imageTag": "a"}])
    assert both["imageIds"] == [
        {"imageDigest": ONE.digest, "imageTag": "c"},
        {"imageDigest": ONE.digest, "imageTag": "a"},
    ]
    assert ids(ecr, repository) == []


def test_deleting_by_digest(ecr: Any, http: httpx.Client, repository: str) -> None:
    """All tags go, an entry for each; an untagged image has one without; a second time there is nothing to delete."""
    push(http, repository, ONE, "a", "b")
    push(http, repository, TWO)
    asked = [{"imageDigest": ONE.digest}, {"imageDigest": TWO.digest}, {"imageDigest": ONE.digest}]
    gone = ecr.batch_delete_image(repositoryName=repository, imageIds=asked)
    assert gone["imageIds"] == [
        {"imageDigest": ONE.digest, "imageTag": "a"},
        {"imageDigest": ONE.digest, "imageTag": "b"},
        {"imageDigest": TWO.digest},
    ]
    assert [(each["imageId"], each["failureCode"]) for each in gone["failures"]] == [
        ({"imageDigest": ONE.digest}, "ImageNotFound")
    ]


def test_what_an_index_lists_is_not_deleted(ecr: Any, http: httpx.Client, repository: str) -> None:
    """Not by digest and not by its last tag; the reason names every index; all but its last tag may go."""
    push(http, repository, ONE, "a", "b")
    push(http, repository, TWO)
    parents = [index(ONE.manifest), index(ONE.manifest, TWO.manifest)]
    for number, parent in enumerate(parents):
        assert put_manifest(http, repository, f"index{number}", parent, OCI_INDEX).status_code == 201
    delete = ecr.batch_delete_image
    reason = f"Requested image referenced by manifest list: [{sha256(parents[0])}, {sha256(parents[1])}]"
    assert delete(repositoryName=repository, imageIds=[{"imageTag": "a"}])["failures"] == []
    for asked in ({"imageTag": "b"}, {"imageDigest": ONE.digest}):
        assert delete(repositoryName=repository, imageIds=[asked])["failures"] == [
            {"imageId": asked, "failureCode": "ImageReferencedByManifestList", "failureReason": reason}
        ]
    delete(repositoryName=repository, imageIds=[{"imageTag": "index0"}, {"imageTag": "index1"}])
    assert delete(repositoryName=repository, imageIds=[{"imageTag": "b"}])["failures"] == []
    assert ids(ecr, repository) == [(TWO.digest, None)]


@pytest.mark.parametrize("order", ["children first", "parents first"])
def test_indexes_and_what_they_list_go_in_one_request(
    ecr: Any, http: httpx.Client, repository: str, order: str
) -> None:
    """In whatever order the request names them, and through indexes of indexes."""
    push(http, repository, ONE)
    inner = index(ONE.manifest)
    outer = index(inner)
    for body in (inner, outer):
        assert put_manifest(http, repository, sha256(body), body, OCI_INDEX).status_code == 201
    digests = [ONE.digest, sha256(inner), sha256(outer)]
    asked = [{"imageDigest": digest} for digest in (digests if order == "children first" else digests[::-1])]
    answer = ecr.batch_delete_image(repositoryName=repository, imageIds=asked)
    assert answer["failures"] == []
    assert sorted(found["imageDigest"] for found in answer["imageIds"]) == sorted(digests)
    assert ids(ecr, repository) == []
