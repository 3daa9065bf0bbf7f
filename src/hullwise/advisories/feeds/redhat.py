"""Red Hat's CSAF: VEX documents, one a CVE with what each product makes of it, and advisories (redhatproductsecurity.
github.io/security-data-guidelines/csaf-vex). The document's parts are those of `vex/csaf.py`; ids of its products:

    AppStream-8.10.0.Z.MAIN.EUS             a product: cpe:/a:redhat:enterprise_linux:8::appstream
    nodejs-1:18.20.4-1.module+el8….x86_64   a package: pkg:rpm/redhat/nodejs@18.20.4-1.module%2Bel8…?arch=x86_64&epoch=1
    AppStream-8.10.0.Z.MAIN.EUS:nodejs-1:…  the package in the product, which a relationship tells
    red_hat_enterprise_linux_9:openssl      a source package in a product: pkg:rpm/redhat/openssl?arch=src

A package of a module has `rpmmod=nodejs:18:8100…:489197e6` in its package URL. In documents until 2024 the module is a
component of the product, and the package one of that; what has no fix is then `nodejs:18/nodejs`.

Only plain releases are used, and not their extended ones (`rhel_eus`, `rhel_e4s` …), whose fixes others do not get.
Where several advisories fixed one package, the highest of their versions is the fix; builds for the minor release of
another (`el9_4`) have it from that one on. No others do: `2.34-83.el9` is above `2.34-60.el9_2.7`, and without its fix.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from hullwise.advisories import ratings
from hullwise.advisories.feeds.modules import NO_STREAM, stream
from hullwise.advisories.feeds.osv import Parsed
from hullwise.advisories.records import (
    REFERENCE_LIMIT,
    Affected,
    Interval,
    Record,
    Unparsable,
    Unused,
    cut,
    is_id,
    not_crowded,
    read_moment,
)
from hullwise.advisories.vex import document as vex
from hullwise.advisories.vex.csaf import ProductTree, Remark, all_products, remarks
from hullwise.domain.vulnerabilities import SeverityClaim, State
from hullwise.ecosystems.builds import is_modular, minor_release
from hullwise.ecosystems.namespaces import osv_namespace, scheme
from hullwise.versions.invalid import InvalidVersion

SOURCE = "redhat"
_ADVISORY = "csaf_security_advisory"

DOCUMENT_LIMIT = 128 << 20
"""Bytes of one document. The largest, on libraries that most containers have, is beyond 100 MB in pretty print
(aquasecurity/vuln-list-update, pull request 477)."""
PACKAGE_LIMIT = 50_000
"""Packages that one document may speak of. The kernel's in all products are about 5,000."""
SCORE_LIMIT = 8
"""Different CVSS vectors of one document that are kept."""

_STATES: dict[str, State] = {
    "affected": "affected",
    "fix deferred": "deferred",
    "will not fix": "will-not-fix",
    "out of support scope": "end-of-life",
    "none_available": "affected",
    "no_fix_planned": "will-not-fix",
}
"""By the text of a remediation, or by its category where the text is another."""
_UNFIXED = frozenset({"none_available", "no_fix_planned"})

_CPE = re.compile(r"cpe:/[ao]:redhat:(enterprise_linux:.{1,64})")
_PURL = re.compile(r"pkg:rpm/redhat/([^@?#/]{1,256})(?:@([^?#]{1,256}))?(?:\?([^#]{0,1024}))?")
_PURL_OF_MODULE = "pkg:rpmmod/"
_NAME = re.compile(r"[!-~]{1,256}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,255}")
_MEMBER = re.compile(r"([^:/]{1,128}:[^:/]{1,128})/([A-Za-z0-9][A-Za-z0-9._+-]{0,255})")
"""A source package of a module in older documents: `nodejs:18/nodejs`."""
_DEBUG = re.compile(r".*-debug(?:info|source)(?:-common)?(?:-[a-z0-9_]+)?")

OTHER_PRODUCT = "product that is no plain release"
NO_COMPONENT = "no package in a product"
NO_RPM = "component that is no rpm package"
DEBUG = "package of debug information"
AT_ODDS = "fixed and something else at once"
IN_ADVISORY = "advisory that says more than fixes"


class _Cvss(msgspec.Struct):
    vector: str = msgspec.field(name="vectorString", default="")


class _Score(msgspec.Struct):
    cvss_v2: _Cvss | None = None
    cvss_v3: _Cvss | None = None
    cvss_v4: _Cvss | None = None


