"""Enhanced findings, to the last field: what each means and where it comes from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hullwise.domain.enrichment import KnownExploited
from hullwise.registry import pulls
from hullwise.scanning.enhanced import split
from hullwise.store import enrichment
from tests.support.advisories import osv
from tests.support.clocked import clocked
from tests.support.images import image, layer, python_packages
from tests.support.registry import ACCOUNT, REGION, START, Registry

STATUS = b"""Package: libxml2
Status: install ok installed
Architecture: amd64
Source: libxml2
Version: 1:2.9.14+dfsg-1.3~deb12u1

Package: libxml2-utils
Status: install ok installed
Architecture: amd64
Source: libxml2
Version: 1:2.9.14+dfsg-1.3~deb12u1

"""
BASE = layer({"etc/os-release": b'ID=debian\nVERSION_ID="12"\nNAME="Debian"\n', "var/lib/dpkg/status": STATUS})
APP = layer(python_packages(Jinja2="2.10"))
IMAGE = image([BASE, APP], author="platform team")

LIBXML2 = osv(
    "DEBIAN-CVE-2022-49043",
    "libxml2",
    ecosystem="Debian:12",
    upstream=["CVE-2022-49043"],
    fixed="1:2.9.14+dfsg-1.3~deb12u2",
    summary="Use after free in xmlXIncludeAddNode",
    details="xmlXIncludeAddNode has a use after free.",
    published="2025-01-26T06:15:21Z",
    references=[{"type": "WEB", "url": "https://example.org/libxml2"}],
    severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
)
JINJA = osv(
    "GHSA-462w-v97r-4m45",
    "jinja2",
    aliases=["CVE-2019-10906"],
    details="d" * 2_000,
    published="2019-04-10T14:30:24Z",
    references=[{"type": "ADVISORY", "url": "https://example.org/a"}, {"type": "WEB", "url": "https://example.org/b"}],
    severity=[
        {"type": "CVSS_V3", "score": "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:N"},
        {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N"},
    ],
)


def scanned(registry: Registry) -> list[dict[str, Any]]:
    """The enhanced findings of IMAGE, pushed an hour after the advisories, pulled a day later."""
    registry.publish(LIBXML2, JINJA)
    now = registry.clock()
    services = registry.services
    run = services.database.run
    enrichment.replace_exploited(
        run,
        [
            KnownExploited(
                "CVE-2022-49043", "libxml2", "2025-12-01", "2025-12-22", False, "Update", "https://example.org"
            )
        ],
        "2026-01-01",
        now,
    )
    api = clocked(registry)
    api.call("PutRegistryScanningConfiguration", scanType="ENHANCED")
    api.call("CreateRepository", repositoryName="team/app")
    registry.clock.advance(hours=1)
    api.push("team/app", IMAGE, "v1")
    registry.work()
    registry.clock.advance(days=1)
    api.oci("GET", "/v2/team/app/manifests/v1")
    pulls.write(services)
    answer = api.call("DescribeImageScanFindings", repositoryName="team/app", imageId={"imageTag": "v1"})
    assert answer["imageScanStatus"]["status"] == "ACTIVE"
    found = answer["imageScanFindings"]
    assert found["findings"] == []
    assert found["findingSeverityCounts"] == {"HIGH": 2}
    listed: list[dict[str, Any]] = found["enhancedFindings"]
    return listed


def test_every_field_of_a_distributions_finding(registry: Registry) -> None:
    """Source package, epoch, version and release apart, and the layer that brought it."""
    by_id = {each["packageVulnerabilityDetails"]["vulnerabilityId"]: each for each in scanned(registry)}
    found = by_id["CVE-2022-49043"]
    arn = found.pop("findingArn")
    assert arn.startswith(f"arn:aws:inspector2:{REGION}:{ACCOUNT}:finding/")
    assert len(arn.rpartition("/")[2]) == 32
    pushed = START + timedelta(hours=1)
    vector = "CVSS:3.1/AV:L/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H"
    assert found == {
        "awsAccountId": ACCOUNT,
        "description": "xmlXIncludeAddNode has a use after free.",
        "firstObservedAt": pushed,
        "lastObservedAt": pushed,
        "updatedAt": pushed,
        "severity": "HIGH",
        "status": "ACTIVE",
        "type": "PACKAGE_VULNERABILITY",
        "title": "CVE-2022-49043 - libxml2",
        # CVSS 3.1 by hand: impact 5.873 (ISS 0.914816), exploitability 1.3959 → 7.27, rounded up.
        "score": 7.4,
        "scoreDetails": {
            "cvss": {
                "adjustments": [],
                "score": 7.4,
                "scoreSource": "DEBIAN_CVE",
                "scoringVector": vector,
                "version": "3.1",
            }
        },
        "fixAvailable": "YES",
        "exploitAvailable": "YES",
        "packageVulnerabilityDetails": {
            "vulnerabilityId": "CVE-2022-49043",
            "source": "DEBIAN_CVE",
            "sourceUrl": "https://security-tracker.debian.org/tracker/CVE-2022-49043",
            "vendorSeverity": "HIGH",
            "vendorCreatedAt": datetime(2025, 1, 26, 6, 15, 21, tzinfo=UTC),
            "vendorUpdatedAt": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            "cvss": [{"baseScore": 7.4, "scoringVector": vector, "source": "DEBIAN_CVE", "version": "3.1"}],
            "referenceUrls": ["https://example.org/libxml2"],
            "relatedVulnerabilities": ["DEBIAN-CVE-2022-49043"],
            "vulnerablePackages": [
                {
                    "name": "libxml2",
                    "version": "2.9.14+dfsg",
                    "epoch": 1,
                    "release": "1.3~deb12u1",
                    "arch": "AMD64",
                    "packageManager": "OS",
                    "sourceLayerHash": BASE.digest,
                    "fixedInVersion": "1:2.9.14+dfsg-1.3~deb12u2",
                }
            ],
        },
        "remediation": {
            "recommendation": {
                "text": "Update all packages in the vulnerable packages section to their latest versions.",
                "url": "https://security-tracker.debian.org/tracker/CVE-2022-49043",
            }
        },
        "resources": [
            {
                "type": "AWS_ECR_CONTAINER_IMAGE",
                "id": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/app/{IMAGE.digest}",
                "tags": {},
                "details": {
                    "awsEcrContainerImage": {
                        "architecture": "amd64",
                        "author": "platform team",
                        "imageHash": IMAGE.digest,
                        "imageTags": ["v1"],
                        "platform": "DEBIAN_12",
                        "pushedAt": pushed,
                        "lastInUseAt": pushed + timedelta(days=1),
                        "registry": ACCOUNT,
                        "repositoryName": "team/app",
                    }
                },
            }
        ],
    }


def test_every_field_of_a_language_packages_finding(registry: Registry) -> None:
    """Where it lies, no epoch, no fix, every score that anybody gave, and the text cut where Inspector cuts."""
    by_id = {each["packageVulnerabilityDetails"]["vulnerabilityId"]: each for each in scanned(registry)}
    found = by_id["CVE-2019-10906"]
    details = found["packageVulnerabilityDetails"]
    assert found["description"] == "d" * 1_024
    assert (found["title"], found["severity"], found["fixAvailable"], found["exploitAvailable"]) == (
        "CVE-2019-10906 - jinja2",
        "HIGH",
        "NO",
        "NO",
    )
    assert found["remediation"] == {"recommendation": {"text": "None Provided"}}
    assert (details["source"], details["relatedVulnerabilities"]) == ("GITHUB_SEC_ADVISORY", ["GHSA-462w-v97r-4m45"])
    assert details["referenceUrls"] == ["https://example.org/a", "https://example.org/b"]
    # Both as FIRST's calculators have them.
    assert [(each["version"], each["baseScore"]) for each in details["cvss"]] == [("3.0", 8.6), ("4.0", 8.7)]
    assert details["vulnerablePackages"] == [
        {
            "name": "jinja2",
            "version": "2.10",
            "epoch": 0,
            "packageManager": "PYTHONPKG",
            "filePath": "usr/lib/python3/dist-packages/Jinja2-2.10.dist-info/METADATA",
            "sourceLayerHash": APP.digest,
            "fixedInVersion": "NotAvailable",
        }
    ]


def test_versions_are_taken_apart() -> None:
    """Debian policy 5.6.12; apk-package(5); language packages have their version alone."""
    assert split("dpkg", "1:2.9.14+dfsg-1.3~deb12u1") == (1, "2.9.14+dfsg", "1.3~deb12u1")
    assert split("dpkg", "2.36-9+deb12u4") == (0, "2.36", "9+deb12u4")
    assert split("dpkg", "20230311") == (0, "20230311", "")
    assert split("dpkg", "1.0-2-3") == (0, "1.0-2", "3")
    assert split("apk", "3.1.4-r5") == (0, "3.1.4", "r5")
    assert split("pypi", "1!2.0-1") == (0, "1!2.0-1", "")
    assert split("dpkg", "x:1.0-1") == (0, "x:1.0", "1")


def test_a_date_that_nobody_gave_is_null(registry: Registry) -> None:
    """CISA names none for some vulnerabilities; both APIs say so alike."""
    scanned(registry)
    known = KnownExploited("CVE-2022-49043", "libxml2", "2025-12-01", "", False, "Update", "https://example.org")
    enrichment.replace_exploited(registry.services.database.run, [known], "2026-01-02", registry.clock())
    api = clocked(registry)
    told = api.aws("DescribeImageScanFindings", repositoryName="team/app", imageId={"imageTag": "v1"}).json()
    ours = api.oci("GET", "/api/v1/findings?repository=team/app&image=v1").json()
    findings = [each["hullwise"] for each in told["imageScanFindings"]["enhancedFindings"]] + ours["findings"]
    assert [each["knownExploited"] for each in findings if each.get("knownExploited")] == [
        {"dateAdded": "2025-12-01", "dueDate": None, "ransomware": False}
    ] * 2
