"""Layers by ECR's own API, and that they are the same layers as the registry API's."""

from __future__ import annotations

import base64
import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hullwise.domain.limits import PARTS
from hullwise.domain.manifests import OCI_MANIFEST
from hullwise.store import uploads
from hullwise.store.layers import Segment
from hullwise.store.uploads import UploadSegment
from tests.support.clocked import Clocked, Refused, clocked
from tests.support.images import image, layer, python_packages, sha256
from tests.support.registry import ACCOUNT, Registry

MIB = 1 << 20
BIG = random.Random(7).randbytes(12 * MIB)
IMAGE = image([layer(python_packages(flask="1.0"))])
WHERE = f"the repository with name 'app' in the registry with id '{ACCOUNT}'"


@pytest.fixture
def api(registry: Registry) -> Clocked:
    found = clocked(registry)
    found.call("CreateRepository", repositoryName="app")
    return found


def begin(api: Clocked) -> str:
    answer = api.call("InitiateLayerUpload", repositoryName="app")
    assert answer["partSize"] == 10 * MIB
    uuid.UUID(answer["uploadId"])
    return str(answer["uploadId"])


def add(api: Clocked, upload: str, first: int, data: bytes, last: int | None = None) -> Any:
    return api.call(
        "UploadLayerPart",
        repositoryName="app",
        uploadId=upload,
        partFirstByte=first,
        partLastByte=first + len(data) - 1 if last is None else last,
        layerPartBlob=base64.b64encode(data).decode(),
    )


def complete(api: Clocked, upload: str, digest: str) -> Any:
    return api.call("CompleteLayerUpload", repositoryName="app", uploadId=upload, layerDigests=[digest])


def upload(api: Clocked, data: bytes) -> None:
    made = begin(api)
    for first in range(0, len(data), 5 * MIB):
        part = data[first : first + 5 * MIB]
        assert add(api, made, first, part)["lastByteReceived"] == first + len(part) - 1
    assert complete(api, made, sha256(data))["layerDigest"] == sha256(data)


def refused(api: Clocked, operation: str, **params: Any) -> Refused:
    with pytest.raises(Refused) as found:
        api.call(operation, **params)
    return found.value


def availability(api: Clocked, *asked: str) -> Any:
    return api.call("BatchCheckLayerAvailability", repositoryName="app", layerDigests=list(asked))


def test_a_layer_pushed_in_parts_is_pulled_over_the_registry_api(api: Clocked) -> None:
    """In three parts, the last one short; the same bytes come back, whole and in part."""
    upload(api, BIG)
    assert api.oci("GET", f"/v2/app/blobs/{sha256(BIG)}").content == BIG
    part = api.oci("GET", f"/v2/app/blobs/{sha256(BIG)}", range="bytes=5242870-5242889")
    assert (part.status_code, part.content) == (206, BIG[5242870:5242890])


def test_an_image_is_put_and_got_without_the_registry_api(api: Clocked) -> None:
    """Layers, PutImage, BatchGetImage, and a URL that hands the layer out without a login, until its hour is over."""
    for blob in IMAGE.blobs:
        upload(api, blob)
    answer = api.call("PutImage", repositoryName="app", imageManifest=IMAGE.manifest.decode(), imageTag="1")
    assert answer["image"]["imageId"] == {"imageDigest": IMAGE.digest, "imageTag": "1"}
    digest = IMAGE.layers[0].digest
    url = api.call("GetDownloadUrlForLayer", repositoryName="app", layerDigest=digest)["downloadUrl"]
    assert url.startswith(f"{api.url}/layers/")
    path = url.removeprefix(api.url)
    got = api.send("GET", path)
    assert (got.status_code, got.content) == (200, IMAGE.layers[0].blob)
    assert api.send("GET", path, headers={"range": "bytes=1-3"}).content == IMAGE.layers[0].blob[1:4]
    assert api.send("GET", path[:-2] + ("A" if path[-2] != "A" else "B") + path[-1]).status_code == 403
    api.registry.clock.advance(hours=1)
    assert api.send("GET", path).status_code == 403


