"""What a storage tree of Distribution's registry holds, written by hand as its paths.go says."""

from __future__ import annotations

from pathlib import Path

import pytest

from hullwise.imports.distribution import DistributionTree
from hullwise.imports.errors import PartMissing, PartRefused, UnusableSource
from tests.support.images import image, layer, sha256
from tests.support.sources import tree_blob, write_tree

PLAIN = image([layer({"etc/motd": b"hello\n"})])
OTHER = image([layer({"other": b""})])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_tree(tmp_path, "team/app", {"latest": PLAIN.manifest}, manifests=[OTHER.manifest], blobs=PLAIN.blobs)
    write_tree(tmp_path, "team/app/base", {"1": PLAIN.manifest}, blobs=PLAIN.blobs)
    write_tree(tmp_path, "alone", {"1": PLAIN.manifest}, blobs=PLAIN.blobs)
    return tmp_path


def test_repositories_are_found_below_each_other(tree: Path) -> None:
    """Those that have manifests, by name; those that are named, and no others."""
    assert list(DistributionTree(tree).repositories()) == ["alone", "team/app", "team/app/base"]
    assert list(DistributionTree(tree, ["team/app", "team/app"]).repositories()) == ["team/app"]


def test_tags_revisions_and_blobs_are_read(tree: Path) -> None:
    """A tag's digest, all revisions whose link is there, and the bytes of each."""
    found = DistributionTree(tree)
    assert list(found.tags("team/app")) == ["latest"]
    assert found.resolve("team/app", "latest") == PLAIN.digest
    assert set(found.untagged("team/app")) == {PLAIN.digest, OTHER.digest}
    assert found.manifest("team/app", PLAIN.digest).body == PLAIN.manifest
    blob = PLAIN.layers[0]
    assert b"".join(found.blob("team/app", blob.digest, len(blob.blob))) == blob.blob
    repository = tree / "docker/registry/v2/repositories/team/app"
    (repository / "_manifests/revisions" / OTHER.digest.replace(":", "/") / "link").unlink()
    assert list(found.untagged("team/app")) == [PLAIN.digest]


def test_what_is_not_the_repository_s_is_not_had_through_it(tree: Path) -> None:
    """Blobs are shared by all repositories of a tree; the links say whose they are."""
    found = DistributionTree(tree)
    with pytest.raises(PartMissing, match="alone/_manifests/revisions"):
        found.manifest("alone", OTHER.digest)
    tree_blob(tree, OTHER.layers[0].digest).parent.mkdir(parents=True)
    tree_blob(tree, OTHER.layers[0].digest).write_bytes(OTHER.layers[0].blob)
    with pytest.raises(PartMissing, match="alone/_layers"):
        found.blob("alone", OTHER.layers[0].digest, 100)


def test_what_is_damaged_is_told(tree: Path) -> None:
    """A link that holds no digest or another one, a blob that is gone, a repository that is not there."""
    found = DistributionTree(tree)
    repository = tree / "docker/registry/v2/repositories/alone"
    current = repository / "_manifests/tags/1/current/link"
    for text in ("", "sha256:", "../../../etc/passwd", sha256(b"") + "x", "\xff"):
        current.write_text(text, encoding="latin-1")
        with pytest.raises(PartRefused, match="holds no digest"):
            found.resolve("alone", "1")
    (repository / "_manifests/revisions" / PLAIN.digest.replace(":", "/") / "link").write_text(OTHER.digest)
    with pytest.raises(PartRefused, match="names something else"):
        found.manifest("alone", PLAIN.digest)
    tree_blob(tree, PLAIN.layers[0].digest).unlink()
    with pytest.raises(PartMissing, match="data is missing"):
        b"".join(found.blob("team/app", PLAIN.layers[0].digest, 100))
    with pytest.raises(PartMissing, match="the repository nothing is missing"):
        list(found.tags("nothing"))


def test_links_are_not_followed(tree: Path) -> None:
    """A repository that is a link is none; a tag's link file that is a symbolic link is refused."""
    repositories = tree / "docker/registry/v2/repositories"
    (repositories / "linked").symlink_to("team/app")
    assert "linked" not in list(DistributionTree(tree).repositories())
    link = repositories / "alone/_manifests/tags/1/current/link"
    link.unlink()
    link.symlink_to(repositories / "team/app/_manifests/tags/latest/current/link")
    with pytest.raises(PartRefused, match="links are not followed"):
        DistributionTree(tree).resolve("alone", "1")


def test_names_are_looked_at_to_their_longest_only(tree: Path) -> None:
    """Folders within folders, without end, end where no name can be longer."""
    deep = tree / "docker/registry/v2/repositories" / "/".join(["aaaaaaaaa"] * 40)
    (deep / "_manifests").mkdir(parents=True)
    assert list(DistributionTree(tree).repositories()) == ["alone", "team/app", "team/app/base"]


def test_another_folder_is_no_tree(tmp_path: Path) -> None:
    """And says what it lacks."""
    with pytest.raises(UnusableSource, match="no storage of a Distribution registry"):
        DistributionTree(tmp_path)
