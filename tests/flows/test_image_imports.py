"""Imported images are what pushed ones are; what cannot come is told, and the rest comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hullwise.domain.manifests import DOCKER_MANIFEST
from hullwise.imports.errors import Unanswered
from hullwise.imports.layout import Layout
from hullwise.imports.source import ManifestBytes
from hullwise.registry import imports
from hullwise.registry.imports import Outcome, Plan, Problem
from hullwise.store import images, layers, repositories
from hullwise.store.repositories import Repository
from hullwise.store.tables import blob_segments, blobs, events, upload_segments, uploads
from tests.support import pushing
from tests.support.advisories import osv
from tests.support.images import Image, image, layer, python_packages, sha256
from tests.support.layouts import write_layout
from tests.support.registry import ACCOUNT, REGION, Registry
from tests.support.sources import MemorySource

BASE = layer({"etc/motd": b"hello\n"})
JINJA = image([BASE, layer(python_packages(Jinja2="2.10"))])
FLASK = image([BASE, layer(python_packages(Flask="2.0"))])
PLAN = Plan(ACCOUNT, REGION)


def source_of(*found: Image, **tags: Image) -> MemorySource:
    """The images in team/app, those with a name under it as a tag."""
    return source_in("team/app", *found, **tags)


def source_in(repository: str, *found: Image, **tags: Image) -> MemorySource:
    source = MemorySource()
    for one in (*found, *tags.values()):
        source.add(*one.blobs, one.manifest)
    source.named[repository] = {tag: one.digest for tag, one in tags.items()}
    source.loose[repository] = [one.digest for one in found]
    return source


def take(registry: Registry, source: MemorySource | Layout, plan: Plan = PLAN) -> Outcome:
    return imports.take(registry.services, source, plan)


def repository(registry: Registry, name: str = "team/app") -> Repository:
    with registry.services.database.read() as tx:
        return repositories.get(tx, ACCOUNT, REGION, name)


def tags(registry: Registry, name: str = "team/app") -> dict[str, str]:
    """Digest by tag."""
    with registry.services.database.read() as tx:
        here = repositories.get(tx, ACCOUNT, REGION, name)
        found = {tag: images.by_tag(tx, here.id, tag) for tag in images.tag_names(tx, here.id, "", 1_000)}
    return {tag: one.digest for tag, one in found.items() if one is not None}


def here(registry: Registry, name: str = "team/app") -> list[str]:
    """Digests of the repository's manifests, in the order in which they came."""
    with registry.services.database.read() as tx:
        found = repositories.get(tx, ACCOUNT, REGION, name)
        return [one.digest for one in images.page(tx, found.id, 0, 1_000)]


def count(registry: Registry, table: sa.Table) -> int:
    with registry.services.database.read() as tx:
        return tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def whys(outcome: Outcome) -> dict[str, str]:
    assert outcome.failures == len(outcome.problems)
    return {problem.what: problem.why for problem in outcome.problems}


def test_an_imported_image_is_scanned_and_told_of_as_a_pushed_one(registry: Registry, tmp_path: Path) -> None:
    """A layout's image has its tag, its scan finds what is in it, and one event of a push was stored."""
    registry.publish(osv("CVE-2019-10906", "jinja2", fixed="2.10.1"))
    made = registry.repository("team/app", scan_on_push=True)
    before = count(registry, events)
    outcome = take(registry, Layout(write_layout(tmp_path / "layout", JINJA, "1.0"), "team/app"))
    size = sum(len(blob) for blob in JINJA.blobs)
    assert outcome == Outcome(manifests=1, tags=1, blobs=3, size=size)
    assert tags(registry) == {"1.0": JINJA.digest}
    with registry.services.database.read() as tx:
        told = tx.execute(sa.select(events.c.body).order_by(events.c.id)).scalars().all()[before:]
    assert [(json.loads(one)["action-type"], json.loads(one)["image-tag"]) for one in told] == [("PUSH", "1.0")]
    registry.work()
    assert registry.finding_names(registry.image(made, JINJA.digest)) == ["CVE-2019-10906"]


def test_again_changes_nothing_and_reads_nothing(registry: Registry) -> None:
    """The second import counts manifests as known; no event, no new push time, no content asked for."""
    source = source_of(FLASK, latest=JINJA)
    assert take(registry, source).repositories == 1
    source.read.clear()
    told = count(registry, events)
    registry.clock.advance(hours=1)
    assert take(registry, source) == Outcome(known=2)
    assert source.read == []
    assert count(registry, events) == told
    assert registry.image(repository(registry), JINJA.digest).last_pushed_at is None


