"""Oracle's errata are OVAL definitions, whose criteria say what is fixed where (OVAL 5, `criteria`)."""

from __future__ import annotations

import pytest

from hullwise.advisories.feeds import oracle
from hullwise.advisories.feeds.osv import Parsed
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused
from hullwise.domain.scans import Severity
from hullwise.domain.vulnerabilities import SeverityClaim

MODERATE = SeverityClaim("ELSA", "word", "MODERATE", Severity.MEDIUM)


def criterion(comment: str) -> str:
    return f'<criterion test_ref="oval:com.oracle.elsa:tst:1" comment="{comment}"/>'


def every(*parts: str) -> str:
    return f'<criteria operator="AND">{"".join(parts)}</criteria>'


def either(*parts: str) -> str:
    return f'<criteria operator="OR">{"".join(parts)}</criteria>'


def release(number: int) -> str:
    return criterion(f"Oracle Linux {number} is installed")


def arch(name: str) -> str:
    return criterion(f"Oracle Linux arch is {name}")


def module(name: str) -> str:
    return criterion(f"Module {name} is enabled")


def fix(package: str, version: str, number: int = 9) -> str:
    """As Oracle writes it: beside whose key signs the package."""
    return every(
        criterion(f"{package} is earlier than {version}"),
        criterion(f"{package} is signed with the Oracle Linux {number} key"),
    )


def definition(criteria: str, name: str = "ELSA-2024-1000", severity: str = "MODERATE") -> str:
    return f"""<definition id="oval:com.oracle.elsa:def:20241000" version="501" class="patch"><metadata>
<title>
{name}:  expat security update ({severity})
</title>
<affected family="unix"><platform>Oracle Linux 9</platform></affected>
<reference source="elsa" ref_id="{name}" ref_url="https://linux.oracle.com/errata/{name}.html"/>
<reference source="CVE" ref_id="CVE-2024-1001" ref_url="https://linux.oracle.com/cve/CVE-2024-1001.html"/>
<reference source="CVE" ref_id="CVE-2024-1000" ref_url="https://linux.oracle.com/cve/CVE-2024-1000.html"/>
<description>
[2.5.0-2]
- Fix CVE-2024-1000
</description>
<!-- details -->
<advisory><severity>{severity}</severity><rights>Copyright</rights><issued date="2024-08-01"/>
<cve>CVE-2024-1000</cve></advisory></metadata>{criteria}</definition>"""


def document(*definitions: str, rest: str = "<tests/><objects/><states/>") -> bytes:
    head = '<oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5"><generator/>'
    return f"{head}<definitions>{''.join(definitions)}</definitions>{rest}</oval_definitions>".encode()


def parsed(criteria: str, **members: str) -> Parsed:
    (found,) = oracle.parse(document(definition(criteria, **members)))
    return found


def fixes(criteria: str) -> list[tuple[str, str, str, tuple[str, ...], str]]:
    """(namespace, package, fix, architectures, module) of each claim."""
    record = parsed(criteria).record
    return [
        (claim.namespace, claim.name, claim.intervals[0].fixed, claim.architectures, claim.module)
        for claim in (record.affected if record else ())
    ]


def test_a_definition_is_a_record() -> None:
    """Its builds by version and architecture, and the CVEs as what it takes care of."""
    builds = [every(arch(name), either(fix("expat", "0:2.5.0-2.el9_4"))) for name in ("x86_64", "aarch64")]
    found = parsed(every(release(9), either(*builds)))
    assert found.unused == ()
    assert found.record == Record(
        id="ELSA-2024-1000",
        source="oracle-oval",
        affected=(
            Affected(
                "ol:9",
                "expat",
                (Interval("0", "0:2.5.0-2.el9_4"),),
                severity=(MODERATE,),
                architectures=("aarch64", "x86_64"),
            ),
        ),
        published="2024-08-01T00:00:00Z",
        summary="expat security update (MODERATE)",
        details="[2.5.0-2]\n- Fix CVE-2024-1000",
        references=(
            "https://linux.oracle.com/errata/ELSA-2024-1000.html",
            "https://linux.oracle.com/cve/CVE-2024-1001.html",
            "https://linux.oracle.com/cve/CVE-2024-1000.html",
        ),
        url="https://linux.oracle.com/errata/ELSA-2024-1000.html",
        upstream=("CVE-2024-1000", "CVE-2024-1001"),
    )


