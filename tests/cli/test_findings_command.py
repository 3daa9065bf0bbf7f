"""`hullwise findings` and `hullwise images`: what is in pushed images, asked from a shell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hullwise.auth import keys
from hullwise.domain.manifests import OCI_INDEX
from hullwise.registry import images as image_rules
from hullwise.scanning import overlay_changes
from hullwise.settings import load
from hullwise.store import repositories
from tests.support import registry as support
from tests.support.advisories import osv
from tests.support.commands import Done, complaint, document, in_process, output
from tests.support.images import image, layer, python_packages
from tests.support.layouts import descriptor, index, write_layout
from tests.support.registry import ACCOUNT, REGION, Registry

OTHER = "999999999999"
HIGH = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}]
CONTENT = image([layer(python_packages(flask="1.0", jinja2="2.0"))])
NODE = image([layer({"srv/node_modules/a/package.json": b'{"name": "a", "version": "1.0.0"}'})])
LAYER = CONTENT.layers[0].digest.removeprefix("sha256:")[:12]

Run = Callable[..., Done]


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Registry]:
    """A data folder with an image that was scanned, and keys of its account and of another."""
    with support.registry(tmp_path) as registry:
        services = registry.services
        with services.database.write() as tx:
            keys.create(tx, services, ACCOUNT)
        registry.clock.advance(seconds=1)
        with services.database.write() as tx:
            keys.create(tx, services, OTHER)
        registry.publish(
            osv("CVE-2024-0001", "flask", fixed="2.0", severity=HIGH, aliases=["GHSA-aaaa-bbbb-cccc"]),
            osv("CVE-2024-0002", "jinja2"),
        )
        registry.push(registry.repository("team/app"), CONTENT, "1")
        registry.work()
        services.database.run(
            lambda tx: overlay_changes.add_rule(
                tx, services, ACCOUNT, vulnerability="CVE-2024-0002", reason="not reachable", author="Ada"
            )
        )
        yield registry


@pytest.fixture
def hullwise(filled: Registry, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on that data folder, in this process."""
    data = filled.services.settings.data
    assert load({"data": data}, {}).data == data
    return in_process(data, capsys)


def test_findings_as_a_table(hullwise: Run) -> None:
    """A line each, with what fixes it, its layer and why it does not count; then the totals."""
    lines = output(hullwise("findings", "team/app:1")).splitlines()
    assert lines[0].split() == [f"team/app@{CONTENT.digest}", "1"]
    assert lines[1] == "COMPLETE  The scan was completed successfully."
    assert lines[2] == "Advisories: generation 1, 2 records, as of 2026-01-01"
    assert [line.split() for line in lines[4:6]] == [
        ["HIGH", "CVE-2024-0001", "flask", "1.0", "2.0", LAYER],
        ["UNDEFINED", "CVE-2024-0002", "jinja2", "2.0", "affected", LAYER, "suppressed:", "not", "reachable"],
    ]
    assert lines[6:] == ["Findings: 1 HIGH; 1 suppressed; shown: 2"]
    for wanted in (("--severity", "CRITICAL"), ("--fixable", "no", "--suppressed", "no"), ("--package", "x")):
        assert output(hullwise("findings", "team/app:1", *wanted)).endswith("shown: 0\n")


def test_findings_as_json(hullwise: Run) -> None:
    """The API's document, narrowed likewise, by tag and by digest."""
    found = document(hullwise("findings", f"team/app@{CONTENT.digest}", "--fixable", "yes", "--format", "json"))
    assert (found["counts"], found["matching"]) == ({"HIGH": 1}, 1)
    assert [each["id"] for each in found["findings"]] == ["CVE-2024-0001"]
    assert found["image"]["tags"] == ["1"]
    assert "nextToken" not in found


@pytest.fixture
def indexed(filled: Registry) -> Registry:
    """With an index of that image and of another, on whose packages no advisories are loaded."""
    services = filled.services
    with services.database.read() as tx:
        app = repositories.get(tx, ACCOUNT, REGION, "team/app")
    filled.push(app, NODE, None)
    filled.work()
    of = {"arm64": CONTENT, "s390x": NODE}
    body = index(*(descriptor(each, platform={"os": "linux", "architecture": name}) for name, each in of.items()))
    with services.database.write() as tx:
        image_rules.put(tx, services, app, image_rules.prepare(body, OCI_INDEX), "all")
    return filled


@pytest.mark.usefixtures("indexed")
def test_findings_of_an_index(hullwise: Run) -> None:
    """What it lists and how that was scanned, the data, what was not judged and where; each finding with who has it."""
    lines = output(hullwise("findings", "team/app:all", "--severity", "HIGH")).splitlines()
    assert lines[1:5] == [
        f"{CONTENT.digest}  linux/arm64  COMPLETE  The scan was completed successfully.",
        f"{NODE.digest}  linux/s390x  COMPLETE  The scan was completed successfully.",
        "Advisories: generation 1, 2 records, as of 2026-01-01",
        "linux/s390x: 1 of 1 npm packages not matched: no advisories on npm are loaded.",
    ]
    assert lines[6].split() == ["HIGH", "CVE-2024-0001", "flask", "1.0", "2.0", LAYER, "linux/arm64"]
    assert output(hullwise("images", "--vulnerability", "CVE-2024-0001")).splitlines()[1].startswith(" team/app:1 ")


