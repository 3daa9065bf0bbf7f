"""Lists of the registry API: referrers and repositories; and blobs that are mounted and deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwise.domain.manifests import OCI_EMPTY, OCI_MANIFEST
from hullwise.store.tables import manifests
from tests.support.clocked import Clocked, clocked
from tests.support.images import image, layer, python_packages, sha256
from tests.support.registry import Registry

IMAGE = image([layer(python_packages(flask="1.0"))])
SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"
SBOM = "application/spdx+json"


@pytest.fixture
def api(registry: Registry) -> Clocked:
    found = clocked(registry)
    found.call("CreateRepository", repositoryName="app")
    return found


def refer(api: Clocked, number: int, artifact_type: str, subject: str = IMAGE.digest) -> tuple[str, bytes]:
    """Push an artifact that refers to the subject, which need not be there."""
    data = str(number).encode()
    for blob in (b"{}", data):
        api.oci("POST", f"/v2/app/blobs/uploads/?digest={sha256(blob)}", blob)
    described = [{"mediaType": "text/plain", "digest": sha256(data), "size": len(data)}]
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": {"mediaType": OCI_EMPTY, "digest": sha256(b"{}"), "size": 2},
            "layers": described,
            "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
            "annotations": {"number": str(number)},
        }
    ).encode()
    answer = api.oci("PUT", f"/v2/app/manifests/{sha256(body)}", body, content_type=OCI_MANIFEST)
    assert (answer.status_code, answer.headers["oci-subject"]) == (201, subject)
    return sha256(body), body


def test_referrers_of_a_manifest(api: Clocked) -> None:
    """An index of descriptors with artifact type and annotations, also before the subject is pushed; filtered where it
    is asked for, and then it says so. Both APIs tell the same."""
    signature, body = refer(api, 1, SIGNATURE)
    sbom, _ = refer(api, 2, SBOM)
    refer(api, 3, SBOM, sha256(b"another"))
    answer = api.oci("GET", f"/v2/app/referrers/{IMAGE.digest}")
    assert answer.headers["content-type"] == "application/vnd.oci.image.index.v1+json"
    assert "oci-filters-applied" not in answer.headers
    found = answer.json()
    assert (found["schemaVersion"], found["mediaType"]) == (2, "application/vnd.oci.image.index.v1+json")
    assert found["manifests"][0] == {
        "mediaType": OCI_MANIFEST,
        "digest": signature,
        "size": len(body),
        "artifactType": SIGNATURE,
        "annotations": {"number": "1"},
    }
    assert [each["digest"] for each in found["manifests"]] == [signature, sbom]
    filtered = api.oci("GET", f"/v2/app/referrers/{IMAGE.digest}?artifactType={SBOM.replace('+', '%2B')}")
    assert filtered.headers["oci-filters-applied"] == "artifactType"
    assert [each["digest"] for each in filtered.json()["manifests"]] == [sbom]
    asked: dict[str, Any] = {"repositoryName": "app", "subjectId": {"imageDigest": IMAGE.digest}}
    first = api.call("ListImageReferrers", **asked, maxResults=1)
    assert [each["digest"] for each in first["referrers"]] == [signature]
    rest = api.call("ListImageReferrers", **asked, maxResults=1, nextToken=first["nextToken"])
    assert [each["digest"] for each in rest["referrers"]] == [sbom]
    assert "nextToken" not in rest
    only = api.call("ListImageReferrers", **asked, filter={"artifactTypes": [SIGNATURE]})
    assert only["referrers"] == [
        {
            "digest": signature,
            "mediaType": OCI_MANIFEST,
            "artifactType": SIGNATURE,
            "size": len(body),
            "annotations": {"number": "1"},
            "artifactStatus": "ACTIVE",
        }
    ]


def test_a_text_that_cannot_be_written_hides_no_referrer(api: Clocked) -> None:
    """Half of a character in an annotation is refused; of what was taken by older rules it is left out."""
    odd, body = refer(api, 1, SBOM)
    with_half = body.replace(b'"number": "1"', b'"number": "\\ud800", "n": "1"')
    refused = api.oci("PUT", "/v2/app/manifests/odd", with_half, content_type=OCI_MANIFEST)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "MANIFEST_INVALID")
    other, _ = refer(api, 2, SBOM)
    with api.registry.services.database.write() as tx:
        tx.execute(manifests.update().where(manifests.c.digest == odd).values(body=with_half))
    listed = api.oci("GET", f"/v2/app/referrers/{IMAGE.digest}").json()["manifests"]
    assert [(each["digest"], each["annotations"]) for each in listed] == [(odd, {"n": "1"}), (other, {"number": "2"})]
    told = api.call("ListImageReferrers", repositoryName="app", subjectId={"imageDigest": IMAGE.digest})
    assert {each["digest"] for each in told["referrers"]} == {odd, other}


def test_a_deep_manifest_hides_no_referrer_and_comes_back(api: Clocked) -> None:
    """One that has more than 64 lists in each other is refused; what was taken by older rules is listed, and restored
    where it was deleted."""
    deep, body = refer(api, 1, SBOM)
    nested = body[:-1] + b', "x": ' + b"[" * 990 + b"]" * 990 + b"}"
    refused = api.oci("PUT", "/v2/app/manifests/deep", nested, content_type=OCI_MANIFEST)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "MANIFEST_INVALID")
    other, _ = refer(api, 2, SBOM)
    with api.registry.services.database.write() as tx:
        tx.execute(manifests.update().where(manifests.c.digest == deep).values(body=nested))

    def listed() -> list[str]:
        answer = api.oci("GET", f"/v2/app/referrers/{IMAGE.digest}")
        assert answer.status_code == 200
        told = api.call("ListImageReferrers", repositoryName="app", subjectId={"imageDigest": IMAGE.digest})
        found = [each["digest"] for each in answer.json()["manifests"]]
        assert found == [each["digest"] for each in told["referrers"]]
        return found

    assert listed() == [deep, other]
    api.call("BatchDeleteImage", repositoryName="app", imageIds=[{"imageDigest": deep}])
    assert listed() == [other]
    (deletion,) = api.oci("GET", "/api/v1/deletions?repository=app").json()["deletions"]
    assert api.oci("POST", f"/api/v1/deletions/{deletion['id']}/restore").status_code == 200
    assert sorted(listed()) == sorted([deep, other])
    assert api.oci("GET", f"/v2/app/manifests/{deep}").content == nested


def test_nothing_refers_to_what_nobody_knows(api: Clocked) -> None:
    """An empty index, and an empty list; a digest that is none is refused."""
    absent = sha256(b"absent")
    assert api.oci("GET", f"/v2/app/referrers/{absent}").json()["manifests"] == []
    asked = {"repositoryName": "app", "subjectId": {"imageDigest": absent}}
    assert api.call("ListImageReferrers", **asked)["referrers"] == []
    assert api.oci("GET", "/v2/app/referrers/sha256:x").status_code == 400
    assert api.oci("GET", f"/v2/no/such/referrers/{absent}").status_code == 404
    assert api.oci("GET", f"/v2/app/referrers/{absent}?last=x").status_code == 400


def test_long_lists_of_referrers_go_on(api: Clocked) -> None:
    """After as many as one answer holds there is a Link to the rest, which keeps the filter."""
    digests = [refer(api, number, SBOM)[0] for number in range(203)]
    first = api.oci("GET", f"/v2/app/referrers/{IMAGE.digest}?artifactType={SBOM.replace('+', '%2B')}")
    following, _, relation = first.headers["link"].partition("; ")
    assert relation == 'rel="next"'
    rest = api.oci("GET", following.strip("<>"))
    assert "link" not in rest.headers
    assert rest.headers["oci-filters-applied"] == "artifactType"
    found = [each["digest"] for answer in (first, rest) for each in answer.json()["manifests"]]
    assert found == digests


def test_the_catalog_is_the_callers_own(api: Clocked) -> None:
    """Names in the order of their bytes, `n` at a time; nothing of another account or region."""
    for name in ("b/one", "b.two", "aa"):
        api.call("CreateRepository", repositoryName=name)
    assert api.oci("GET", "/v2/_catalog").json() == {"repositories": ["aa", "app", "b.two", "b/one"]}
    first = api.oci("GET", "/v2/_catalog?n=3")
    assert first.json() == {"repositories": ["aa", "app", "b.two"]}
    rest = api.oci("GET", first.headers["link"].partition(";")[0].strip("<>"))
    assert (rest.json(), "link" in rest.headers) == ({"repositories": ["b/one"]}, False)
    assert api.oci("GET", "/v2/_catalog?n=0").json() == {"repositories": []}


def test_a_blob_is_mounted_without_saying_from_where(api: Clocked) -> None:
    """Where any repository of the registry has it; where mounting is switched off the bytes are asked for."""
    api.push("app", IMAGE)
    api.call("CreateRepository", repositoryName="other")
    mount = f"/v2/other/blobs/uploads/?mount={IMAGE.layers[0].digest}"
    api.call("PutAccountSetting", name="BLOB_MOUNTING", value="DISABLED")
    assert api.oci("POST", mount).status_code == 202
    assert api.oci("POST", f"{mount}&from=app").status_code == 202
    api.call("PutAccountSetting", name="BLOB_MOUNTING", value="ENABLED")
    answer = api.oci("POST", mount)
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v2/other/blobs/{IMAGE.layers[0].digest}")
    assert api.oci("GET", answer.headers["location"]).content == IMAGE.layers[0].blob


def test_a_blob_is_deleted_unless_an_image_needs_it(api: Clocked) -> None:
    """409 while it does; then it is gone here, and still there in another repository."""
    api.push("app", IMAGE)
    api.call("CreateRepository", repositoryName="other")
    digest = IMAGE.layers[0].digest
    api.oci("POST", f"/v2/other/blobs/uploads/?mount={digest}&from=app")
    assert api.oci("DELETE", f"/v2/app/blobs/{digest}").status_code == 409
    assert api.oci("DELETE", f"/v2/app/manifests/{IMAGE.digest}").status_code == 202
    assert api.oci("DELETE", f"/v2/app/blobs/{digest}").status_code == 202
    assert api.oci("HEAD", f"/v2/app/blobs/{digest}").status_code == 404
    assert api.oci("DELETE", f"/v2/app/blobs/{digest}").status_code == 404
    assert api.oci("GET", f"/v2/other/blobs/{digest}").content == IMAGE.layers[0].blob