def test_a_blob_that_is_here_is_not_read(registry: Registry) -> None:
    """Two images share a layer, which is read once; into another repository nothing is read but the manifests."""
    source = source_of(a=JINJA, b=FLASK)
    assert take(registry, source).blobs == 5
    assert source.read.count(BASE.digest) == 1
    other = source_in("team/other", a=JINJA, b=FLASK)
    assert take(registry, other).blobs == 0
    assert sorted(other.read) == sorted([JINJA.digest, FLASK.digest])
    assert tags(registry, "team/other") == {"a": JINJA.digest, "b": FLASK.digest}


def test_children_come_before_what_lists_them(registry: Registry) -> None:
    """An index within an index: images, then the inner one, then the outer one, which alone has the tag."""
    inner = pushing.index(JINJA.manifest, FLASK.manifest)
    outer = pushing.index(inner)
    source = source_of(JINJA, FLASK)
    source.add(inner, outer)
    source.named["team/app"] = {"all": sha256(outer)}
    assert take(registry, source).manifests == 4
    assert here(registry) == [JINJA.digest, FLASK.digest, sha256(inner), sha256(outer)]
    assert tags(registry) == {"all": sha256(outer)}


def test_a_manifest_without_a_media_type_is_known_by_its_form(registry: Registry) -> None:
    """OCI lets manifests and indexes leave their media type out."""
    bare = json.dumps({k: v for k, v in json.loads(JINJA.manifest).items() if k != "mediaType"}).encode()
    child = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": sha256(bare), "size": len(bare)}
    index = json.dumps({"schemaVersion": 2, "manifests": [child]}).encode()
    source = source_of(JINJA)
    source.add(bare, index)
    source.named["team/app"] = {"bare": sha256(index)}
    assert take(registry, source).failures == 0
    assert set(here(registry)) == {JINJA.digest, sha256(bare), sha256(index)}


def test_what_cannot_come_is_told_and_the_rest_comes(registry: Registry) -> None:
    """A missing layer, a layer of another digest, sizes that are lies, schema 1, another media type, no manifest."""
    alone = {word: image([layer({word: word.encode()})]) for word in ("missing", "wrong", "long", "short")}
    source = source_of(good=JINJA, **alone)
    missing, wrong, long, short = (one.layers[0].digest for one in alone.values())
    del source.content[missing]
    source.content[wrong] = bytes(len(alone["wrong"].layers[0].blob))
    source.content[long] += b"more"
    source.content[short] = source.content[short][:-1]
    schema1 = json.dumps({"schemaVersion": 1, "name": "team/app", "tag": "old", "fsLayers": []}).encode()
    other = json.dumps({"schemaVersion": 2, "mediaType": "application/x-other"}).encode()
    source.add(schema1, other, b"no JSON")
    of = source.named["team/app"]
    of |= {"old": sha256(schema1), "other": sha256(other), "text": sha256(b"no JSON"), "no tag!": JINJA.digest}
    of |= {"nothing": "sha256:" + "0" * 64, "odd": "sha256:../../etc"}
    outcome = take(registry, source)
    size = len(alone["long"].layers[0].blob)
    zeros = sha256(source.content[wrong])
    assert whys(outcome) == {
        "team/app:missing": f"{missing} is missing",
        "team/app:wrong": f"The content has digest '{zeros}', not '{wrong}'",
        "team/app:long": f"{long} has more than the {size} bytes that its manifest states",
        "team/app:short": f"{short} has {len(source.content[short])} bytes, not the "
        f"{len(source.content[short]) + 1} that its manifest states",
        "team/app:old": "ImageManifest: schemaVersion must be 2; schema 1 manifests are not supported",
        "team/app:other": "ImageManifest: unsupported manifest media type 'application/x-other'",
        "team/app:text": "ImageManifest: Invalid JSON syntax",
        "team/app:no tag!": "it is no tag",
        "team/app:nothing": f"sha256:{'0' * 64} is missing",
        "team/app:odd": whys(outcome)["team/app:odd"],
    }
    assert "sha256:../../etc" in whys(outcome)["team/app:odd"]
    assert tags(registry) == {"good": JINJA.digest}
    assert here(registry) == [JINJA.digest]
    assert count(registry, uploads) == count(registry, upload_segments) == 0