@pytest.mark.usefixtures("indexed")
def test_an_image_of_an_index(hullwise: Run) -> None:
    """`--platform` says which, as for an index on disk; what is not there is answered with what is."""
    arm = ("--platform", "linux/arm64")
    found = document(hullwise("findings", "team/app:all", *arm, "--format", "json"))
    assert (found["image"]["digest"], found["images"]) == (CONTENT.digest, None)
    assert output(hullwise("explain", "team/app:all", "CVE-2024-0001", *arm)).startswith("CVE-2024-0001 is in this")
    component = document(hullwise("sbom", "team/app:all", "--platform", "linux/s390x"))["metadata"]["component"]
    assert component["version"] == NODE.digest
    said = complaint(hullwise("sbom", "team/app:all", "--platform", "linux/vax"))
    assert said == "there is no image for linux/vax; --platform takes one of: linux/arm64, linux/s390x"


def test_names_as_clients_write_them(filled: Registry, hullwise: Run) -> None:
    """With a host and a port, and a digest behind a tag; a repository whose name has a dot is found too."""
    filled.push(filled.repository("my.team/app"), CONTENT, "1")
    filled.work()
    for name, repository in {
        "127.0.0.1:5050/team/app:1": "team/app",
        "localhost/team/app:1": "team/app",
        f"docker://registry.example/team/app:1@{CONTENT.digest}": "team/app",
        "my.team/app:1": "my.team/app",
    }.items():
        assert output(hullwise("findings", name)).startswith(f"{repository}@{CONTENT.digest}  1\n"), name
    assert output(hullwise("explain", "127.0.0.1:5050/team/app:1", "CVE-2024-0001")).startswith("CVE-2024-0001 is in")


def test_a_scan_that_failed_is_a_failure(filled: Registry, hullwise: Run) -> None:
    """Status and description are printed, and why it failed; of an image that was never scanned, how one is
    started."""
    filled.push(filled.repository("scratch"), image([layer({"hello": b"x"})]), "1")
    filled.work()
    done = hullwise("findings", "scratch:1")
    assert (done.returncode, done.stdout.splitlines()[-1].split()[:2]) == (1, ["FAILED", "UnsupportedImageError:"])
    assert done.stderr.startswith("hullwise: a scan failed: UnsupportedImageError: ")
    filled.push(filled.repository("quiet", scan_on_push=False), CONTENT, "1")
    start = "`aws ecr start-image-scan --repository-name quiet --image-id imageTag=1` starts one"
    assert complaint(hullwise("findings", "quiet:1")).endswith(start)
    assert complaint(hullwise("sbom", "quiet:1")).endswith(start)


def test_a_bill_of_no_materials_is_told(hullwise: Run, tmp_path: Path) -> None:
    """The document of an image without packages is written, and standard error says that it lists none."""
    path = write_layout(tmp_path / "layout", image([layer({"hello": b"x"})]))
    done = hullwise("sbom", str(path), "--cache", str(tmp_path / "cache"))
    assert json.loads(output(done))["bomFormat"] == "CycloneDX"
    assert done.stderr == "no package was found in the image: the document lists none\n"


def test_explanations_that_there_are_none_of(hullwise: Run) -> None:
    """An id that no record has, as `images` says it, and none at all."""
    assert complaint(hullwise("explain", "team/app:1", "CVE-2024-9999")).endswith("has the name CVE-2024-9999.")
    assert complaint(hullwise("explain", "team/app:1", "")) == "the id of a vulnerability must be given"


def test_images_of_a_vulnerability(hullwise: Run) -> None:
    """Where it is, in a table and as JSON; by an alias; without what is suppressed."""
    lines = output(hullwise("images", "--vulnerability", "ghsa-aaaa-bbbb-cccc")).splitlines()
    cells = ["team/app:1", CONTENT.digest[:19], "COMPLETE", "HIGH", "CVE-2024-0001", "flask", "1.0", "2.0", LAYER]
    assert lines[1].split() == cells
    assert lines[2] == "Images with GHSA-aaaa-bbbb-cccc (CVE-2024-0001): 1"
    found = document(hullwise("images", "--vulnerability", "CVE-2024-0002", "--format", "json"))
    assert [(each["repository"], each["digest"]) for each in found["images"]] == [("team/app", CONTENT.digest)]
    shown = output(hullwise("images", "--vulnerability", "CVE-2024-0002", "--suppressed", "no"))
    assert shown == "Images with CVE-2024-0002: 0\n"


def test_what_is_not_there(hullwise: Run) -> None:
    """One line that says what: image, repository, vulnerability, account; and nobody sees another account's."""
    assert "imageTag:'latest'" in complaint(hullwise("findings", "team/app"))
    assert "'none'" in complaint(hullwise("findings", "none:1"))
    assert "'team/app'" in complaint(hullwise("findings", "team/app:1", "--account", OTHER))
    assert "'team/app'" in complaint(hullwise("findings", "team/app:1", "--region", "eu-west-1"))
    assert complaint(hullwise("findings", "team/app:1", "--severity", "BAD")).startswith("severity: must be some of")
    assert complaint(hullwise("findings", "team/app@sha256:0")).startswith("image: must be")
    choice = hullwise("findings", "team/app:1", "--fixable", "maybe")
    assert (choice.returncode, "'maybe' is not one of 'yes', 'no'." in choice.stderr) == (2, True)
    assert "CVE-2024-9999" in complaint(hullwise("images", "--vulnerability", "CVE-2024-9999"))
    empty = document(hullwise("images", "--vulnerability", "CVE-2024-0001", "--account", OTHER, "--format", "json"))
    assert empty["images"] == []