class _Note(msgspec.Struct):
    category: str = ""
    text: str = ""


class _Reference(msgspec.Struct):
    url: str = ""


class _Remediation(Remark):
    url: str = ""


class _Vulnerability(msgspec.Struct):
    cve: str = ""
    release_date: str = ""
    product_status: dict[str, list[str]] = {}
    remediations: tuple[_Remediation, ...] = ()
    threats: tuple[Remark, ...] = ()
    scores: tuple[_Score, ...] = ()
    notes: tuple[_Note, ...] = ()
    references: tuple[_Reference, ...] = ()


class _Text(msgspec.Struct):
    text: str = ""


class _Tracking(msgspec.Struct):
    id: str
    status: str = ""
    initial_release_date: str = ""
    current_release_date: str = ""


class _About(msgspec.Struct):
    tracking: _Tracking
    category: str = ""
    title: str = ""
    aggregate_severity: _Text | None = None


class _Document(msgspec.Struct):
    document: _About
    vulnerabilities: tuple[_Vulnerability, ...] = ()
    product_tree: ProductTree = msgspec.field(default_factory=ProductTree)


_decoder = msgspec.json.Decoder(_Document)


def parse(document: bytes) -> Parsed:
    """One document: a record of its CVE, or of an advisory that takes care of several. Raises Unparsable."""
    vex.within_limit(len(document), DOCUMENT_LIMIT, "bytes")
    not_crowded(document, 32)
    try:
        raw = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(str(error)) from error
    about = raw.document
    record_id = about.tracking.id
    if not is_id(record_id):
        raise Unparsable("no usable id")
    if about.tracking.status == "deleted":
        return Parsed(record_id, None, (Unused(record_id, "withdrawn"),))
    gathered = _Gathered(raw.product_tree, about.aggregate_severity.text if about.aggregate_severity else "")
    advisory = about.category == _ADVISORY
    about_it = [item for item in raw.vulnerabilities if advisory or item.cve in {"", record_id}]
    if len(about_it) < len(raw.vulnerabilities):
        gathered.leave_out("names another vulnerability")
    for vulnerability in about_it:
        gathered.take(vulnerability, advisory)
    affected = gathered.affected()
    unused = tuple(Unused(record_id, reason) for reason in gathered.unused)
    if not affected:
        return Parsed(record_id, None, unused or (Unused(record_id, "names no package"),))
    return Parsed(record_id, _record(about, about_it, affected, advisory), unused)


def _record(about: _About, said: list[_Vulnerability], affected: tuple[Affected, ...], advisory: bool) -> Record:
    tracking = about.tracking
    issued = [tracking.initial_release_date] if advisory else [item.release_date for item in said]
    fixes = [item.url for one in said for item in one.remediations if item.category == "vendor_fix"]
    links = [item.url for one in said for item in one.references]
    notes = [note.text for one in said for note in one.notes if note.category == "description"]
    return Record(
        id=tracking.id,
        source=SOURCE,
        affected=affected,
        published=next(filter(None, map(read_moment, [*issued, tracking.initial_release_date])), ""),
        modified=read_moment(tracking.current_release_date),
        summary=cut(about.title, 400),
        details=cut(next(filter(None, notes), "")),
        severity=_scores(said),
        references=tuple(dict.fromkeys(url for url in (*fixes, *links) if url and "\0" not in url))[:REFERENCE_LIMIT],
        url=f"https://access.redhat.com/{'errata' if advisory else 'security/cve'}/{tracking.id}",
        upstream=tuple(sorted({one.cve for one in said if is_id(one.cve)})) if advisory else (),
    )


def _scores(said: list[_Vulnerability]) -> tuple[SeverityClaim, ...]:
    given = [
        (kind, cvss.vector)
        for one in said
        for score in one.scores
        for kind, cvss in (("CVSS_V3", score.cvss_v3), ("CVSS_V4", score.cvss_v4), ("CVSS_V2", score.cvss_v2))
        if cvss is not None
    ]
    found = (ratings.cvss(SOURCE, kind, vector) for kind, vector in list(dict.fromkeys(given))[:SCORE_LIMIT])
    return tuple(claim for claim in found if claim is not None)


class _Package(NamedTuple):
    """What is spoken of, in one release."""

    namespace: str
    name: str
    module: str
    of_source: bool = False


class _Component(NamedTuple):
    """A package as a document's tree has it."""

    name: str
    version: str
    """With its epoch; empty where all are meant."""
    architecture: str
    """`src` for a source package; empty where all are meant."""
    module: str