def test_a_url_is_as_good_as_its_image(api: Clocked) -> None:
    """A layer that no image uses, or only an archived one, is not handed out; nor by a URL from before."""
    api.push("app", IMAGE)
    asked = {"repositoryName": "app", "layerDigest": IMAGE.layers[0].digest}
    path = api.call("GetDownloadUrlForLayer", **asked)["downloadUrl"].removeprefix(api.url)
    archive = {"repositoryName": "app", "imageId": {"imageTag": "latest"}}
    api.call("UpdateImageStorageClass", **archive, targetStorageClass="ARCHIVE")
    assert api.send("GET", path).status_code == 404
    assert refused(api, "GetDownloadUrlForLayer", **asked).code == "LayerInaccessibleException"
    assert availability(api, IMAGE.layers[0].digest)["layers"][0]["layerAvailability"] == "ARCHIVED"
    api.call("UpdateImageStorageClass", **archive, targetStorageClass="STANDARD")
    assert api.send("GET", path).status_code == 200
    api.call("BatchDeleteImage", repositoryName="app", imageIds=[{"imageDigest": IMAGE.digest}])
    assert api.send("GET", path).status_code == 404
    absent = sha256(b"absent")
    missing = refused(api, "GetDownloadUrlForLayer", repositoryName="app", layerDigest=absent)
    assert (missing.code, missing.message) == (
        "LayersNotFoundException",
        f"The layer with digest '{absent}' does not exist within {WHERE}",
    )


def test_which_layers_are_there(api: Clocked) -> None:
    """An absent layer is UNAVAILABLE among the layers; a digest that is none, and an empty one, are failures."""
    api.push("app", IMAGE)
    there, absent = IMAGE.layers[0], sha256(b"absent")
    # What fits the pattern is absent, whether or not anything could have that digest.
    odd = ["sha256:abc", absent.upper().replace("SHA", "sha"), "md5:abcdef"]
    found = availability(api, there.digest, absent, *odd, "sha256:xyz", "")
    assert found["layers"] == [
        {
            "layerDigest": there.digest,
            "layerAvailability": "AVAILABLE",
            "layerSize": len(there.blob),
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        },
        *({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"} for digest in (absent, *odd)),
    ]
    codes = [(failure["layerDigest"], failure["failureCode"]) for failure in found["failures"]]
    assert codes == [("sha256:xyz", "InvalidLayerDigest"), ("", "MissingLayerDigest")]


def test_parts_follow_each_other(api: Clocked) -> None:
    """A gap, an overlap and a part that is not as long as it says are refused, with the last good byte; the upload goes
    on after it."""
    made = begin(api)
    add(api, made, 0, BIG[: 5 * MIB])
    for first, data, last in ((5 * MIB + 1, b"x", None), (5 * MIB - 1, b"x", None), (5 * MIB, b"xy", 5 * MIB)):
        body = {
            "repositoryName": "app",
            "uploadId": made,
            "partFirstByte": first,
            "partLastByte": first + len(data) - 1 if last is None else last,
            "layerPartBlob": base64.b64encode(data).decode(),
        }
        answer = api.aws("UploadLayerPart", **body)
        assert answer.status_code == 400
        assert answer.json()["__type"] == "InvalidLayerPartException"
        assert answer.json() | {"message": "", "__type": ""} == {
            "__type": "",
            "message": "",
            "registryId": ACCOUNT,
            "repositoryName": "app",
            "uploadId": made,
            "lastValidByteReceived": 5 * MIB - 1,
        }
    add(api, made, 5 * MIB, BIG[5 * MIB :])
    complete(api, made, sha256(BIG))


def test_a_part_whose_answer_was_lost_is_sent_again(api: Clocked) -> None:
    """The same bytes at the same place have the same answer, the last part or not, and are stored once; other bytes
    there, and the same bytes with another end, are refused, with the last good byte."""
    made = begin(api)
    first, second = BIG[: 5 * MIB], BIG[5 * MIB :]
    for _ in range(2):
        assert add(api, made, 0, first)["lastByteReceived"] == 5 * MIB - 1
    for _ in range(2):
        assert add(api, made, 5 * MIB, second)["lastByteReceived"] == 12 * MIB - 1
    assert add(api, made, 0, first)["lastByteReceived"] == 5 * MIB - 1
    for data in (first[:-1] + b"?", first[:-1], BIG[: 5 * MIB + 1]):
        with pytest.raises(Refused) as other:
            add(api, made, 0, data)
        assert other.value.code == "InvalidLayerPartException"
        assert f"has {12 * MIB} bytes" in other.value.message
    complete(api, made, sha256(BIG))
    assert api.oci("GET", f"/v2/app/blobs/{sha256(BIG)}").content == BIG


def test_the_last_part_that_an_upload_may_have_is_sent_again(api: Clocked) -> None:
    """It is there already; one more is refused."""
    made, part = begin(api), UploadSegment(Segment("segments/00/x", 1), sha256(b"x"))
    with api.registry.services.database.write() as tx:
        whole = uploads.find(tx, uuid.UUID(made).hex)
        assert whole is not None
        for _ in range(PARTS):
            whole = uploads.append(tx, whole, part, api.registry.clock())
    assert add(api, made, PARTS - 1, b"x")["lastByteReceived"] == PARTS - 1
    with pytest.raises(Refused) as further:
        add(api, made, PARTS, b"x")
    assert further.value.code == "LimitExceededException"


def test_a_part_is_sent_again_while_the_first_is_still_stored(api: Clocked) -> None:
    """A client that waited too long for its answer: both are acknowledged, and the bytes are there once."""
    made = begin(api)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: add(api, made, 0, BIG), range(4)))
    assert [answer["lastByteReceived"] for answer in answers] == [12 * MIB - 1] * 4
    complete(api, made, sha256(BIG))
    assert api.oci("GET", f"/v2/app/blobs/{sha256(BIG)}").content == BIG


