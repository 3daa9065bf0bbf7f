"""Which findings a VEX statement speaks of, and which of several statements decides."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwise.domain.overlays import (
    ImageRef,
    InstalledPackage,
    PackageRef,
    Product,
    Statement,
    StatementIndex,
    Status,
    Subject,
    presence,
    verdict,
)

ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64

CRYPTO = InstalledPackage("golang", "golang.org/x", "crypto", "0.17.0")
APP = InstalledPackage("golang", "github.com/acme", "app", "v1.2.0")
LIBSSL = InstalledPackage("deb", "debian", "libssl3", "3.0.11-1", "amd64", "openssl", "3.0.11-1")
OPENSSL = InstalledPackage("deb", "debian", "openssl", "3.0.11-1", "amd64", "openssl", "3.0.11-1")


def subject(*packages: InstalledPackage, **members: Any) -> Subject:
    """A finding of CVE-2024-1 in an image that holds the packages and APP."""
    found = packages or (CRYPTO,)
    facts: dict[str, Any] = {
        "ids": frozenset({"CVE-2024-1", "GHSA-aaaa-bbbb-cccc"}),
        "repository": "mirror/team/app",
        "digests": frozenset({ONE}),
        "tags": frozenset({"1.0", "latest"}),
        "packages": found,
        "distros": ("debian-12", "debian-bookworm"),
        "present": presence((*found, APP)),
    }
    return Subject(**facts | members)


def statement(*products: Product, status: Status = "not_affected", at: str = "", **members: Any) -> Statement:
    facts: dict[str, Any] = {"vulnerability": "CVE-2024-1", "aliases": (), "status": status, "products": products}
    return Statement(**facts, at=at, **members)


def golang(name: str = "crypto", version: str = "", namespace: str = "golang.org/x") -> PackageRef:
    return PackageRef("golang", namespace, name, version)


def deb(name: str, version: str = "", **members: str) -> PackageRef:
    return PackageRef("deb", "debian", name, version, **members)


def decides(said: Statement, found: Subject) -> bool:
    """Whether the statement decides what becomes of the finding where nobody says anything else."""
    return verdict([said], found) is said


ANYWHERE = Product(packages=(golang(),))


@pytest.mark.parametrize(
    ("name", "aliases", "expected"),
    [
        ("CVE-2024-1", (), True),
        ("cve-2024-1", (), True),
        ("GHSA-AAAA-BBBB-CCCC", (), True),
        ("GO-2024-7", ("GHSA-aaaa-bbbb-cccc",), True),
        ("GO-2024-7", ("CVE-2024-10",), False),
        ("CVE-2024-10", (), False),
    ],
)
def test_ids_meet_through_any_alias(name: str, aliases: tuple[str, ...], expected: bool) -> None:
    """One id in common is enough, on whichever side it is an alias, in whichever case; a beginning is not."""
    said = Statement(vulnerability=name, aliases=aliases, status="fixed", products=(ANYWHERE,))
    assert decides(said, subject()) is expected


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (golang(), True),
        (golang(version="v0.17.0"), True),
        (golang(version="0.17.0"), True),
        (golang(version="v0.17.1"), False),
        (golang(version="0.17"), False),
        (golang("net"), False),
        (golang("crypto", namespace="Golang.org/X"), True),
        (golang("golang.org/x/crypto", namespace=""), True),
        (golang("crypto", namespace=""), False),
        (PackageRef("npm", "golang.org/x", "crypto"), False),
    ],
)
def test_a_package_is_known_by_type_path_and_version(ref: PackageRef, expected: bool) -> None:
    """Without a version every version is meant; Go's `v` and the case of its paths make no difference."""
    assert decides(statement(Product(packages=(ref,))), subject()) is expected


