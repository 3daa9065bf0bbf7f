"""An image as documents are written of it: Debian 12 with a Python and a Node package, and what is wrong with them."""

from __future__ import annotations

from datetime import UTC, datetime

from hullwise.documents.subject import Subject
from hullwise.domain.packages import Distribution, Occurrence, Package
from hullwise.domain.reports import Finding, Suppression
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import Assessment, RecordRef, SeverityClaim, State

NOW = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)
SAID_NOW = "2026-03-04T05:06:07Z"

DIGEST = "sha256:" + "ab" * 32
BASE, TOP = "sha256:" + "11" * 32, "sha256:" + "22" * 32
SUBJECT = Subject(
    "team/app:1.0", DIGEST, "registry.example/team/app", ("latest", "1.0"), "2026-01-02T03:04:05.678901234+01:00"
)
IMAGE_PURL = f"pkg:oci/app@{DIGEST}?repository_url=registry.example/team/app"

BOOKWORM = Distribution("debian", "12", "bookworm", (), "Debian GNU/Linux 12 (bookworm)")

STATUS = "var/lib/dpkg/status"
ZLIB = Package("dpkg", "debian:12", "zlib1g", "1:1.2.13.dfsg-1", "zlib", "1:1.2.13.dfsg-1", "amd64", "")
ZLIB_PURL = "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12"
JINJA_DEB = Package("dpkg", "debian:12", "python3-jinja2", "3.1.2-1", "jinja2", "3.1.2-1", "all", "")
JINJA_DEB_PURL = "pkg:deb/debian/python3-jinja2@3.1.2-1?arch=all&distro=debian-12"
JINJA = Package("pypi", "pypi", "jinja2", "3.1.2", "jinja2", "3.1.2", "", "")
JINJA_PURL = "pkg:pypi/jinja2@3.1.2"
BABEL = Package("npm", "npm", "@babel/traverse", "7.23.0", "@babel/traverse", "7.23.0", "", "")
BABEL_PURL = "pkg:npm/%40babel/traverse@7.23.0"

JINJA_METADATA = "usr/lib/python3/dist-packages/Jinja2-3.1.2.egg-info/PKG-INFO"
BABEL_PATHS = ("app/node_modules/@babel/traverse/package.json", "srv/node_modules/@babel/traverse/package.json")

OCCURRENCES = (
    Occurrence(ZLIB, STATUS, BASE),
    Occurrence(JINJA_DEB, STATUS, BASE),
    Occurrence(JINJA, JINJA_METADATA, BASE, "python3-jinja2"),
    Occurrence(BABEL, BABEL_PATHS[0], TOP),
    Occurrence(BABEL, BABEL_PATHS[1], TOP),
)


def assessment(
    name: str,
    namespace: str,
    package: str,
    claims: tuple[SeverityClaim, ...],
    *,
    aliases: tuple[str, ...] = (),
    fix: str = "",
    state: State = "fixed",
    summary: str = "",
    details: str = "",
    url: str = "",
    references: tuple[str, ...] = (),
) -> Assessment:
    """The first claim is the chosen one."""
    return Assessment(
        name=name,
        ids=tuple(sorted((name, *aliases))),
        namespace=namespace,
        package=package,
        severity=claims[0].severity if claims else Severity.UNDEFINED,
        chosen=claims[0] if claims else None,
        claims=claims,
        fix=fix,
        state=state,
        records=(RecordRef(aliases[0] if aliases else name, "osv", "< 9", fix, "GitHub, CC-BY-4.0"),),
        rule="osv-range",
        summary=summary,
        details=details,
        url=url,
        references=references,
        published="2023-10-12T17:15:09Z",
        modified="2024-02-01T00:00:00.123456Z",
    )


BABEL_VECTOR = "CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"
BABEL_V4 = "CVSS:4.0/AV:L/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H"
BABEL_FOUND = assessment(
    "CVE-2023-45133",
    "npm",
    "@babel/traverse",
    (
        SeverityClaim("GHSA", "CVSS_V3", BABEL_VECTOR, Severity.CRITICAL, 9.3),
        SeverityClaim("NVD", "CVSS_V4", BABEL_V4, Severity.CRITICAL, 9.3),
    ),
    aliases=("GHSA-67hx-6x53-jw92",),
    fix="7.23.2",
    summary="Arbitrary code execution when compiling crafted code.",
    details="Only plugins that rely on `path.evaluate()` are affected.",
    url="https://github.com/advisories/GHSA-67hx-6x53-jw92",
    references=(
        "https://example.org/a b|c",
        "javascript:alert(1)",
        "https://github.com/advisories/GHSA-67hx-6x53-jw92",
    ),
)
ZLIB_VECTOR = "AV:N/AC:L/Au:N/C:P/I:P/A:P"
ZLIB_FOUND = assessment(
    "CVE-2023-45853",
    "debian:12",
    "zlib",
    (
        SeverityClaim("debian", "word", "unimportant", Severity.INFORMATIONAL),
        SeverityClaim("NVD", "CVSS_V2", ZLIB_VECTOR, Severity.HIGH, 7.5),
    ),
    state="will-not-fix",
    details="MiniZip overflows.",
    url="https://security-tracker.debian.org/tracker/CVE-2023-45853",
)
JINJA_VECTOR = "CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"
JINJA_FOUND = assessment(
    "CVE-2024-22195",
    "pypi",
    "jinja2",
    (SeverityClaim("GHSA", "CVSS_V3", JINJA_VECTOR, Severity.MEDIUM, 6.1),),
    aliases=("GHSA-h5c8-rqwp-cp95",),
    fix="3.1.3",
    summary="HTML attribute injection",
)

NOT_AFFECTED = Suppression(
    "vex:3#12", "not_affected", "vulnerable_code_not_in_execute_path No xmlattr here.", "security@team.example"
)
IGNORED = Suppression("rule:7", "ignored", "minizip is not built", "alice")
FIXED = Suppression("vex:4#1", "fixed", "patched by us", "bob")

BABEL_FINDING = Finding(BABEL_FOUND, BABEL, OCCURRENCES[3:])
ZLIB_FINDING = Finding(ZLIB_FOUND, ZLIB, OCCURRENCES[:1], IGNORED)
JINJA_FINDING = Finding(JINJA_FOUND, JINJA, OCCURRENCES[2:3], NOT_AFFECTED)
FINDINGS = (BABEL_FINDING, JINJA_FINDING, ZLIB_FINDING)


def many(number: int) -> list[Occurrence]:
    """That many distinct packages, half of them of the distribution."""
    made = []
    for index in range(number):
        name = f"package-{index}"
        if index % 2:
            package = Package("dpkg", "debian:12", name, "1.0-1", f"{name}-source", "1.0-1", "amd64", "")
            made.append(Occurrence(package, STATUS, BASE))
        else:
            package = Package("npm", "npm", f"@scope/{name}", "1.0.0", f"@scope/{name}", "1.0.0", "", "")
            made.append(Occurrence(package, f"app/node_modules/@scope/{name}/package.json", TOP))
    return made
