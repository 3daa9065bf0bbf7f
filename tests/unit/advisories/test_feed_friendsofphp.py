"""FriendsOfPHP's YAML gives each branch its range (FriendsOfPHP/security-advisories, `Contributing Advisories`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from hullwise.advisories import matching
from hullwise.advisories.feeds import friendsofphp
from hullwise.advisories.feeds.osv import Parsed
from hullwise.advisories.records import Affected, Interval, Record, Unparsable, Unused
from hullwise.domain.packages import Package
from hullwise.versions import composer
from tests.support.advisories import generation

HEAD = """\
title:     Unsafe deserialization in SmtpTransport
link:      https://bakery.cakephp.org/2019/04/23/released.html
cve:       CVE-2019-11458
reference: composer://cakephp/cakephp
"""
DOCUMENT = f"""{HEAD}branches:
    3.5.x:
        time:     2019-04-23 22:08:00
        versions: ['>=3.0.0', '<3.5.18']
    3.6.x:
        time:     2019-04-20 22:08:00
        versions: ['>=3.6.0', '<3.6.15']
"""
NAME = "cakephp/cakephp/CVE-2019-11458.yaml"


def branches(*versions: str, time: str = "2019-04-23 22:08:00") -> Parsed:
    lines = [f"    {n}.10:\n        time: {time}\n        versions: {text}" for n, text in enumerate(versions)]
    return friendsofphp.parse((HEAD + "branches:\n" + "\n".join(lines)).encode(), NAME)


def interval(versions: str, time: str = "2019-04-23 22:08:00") -> Interval:
    found = branches(versions, time=time).record
    assert found is not None
    (only,) = found.affected[0].intervals
    return only


def below(fix: str, introduced: str = "0") -> Interval:
    """Up to the pre-releases of the fix, which have it."""
    return Interval(introduced, f"{fix}-dev", release=fix)


def test_a_document_is_a_record() -> None:
    """Each branch is an interval; the end of one that has a time is the fix."""
    found = friendsofphp.parse(DOCUMENT.encode(), NAME)
    assert found.unused == ()
    assert found.record == Record(
        id="FRIENDSOFPHP-cakephp/cakephp-CVE-2019-11458",
        source="friendsofphp",
        affected=(
            Affected("packagist", "cakephp/cakephp", (below("3.5.18", "3.0.0-dev"), below("3.6.15", "3.6.0-dev"))),
        ),
        aliases=("CVE-2019-11458",),
        summary="Unsafe deserialization in SmtpTransport",
        references=("https://bakery.cakephp.org/2019/04/23/released.html",),
        url="https://github.com/FriendsOfPHP/security-advisories/blob/master/cakephp/cakephp/CVE-2019-11458.yaml",
    )


@pytest.mark.parametrize("time", ["~", "null", ""])
def test_a_branch_without_a_time_is_not_fixed(time: str) -> None:
    """`time` is null where the branch has no fix; its range ends where the branch does."""
    found = branches("['>=2.4.0', '<2.5.0']", time=time).record
    assert found is not None
    (claim,) = found.affected
    assert (claim.intervals, claim.state) == ((Interval("2.4.0-dev", "2.5.0-dev", unfixed=True),), "affected")
    assert claim.intervals[0].fixed == ""


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ("['<1.2.3']", below("1.2.3")),
        ("['<3.5.18', '>=3.0.0']", below("3.5.18", "3.0.0-dev")),
        ("['>=3.0.0,<3.5.18']", below("3.5.18", "3.0.0-dev")),
        ("'>=3.0.0, < 3.5.18'", below("3.5.18", "3.0.0-dev")),
        ("['>=1.0', '<=1.4.2']", Interval("1.0-dev", "1.4.2", closed=True)),
        ("['>=2.0.0-alpha1', '<2.3.2-p2']", Interval("2.0.0-alpha1", "2.3.2-p2")),
        ("['>=v1.0']", Interval("1.0-dev")),
        ("['=1.4.2']", Interval("1.4.2", "1.4.2", closed=True)),
        ("['==1.4.2']", Interval("1.4.2", "1.4.2", closed=True)),
        ("['>3.2', '<3.3.0']", below("3.3.0", "3.2-patch-dev")),
        ("['>3.2-rc1', '<3.3.0']", below("3.3.0", "3.2-rc1")),
        ("[3.10]", None),
    ],
)
def test_conditions_hold_together(versions: str, expected: Interval | None) -> None:
    """A lower and an upper bound make an interval; a bare number is no condition."""
    if expected is None:
        assert branches(versions).unused[0].reason == "version range that cannot be read"
    else:
        assert interval(versions) == expected


@pytest.mark.parametrize(
    ("version", "fix"), [("1.1.18", "1.1.19"), ("1.1.19-alpha1", None), ("1.1.19-RC1", None), ("1.1.19", None)]
)
def test_pre_releases_of_a_fix_have_it(tmp_path: Path, version: str, fix: str | None) -> None:
    """Composer reads `<1.1.19` as `<1.1.19.0-dev` (VersionParser::parseConstraint); shown is what was released."""
    document = HEAD + "branches:\n    1.1.x:\n        time: 2019-04-20 22:08:00\n        versions: ['<1.1.19']\n"
    assert fixes(tmp_path, document, version) == ([] if fix is None else [fix])


SYMFONY = """\
title:     "CVE-2026-45067: Email Header Injection"
link:      https://symfony.com/cve-2026-45067
cve:       CVE-2026-45067
reference: composer://cakephp/cakephp
branches:
    2.x:
        time:     ~
        versions: ['>=2.0.0', '<5.3.0']
    5.3.x:
        time:     ~
        versions: ['>=5.3.0', '<5.4.0']
    5.4.x:
        time:     2026-05-20 08:00:00
        versions: ['>=5.4.0', '<5.4.52']
    6.0.x:
        time:     ~
        versions: ['>=6.0.0', '<6.1.0']
    8.0.x:
        time:     2026-05-20 08:00:00
        versions: ['>=8.0.0', '<8.0.12']