def test_only_go_drops_the_v() -> None:
    """In npm, `v1.0` and `1.0` are two texts, and letters of names are what they are."""
    installed = InstalledPackage("npm", "@acme", "Lib", "1.0")
    for ref, expected in [
        (PackageRef("npm", "@acme", "Lib", "1.0"), True),
        (PackageRef("npm", "@acme", "Lib", "v1.0"), False),
        (PackageRef("npm", "@acme", "lib", "1.0"), False),
    ]:
        assert decides(statement(Product(packages=(ref,))), subject(installed)) is expected


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (deb("libssl3"), True),
        (deb("libssl3", "3.0.11-1"), True),
        (deb("libssl3", "3.0.11-1", arch="amd64"), True),
        (deb("libssl3", arch="arm64"), False),
        (deb("openssl"), True),
        (deb("openssl", "3.0.11-1", arch="source"), True),
        (deb("openssl", "3.0.11-2", arch="source"), False),
        (deb("openssl", arch="amd64"), False),
        (deb("libssl3", arch="source"), False),
        (PackageRef("deb", "ubuntu", "libssl3"), False),
        (PackageRef("apk", "debian", "libssl3"), False),
    ],
)
def test_binary_and_source_packages_meet(ref: PackageRef, expected: bool) -> None:
    """A distribution's package may be named by itself or by its source; an architecture tells which is meant."""
    assert decides(statement(Product(packages=(ref,))), subject(LIBSSL)) is expected


def test_a_language_package_has_no_source() -> None:
    """What stands in those fields is no name of it."""
    installed = InstalledPackage("pypi", "", "jinja2", "3.1", "", "Jinja2-source", "3.1")
    said = statement(Product(packages=(PackageRef("pypi", "", "Jinja2-source"),)))
    assert not decides(said, subject(installed))


@pytest.mark.parametrize(
    ("distro", "distros", "expected"),
    [
        ("", (), True),
        ("debian-12", ("debian-12", "debian-bookworm"), True),
        ("12", ("debian-12",), True),
        ("bookworm", ("debian-12", "debian-bookworm"), True),
        ("Debian-12.5", ("debian-12",), True),
        ("debian-1", ("debian-12",), False),
        ("debian-11", ("debian-12", "debian-bookworm"), False),
        ("bullseye", ("debian-12", "debian-bookworm"), False),
        ("alpine-3.19", ("alpine-3.19.1",), True),
        ("3.19.1", ("alpine-3.19.1",), True),
        ("alpine-3.19.4", ("alpine-3.19.1",), False),
        ("alpine-3.1", ("alpine-3.19.1",), False),
        ("esm-infra/focal", ("ubuntu-20.04", "ubuntu-focal"), False),
        ("debian-12", (), False),
    ],
)
def test_releases_agree_as_far_as_both_say(distro: str, distros: tuple[str, ...], expected: bool) -> None:
    """By number or codename, with or without the distribution; another release is never meant."""
    said = statement(Product(packages=(deb("libssl3", distro=distro),)))
    assert decides(said, subject(LIBSSL, distros=distros)) is expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (ImageRef(repository="app"), True),
        (ImageRef(repository="team/app"), True),
        (ImageRef(repository="mirror/team/app"), True),
        (ImageRef(repository="pp"), False),
        (ImageRef(repository="other/app"), False),
        (ImageRef(repository="team"), False),
        (ImageRef(repository="x/mirror/team/app"), False),
        (ImageRef(repository="team/app", registry="ghcr.io"), True),
        (ImageRef(repository="team/app", tag="1.0"), True),
        (ImageRef(repository="team/app", tag="2.0"), False),
        (ImageRef(digest=ONE), True),
        (ImageRef(digest=OTHER), False),
        (ImageRef(repository="team/app", digest=OTHER, tag="1.0"), False),
        (ImageRef(repository="elsewhere", digest=ONE, tag="gone"), True),
        (ImageRef(), False),
        (ImageRef(tag="1.0"), False),
    ],
)
def test_an_image_is_known_by_digest_or_name(image: ImageRef, expected: bool) -> None:
    """A digest alone decides where there is one; a name is whole last parts of the repository's, with its tag."""
    everything = statement(Product(image=image))
    assert decides(everything, subject()) is expected
    narrowed = statement(Product(image=image, packages=(golang(),)))
    assert decides(narrowed, subject()) is expected
    elsewhere = statement(Product(image=image, packages=(golang("net"),)))
    assert not decides(elsewhere, subject())


def test_an_index_is_its_images() -> None:
    """A statement on the digest of an index speaks of the images in it."""
    said = statement(Product(image=ImageRef(digest=OTHER)))
    assert decides(said, subject(digests=frozenset({ONE, OTHER})))


