"""Amazon Linux: the updateinfo.xml of its repositories (createrepo_c's form; `ALAS2023-2024-535`).

    <updates><update type="security" …>
      <id>ALAS2-2024-2535</id> <title>…</title> <severity>important</severity>
      <issued date="2024-04-24 22:15"/> <updated date="…"/> <description>…</description>
      <references><reference type="cve" id="CVE-2024-2961" href="…"/></references>
      <pkglist><collection short="amazon-linux-2---core">
        <package name="glibc" epoch="0" version="2.26" release="64.amzn2.0.1" arch="x86_64"><filename/></package>

A repository states its advisories whole. They name installed packages, and are of the release in their id; only those
of a release itself are taken: the packages of a topic of extras (`ALAS2DOCKER-…`) or of live patches are other builds
under the same names. SUSE's, AlmaLinux's, Rocky's and Oracle's files have the same form, and their publishers say more
elsewhere.
"""

from __future__ import annotations

import re

from hullwise.advisories import ratings, xml_documents
from hullwise.advisories.feeds.osv import UPSTREAM_LIMIT
from hullwise.advisories.records import (
    REFERENCE_LIMIT,
    Affected,
    Record,
    Unparsable,
    Unused,
    cut,
    is_id,
    read_moment,
)
from hullwise.advisories.rpm_fixes import RpmFixes
from hullwise.advisories.xml_documents import Node
from hullwise.versions.invalid import InvalidVersion

SOURCE = "amazon-updateinfo"
DOCUMENT_LIMIT = 256 << 20
"""Bytes of one document. Amazon Linux 2's is about 60 MB."""
UPDATE_LIMIT = 200_000
"""Updates in one document. The largest has about 4,000."""

_ALAS = re.compile(r"ALAS([0-9]*)([A-Za-z][A-Za-z0-9._-]*)?-[0-9]{4}-[0-9]+")
"""The release, and the topic of what is beside it. Amazon Linux 1 has no number."""


def parse(document: bytes) -> tuple[dict[str, list[Record]], list[Unused]]:
    """By the name of each source that the document states whole its records, and what is not used. A document of extras
    alone states none. Raises Unparsable."""
    if len(document) > DOCUMENT_LIMIT:
        raise Unparsable(f"over {DOCUMENT_LIMIT} bytes")
    sources: dict[str, list[Record]] = {}
    unused: list[Unused] = []
    count = 0
    for update in xml_documents.trees(document, "update"):
        count += 1
        if count > UPDATE_LIMIT:
            raise Unparsable(f"over {UPDATE_LIMIT} updates")
        record = _record(update, unused)
        if record is not None:
            sources.setdefault(record.source, []).append(record)
    if not count:
        raise Unparsable("names no update")
    return sources, unused


def _record(update: Node, unused: list[Unused]) -> Record | None:
    """What an update says. `unused` takes the reasons why it, or a part of it, is not used."""
    name = update.first("id").text
    upstream = _vulnerabilities(update)
    reason = _unfit(name, update.attributes.get("type", "security"), upstream)
    if reason:
        unused.append(Unused(name if is_id(name) else cut(name, 64), reason))
        return None
    release = _release(name)
    left_out: list[Unused] = []
    affected = _affected(update, f"amzn:{release}", name, left_out)
    unused += left_out
    if not affected:
        unused += [] if left_out else [Unused(name, "names no package")]
        return None
    links = (node.attributes.get("href", "") for node in update.first("references").all("reference"))
    return Record(
        id=name,
        source=f"{SOURCE}/{release}",
        affected=affected,
        published=_day(update, "issued"),
        modified=_day(update, "updated") or _day(update, "issued"),
        summary=cut(" ".join(update.first("title").text.split()), 400),
        details=cut(update.first("description").text),
        references=tuple(dict.fromkeys(link for link in links if link.startswith("http")))[:REFERENCE_LIMIT],
        url=_page(name, release),
        upstream=upstream,
    )


def _unfit(name: str, kind: str, upstream: tuple[str, ...]) -> str:
    """Why an update is not used, by its id and its type; empty where it is."""
    match = _ALAS.fullmatch(name) if is_id(name) else None
    if match is None:
        return "updateinfo of another distribution than Amazon Linux"
    if match[2]:
        return "extras or live patches of Amazon Linux"
    return "" if kind == "security" or upstream else "bug fix or enhancement that names no vulnerability"


def _release(name: str) -> str:
    match = _ALAS.fullmatch(name)
    return (match[1] if match else "") or "1"


def _page(name: str, release: str) -> str:
    place = {"1": name, "2": f"AL2/{name}"}.get(release, f"AL{release}/{name}")
    return f"https://alas.aws.amazon.com/{place}.html"


def _day(update: Node, name: str) -> str:
    # Amazon writes "2024-04-24 22:15", and in newer files "2024-04-24T22:15:00Z".
    return read_moment(update.first(name).attributes.get("date", "").strip())


def _vulnerabilities(update: Node) -> tuple[str, ...]:
    named = (node.attributes for node in update.first("references").all("reference"))
    found = {item.get("id", "").strip() for item in named if item.get("type", "").lower() == "cve"}
    return tuple(sorted(filter(is_id, found)))[:UPSTREAM_LIMIT]


def _affected(update: Node, namespace: str, name: str, unused: list[Unused]) -> tuple[Affected, ...]:
    said = ratings.word("ALAS", update.first("severity").text)
    fixes = RpmFixes()
    for collection in update.first("pkglist").all("collection"):
        for package in collection.all("package"):
            stated = package.attributes
            version = f"{stated.get('epoch') or '0'}:{stated.get('version', '')}-{stated.get('release', '')}"
            try:
                fixes.add(namespace, stated.get("name", ""), version, stated.get("arch", ""))
            except InvalidVersion:
                unused.append(Unused(name, "package without a usable name or version"))
    return fixes.affected(() if said is None else (said,))
