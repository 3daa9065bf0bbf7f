"""Amazon's repositories list what each advisory fixes (updateinfo.xml, as createrepo_c's `updateinfo` reads it)."""

from __future__ import annotations

import pytest

from hullwise.advisories.feeds import updateinfo
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim

UPDATE = """
<update author="a@amazon.com" from="a@amazon.com" status="final" type="security" version="1.4">
<id>ALAS2-2024-1000</id>
<title>Amazon Linux 2 - ALAS2-2024-1000:  important priority package update for expat</title>
<issued date="2024-04-24 22:15" /><updated date="2024-05-02 01:00" />
<severity>important</severity>
<description>Package updates are available for Amazon Linux 2 that fix CVE-2024-1000 &amp; CVE-2024-1001.</description>
<references>
<reference href="https://example.com/CVE-2024-1001" id="CVE-2024-1001" title="" type="cve" />
<reference href="https://example.com/CVE-2024-1000" id="CVE-2024-1000" title="" type="cve" />
<reference href="https://example.com/1" id="1" type="bugzilla" />
</references>
<pkglist><collection short="amazon-linux-2---core"><name>Amazon Linux 2</name>
<package arch="x86_64" epoch="0" name="expat" release="15.amzn2.0.2" version="2.1.0"><filename>a</filename></package>
<package arch="aarch64" epoch="0" name="expat" release="15.amzn2.0.2" version="2.1.0"><filename>b</filename></package>
<package arch="i686" epoch="0" name="expat" release="15.amzn2.0.1" version="2.1.0"><filename>c</filename></package>
<package arch="noarch" epoch="1" name="expat-doc" release="15.amzn2.0.2" version="2.1.0"><filename/></package>
<package arch="src" epoch="0" name="expat" release="15.amzn2.0.2" version="2.1.0"><filename/></package>
</collection></pkglist></update>
"""
IMPORTANT = SeverityClaim("ALAS", "word", "important", Severity.HIGH)


def document(*updates: str) -> bytes:
    return f'<?xml version="1.0" ?>\n<updates>{"".join(updates)}</updates>'.encode()


def update(name: str, *packages: str, kind: str = "security", severity: str = "low") -> str:
    """An update with packages such as `expat 0 2.1.0 15.amzn2 x86_64`."""
    listed = "".join(
        '<package name="{}" epoch="{}" version="{}" release="{}" arch="{}"/>'.format(*package.split(" "))
        for package in packages
    )
    pkglist = f"<pkglist><collection>{listed}</collection></pkglist>"
    return f'<update type="{kind}"><id>{name}</id><severity>{severity}</severity>{pkglist}</update>'


EXPAT = "expat 0 2.1.0 15.amzn2 x86_64"


def test_an_update_is_a_record() -> None:
    """Its builds by version and architecture, none for source packages, and the CVEs as what it takes care of."""
    sources, unused = updateinfo.parse(document(UPDATE))
    assert unused == []
    assert sources == {
        "amazon-updateinfo/2": [
            Record(
                id="ALAS2-2024-1000",
                source="amazon-updateinfo/2",
                affected=(
                    Affected(
                        "amzn:2",
                        "expat",
                        (Interval("0", "0:2.1.0-15.amzn2.0.1"),),
                        severity=(IMPORTANT,),
                        architectures=("i686",),
                    ),
                    Affected(
                        "amzn:2",
                        "expat",
                        (Interval("0", "0:2.1.0-15.amzn2.0.2"),),
                        severity=(IMPORTANT,),
                        architectures=("aarch64", "x86_64"),
                    ),
                    Affected("amzn:2", "expat-doc", (Interval("0", "1:2.1.0-15.amzn2.0.2"),), severity=(IMPORTANT,)),
                ),
                published="2024-04-24T22:15:00Z",
                modified="2024-05-02T01:00:00Z",
                summary="Amazon Linux 2 - ALAS2-2024-1000: important priority package update for expat",
                details="Package updates are available for Amazon Linux 2 that fix CVE-2024-1000 & CVE-2024-1001.",
                references=(
                    "https://example.com/CVE-2024-1001",
                    "https://example.com/CVE-2024-1000",
                    "https://example.com/1",
                ),
                url="https://alas.aws.amazon.com/AL2/ALAS2-2024-1000.html",
                upstream=("CVE-2024-1000", "CVE-2024-1001"),
            )
        ]
    }