@pytest.mark.parametrize(
    ("wholes", "expected"),
    [
        ((golang("app", namespace="github.com/acme"),), True),
        ((golang("app", "v1.2.0", "github.com/acme"),), True),
        ((golang("app", "1.2.0", "github.com/acme"),), True),
        ((golang("app", "v1.3.0", "github.com/acme"),), False),
        ((golang("tool", namespace="github.com/acme"),), False),
        ((golang("app", namespace="github.com/acme"), golang()), True),
        ((golang("app", namespace="github.com/acme"), golang("net")), False),
        ((PackageRef("golang", "github.com/acme", "app", distro="bullseye"),), False),
    ],
)
def test_parts_count_where_the_whole_is(wholes: tuple[PackageRef, ...], expected: bool) -> None:
    """What an application's author says of its parts holds only in images with that application."""
    said = statement(Product(packages=(golang(),), within=wholes))
    assert decides(said, subject()) is expected


def test_an_empty_product_is_nothing() -> None:
    """Neither a product without any bound nor one that is only an application silences a finding."""
    assert not decides(statement(Product()), subject())
    assert not decides(statement(Product(within=(golang("app", namespace="github.com/acme"),))), subject())
    assert not decides(statement(), subject())


@pytest.mark.parametrize(
    ("status", "suppresses"),
    [("not_affected", True), ("fixed", True), ("affected", False), ("under_investigation", False)],
)
def test_what_suppresses(status: Status, suppresses: bool) -> None:
    """Only "not affected" and "fixed" say that nothing is to be done."""
    said = statement(ANYWHERE, status=status)
    assert said.suppresses is suppresses
    assert verdict([said], subject()) is said


def test_the_latest_statement_decides() -> None:
    """Whatever the order of documents; of two at one time the later in order; one without a time is the oldest."""
    early = statement(ANYWHERE, at="2024-01-01T00:00:00Z")
    late = statement(ANYWHERE, status="affected", at="2024-02-01T00:00:00Z")
    timeless = statement(ANYWHERE, status="under_investigation")
    assert verdict([early, late, timeless], subject()) is late
    assert verdict([late, timeless, early], subject()) is late
    assert verdict([early, timeless], subject()) is early
    twin = statement(ANYWHERE, status="affected", at=early.at)
    assert verdict([early, twin], subject()) is twin
    assert verdict([twin, early], subject()) is early


def test_statements_on_others_decide_nothing() -> None:
    """A later statement on another image, package or vulnerability changes nothing."""
    said = statement(ANYWHERE, at="2024-01-01T00:00:00Z")
    later = [
        statement(Product(image=ImageRef(repository="other")), status="affected", at="2025-01-01T00:00:00Z"),
        statement(Product(packages=(golang("net"),)), status="affected", at="2025-01-01T00:00:00Z"),
        Statement("CVE-2024-2", (), "affected", (ANYWHERE,), at="2025-01-01T00:00:00Z"),
    ]
    assert verdict([said, *later], subject()) is said
    assert verdict(later, subject()) is None
    assert verdict([], subject()) is None


def test_a_finding_is_suppressed_in_all_its_packages_or_not_at_all() -> None:
    """A statement on one of two installed packages leaves the finding; two statements may cover it together."""
    both = subject(LIBSSL, OPENSSL)
    library = statement(Product(packages=(deb("libssl3", arch="amd64"),)), at="2024-01-01T00:00:00Z")
    program = statement(Product(packages=(deb("openssl", arch="amd64"),)), status="fixed", at="2024-02-01T00:00:00Z")
    assert verdict([library], both) is None
    assert verdict([library, program], both) is program
    assert verdict([statement(Product(packages=(deb("openssl"),)))], both) is not None


def test_a_word_against_one_package_keeps_the_finding() -> None:
    """Where the source is "not affected" and one binary is later "affected", the finding stays, for that reason."""
    source = statement(Product(packages=(deb("openssl", arch="source"),)), at="2024-01-01T00:00:00Z")
    against = statement(Product(packages=(deb("libssl3", arch="amd64"),)), status="affected", at="2024-02-01T00:00:00Z")
    assert verdict([source, against], subject(LIBSSL, OPENSSL)) is against
    assert verdict([source, against], subject(OPENSSL)) is source