"""


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2.0.16", ["5.4.52"]), ("5.4.0", ["5.4.52"]), ("5.4.52", []), ("6.0.3", [""]), ("8.0.0-RC1", ["8.0.12"])],
)
def test_branches_that_adjoin_are_fixed_by_the_last(tmp_path: Path, version: str, expected: list[str]) -> None:
    """After symfony/symfony's CVE-2026-45067: 2.x to 5.3.x got no fix of their own, and the next one has it. What ends
    where no other branch begins has none."""
    assert fixes(tmp_path, SYMFONY, version) == expected


def fixes(folder: Path, document: str, version: str) -> list[str]:
    """What is shown as the fix, of each finding on a version."""
    (folder / "CVE-2019-11458.yaml").write_text(document)
    package = Package("any", "packagist", "cakephp/cakephp", version, "cakephp/cakephp", version, "", "")
    with generation(folder / "generation.sqlite", folder / "CVE-2019-11458.yaml") as found:
        return [assessment.fix for assessment in found.match(package)]


def test_a_file_without_a_cve_has_its_own_name() -> None:
    """Many are named by their day; the package is as Packagist compares names."""
    document = DOCUMENT.replace("cve:       CVE-2019-11458\n", "").replace("://cakephp/", "://CakePHP/")
    found = friendsofphp.parse(document.encode(), "security-advisories-master/cakephp/cakephp/2015-08-06.yaml").record
    assert found is not None
    assert (found.id, found.aliases) == ("FRIENDSOFPHP-cakephp/cakephp-2015-08-06", ())
    assert found.affected[0].name == "cakephp/cakephp"


@pytest.mark.parametrize("cve", ["~", "CVE-2019", "CVE-2019-11458 and others"])
def test_a_cve_that_is_none_is_no_alias(cve: str) -> None:
    """Nor an id."""
    document = DOCUMENT.replace("CVE-2019-11458", cve).encode()
    found = friendsofphp.parse(document, "2019-04-23.yaml").record
    assert found is not None
    assert (found.id, found.aliases) == ("FRIENDSOFPHP-cakephp/cakephp-2019-04-23", ())


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ("['>=1.0', '>=2.0', '<3.0']", "version range that cannot be read"),
        ("['<1.0', '=1.0']", "version range that cannot be read"),
        ("['!=1.0']", "version range that cannot be read"),
        ("['dev-master']", "version range that cannot be read"),
        ("['<" + "1" * 600 + "']", "version range that cannot be read"),
        ("[]", "gives no version range"),
        ("~", "gives no version range"),
    ],
)
def test_a_branch_that_says_nothing_is_counted(versions: str, reason: str) -> None:
    """The other branches stay; without any there is no record."""
    unused = (Unused("FRIENDSOFPHP-cakephp/cakephp-CVE-2019-11458", reason),)
    both = branches(versions, "['<9.0']")
    assert both.record is not None
    assert (both.record.affected[0].intervals, both.unused) == ((below("9.0"),), unused)
    alone = branches(versions)
    assert (alone.record, alone.unused) == (None, unused)


def test_branches_are_bounded() -> None:
    """A test of a version looks at all of them."""
    found = branches(*["['<1.0']"] * 1_001)
    assert (found.record, [unused.reason for unused in found.unused]) == (None, ["gives over 1000 version ranges"])


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<!DOCTYPE html>",
        HEAD,
        f"{HEAD}branches: []",
        f"{HEAD}branches:\n  1.x: ['<1.0']",
        f"{HEAD}branches:\n  1.x: {{versions: {{a: b}}}}",
        DOCUMENT.replace("composer://", "https://"),
        DOCUMENT.replace("cakephp/cakephp", "cakephp"),
        DOCUMENT.replace("cakephp/cakephp", "../cakephp/x"),
        DOCUMENT.replace("reference:", "reference: &a"),
        DOCUMENT.replace("reference:", "reference: !!str"),
        DOCUMENT + DOCUMENT,
        DOCUMENT[:-3],
        DOCUMENT + "\n#" + "x" * (1 << 20),
    ],
    ids=range(14),
)
def test_what_is_no_document_is_refused(document: str) -> None:
    """The one error is Unparsable."""
    with pytest.raises(Unparsable):
        friendsofphp.parse(document.encode(), NAME)


def test_a_document_without_any_id_is_refused() -> None:
    """Neither its name nor a CVE."""
    with pytest.raises(Unparsable, match="no usable id"):
        friendsofphp.parse(DOCUMENT.replace("CVE-2019-11458", "~").encode(), "")


def test_above_a_version_that_version_is_not() -> None:
    """Composer's `>` leaves out the version itself in every spelling; a patch of it is above."""
    record = branches("['>0.7.1', '<1.0.4']").record
    assert record is not None
    claim, _ = matching.claim(record.affected[0], composer.key)
    assert claim is not None
    held = ["0.7", "0.7.1", "0.7.1.0", "v0.7.1", "0.7.1-p1", "0.7.2-dev", "0.7.2", "1.0.3", "1.0.4-dev", "1.0.4"]
    assert [version for version in held if claim.holds(composer.key(version))] == [
        "0.7.1-p1",
        "0.7.2-dev",
        "0.7.2",
        "1.0.3",
    ]
