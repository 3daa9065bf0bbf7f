"""CycloneDX VEX, 1.4 to 1.7 as JSON (ECMA-424): vulnerabilities with an analysis, and the components they affect.

    {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:…", "version": 1,
     "metadata": {"timestamp": …, "component": {"bom-ref": "app", "purl": …}},
     "components": [{"bom-ref": "lib", "purl": …, "components": […]}, …],
     "vulnerabilities": [{"id": "CVE-…", "references": [{"id": "GHSA-…"}],
                          "analysis": {"state": "not_affected", "justification": …, "detail": …, "lastUpdated": …},
                          "affects": [{"ref": "lib", "versions": [{"version": "1.2", "status": "unaffected"}]}]}]}

A reference is a bom-ref of this document, a BOM-Link (`urn:cdx:serial/version#bom-ref`) or a package URL. What the
document is of (`metadata.component`) bounds what it says: that component must be the image, or in the image.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

import msgspec

from hullwise.advisories.records import Unparsable, cut, read_moment
from hullwise.advisories.vex.document import (
    STATEMENT_LIMIT,
    Document,
    Tally,
    decode,
    decode_part,
    short,
    usable_ids,
    walk,
    within_limit,
)
from hullwise.advisories.vex.products import CPE_ONLY, NO_PURL, Named, Purls, image_named, is_purl, product
from hullwise.domain.overlays import PackageRef, Product, Statement, Status

VERSIONS = frozenset({"1.4", "1.5", "1.6", "1.7"})

_STATES: dict[str, Status] = {
    "not_affected": "not_affected",
    "false_positive": "not_affected",
    "resolved": "fixed",
    "resolved_with_pedigree": "fixed",
    "exploitable": "affected",
    "in_triage": "under_investigation",
}

# Statuses of versions that say the same as an analysis that suppresses, and as one that does not. A version without
# a status goes with the analysis.
_AGREEING = {True: frozenset({None, "unaffected"}), False: frozenset({None, "affected", "unknown"})}


class _Component(msgspec.Struct, gc=False, rename={"bom_ref": "bom-ref"}):
    bom_ref: str | None = None
    type: str = ""
    name: str = ""
    version: str = ""
    purl: str | None = None
    cpe: str | None = None
    components: tuple[_Component, ...] = ()


class _Named(msgspec.Struct):
    name: str = ""


class _Metadata(msgspec.Struct):
    timestamp: str = ""
    component: _Component | None = None
    authors: tuple[_Named, ...] = ()
    supplier: _Named | None = None


class _Reference(msgspec.Struct):
    id: str | None = None


class _Analysis(msgspec.Struct, rename="camel"):
    state: str = ""
    justification: str = ""
    response: list[str] | str = ""
    detail: str = ""
    first_issued: str = ""
    last_updated: str = ""


class _Version(msgspec.Struct):
    version: str | None = None
    range: str | None = None
    status: str | None = None


class _Affects(msgspec.Struct):
    ref: str
    versions: tuple[_Version, ...] = ()


class _Vulnerability(msgspec.Struct):
    id: str | None = None
    references: tuple[_Reference, ...] = ()
    analysis: _Analysis | None = None
    affects: tuple[_Affects, ...] = ()
    recommendation: str = ""
    workaround: str = ""


class _Document(msgspec.Struct, rename="camel"):
    bom_format: str
    spec_version: str
    vulnerabilities: list[msgspec.Raw]
    serial_number: str = ""
    version: int = 1
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    components: tuple[_Component, ...] = ()


_document = msgspec.json.Decoder(_Document)
_vulnerability = msgspec.json.Decoder(_Vulnerability)


def parse(document: bytes) -> Document:
    """One CycloneDX document. Raises Unparsable where the bytes are none at all, name no vulnerabilities, or are over
    a limit.

    A statement was said when its analysis was last updated or first issued, else when the document was made."""
    raw = decode(document, _document)
    if raw.bom_format != "CycloneDX" or raw.spec_version not in VERSIONS:
        raise Unparsable(f"{raw.bom_format[:16]} {raw.spec_version[:16]} is not read")
    within_limit(len(raw.vulnerabilities), STATEMENT_LIMIT, "statements")
    tally, components = Tally(), _Components(raw)
    issued = read_moment(raw.metadata.timestamp)
    for part in raw.vulnerabilities:
        vulnerability = decode_part(part, _vulnerability)
        if vulnerability is None:
            tally.leave_out("", "statement is of another shape")
        else:
            _take(vulnerability, issued, components, tally)
    names = (*raw.metadata.authors, raw.metadata.supplier or _Named())
    return Document(
        id=short(raw.serial_number),
        author=short(next((item.name for item in names if item.name), "")),
        version=str(raw.version),
        issued=issued,
        format="cyclonedx",
        statements=tuple(tally.statements),
        unused=tuple(tally.unused),
    )


class _Components:
    """What each reference of a document leads to."""

    def __init__(self, document: _Document) -> None:
        self._purls = Purls()
        self._serial = document.serial_number.removeprefix("urn:uuid:").lower()
        self._root = document.metadata.component
        roots = document.components if self._root is None else (self._root, *document.components)
        every = walk(roots, lambda component: component.components)
        self._by_ref = {item.bom_ref: item for item in every if item.bom_ref}
        self._whole = None if self._root is None else self._name(self._root)

    def resolve(self, ref: str) -> tuple[Named, tuple[Named, ...]] | str:
        """What is affected, and what it must be in; or the reason why it cannot be used."""
        link, _, fragment = ref.partition("#")
        if not link.startswith("urn:cdx:"):
            part = self._own(ref)
        elif not self._serial or link.removeprefix("urn:cdx:").partition("/")[0].lower() != self._serial:
            part = self._elsewhere(fragment)
        elif fragment or self._root is None:
            part = self._own(fragment)
        else:
            part = self._name(self._root)
        if isinstance(part, str):
            return part
        if self._whole is None or part == self._whole:
            return part, ()
        if isinstance(self._whole, str):
            return "the document's own component has no package URL"
        return part, (self._whole,)

    def _own(self, ref: str) -> Named | str:
        for spelling in dict.fromkeys((ref, unquote(ref))):
            component = self._by_ref.get(spelling)
            if component is not None:
                return self._name(component)
        return self._purls.read(ref) if is_purl(ref) else "reference leads to no component"

    def _elsewhere(self, ref: str) -> Named | str:
        """A reference into another document, where the bom-ref is a package URL, as most tools write it."""
        text = ref if is_purl(ref) else unquote(ref)
        return self._purls.read(text) if is_purl(text) else "reference leads to another document"

    def _name(self, component: _Component) -> Named | str:
        if component.purl:
            return self._purls.read(component.purl)
        if component.type == "container" and component.name:
            return image_named(component.name, component.version)
        return CPE_ONLY if component.cpe else NO_PURL


def _take(vulnerability: _Vulnerability, issued: str, components: _Components, tally: Tally) -> None:
    ids = usable_ids((vulnerability.id, *(item.id for item in vulnerability.references)))
    analysis = vulnerability.analysis
    if not usable_ids((vulnerability.id,)):
        tally.leave_out("", "names no vulnerability")
    elif analysis is None or not analysis.state:
        tally.leave_out(ids[0], "gives no status")
    elif analysis.state not in _STATES:
        tally.leave_out(ids[0], "status is not known")
    elif not vulnerability.affects:
        tally.leave_out(ids[0], "names no product")
    else:
        status = _STATES[analysis.state]
        said = Statement(
            vulnerability=ids[0],
            aliases=ids[1:],
            status=status,
            products=(),
            justification=short(analysis.justification),
            impact=cut(analysis.detail),
            action=cut(vulnerability.recommendation or vulnerability.workaround or _responses(analysis)),
            at=read_moment(analysis.last_updated) or read_moment(analysis.first_issued) or issued,
        )
        products: dict[Product, None] = {}
        for item in vulnerability.affects:
            for found in _products(item, said.suppresses, components):
                if isinstance(found, Product):
                    products[found] = None
                else:
                    tally.leave_out(ids[0], found)
        if products:
            tally.add(msgspec.structs.replace(said, products=tuple(products)))


def _responses(analysis: _Analysis) -> str:
    """The vendor's answers, as the format's labels; some tools write one as a text."""
    return analysis.response if isinstance(analysis.response, str) else ", ".join(analysis.response)


def _products(affects: _Affects, suppresses: bool, components: _Components) -> Iterable[Product | str]:
    """One product for each version that is named, or the whole component; reasons for what cannot be used."""
    resolved = components.resolve(affects.ref)
    if isinstance(resolved, str):
        return [resolved]
    part, wholes = resolved
    if not affects.versions:
        return [product((part,), wholes)]
    narrowed = (_at(part, item, suppresses) for item in affects.versions)
    return [name if isinstance(name, str) else product((name,), wholes) for name in narrowed]


def _at(part: Named, item: _Version, suppresses: bool) -> Named | str:
    """The component in one of the versions that the analysis is said of."""
    if item.status not in _AGREEING[suppresses]:
        # A fixed release lists the versions before it as affected: that is no word for them.
        return "status of a version contradicts the analysis"
    if item.version is None:
        return "version ranges are not read"
    if not isinstance(part, PackageRef):
        return "versions of an image are not read"
    if part.version and part.version.removeprefix("v") != item.version.removeprefix("v"):
        return "version is not the component's"
    return msgspec.structs.replace(part, version=item.version)