def test_an_index_comes_whole_or_not(registry: Registry) -> None:
    """Where one child cannot come, its siblings do and the index does not; a lie about a digest is no cycle."""
    index = pushing.index(JINJA.manifest, FLASK.manifest)
    source = source_of()
    source.add(index, *JINJA.blobs, JINJA.manifest)
    looping = "sha256:" + "a" * 64
    source.content[looping] = pushing.index(JINJA.manifest).replace(JINJA.digest.encode(), looping.encode())
    source.named["team/app"] = {"all": sha256(index), "loop": looping}
    found = whys(take(registry, source))
    assert found[f"team/app@{FLASK.digest}"] == f"{FLASK.digest} is missing"
    assert found["team/app:all"] == f"1 of 2 manifests that it lists did not come: {FLASK.digest}"
    assert found["team/app:loop"].startswith("The content has digest")
    assert len(found) == 3
    assert here(registry) == [JINJA.digest]


def test_an_immutable_tag_keeps_naming_what_it_does(registry: Registry) -> None:
    """The manifest comes without the tag; the dry run foretells it; where it names the same, nothing is wrong."""
    made = registry.repository("team/app", tag_mutability="IMMUTABLE")
    registry.push(made, FLASK, "latest")
    source = source_of(latest=JINJA)
    sentence = (
        "The image tag 'latest' already exists in the 'team/app' repository and cannot be overwritten because the tag "
        "is immutable."
    )
    foretold = take(registry, source, Plan(ACCOUNT, REGION, dry=True))
    assert foretold.problems == (Problem("team/app:latest", sentence),)
    assert here(registry) == [FLASK.digest]
    outcome = take(registry, source)
    assert outcome.problems == (Problem("team/app:latest", sentence),)
    assert (outcome.manifests, outcome.tags) == (1, 0)
    assert tags(registry) == {"latest": FLASK.digest}
    assert here(registry) == [FLASK.digest, JINJA.digest]
    assert take(registry, source_of(latest=FLASK)).failures == 0


def test_a_mutable_tag_moves(registry: Registry) -> None:
    """As it does when it is pushed; and one more tag of a known image is a tag."""
    registry.push(registry.repository(), FLASK, "latest")
    assert take(registry, source_of(latest=JINJA, second=JINJA)).tags == 2
    assert tags(registry) == {"latest": JINJA.digest, "second": JINJA.digest}


def test_a_dry_run_says_what_comes_and_changes_nothing(registry: Registry) -> None:
    """Its counts are those of the import after it; no repository is there before."""
    source = source_of(FLASK, latest=JINJA)
    foretold = take(registry, source, Plan(ACCOUNT, REGION, dry=True))
    assert [digest for digest in source.read if digest not in {JINJA.digest, FLASK.digest}] == []
    assert count(registry, blobs) == 0
    with registry.services.database.read() as tx:
        assert repositories.find(tx, ACCOUNT, REGION, "team/app") is None
    assert take(registry, source) == foretold
    assert (foretold.repositories, foretold.manifests, foretold.tags, foretold.blobs) == (1, 2, 1, 5)


def test_repositories_are_made_only_where_that_is_wanted(registry: Registry) -> None:
    """With `create` off an absent one is a problem; names that are none here are too; a prefix goes before."""
    source = source_of(latest=JINJA)
    outcome = take(registry, source, Plan(ACCOUNT, REGION, create=False))
    assert whys(outcome) == {
        "team/app": f"The repository with name 'team/app' does not exist in the registry with id '{ACCOUNT}'"
    }
    take(registry, source, Plan(ACCOUNT, REGION, prefix="mirror/of"))
    assert tags(registry, "mirror/of/team/app") == {"latest": JINJA.digest}
    odd = take(registry, source_in("../Team", latest=JINJA))
    assert list(whys(odd)) == ["../Team"]


class Killed(MemorySource):
    """Dies in the middle of the second blob."""

    def blob(self, repository: str, digest: str, size: int) -> Iterator[bytes]:
        whole = next(super().blob(repository, digest, size))
        if len(self.read) == 3:  # the manifest, and two blobs
            yield whole[:10]
            raise KeyboardInterrupt
        yield whole


def test_an_import_that_was_ended_is_finished_by_the_next(registry: Registry) -> None:
    """No half image, no half blob, no upload is left; the blob that had come is not read again."""
    source = source_of(latest=JINJA)
    dying = Killed(source.content, source.named)
    with pytest.raises(KeyboardInterrupt):
        take(registry, dying)
    assert here(registry) == []
    assert count(registry, uploads) == 0
    assert count(registry, blob_segments) == 1
    assert take(registry, source).blobs == 2
    assert source.read == [JINJA.digest, *(one for one in map(sha256, JINJA.blobs) if one != dying.read[1])]
    assert tags(registry) == {"latest": JINJA.digest}


