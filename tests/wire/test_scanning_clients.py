"""Both scan types, as AWS's own clients use them: waiters, paginators and errors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.images import Image
from tests.support.registry import Server
from tests.wire.conftest import Run

pytestmark = pytest.mark.wire

SCRIPT = Path(__file__).parent / "scanning.mjs"
# Of the bundled advisories two are about Jinja2 2.10.
TWO = ["CVE-2019-10906", "CVE-2024-22195"]


@pytest.fixture
def basic(server: Server) -> Iterator[None]:
    """The registry scans as other tests expect it to, afterwards."""
    yield
    server.client().put_registry_scanning_configuration(scanType="BASIC", rules=[])


def test_the_sdk_for_javascript(server: Server, run: Run, small_image: Image, tmp_path: Path, basic: None) -> None:
    """@aws-sdk/client-ecr waits, pages, tells errors by name, and reads both types."""
    folder = tmp_path / "js"
    folder.mkdir()
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), "@aws-sdk/client-ecr@3")
    shutil.copy(SCRIPT, folder)
    for name, on_push in (("wire/js", True), ("wire/js-none", False)):
        server.client().create_repository(repositoryName=name, imageScanningConfiguration={"scanOnPush": on_push})
        server.push(name, small_image)
    assert json.loads(run("node", str(folder / SCRIPT.name))) == {
        "waited": "SUCCESS",
        "findings": TWO,
        "counts": {"HIGH": 1, "MEDIUM": 1},
        "statuses": ["COMPLETE"],
        "again": "LimitExceededException 400",
        "exists": "RepositoryAlreadyExistsException 400",
        "absent": "ImageNotFoundException 400",
        "unscanned": "ScanNotFoundException 400",
        "scanType": "ENHANCED",
        "disabled": "ValidationException 400",
        "enhancedStatus": "ACTIVE",
        "enhanced": [f"{name} - jinja2" for name in TWO],
        "observed": True,
    }


def test_the_aws_cli_reads_enhanced_findings(server: Server, run: Run, small_image: Image, basic: None) -> None:
    """Configuration, pages that the CLI joins, filters of a shell."""
    rule = {"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "wire/*", "filterType": "WILDCARD"}]}
    configure = ["ecr", "put-registry-scanning-configuration", "--scan-type", "ENHANCED"]
    run("aws", *configure, "--rules", json.dumps([rule]))
    run("aws", "ecr", "create-repository", "--repository-name", "wire/enhanced")
    server.push("wire/enhanced", small_image)
    named = ["--repository-name", "wire/enhanced", "--image-id", "imageTag=latest"]
    run("aws", "ecr", "wait", "image-scan-complete", *named)
    titles = ["--page-size", "1", "--query", "imageScanFindings.enhancedFindings[].title"]
    found = json.loads(run("aws", "ecr", "describe-image-scan-findings", *named, *titles))
    assert found == [f"{name} - jinja2" for name in TWO]
    configured = ["ecr", "batch-get-repository-scanning-configuration", "--repository-names", "wire/enhanced"]
    applied = json.loads(run("aws", *configured))["scanningConfigurations"][0]
    assert (applied["scanFrequency"], applied["appliedScanFilters"]) == ("SCAN_ON_PUSH", rule["repositoryFilters"])