class _Fix(NamedTuple):
    key: bytes
    version: str


class _Gathered:
    """What the vulnerabilities of one document say, by package."""

    def __init__(self, tree: ProductTree, severity: str) -> None:
        self.unused: list[str] = []
        self._groups = {group.group_id: group.product_ids for group in tree.product_groups}
        self._helpers = {item.product_id: item.product_identification_helper for item in all_products(tree)}
        self._relationships = {item.full_product_name.product_id: item for item in tree.relationships}
        self._severity = severity
        self._counted: set[tuple[str, str]] = set()
        self._namespaces: dict[str, str | None] = {}
        self._components: dict[str, _Component | str] = {}
        self._fixes: dict[_Package, dict[str, dict[str, _Fix]]] = {}
        """By architecture and minor release."""
        self._open: dict[_Package, State] = {}
        self._spared: set[_Package] = set()
        self._words: dict[_Package, str] = {}

    def leave_out(self, reason: str, what: str = "") -> None:
        """Count a reason, once for each of what it holds for: a product, mostly, and not each package in it."""
        if (reason, what) not in self._counted:
            self._counted.add((reason, what))
            self.unused.append(reason)

    def take(self, said: _Vulnerability, advisory: bool) -> None:
        tally = vex.Tally()
        unfixed = [item for item in said.remediations if item.category in _UNFIXED]
        reasons = remarks(((item, _reason(item)) for item in unfixed), self._groups, tally)
        impacts = [item for item in said.threats if item.category == "impact"]
        words = remarks(((item, item.details) for item in impacts), self._groups, tally)
        statuses = said.product_status
        for product_id in statuses.get("fixed", ()):
            self._take(product_id, self._fixed, words.of(product_id))
        others = sorted(statuses.keys() - {"fixed"})
        if advisory:
            for name in others:
                self.leave_out(IN_ADVISORY, name)
            return
        for product_id in statuses.get("known_affected", ()):
            take = functools.partial(self._affects, _STATES.get(reasons.of(product_id), "affected"))
            self._take(product_id, take, words.of(product_id))
        for product_id in statuses.get("known_not_affected", ()):
            self._take(product_id, lambda one, _: self._spared.add(one), "")
        for name in others:
            if name not in {"known_affected", "known_not_affected"}:
                self.leave_out("under investigation" if name == "under_investigation" else "status is not known", name)

    def _take(self, product_id: str, take: Callable[[_Package, _Component], object], word: str) -> None:
        relationship = self._relationships.get(product_id)
        if relationship is None:
            self.leave_out(NO_COMPONENT, product_id)
            return
        place, module = relationship.relates_to_product_reference, ""
        if (inside := self._relationships.get(place)) is not None:
            place, module = inside.relates_to_product_reference, stream(inside.product_reference)
        namespace = self._namespace(place)
        if namespace is None:
            self.leave_out(OTHER_PRODUCT, place)
            return
        component = self._component(relationship.product_reference)
        if isinstance(component, str):
            self.leave_out(component, f"{place}:{relationship.product_reference}")
            return
        module = module or component.module
        if is_modular(component.version) and not module:
            self.leave_out(NO_STREAM, product_id)
        elif _DEBUG.fullmatch(component.name):
            self.leave_out(DEBUG, place)
        else:
            one = _Package(namespace, component.name, module, component.architecture == "src")
            take(one, component)
            if word:
                self._words.setdefault(one, word)
            vex.within_limit(len(self._fixes) + len(self._open) + len(self._spared), PACKAGE_LIMIT, "packages")

    def _namespace(self, product_id: str) -> str | None:
        if product_id not in self._namespaces:
            helper = self._helpers.get(product_id)
            match = _CPE.fullmatch(helper.cpe or "") if helper is not None else None
            self._namespaces[product_id] = osv_namespace(f"Red Hat:{match[1]}") if match is not None else None
        return self._namespaces[product_id]

    def _component(self, product_id: str) -> _Component | str:
        found = self._components.get(product_id)
        if found is None:
            helper = self._helpers.get(product_id)
            found = self._components[product_id] = _component(product_id, helper.purl or "" if helper else "")
        return found

    def _fixed(self, one: _Package, component: _Component) -> None:
        try:
            key = _version_key(component.version)
        except InvalidVersion:
            self.leave_out("fix that is no version", component.name)
            return
        fixes = self._fixes.setdefault(one, {}).setdefault(component.architecture, {})
        release = minor_release(component.version)
        known = fixes.get(release)
        if known is None or known.key < key:
            fixes[release] = _Fix(key, component.version)

    def _affects(self, state: State, one: _Package, _: _Component) -> None:
        self._open.setdefault(one, state)

    def affected(self) -> tuple[Affected, ...]:
        """All of it, sorted. A fix decides where something else is said of the same package too, and that it is
        affected where it is said not to be."""
        found: list[Affected] = []
        built = {(one.namespace, one.module) for one in self._fixes if not one.of_source}
        for one in sorted(self._fixes.keys() | self._open.keys() | self._spared):
            if (one in self._fixes) + (one in self._open) + (one in self._spared) > 1:
                self.leave_out(AT_ODDS, f"{one.namespace}:{one.name}")
            severity = self._claims(one)
            if one in self._fixes:
                # What is built from a source says more, each with its own epoch.
                if not (one.of_source and (one.namespace, one.module) in built):
                    found += self._fixed_in(one, severity)
            elif one in self._open:
                found.append(self._said(one, (Interval("0"),), self._open[one], severity))
            else:
                found.append(self._said(one, unaffected=True))
        return tuple(found)

    def _fixed_in(self, one: _Package, severity: tuple[SeverityClaim, ...]) -> list[Affected]:
        by_version: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for architecture, by_release in sorted(self._fixes[one].items()):
            *others, fix = sorted(by_release.values())
            built = tuple(other.version for other in others if minor_release(other.version))
            by_version.setdefault((fix.version, built), []).append(architecture)
        # A package that is for all architectures with its fix may have been for one of them before.
        versions = {version for version, _ in by_version}
        if len(versions) == 1 and not {"", "noarch", "src"}.isdisjoint(self._fixes[one]):
            every = tuple(sorted({each for _, built in by_version for each in built}))
            by_version = {(versions.pop(), every): []}
        return [
            msgspec.structs.replace(
                self._said(one, (Interval("0", version),), "fixed", severity, tuple(architectures)), built=built
            )
            for (version, built), architectures in by_version.items()
        ]

    def _claims(self, one: _Package) -> tuple[SeverityClaim, ...]:
        said = ratings.word(SOURCE, self._words.get(one, self._severity))
        return () if said is None else (said,)

    def _said(
        self,
        one: _Package,
        intervals: tuple[Interval, ...] = (),
        state: State = "fixed",
        severity: tuple[SeverityClaim, ...] = (),
        architectures: tuple[str, ...] = (),
        unaffected: bool = False,
    ) -> Affected:
        return Affected(
            namespace=one.namespace,
            name=one.name,
            intervals=intervals,
            state=state,
            unaffected=unaffected,
            severity=severity,
            architectures=architectures,
            module=one.module,
            of_source=one.of_source,
        )