def test_what_is_said_holds_below_it_and_nowhere_else() -> None:
    """An erratum on two releases, with and without a module, for all architectures and for one."""
    criteria = either(
        every(release(8), module("nodejs:18"), either(every(arch("x86_64"), either(fix("nodejs", "1:18.9.1-1.el8"))))),
        every(release(9), either(fix("expat", "0:2.5.0-1.el9"), every(arch("aarch64"), fix("expat-libs", "0:2-1")))),
        fix("lost", "0:1-1"),
    )
    assert fixes(criteria) == [
        ("ol:8", "nodejs", "1:18.9.1-1.el8", ("x86_64",), "nodejs:18"),
        ("ol:9", "expat", "0:2.5.0-1.el9", (), ""),
        ("ol:9", "expat-libs", "0:2-1", ("aarch64",), ""),
    ]
    assert [part.reason for part in parsed(criteria).unused] == ["names no release"]


def test_an_or_says_nothing_of_what_stands_beside() -> None:
    """One of two modules is enabled, which of them is not said: the fix is of neither."""
    criteria = every(release(8), either(module("a:1"), module("b:1"), fix("expat", "0:1-1")))
    assert fixes(criteria) == [("ol:8", "expat", "0:1-1", (), "")]


def test_the_highest_version_of_a_build_counts() -> None:
    """By architecture and module: 2.10 is above 2.9."""
    criteria = every(
        release(9),
        either(
            every(arch("x86_64"), fix("expat", "0:2.9-1"), fix("expat", "0:2.10-1"), fix("expat", "0:2.1-1")),
            every(arch("aarch64"), fix("expat", "0:2.9-1")),
        ),
    )
    assert fixes(criteria) == [
        ("ol:9", "expat", "0:2.10-1", ("x86_64",), ""),
        ("ol:9", "expat", "0:2.9-1", ("aarch64",), ""),
    ]


@pytest.mark.parametrize(
    "version",
    ["2:2.28-151.0.1.ksplice2.el8", "2:2.17-157.ksplice1.el7_3.4", "10:3.6.16-4.0.1.el8_fips"],
)
def test_flavours_never_mix(version: str) -> None:
    """Builds of Ksplice and FIPS have epochs of their own, below which every plain build would be."""
    plain = every(release(8), fix("glibc", "0:2.28-151.el8"), fix("glibc", version))
    assert fixes(plain) == [("ol:8", "glibc", "0:2.28-151.el8", (), "")]
    assert parsed(plain).unused == (Unused("ELSA-2024-1000", "build of Ksplice or FIPS"),)
    alone = parsed(every(release(8), fix("glibc", version)))
    assert (alone.record, alone.unused) == (None, (Unused("ELSA-2024-1000", "build of Ksplice or FIPS"),))


def test_what_is_not_known_is_counted_once() -> None:
    """A criterion of another kind, and versions that are none; the rest is taken."""
    odd = [criterion("expat is older than 1"), criterion(""), fix("expat", "(none)"), fix("a", "0"), fix("b", "0:1")]
    criteria = every(release(9), *odd, fix("expat", "0:1-1"))
    assert fixes(criteria) == [("ol:9", "expat", "0:1-1", (), "")]
    assert [part.reason for part in parsed(criteria).unused] == [
        "criterion that is not known",
        "package without a usable name or version",
    ]


@pytest.mark.parametrize(
    ("severity", "expected"),
    [("CRITICAL", Severity.CRITICAL), ("IMPORTANT", Severity.HIGH), ("LOW", Severity.LOW), ("N/A", None), ("", None)],
)
def test_severity_is_oracles_word(severity: str, expected: Severity | None) -> None:
    record = parsed(every(release(9), fix("expat", "0:1-1")), severity=severity).record
    assert record is not None
    said = [(claim.source, claim.severity) for claim in record.affected[0].severity]
    assert said == ([] if expected is None else [("ELSA", expected)])


def test_other_publishers_are_counted() -> None:
    """Red Hat's and SUSE's OVAL have the same form."""
    found = parsed(every(release(9), fix("expat", "0:1-1")), name="RHSA-2024:1000")
    assert (found.record, found.unused) == (
        None,
        (Unused("oval:com.oracle.elsa:def:20241000", "OVAL definition of another publisher than Oracle Linux"),),
    )


def test_a_definition_without_criteria_is_counted() -> None:
    found = parsed("")
    assert (found.record, found.unused) == (None, (Unused("ELSA-2024-1000", "names no package"),))


def test_only_definitions_are_read() -> None:
    """What follows them is most of the file, and says the same again."""
    body = document(definition(every(release(9), fix("expat", "0:1-1"))), rest="<tests><nonsense>" + " " * (1 << 19))
    assert [found.id for found in oracle.parse(body)] == ["ELSA-2024-1000"]


@pytest.mark.parametrize(
    "body",
    [b"", document(), document(definition(""))[:-250], document(definition(every("<criteria>" * 100)))],
    ids=["empty", "none", "broken-off", "deep"],
)
def test_what_is_no_oval_is_refused(body: bytes) -> None:
    """The one error is Unparsable; one that names nothing is none."""
    with pytest.raises(Unparsable):
        list(oracle.parse(body))
