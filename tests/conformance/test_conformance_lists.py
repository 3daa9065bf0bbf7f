"""Lists: tags, and what refers to a manifest."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from hullwise.domain import limits
from hullwise.domain.manifests import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST
from tests.support.images import image, layer, sha256
from tests.support.pushing import index, manifest, push, push_blob, put_manifest

IMAGE = image([layer({"etc/motd": b"hello\n"})])
NAMES = ["1", "1.10", "1.9", "_a", "A", "a", "a-b", "b", "Z"]
"""In lexical order, in which case does not matter."""
SBOM, SIGNATURE = "application/vnd.example.sbom.v1+json", "application/vnd.example.signature"


@pytest.fixture
def tagged(http: httpx.Client, repository: str) -> str:
    """A repository with the tags of NAMES, given in another order."""
    push(http, repository, IMAGE, *NAMES[::-2], *NAMES[-2::-2])
    return repository


def pages(http: httpx.Client, path: str) -> list[httpx.Response]:
    """The answer, and those that its Link leads to."""
    found = [http.get(path)]
    while "next" in found[-1].links:
        found.append(http.get(found[-1].links["next"]["url"]))
        assert len(found) < 100
    return found


@pytest.mark.requirement("tags-200", "tags-order")
def test_tags(http: httpx.Client, tagged: str) -> None:
    """All of them, as JSON."""
    answer = http.get(f"/v2/{tagged}/tags/list")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"name": tagged, "tags": NAMES}


@pytest.mark.requirement("tags-none")
def test_no_tags(http: httpx.Client, repository: str) -> None:
    """Also where there is a manifest."""
    for _ in range(2):
        assert http.get(f"/v2/{repository}/tags/list").json() == {"name": repository, "tags": []}
        push(http, repository, IMAGE)


@pytest.mark.requirement("tags-404")
def test_tags_of_nothing(http: httpx.Client) -> None:
    """With parameters too."""
    for query in ("", "?n=0", "?n=1&last=a"):
        assert http.get(f"/v2/conformance/no/such/tags/list{query}").status_code == 404


@pytest.mark.requirement("tags-n", "tags-link")
def test_some_tags(http: httpx.Client, tagged: str) -> None:
    """Exactly `n`, or the rest; Link leads through all of them, each once."""
    for size in range(1, len(NAMES) + 3):
        found = pages(http, f"/v2/{tagged}/tags/list?n={size}")
        tags = [answer.json()["tags"] for answer in found]
        assert [len(page) for page in tags[:-1]] == [size] * (len(tags) - 1)
        assert [tag for page in tags for tag in page] == NAMES
        assert all(answer.headers["link"].endswith('; rel="next"') for answer in found[:-1])


@pytest.mark.requirement("tags-n-zero")
def test_no_tags_wanted(http: httpx.Client, tagged: str) -> None:
    """None, with `last` too."""
    for query in ("n=0", "n=0&last=a", "last=a&n=0"):
        answer = http.get(f"/v2/{tagged}/tags/list?{query}")
        assert (answer.status_code, answer.json()["tags"], "link" in answer.headers) == (200, [], False)


@pytest.mark.requirement("tags-last")
def test_tags_after_another(http: httpx.Client, tagged: str) -> None:
    """Not itself; it need not be there; `n` may be given too."""
    for at, name in enumerate(NAMES):
        assert http.get(f"/v2/{tagged}/tags/list?last={name}").json()["tags"] == NAMES[at + 1 :]
        assert http.get(f"/v2/{tagged}/tags/list?last={name}&n=2").json()["tags"] == NAMES[at + 1 : at + 3]
    assert http.get(f"/v2/{tagged}/tags/list?last=a0").json()["tags"] == ["b", "Z"]


def refer(http: httpx.Client, repository: str, subject: str, number: int, note: str = "", **members: Any) -> str:
    """Push what refers to the digest; returns its own."""
    body = manifest(
        b"{}",
        [],
        config_type=OCI_EMPTY,
        subject={"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
        annotations={"number": str(number)} | ({"note": note} if note else {}),
        **members,
    )
    answer = put_manifest(http, repository, sha256(body), body)
    assert answer.status_code == 201, answer.text
    return sha256(body)


@pytest.fixture
def referred(http: httpx.Client, repository: str) -> str:
    """A repository with an image, and the config of what will refer to it."""
    push(http, repository, IMAGE)
    push_blob(http, repository, b"{}")
    return repository


def listed(answer: httpx.Response) -> list[dict[str, Any]]:
    """The descriptors of an index, which is one by what it says of itself and what HTTP says of it."""
    assert (answer.status_code, answer.headers["content-type"]) == (200, OCI_INDEX)
    found = answer.json()
    assert (found["schemaVersion"], found["mediaType"]) == (2, OCI_INDEX)
    descriptors: list[dict[str, Any]] = found["manifests"]
    return descriptors


@pytest.mark.requirement("referrers-200", "referrers-annotations")
def test_what_refers(http: httpx.Client, referred: str) -> None:
    """Manifests and indexes, described as they are; nothing that refers to something else."""
    first = refer(http, referred, IMAGE.digest, 1, artifactType=SBOM)
    refer(http, referred, sha256(b"else"), 2, artifactType=SBOM)
    document = {**json.loads(index()), "subject": json.loads(index(IMAGE.manifest))["manifests"][0]}
    body = json.dumps({**document, "artifactType": SIGNATURE, "annotations": {"a": "b", "é": "\n"}}).encode()
    assert put_manifest(http, referred, "an-index", body, OCI_INDEX).status_code == 201
    size = int(http.head(f"/v2/{referred}/manifests/{first}").headers["content-length"])
    assert listed(http.get(f"/v2/{referred}/referrers/{IMAGE.digest}")) == [
        {
            "mediaType": OCI_MANIFEST,
            "digest": first,
            "size": size,
            "artifactType": SBOM,
            "annotations": {"number": "1"},
        },
        {
            "mediaType": OCI_INDEX,
            "digest": sha256(body),
            "size": len(body),
            "artifactType": SIGNATURE,
            "annotations": {"a": "b", "é": "\n"},
        },
    ]


@pytest.mark.requirement("referrers-none")
def test_nothing_refers(http: httpx.Client, referred: str) -> None:
    """To what is there, to what is not, of either algorithm."""
    for digest in (IMAGE.digest, sha256(b"nobody"), "sha512:" + "0" * 128):
        assert listed(http.get(f"/v2/{referred}/referrers/{digest}")) == []


@pytest.mark.requirement("referrers-400")
def test_a_subject_that_is_no_digest(http: httpx.Client, referred: str) -> None:
    """A tag, half a digest, another algorithm."""
    for wrong in ("latest", "sha256:", "sha256:" + "0" * 63, "sha256:" + "A" * 64, "md5:" + "0" * 32, "%00"):
        assert http.get(f"/v2/{referred}/referrers/{wrong}").status_code == 400


@pytest.mark.requirement("referrers-artifact-type")
def test_the_type_of_what_refers(http: httpx.Client, referred: str) -> None:
    """Its own, else that of its config: also where it says an empty one."""
    refer(http, referred, IMAGE.digest, 1, artifactType=SBOM)
    refer(http, referred, IMAGE.digest, 2)
    refer(http, referred, IMAGE.digest, 3, artifactType="")
    found = listed(http.get(f"/v2/{referred}/referrers/{IMAGE.digest}"))
    assert [each["artifactType"] for each in found] == [SBOM, OCI_EMPTY, OCI_EMPTY]


@pytest.mark.requirement("referrers-index-type")
def test_an_index_without_a_type(http: httpx.Client, referred: str) -> None:
    """There is nothing that could stand for it."""
    document = {**json.loads(index()), "subject": json.loads(index(IMAGE.manifest))["manifests"][0]}
    for body in (document, {**document, "artifactType": ""}):
        assert put_manifest(http, referred, "i", json.dumps(body).encode(), OCI_INDEX).status_code == 201
    found = listed(http.get(f"/v2/{referred}/referrers/{IMAGE.digest}"))
    assert [each.get("artifactType") for each in found] == [None, None]
    assert all("artifactType" not in each for each in found)


@pytest.mark.requirement("referrers-here")
def test_what_refers_elsewhere(http: httpx.Client, referred: str, other: str) -> None:
    """The same subject in another repository has its own."""
    push_blob(http, other, b"{}")
    refer(http, other, IMAGE.digest, 1)
    assert listed(http.get(f"/v2/{referred}/referrers/{IMAGE.digest}")) == []
    assert len(listed(http.get(f"/v2/{other}/referrers/{IMAGE.digest}"))) == 1


@pytest.mark.requirement("referrers-filter", "referrers-filter-header")
def test_what_refers_of_a_type(http: httpx.Client, referred: str) -> None:
    """Only these; a type that nothing has gives an empty index; without a filter nothing is said of one."""
    sbom = refer(http, referred, IMAGE.digest, 1, artifactType=SBOM)
    refer(http, referred, IMAGE.digest, 2, artifactType=SIGNATURE)
    plain = refer(http, referred, IMAGE.digest, 3)
    path = f"/v2/{referred}/referrers/{IMAGE.digest}"
    for wanted, digests in ((SBOM, [sbom]), (OCI_EMPTY, [plain]), ("application/none", [])):
        answer = http.get(f"{path}?artifactType={quote(wanted, safe='')}")
        assert answer.headers["oci-filters-applied"] == "artifactType"
        assert [each["digest"] for each in listed(answer)] == digests
    answer = http.get(path)
    assert ("oci-filters-applied" in answer.headers, len(listed(answer))) == (False, 3)


@pytest.mark.requirement("referrers-filter")
@pytest.mark.parametrize("written", ["+", "%2B", "%2b"])
def test_what_refers_of_a_type_with_a_plus(http: httpx.Client, referred: str, written: str) -> None:
    """In a query it is a character like any other (RFC 3986 3.4), whatever it is in the encoding of forms; also in the
    Link to the next page."""
    note = "x" * 2_500_000
    digests = [refer(http, referred, IMAGE.digest, number, note, artifactType=SBOM) for number in (1, 2)]
    refer(http, referred, IMAGE.digest, 3, artifactType=SBOM.replace("+json", "+xml"))
    query = f"?artifactType={SBOM.replace('+', written)}"
    found = pages(http, f"/v2/{referred}/referrers/{IMAGE.digest}{query}")
    assert [[each["digest"] for each in listed(answer)] for answer in found] == [[digest] for digest in digests]


@pytest.mark.requirement("referrers-link", "referrers-filter-header")
def test_more_than_one_answer_holds(http: httpx.Client, referred: str) -> None:
    """Each answer is an index of others, no larger than a manifest may be however long the annotations are; a filter
    stays."""
    note = "x" * 1_500_000
    digests = [refer(http, referred, IMAGE.digest, number, note, artifactType=SBOM) for number in range(5)]
    for query in ("", f"?artifactType={quote(SBOM, safe='')}"):
        found = pages(http, f"/v2/{referred}/referrers/{IMAGE.digest}{query}")
        assert [len(listed(answer)) for answer in found] == [2, 2, 1]
        assert all(len(answer.content) <= limits.MANIFEST_BYTES for answer in found)
        assert all(answer.headers["link"].endswith('; rel="next"') for answer in found[:-1])
        assert all(("oci-filters-applied" in answer.headers) == bool(query) for answer in found)
        assert [each["digest"] for answer in found for each in listed(answer)] == digests


@pytest.mark.requirement("referrers-deleted")
def test_what_no_longer_refers(http: httpx.Client, referred: str) -> None:
    """What was deleted is listed no more; what refers stays when its subject goes."""
    first, second = (refer(http, referred, IMAGE.digest, number) for number in (1, 2))
    assert http.delete(f"/v2/{referred}/manifests/{first}").status_code == 202
    assert http.delete(f"/v2/{referred}/manifests/{IMAGE.digest}").status_code == 202
    found = listed(http.get(f"/v2/{referred}/referrers/{IMAGE.digest}"))
    assert [each["digest"] for each in found] == [second]