def _version_key(version: str) -> bytes:
    order = scheme("rhel")
    if order is None or not version:
        raise InvalidVersion("rpm", version)
    return order(version)


def _reason(remediation: Remark) -> str:
    text = remediation.details.strip().lower()
    return text if text in _STATES else remediation.category


def _component(product_id: str, purl: str) -> _Component | str:
    """The package that an id of the tree stands for, or why it is none."""
    match = _PURL.fullmatch(purl)
    if match is None:
        return _unversioned(product_id, purl)
    qualifiers = dict(item.partition("=")[::2] for item in (match[3] or "").split("&"))
    name, version, epoch = unquote(match[1]), unquote(match[2] or ""), qualifiers.get("epoch", "0")
    if not (_NAME.fullmatch(name) and (not version or _NAME.fullmatch(version))):
        return NO_RPM
    architecture = qualifiers.get("arch", "")
    rpmmod = unquote(qualifiers.get("rpmmod", ""))
    module = stream(rpmmod)
    if rpmmod and not module:
        return NO_STREAM
    if version and epoch.isascii() and epoch.isdigit() and epoch.strip("0"):
        version = f"{epoch[:10]}:{version}"
    return _Component(name, version, "src" if architecture == "source" else architecture[:32], module)


def _unversioned(product_id: str, purl: str) -> _Component | str:
    """Older documents name what has no fix by its source package, without a package URL or with that of a module."""
    if purl and not purl.startswith(_PURL_OF_MODULE):
        return NO_RPM
    member = _MEMBER.fullmatch(product_id)
    if member is not None:
        return _Component(member[2], "", "src", member[1])
    return NO_RPM if purl or not _PLAIN_NAME.fullmatch(product_id) else _Component(product_id, "", "src", "")
