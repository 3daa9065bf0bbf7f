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
from hullwise.advisories.feeds import modules
from hullwise.advisories.feeds.osv import UPSTREAM_LIMIT, Parsed
from hullwise.advisories.records import REFERENCE_LIMIT, Record, Unparsable, Unused, cut, is_id, read_moment
from hullwise.advisories.rpm_fixes import RpmFixes
from hullwise.advisories.xml_documents import Node
from hullwise.ecosystems import builds
from hullwise.ecosystems.namespaces import osv_namespace
from hullwise.versions.invalid import InvalidVersion

SOURCE = "oracle-oval"
DOCUMENT_LIMIT = 512 << 20
"""Bytes of one document. That of all errata is about 250 MB."""
DEFINITION_LIMIT = 200_000
"""Definitions in one document. There are about 10,000 errata."""

_COMMENT = re.compile(
    r"Oracle Linux (?P<release>[0-9]{1,3}) is installed"
    r"|Oracle Linux arch is (?P<architecture>\S+)"
    r"|Module (?P<module>\S+) is enabled"
    r"|(?P<package>\S+) is earlier than (?P<fix>\S+)"
    r"|\S+ (?P<signed>is signed with) .*"
)
"""What a criterion says. The last group of a match is what tells which."""
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
    said = [_COMMENT.fullmatch(node.attributes.get("comment", "").strip()) for node in criteria.all("criterion")]
    if criteria.attributes.get("operator", "AND").upper() == "AND":
        place = _within(place, said)
    for match in said:
        reason = "criterion that is not known" if match is None else ""
        if match is not None and match.lastgroup == "fix":
            reason = _add(place, match["package"], match["fix"], fixes)
        if reason:
            unused[Unused(name, reason)] = None
    for below in criteria.all("criteria"):
        _collect(below, place, fixes, name, unused)


def _within(place: _Place, said: list[re.Match[str] | None]) -> _Place:
    for match in said:
        if match is None:
            continue
        if match.lastgroup == "release":
            place = place._replace(namespace=osv_namespace(f"Oracle Linux:{match['release']}") or "")
        elif match.lastgroup == "architecture":
            place = place._replace(architecture=match["architecture"])
        elif match.lastgroup == "module":
            place = place._replace(module=match["module"])
    return place


def _add(place: _Place, package: str, version: str, fixes: RpmFixes) -> str:
    """Returns why it is not used, or nothing."""
    if not place.namespace:
        return "names no release"
    if builds.is_flavour(version):
        return "build of Ksplice or FIPS"
    if builds.is_modular(version) and not place.module:
        return modules.NO_STREAM
    try:
        fixes.add(place.namespace, package, version, place.architecture, place.module)
    except InvalidVersion:
        return "package without a usable name or version"
    return ""