def test_before_the_first_part_no_byte_is_valid(api: Clocked) -> None:
    """The model's least `lastValidByteReceived` is 0, which is the first byte: it is left out."""
    made = begin(api)
    beyond = {"partFirstByte": 1, "partLastByte": 1, "layerPartBlob": "eA=="}
    answer = api.aws("UploadLayerPart", repositoryName="app", uploadId=made, **beyond).json()
    assert answer["__type"] == "InvalidLayerPartException"
    assert "lastValidByteReceived" not in answer
    assert add(api, made, 0, b"x")["lastByteReceived"] == 0


def test_how_an_upload_cannot_be_completed(api: Clocked) -> None:
    """Without parts, with a short part before the last, with the wrong digest, twice, and where the layer is there."""
    made = begin(api)
    empty = refused(api, "CompleteLayerUpload", repositoryName="app", uploadId=made, layerDigests=[sha256(b"")])
    assert empty.code == "EmptyUploadException"
    for digests in ([sha256(b"a"), sha256(b"b")], ["sha256:abc"]):
        one = refused(api, "CompleteLayerUpload", repositoryName="app", uploadId=made, layerDigests=digests)
        assert one.code == "InvalidParameterException"
        assert one.message.startswith("Invalid parameter at 'LayerDigests' failed to satisfy constraint: 'must hold")
    add(api, made, 0, b"short")
    add(api, made, 5, b"last")
    with pytest.raises(Refused) as short:
        complete(api, made, sha256(b"shortlast"))
    assert (short.value.code, short.value.message) == (
        "LayerPartTooSmallException",
        "All layer parts except the last part should be at least 5MB",
    )
    good = begin(api)
    add(api, good, 0, b"layer")
    with pytest.raises(Refused) as wrong:
        complete(api, good, sha256(b"other"))
    assert wrong.value.code == "InvalidLayerException"
    complete(api, good, sha256(b"layer"))
    with pytest.raises(Refused) as twice:
        complete(api, good, sha256(b"layer"))
    assert (twice.value.code, twice.value.message) == (
        "UploadNotFoundException",
        f"The upload with id '{good}' does not exist in {WHERE}",
    )
    again = begin(api)
    add(api, again, 0, b"layer")
    with pytest.raises(Refused) as known:
        complete(api, again, sha256(b"layer"))
    assert known.value.code == "LayerAlreadyExistsException"


def test_tag_mutability_is_put(api: Clocked) -> None:
    """Four modes; exclusions exactly where the mode has them; what is fixed is not moved from then on."""
    put = {"repositoryName": "app"}
    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    answer = api.call(
        "PutImageTagMutability",
        **put,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=filters,
    )
    assert answer["imageTagMutabilityExclusionFilters"] == filters
    described = api.call("DescribeRepositories", repositoryNames=["app"])["repositories"][0]
    assert described["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    other = image([layer(python_packages(flask="2.0"))])
    for tag in ("v1", "dev-1"):
        api.push("app", IMAGE, tag)
    for blob in other.blobs:
        api.oci("POST", f"/v2/app/blobs/uploads/?digest={sha256(blob)}", blob)
    moved = {"repositoryName": "app", "imageManifest": other.manifest.decode(), "imageManifestMediaType": OCI_MANIFEST}
    assert refused(api, "PutImage", **moved, imageTag="v1").code == "ImageTagAlreadyExistsException"
    api.call("PutImage", **moved, imageTag="dev-1")
    for mode, given in (("IMMUTABLE", filters), ("MUTABLE_WITH_EXCLUSION", None)):
        extra = {} if given is None else {"imageTagMutabilityExclusionFilters": given}
        found = refused(api, "PutImageTagMutability", **put, imageTagMutability=mode, **extra)
        assert found.code == "InvalidParameterException"
    api.call("PutImageTagMutability", **put, imageTagMutability="MUTABLE")
    api.call("PutImage", **moved, imageTag="v1")