def test_referrers_come_with_theirs(registry: Registry) -> None:
    """A signature of an SBOM of an image; each once, although they are listed in a circle."""
    subject = pushing.descriptor(JINJA.manifest, "application/vnd.oci.image.manifest.v1+json")
    sbom = pushing.manifest(b"{}", [b"sbom"], config_type="application/vnd.oci.empty.v1+json", subject=subject)
    of_sbom = pushing.descriptor(sbom, "application/vnd.oci.image.manifest.v1+json")
    signature = pushing.manifest(b"{}", [b"sig"], config_type="application/vnd.oci.empty.v1+json", subject=of_sbom)
    source = source_of(latest=JINJA)
    source.add(b"{}", b"sbom", b"sig", sbom, signature)
    source.refers = {
        JINJA.digest: [sha256(sbom)],
        sha256(sbom): [sha256(signature)],
        sha256(signature): [JINJA.digest, sha256(sbom)],
    }
    assert take(registry, source).manifests == 3
    assert here(registry) == [JINJA.digest, sha256(sbom), sha256(signature)]
    with registry.services.database.read() as tx:
        found = images.referring(tx, repository(registry).id, JINJA.digest, 0, 10, (), "ANY")
    assert [one.digest for one in found] == [sha256(sbom)]


def test_chains_without_end_are_cut(registry: Registry) -> None:
    """Of referrers of referrers without end, and of referrers without number, a bounded part comes."""
    source = source_of(latest=JINJA)
    before = JINJA.manifest
    source.add(b"{}")
    for _ in range(20):
        subject = pushing.descriptor(before, "application/vnd.oci.image.manifest.v1+json")
        after = pushing.manifest(b"{}", [], config_type="application/vnd.oci.empty.v1+json", subject=subject)
        source.add(after)
        source.refers[sha256(before)] = [sha256(after)]
        before = after
    outcome = take(registry, source)
    assert outcome.manifests == 17
    assert [problem.why for problem in outcome.problems] == ["manifests are nested deeper than 16"]

    crowd = source_in("team/crowd", latest=FLASK)
    crowd.refers[FLASK.digest] = [FLASK.digest] * 2_000
    assert [problem.why for problem in take(registry, crowd).problems] == ["the source lists more than 1,000"]


class Silent(MemorySource):
    def manifest(self, repository: str, digest: str) -> ManifestBytes:
        self.read.append(digest)
        raise Unanswered("no answer")


def test_a_source_that_is_gone_ends_the_import(registry: Registry) -> None:
    """After ten requests without an answer nothing more is asked."""
    source = Silent(named={"team/app": {f"v{n}": f"sha256:{n:064}" for n in range(50)}})
    outcome = take(registry, source)
    assert len(source.read) == 10
    assert outcome.failures == 11
    assert outcome.problems[-1] == Problem("the source", "it does not answer any more: the import ended there")


def test_problems_are_counted_where_they_are_many(registry: Registry) -> None:
    """A thousand are told, the others counted, each in a bounded text."""
    source = MemorySource(named={"team/app": {f"v{n}" + "x" * 10_000: "" for n in range(1_500)}})
    outcome = take(registry, source)
    assert (outcome.failures, len(outcome.problems)) == (1_500, 1_000)
    assert max(len(problem.what) for problem in outcome.problems) == 500


def test_docker_manifests_come_as_they_are(registry: Registry) -> None:
    """Byte for byte, under their media type; foreign layers need not come."""
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": sha256(JINJA.config),
            "size": len(JINJA.config),
        },
        "layers": [{"mediaType": foreign, "digest": "sha256:" + "b" * 64, "size": 7}],
    }
    body = json.dumps(document, indent=3).encode()
    source = MemorySource(named={"team/app": {"windows": sha256(body)}})
    source.add(body, JINJA.config)
    assert take(registry, source) == Outcome(repositories=1, manifests=1, tags=1, blobs=1, size=len(JINJA.config))
    found = registry.image(repository(registry), sha256(body))
    assert found.media_type == DOCKER_MANIFEST
    with registry.services.database.read() as tx:
        assert images.body(tx, sha256(body)) == body
        assert layers.find(tx, found.repository_id, "sha256:" + "b" * 64) is None