@pytest.mark.parametrize(
    ("name", "namespace", "url"),
    [
        ("ALAS-2018-1000", "amzn:1", "https://alas.aws.amazon.com/ALAS-2018-1000.html"),
        ("ALAS2-2024-2535", "amzn:2", "https://alas.aws.amazon.com/AL2/ALAS2-2024-2535.html"),
        ("ALAS2022-2022-001", "amzn:2022", "https://alas.aws.amazon.com/AL2022/ALAS2022-2022-001.html"),
        ("ALAS2023-2024-535", "amzn:2023", "https://alas.aws.amazon.com/AL2023/ALAS2023-2024-535.html"),
    ],
)
def test_the_release_is_in_the_id(name: str, namespace: str, url: str) -> None:
    sources, _ = updateinfo.parse(document(update(name, EXPAT)))
    ((source, (record,)),) = sources.items()
    assert source == f"amazon-updateinfo/{namespace.partition(':')[2]}"
    assert (record.affected[0].namespace, record.url) == (namespace, url)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ALAS2DOCKER-2023-030", "extras or live patches of Amazon Linux"),
        ("ALAS2GOLANG1.19-2023-001", "extras or live patches of Amazon Linux"),
        ("ALAS2NITRO-ENCLAVES-2023-022", "extras or live patches of Amazon Linux"),
        ("ALAS2023LIVEPATCH-2024-002", "extras or live patches of Amazon Linux"),
        ("ALSA-2024:1000", "updateinfo of another distribution than Amazon Linux"),
        ("openSUSE-2024-100", "updateinfo of another distribution than Amazon Linux"),
        ("ELSA-2024-1000", "updateinfo of another distribution than Amazon Linux"),
        ("", "updateinfo of another distribution than Amazon Linux"),
        ("A B", "updateinfo of another distribution than Amazon Linux"),
    ],
)
def test_what_is_of_no_release_is_counted(name: str, reason: str) -> None:
    """Packages of extras have the names of those of the release, and other versions; a document of them alone states no
    source, so that it takes nothing away."""
    assert updateinfo.parse(document(update(name, EXPAT))) == ({}, [Unused(name, reason)])


def test_bugs_are_none_of_ours_but_where_they_are_vulnerabilities() -> None:
    """A bug fix that names a CVE is taken."""
    reference = '<references><reference type="cve" id="CVE-2024-1"/></references>'
    plain, named = update("ALAS2-2024-1", EXPAT, kind="bugfix"), update("ALAS2-2024-2", EXPAT, kind="bugfix")
    sources, unused = updateinfo.parse(document(plain, named.replace("<pkglist>", f"{reference}<pkglist>")))
    assert [record.id for record in sources["amazon-updateinfo/2"]] == ["ALAS2-2024-2"]
    assert unused == [Unused("ALAS2-2024-1", "bug fix or enhancement that names no vulnerability")]


def test_the_highest_version_of_a_build_counts() -> None:
    """An advisory may list a package twice: 2.10 is above 2.9, and an epoch above both."""
    packages = (f"expat 0 {version} 1.amzn2 x86_64" for version in ("2.9", "2.10", "2.1"))
    sources, _ = updateinfo.parse(document(update("ALAS2-2024-1", *packages, "zlib 1 1 1 x86_64", "zlib 0 2 1 x86_64")))
    found = [(claim.name, claim.intervals[0].fixed) for claim in sources["amazon-updateinfo/2"][0].affected]
    assert found == [("expat", "0:2.10-1.amzn2"), ("zlib", "1:1-1")]


@pytest.mark.parametrize(
    "package",
    [
        "expat 0   x86_64",
        "expat 0 1 &lt;none&gt; x86_64",
        "expat x 1 1 x86_64",
        " 0 1 1 x86_64",
        f"{'a' * 300} 0 1 1 x86_64",
        f"expat 0 {'1' * 5_000} 1 x86_64",
        "expat 0 1 1 ../x",
    ],
)
def test_a_package_that_rpm_could_not_install_is_counted(package: str) -> None:
    """The others of its advisory are taken."""
    sources, unused = updateinfo.parse(
        document(update("ALAS2-2024-1", package), update("ALAS2-2024-2", package, EXPAT))
    )
    assert [len(record.affected) for record in sources["amazon-updateinfo/2"]] == [1]
    assert [part.id for part in unused] == ["ALAS2-2024-1", "ALAS2-2024-2"]
    assert {part.reason for part in unused} == {"package without a usable name or version"}


def test_an_advisory_without_packages_is_counted() -> None:
    assert updateinfo.parse(document(update("ALAS2-2024-1"))) == ({}, [Unused("ALAS2-2024-1", "names no package")])


@pytest.mark.parametrize(
    "body",
    [b"", b"<updates/>", b"<updates></updates>", document(UPDATE)[:-30], b"<updates><update></updates>"],
    ids=["empty", "none", "no-update", "broken-off", "crossed"],
)
def test_what_is_no_updateinfo_is_refused(body: bytes) -> None:
    """One that names nothing is none: it would say that Amazon Linux has no faults. One that breaks off neither."""
    with pytest.raises(Unparsable):
        updateinfo.parse(body)
