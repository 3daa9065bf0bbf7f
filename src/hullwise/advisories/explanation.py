"""Why a vulnerability is found in an image, or why it is not.

    the name that was asked for ─┬─▶ records that have it ─▶ packages that they speak of
                                 │      │                        ├─ installed: each claim, tested ─▶ verdict
                                 │      │                        └─ not installed
                                 │      └─ records that were read and are not used, with the reason
                                 └─▶ advisories of a vendor that take care of it ─▶ installed packages, likewise

It tests with the parts that `matching` is made of, so that it can not say anything else than a scan did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Literal

import msgspec

from hullwise.advisories import matching
from hullwise.advisories.generation import Generation
from hullwise.advisories.records import ANY_MODULE, Record, spellings_of
from hullwise.domain.packages import Occurrence, Package
from hullwise.domain.vulnerabilities import Assessment
from hullwise.ecosystems import builds, kernels, spellings
from hullwise.ecosystems.namespaces import LANGUAGES, advised, owner_of, reader, scheme
from hullwise.versions.invalid import InvalidVersion

MOST_ELSEWHERE = 50
"""Packages that are not installed and are named all the same: a CVE of a kernel is in hundreds."""

Verdict = Literal["affected", "not affected", "deferred", "not judged"]


class Test(msgspec.Struct, frozen=True):
    """What one record says of one installed package."""

    record: str
    source: str
    """The feed it came with."""
    says: str
    """The versions that are affected, for people: `>= 1.0, < 2.3`; `not affected`."""
    outcome: str
    """What that means for the version that is installed, in words."""
    affected: bool


class Examined(msgspec.Struct, frozen=True):
    """An installed package that some record on the vulnerability speaks of."""

    package: Package
    occurrences: tuple[Occurrence, ...]
    name: str
    version: str
    """Name and version that were compared: those of its source package where advisories speak of that."""
    tests: tuple[Test, ...]
    verdict: Verdict
    assessment: Assessment | None
    """What a finding is made of; None where there is none."""
    why: str
    """The verdict in words, where more than the tests decided it; else empty."""


class Known(msgspec.Struct, frozen=True):
    """A record on the vulnerability."""

    id: str
    source: str
    summary: str
    url: str


class Explanation(msgspec.Struct, frozen=True):
    asked: str
    name: str
    """The name that is shown for it; empty: no record has the name that was asked for, and no advisory that speaks of
    an installed package takes care of it."""
    names: tuple[str, ...]
    """All its names."""
    records: tuple[Known, ...]
    unused: tuple[tuple[str, str, str], ...]
    """(record, source, reason) of what was read on it, or a part of it, and is not used."""
    examined: tuple[Examined, ...]
    elsewhere: tuple[tuple[str, str], ...]
    """(namespace, name) of packages that the records speak of and the image does not have, the first of them."""
    sentence: str
    """The whole in one sentence."""


def explain(generation: Generation, occurrences: Sequence[Occurrence], asked: str) -> Explanation:
    """Why the image in which these occurrences are has the vulnerability, or why it has not, under the generation."""
    roots = sorted(generation.roots_of(spellings_of(asked)))
    # A name that several vulnerabilities share is one of them only where the records are merged by it.
    root = roots[0] if roots else ""
    known = generation.known(root) if root else {}
    names = tuple(generation.names_of(root)) if root else (asked,)
    spoken = generation.spoken_of(known)
    places = _places(occurrences)
    examined = _examined_all(generation, known, root, places)
    covering = _covering(generation, places, {*names, *spellings_of(asked)})
    for other in sorted(covering.keys() - {root}):
        found = generation.known(other)
        examined += _examined_all(generation, found, other, places)
        known |= found
    if not root and covering:
        root = min(covering.values())
        names = (root,)
    installed = {name for package in places for name in spellings.spoken_pairs(package)}
    missing = sorted(spoken - installed - spellings.in_lower_case(spoken))
    elsewhere = tuple(pair for pair in missing if not spellings.in_lower_case([pair]) & installed)[:MOST_ELSEWHERE]
    unused = tuple(generation.unused_on((asked, *names)))
    records = tuple(Known(record.id, record.source, record.summary, record.url) for record in known.values())
    return Explanation(
        asked,
        root,
        names,
        records,
        unused,
        examined,
        elsewhere,
        _sentence(asked, root, _covered(known.values()), examined, unused, elsewhere),
    )


def _covering(
    generation: Generation, places: Mapping[Package, tuple[Occurrence, ...]], names: set[str]
) -> dict[str, str]:
    """Shown names of what speaks of installed packages and takes care of a vulnerability that has one of these names,
    without being called so: advisories, each with the name that it has for it."""
    judged = [package for package in places if package.namespace and package.namespace not in LANGUAGES]
    said = {candidate.record: candidate for package in judged for candidate in generation.said_of(package)}
    found: dict[str, str] = {}
    for candidate in said.values():
        named = names.intersection(generation.records(candidate)[0].upstream)
        if named:
            found[candidate.root] = min(named)
    return found


def _examined_all(
    generation: Generation, known: dict[int, Record], root: str, places: Mapping[Package, tuple[Occurrence, ...]]
) -> tuple[Examined, ...]:
    """Installed packages that these records speak of, all that there are on one vulnerability."""
    spoken = generation.spoken_of(known)
    namesakes = {(reader(namespace), name) for namespace, name in spoken}
    return tuple(
        _examined(generation, known, root, package, found)
        if package.namespace and not builds.apart(package)
        else Examined(package, found, *advised(package), (), "not judged", None, builds.apart(package) or _NOT_JUDGED)
        for package, found in sorted(places.items())
        if not spoken.isdisjoint(spellings.spoken_pairs(package)) or _is_namesake(package, namesakes)
    )


def _covered(known: Iterable[Record]) -> list[str]:
    """What notices among the records take care of."""
    return sorted({name for record in known for name in record.upstream})


_NOT_JUDGED = "nobody's advisories are about this build of it: it is listed, and never matched"


def _is_namesake(package: Package, namesakes: Set[tuple[str, str]]) -> bool:
    """Whether nobody speaks of the package, and the records do of one of the kind that is called the same."""
    kind = package.ecosystem
    names = {name for own in (package.name, package.source_name) for name in spellings.spoken(kind, own)}
    return not package.namespace and not namesakes.isdisjoint({(kind, name) for name in names})


def _places(occurrences: Iterable[Occurrence]) -> dict[Package, tuple[Occurrence, ...]]:
    found: dict[Package, list[Occurrence]] = {}
    for occurrence in occurrences:
        found.setdefault(occurrence.package, []).append(occurrence)
    return {package: tuple(places) for package, places in found.items()}


def _examined(
    generation: Generation,
    known: dict[int, Record],
    root: str,
    package: Package,
    places: tuple[Occurrence, ...],
) -> Examined:
    name, version = advised(package)
    build = matching.build_of(package)
    candidates = [each for each in generation.said_of(package) if each.root == root]
    tests = tuple(_tested(each, known[each.record], package, version, build) for each in candidates)
    found = next((each for each in generation.match(package) if each.name == root), None)
    verdict: Verdict = "not affected" if found is None else "deferred" if found.deferred_to else "affected"
    return Examined(package, places, name, version, tests, verdict, found, _why(package, tests, found))


def _why(package: Package, tests: Sequence[Test], found: Assessment | None) -> str:
    if found is not None and found.deferred_to:
        namespace, _, name = found.deferred_to.partition(" ")
        return f"the distribution installed it as {name}, and its own advisories ({namespace}) decide"
    if found is None and not package.version:
        return "its version is not known"
    if found is None and any(test.affected for test in tests):
        return "another record of the vendor says that the package is not affected"
    if found is not None and kernels.is_headers(package):
        return "headers of a kernel are no kernel, and what is said of it is a note"
    owner = owner_of(package)
    if found is not None and owner is not None:
        return f"the distribution installed it as {advised(owner)[0]}, and says nothing of this vulnerability there"
    return ""


def _tested(
    candidate: matching.Candidate, record: Record, package: Package, version: str, build: matching.Build
) -> Test:
    stated, namespace = candidate.claim, package.namespace
    if stated.of_source:
        version = package.source_version
    says = "not affected" if stated.unaffected else _ranges(stated)
    if not stated.means(build):
        other = f"it speaks of {_meant(stated, namespace)}, and this is {_built(build, namespace)}"
        return Test(record.id, record.source, says, other, False)
    if stated.unaffected:
        return Test(record.id, record.source, says, "the vendor says that the package is not affected", False)
    version_key = scheme(namespace)
    hits = version_key and matching.hit((namespace, ""), version, [candidate], version_key, build)
    if hits:
        (one,) = hits[candidate.root]
        return Test(record.id, record.source, says, f"{version} is in {one.range}{_fixed_in(one.fixed)}", True)
    return Test(record.id, record.source, says, _outside(stated, namespace, version), False)


def _fixed_in(fix: str) -> str:
    return f"; fixed in {fix}" if fix else "; no fixed version is known"


def _ranges(stated: matching.Claim) -> str:
    texts = [str(keyed.interval) for keyed in stated.intervals]
    listed = len(stated.versions)
    if listed:
        texts.append(f"{listed} listed version{'s' if listed > 1 else ''}")
    return " or ".join(texts)


def _outside(stated: matching.Claim, namespace: str, version: str) -> str:
    if not version:
        return "the version that is installed is not known"
    version_key = scheme(namespace)
    if stated.extended and version_key and builds.has_extended_fix(version, stated.extended, version_key):
        return f"{version} has the fix of {stated.extended}, of extended maintenance"
    try:
        key = version_key(version) if version_key else b""
    except InvalidVersion:
        return f"{version} is no version of its ecosystem, and no record lists it"
    if stated.was_built_with_fix(version, (key,)):
        return f"{version} has the fix as builds for {builds.minor_release(version)} have it"
    ended = [keyed for keyed in stated.intervals if keyed.high is not None and keyed.high <= key]
    if ended:
        last = max(ended, key=lambda keyed: keyed.high or b"")
        word = "has the fix of" if last.interval.fixed else "is above"
        return f"{version} {word} {last.interval.fixed or last.interval.end}"
    if any(key < keyed.low for keyed in stated.intervals):
        return f"{version} is below what is affected"
    return f"{version} is none of the listed versions"


def _meant(stated: matching.Claim, namespace: str) -> str:
    if namespace in LANGUAGES:
        return f"builds for {', '.join(stated.architectures)}"
    module = f"module {stated.module}" if stated.module else "packages of no module"
    if stated.module == ANY_MODULE:
        module = "packages of some module"
    return f"{module} on {', '.join(stated.architectures)}" if stated.architectures else module


def _built(build: matching.Build, namespace: str) -> str:
    if namespace in LANGUAGES:
        return f"one for {build.architecture}"
    return " on ".join(
        part for part in (f"module {build.module}" if build.module else "none", build.architecture) if part
    )


def _sentence(
    asked: str,
    root: str,
    covered: Sequence[str],
    examined: Sequence[Examined],
    unused: Sequence[tuple[str, str, str]],
    elsewhere: Sequence[tuple[str, str]],
) -> str:
    by_verdict = {
        verdict: sorted({each.name for each in examined if each.verdict == verdict})
        for verdict in ("affected", "deferred", "not affected", "not judged")
    }
    if by_verdict["affected"]:
        found = {
            each.assessment.name for each in examined if each.verdict == "affected" and each.assessment is not None
        }
        advisories = "" if root in found else f", says {_listed(sorted(found))}"
        return f"{root} is in this image: {_listed(by_verdict['affected'])}{advisories}."
    if by_verdict["deferred"]:
        owners = _listed(by_verdict["deferred"])
        return f"{root} is suppressed in this image: {owners} came with the distribution, whose advisories decide."
    if by_verdict["not judged"]:
        names = _listed(by_verdict["not judged"])
        return f"{root} is not judged in this image: nobody's advisories are about its {names}."
    if examined:
        return (
            f"{root} is not in this image: what is installed of {_listed(by_verdict['not affected'])} is not affected."
        )
    if elsewhere:
        return f"{root} is not in this image: no package that the records on it speak of is installed."
    if unused:
        return f"{asked} was read, and is not used: {unused[0][2]}."
    if root and covered:
        return f"{root} is a notice of {_listed(covered)}; each is judged by its own record."
    if root:
        return f"{root} is known, and no record on it names a package that can be matched."
    return f"No record in this advisory data has the name {asked}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:5])} and {len(names) - 5} more"