_TIMES = st.sampled_from(["", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z"])
_STATUSES: st.SearchStrategy[Status] = st.sampled_from(["not_affected", "fixed", "affected", "under_investigation"])
_PRODUCTS = st.sampled_from(
    [
        ANYWHERE,
        Product(packages=(golang("net"),)),
        Product(packages=(deb("libssl3", arch="amd64"),)),
        Product(packages=(deb("openssl"),)),
        Product(image=ImageRef(repository="team/app")),
        Product(image=ImageRef(repository="other")),
    ]
)
_STATEMENTS = st.lists(
    st.builds(
        Statement,
        vulnerability=st.sampled_from(["CVE-2024-1", "ghsa-aaaa-bbbb-cccc", "CVE-2024-2"]),
        aliases=st.sampled_from([(), ("CVE-2024-1",), ("CVE-2024-3", "GHSA-AAAA-BBBB-CCCC")]),
        status=_STATUSES,
        products=st.lists(_PRODUCTS, max_size=2).map(tuple),
        at=_TIMES,
    ),
    max_size=8,
)


@given(_STATEMENTS, st.sampled_from([(CRYPTO,), (LIBSSL, OPENSSL)]))
def test_an_index_gives_the_same_verdict(statements: list[Statement], packages: tuple[InstalledPackage, ...]) -> None:
    """Looked up by vulnerability, the statements that speak are all there, in order; and what decides does so alone."""
    found = subject(*packages)
    decided = verdict(statements, found)
    assert verdict(StatementIndex(statements).on(found.ids), found) == decided
    assert decided is None or any(decides(decided, subject(package)) for package in packages)
    if decided is not None and decided.suppresses:
        assert all(verdict(statements, subject(package)) is not None for package in packages)


@given(_STATEMENTS, st.randoms())
def test_order_counts_only_at_one_time(statements: list[Statement], random: Any) -> None:
    """Statements made at different times decide the same in any order."""
    apart = list({said.at: said for said in statements}.values())
    shuffled = list(apart)
    random.shuffle(shuffled)
    assert verdict(shuffled, subject()) == verdict(apart, subject())


def test_many_statements_are_found_by_vulnerability() -> None:
    """100,000 statements are indexed once, and a finding meets only its own."""
    statements = [Statement(f"CVE-2024-{number}", (), "fixed", (ANYWHERE,)) for number in range(100_000)]
    before = time.process_time()
    index = StatementIndex(statements)
    for _ in range(1_000):
        assert verdict(index.on({"CVE-2024-1"}), subject()) is statements[1]
    assert time.process_time() - before < 5


def bind_libs(source_version: str) -> InstalledPackage:
    return InstalledPackage("rpm", "redhat", "bind-libs", "32:9.11-3.el8", "x86_64", "bind", source_version)


# What the reader of rpm's database leaves to be the package's own, and what it has from the name of the source's file.
@pytest.mark.parametrize("source_version", ["32:9.11-3.el8", "9.11-3.el8"])
@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (PackageRef("rpm", "redhat", "bind", "32:9.11-3.el8", "source"), True),
        (PackageRef("rpm", "redhat", "bind", "9.11-3.el8", "source"), True),
        (PackageRef("rpm", "redhat", "bind", "32:9.11-3.el8"), True),
        (PackageRef("rpm", "redhat", "bind", "9.11-3.el8"), True),
        (PackageRef("rpm", "redhat", "bind", "32:9.11-4.el8", "source"), False),
        (PackageRef("rpm", "redhat", "bind-libs", "32:9.11-3.el8"), True),
        # An absent epoch is 0.
        (PackageRef("rpm", "redhat", "bind-libs", "9.11-3.el8"), False),
    ],
)
def test_a_source_rpm_has_no_epoch(ref: PackageRef, expected: bool, source_version: str) -> None:
    """The name of its file, which is all that a database has of it, leaves the epoch out (scope: rpm's `SOURCERPM`)."""
    assert decides(statement(Product(packages=(ref,))), subject(bind_libs(source_version))) is expected
