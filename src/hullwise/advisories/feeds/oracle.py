"""Oracle Linux: its errata as OVAL definitions (linux.oracle.com/security/oval, `com.oracle.elsa-all.xml.bz2`).

    <definition class="patch" id="oval:com.oracle.elsa:def:20240001">
      <metadata> <title>ELSA-2024-0001: curl security update (MODERATE)</title>
        <reference source="elsa" ref_id="ELSA-2024-0001"/> <reference source="CVE" ref_id="CVE-2024-2398"/>
        <advisory> <severity>MODERATE</severity> <issued date="2024-08-01"/> </advisory> </metadata>
      <criteria operator="AND">                 <criterion comment="Oracle Linux 9 is installed"/>
        <criterion comment="Module nodejs:18 is enabled"/>    … of the packages of a module alone
        <criteria operator="OR"> <criteria operator="AND"> <criterion comment="Oracle Linux arch is x86_64"/>
            … <criterion comment="curl is earlier than 0:7.76.1-29.el9_4.1"/>

What a criterion says holds for all that is below the AND that it stands in. The comments say what the tests, objects
and states behind the definitions say once more, in the larger part of the file; those are not read. Builds of Ksplice
and the validated ones of FIPS have versions of their own, which never mix with the plain ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from hullwise.advisories import ratings, xml_documents
from hullwise.advisories.feeds.osv import UPSTREAM_LIMIT, Parsed
from hullwise.advisories.records import REFERENCE_LIMIT, Record, Unparsable, Unused, cut, is_id, read_moment
from hullwise.advisories.rpm_fixes import RpmFixes
from hullwise.advisories.xml_documents import Node
from hullwise.ecosystems.namespaces import osv_namespace
from hullwise.versions.invalid import InvalidVersion

SOURCE = "oracle-oval"
DOCUMENT_LIMIT = 512 << 20
"""Bytes of one document. That of all errata is about 250 MB."""
DEFINITION_LIMIT = 200_000
"""Definitions in one document. There are about 10,000 errata."""

_RELEASE = re.compile(r"Oracle Linux ([0-9]{1,3}) is installed")
_ARCHITECTURE = re.compile(r"Oracle Linux arch is (\S+)")
_MODULE = re.compile(r"Module (\S+) is enabled")
_FIX = re.compile(r"(\S+) is earlier than (\S+)")
_FLAVOUR = re.compile(r"ksplice|_fips")
_SIGNED = re.compile(r"\S+ is signed with .{1,200}")
_ELSA = re.compile(r"ELSA-[0-9]{4}-[0-9-]+")


class _Place(NamedTuple):
    """What is said of all that stands below a node."""

    namespace: str = ""
    architecture: str = ""
    module: str = ""


def parse(document: bytes) -> Iterator[Parsed]:
    """One for each definition, in the order of the document. Raises Unparsable, at the place where it breaks."""
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    count = 0
    for definition in xml_documents.trees(document, "definition", until="definitions"):
        count += 1
        if count > DEFINITION_LIMIT:
            raise Unparsable(f"over {DEFINITION_LIMIT} definitions")
        yield _parsed(definition)
    if not count:
        raise Unparsable("holds no definition")


def _parsed(definition: Node) -> Parsed:
    metadata = definition.first("metadata")
    references = [node.attributes for node in metadata.all("reference")]
    title = " ".join(metadata.first("title").text.split())
    named = [item.get("ref_id", "").strip() for item in references if item.get("source", "").upper() == "ELSA"]
    name = next(filter(_ELSA.fullmatch, [*named, title.partition(":")[0]]), "")
    if not (name and is_id(name)):
        shown = cut(definition.attributes.get("id", ""), 64)
        return Parsed(shown, None, (Unused(shown, "OVAL definition of another publisher than Oracle Linux"),))
    fixes, unused = RpmFixes(), dict[Unused, None]()
    _collect(definition.first("criteria"), _Place(), fixes, name, unused)
    said = ratings.word("ELSA", metadata.first("advisory", "severity").text)
    affected = fixes.affected(() if said is None else (said,))
    if not affected:
        return Parsed(name, None, tuple(unused) or (Unused(name, "names no package"),))
    issued = metadata.first("advisory", "issued").attributes.get("date", "")
    links = (item.get("ref_url", "") for item in references)
    record = Record(
        id=name,
        source=SOURCE,
        affected=affected,
        published=read_moment(issued),
        summary=cut(title.partition(":")[2].strip() or title, 400),
        details=cut(metadata.first("description").text),
        references=tuple(dict.fromkeys(link for link in links if link.startswith("http")))[:REFERENCE_LIMIT],
        url=f"https://linux.oracle.com/errata/{name}.html",
        upstream=_vulnerabilities(references),
    )
    return Parsed(name, record, tuple(unused))


def _vulnerabilities(references: list[dict[str, str]]) -> tuple[str, ...]:
    found = {item.get("ref_id", "").strip() for item in references if item.get("source", "").upper() == "CVE"}
    return tuple(sorted(filter(is_id, found)))[:UPSTREAM_LIMIT]


def _collect(criteria: Node, place: _Place, fixes: RpmFixes, name: str, unused: dict[Unused, None]) -> None:
    """What stands below `criteria`. As deep as documents may be (`xml_documents.DEPTH_LIMIT`)."""
    comments = [node.attributes.get("comment", "").strip() for node in criteria.all("criterion")]
    if criteria.attributes.get("operator", "AND").upper() == "AND":
        place = _within(place, comments)
    for comment in comments:
        if match := _FIX.fullmatch(comment):
            reason = _add(place, match[1], match[2], fixes)
        else:
            known = any(form.fullmatch(comment) for form in (_RELEASE, _ARCHITECTURE, _MODULE, _SIGNED))
            reason = "" if known else "criterion that is not known"
        if reason:
            unused[Unused(name, reason)] = None
    for below in criteria.all("criteria"):
        _collect(below, place, fixes, name, unused)


def _within(place: _Place, comments: list[str]) -> _Place:
    for comment in comments:
        if match := _RELEASE.fullmatch(comment):
            place = place._replace(namespace=osv_namespace(f"Oracle Linux:{match[1]}") or "")
        elif match := _ARCHITECTURE.fullmatch(comment):
            place = place._replace(architecture=match[1])
        elif match := _MODULE.fullmatch(comment):
            place = place._replace(module=match[1])
    return place


def _add(place: _Place, package: str, version: str, fixes: RpmFixes) -> str:
    """Returns why it is not used, or nothing."""
    if not place.namespace:
        return "names no release"
    if _FLAVOUR.search(version):
        return "build of Ksplice or FIPS"
    try:
        fixes.add(place.namespace, package, version, place.architecture, place.module)
    except InvalidVersion:
        return "package without a usable name or version"
    return ""
